// The data key of the application: unwrapped by KMS once in each process, kept in its memory, used synchronously.
//
// Three variables, delivered by the wizard: AWS_REGION, AWS_KMS_KEY_ID, ENCRYPTED_PHI_KEY. This file makes no key and has
// no other source of one: without its key the application refuses to write and to read.
// Two optional ones: ENCRYPTED_PHI_KEYS_FOR_READING, wrapped keys separated by white space, whose records are still read
// during a rotation; ENCRYPTED_PHI_HASH_KEY, the wrapped key of the hashes, which a rotation then leaves as they are.
// Where something else reads one of these names, such as an S3 client, the stack's settings give it another
// (variableNames), and PHI_VARIABLE_NAMES says which: AWS_REGION=EONPRO_AWS_REGION,AWS_KMS_KEY_ID=EONPRO_KMS_KEY_ID.

import { createCipheriv, createDecipheriv, createHmac, randomBytes } from "node:crypto";
import { DecryptCommand, KMSClient } from "@aws-sdk/client-kms";
import { getVercelOidcTokenSync } from "@vercel/oidc";
import { awsCredentialsProvider } from "@vercel/oidc-aws-credentials-provider";

interface Keys {
  current: Buffer;
  reading: Buffer[];
  hash: Buffer;
}

interface State {
  keys?: Keys;
  loading?: Promise<void>;
}

// Next.js bundles instrumentation.ts apart from the routes: each bundle has its own copy of a module's variables.
const shared = globalThis as typeof globalThis & { [name: symbol]: State };
const state = (shared[Symbol.for("eonpro.phi")] ??= {});

/** For `register()`: loads the key, and ends the process where that fails. */
export async function startWithKey(): Promise<void> {
  if (isOnVercelByRole() && !hasVercelToken()) return; // withKey() loads it, in the first request
  try {
    await initializeEncryption();
  } catch (error) {
    // Next.js logs what register() throws, and serves requests all the same.
    console.error(`The application does not start without its data key: ${String(error)}`);
    process.exit(1);
  }
}

/** Loads the key once; after a failure the next call tries again, so that a repaired permission needs no restart. */
export function initializeEncryption(): Promise<void> {
  return (state.loading ??= load().catch((error: unknown) => {
    state.loading = undefined;
    throw error;
  }));
}

/**
 * Put it around each route handler and server action that handles PHI: `export const POST = withKey(async (request) => …)`.
 * On Vercel a role's token exists only in a request, and a request can arrive before register() has ended.
 */
export function withKey<A extends unknown[], R>(handler: (...args: A) => R | Promise<R>): (...args: A) => Promise<R> {
  return async (...args) => {
    await initializeEncryption();
    return handler(...args);
  };
}

/** A record of the text: base64(iv):base64(tag):base64(ciphertext), AES-256-GCM; null for no text. */
export function encryptPHI(text: string | null | undefined): string | null {
  if (!text) return null;
  const iv = randomBytes(16);
  const cipher = createCipheriv("aes-256-gcm", loaded().current, iv, { authTagLength: 16 });
  const ciphertext = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
  return [iv, cipher.getAuthTag(), ciphertext].map((part) => part.toString("base64")).join(":");
}

/** The text of a record of the current key, or of one for reading. Never returns a text that it did not decrypt. */
export function decryptPHI(record: string | null | undefined): string | null {
  if (!record) return null;
  const { current, reading } = loaded();
  const [iv, tag, ciphertext, ...more] = record.split(":").map((part) => Buffer.from(part, "base64"));
  if (iv?.length === 16 && tag?.length === 16 && ciphertext && more.length === 0) {
    for (const key of [current, ...reading]) {
      try {
        const decipher = createDecipheriv("aes-256-gcm", key, iv, { authTagLength: 16 }).setAuthTag(tag);
        return Buffer.concat([decipher.update(ciphertext), decipher.final()]).toString("utf8");
      } catch {
        // A record of another key: the next one may open it.
      }
    }
  }
  throw new Error("the record cannot be decrypted");
}

/** The hash by which a column is searched (emailHash, dobHash), of a text that the caller has normalised. */
export function lookupHash(normalised: string): string {
  return createHmac("sha256", loaded().hash).update(normalised).digest("hex");
}

function loaded(): Keys {
  if (!state.keys) throw new Error("the data key is not loaded: is register() called, and withKey() around this handler?");
  return state.keys;
}

async function load(): Promise<void> {
  const region = variable("AWS_REGION");
  const keyId = variable("AWS_KMS_KEY_ID");
  const wrapped = variable("ENCRYPTED_PHI_KEY");
  const forReading = (process.env.ENCRYPTED_PHI_KEYS_FOR_READING ?? "").split(/\s+/).filter(Boolean);
  const hashKey = process.env[nameOf("ENCRYPTED_PHI_HASH_KEY")];
  const kms = new KMSClient({
    region,
    // Elsewhere the SDK finds them: the task role of ECS, the pod's identity on EKS, or an IAM user's access key.
    ...(isOnVercelByRole() && {
      credentials: awsCredentialsProvider({ roleArn: variable("AWS_ROLE_ARN"), clientConfig: { region } }),
    }),
    requestHandler: { connectionTimeout: 3_000, requestTimeout: 5_000 },
  });
  try {
    const [current, ...reading] = await Promise.all([wrapped, ...forReading].map((each) => unwrap(kms, keyId, each)));
    // Without a key of its own it is derived from the data key, and changes with it.
    const hash = hashKey
      ? await unwrap(kms, keyId, hashKey)
      : createHmac("sha256", current!).update("patient-dedup-v1").digest();
    state.keys = { current: current!, reading, hash };
  } finally {
    kms.destroy();
  }
}

async function unwrap(kms: KMSClient, keyId: string, wrapped: string): Promise<Buffer> {
  const answer = await kms.send(new DecryptCommand({ KeyId: keyId, CiphertextBlob: Buffer.from(wrapped, "base64") }));
  if (answer.Plaintext?.length !== 32) throw new Error("KMS unwrapped a key that has not 32 bytes");
  return Buffer.from(answer.Plaintext);
}

/** The name that a variable has here. Then the usual one is somebody else's, and is not read. */
function nameOf(usual: string): string {
  const pairs = (process.env.PHI_VARIABLE_NAMES ?? "").split(",").map((pair) => pair.trim().split("="));
  return pairs.find(([variable]) => variable === usual)?.[1] || usual;
}

function variable(usual: string): string {
  const name = nameOf(usual);
  const value = process.env[name];
  if (!value) throw new Error(`the variable ${name} is missing or empty`);
  return value;
}

function isOnVercelByRole(): boolean {
  return Boolean(process.env.VERCEL) && !process.env.AWS_ACCESS_KEY_ID;
}

function hasVercelToken(): boolean {
  try {
    return Boolean(getVercelOidcTokenSync());
  } catch {
    return false;
  }
}
