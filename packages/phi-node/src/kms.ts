/** KMS: the only module of this package that talks to AWS. It loads the SDK at the first request. */

import type { DecryptCommandOutput, KMSClient, KMSClientConfig } from "@aws-sdk/client-kms";
import { errorFor } from "./aws-errors.js";
import type { Environment, WrappedKey } from "./environment.js";
import { InvalidResponse, MissingVariable, Unreachable, WrongKey, WrongKeyCheckValue, WrongLength } from "./errors.js";
import { keyId } from "./record.js";

/** Anything that returns the 32 bytes of a data key; it rejects with an UnwrapError, transient or terminal. */
export interface KeySource {
  dataKey(): Promise<Uint8Array>;
}

/** What gives the AWS SDK its credentials. */
export type Credentials = NonNullable<KMSClientConfig["credentials"]>;

const CONNECT_MS = 2_000;
const READ_MS = 3_000;
const TOTAL_MS = 12_000; // one unwrap with its two attempts
export const ROLE_ARN = "AWS_ROLE_ARN";

/** A deployment on Vercel whose AWS principal is a role: its token exists only in a request. */
export function isOnVercelByRole(environment: Environment): boolean {
  return Boolean(environment["VERCEL"]) && !environment["AWS_ACCESS_KEY_ID"];
}

/** Whether Vercel's OIDC token is here: in the request that is being answered, or in a build's variables. https://vercel.com/docs/oidc/reference */
export function hasVercelToken(environment: Environment): boolean {
  type Context = { get?: () => { headers?: Record<string, unknown> } | undefined };
  const context = (globalThis as Record<symbol, Context | undefined>)[Symbol.for("@vercel/request-context")];
  return Boolean(context?.get?.()?.headers?.["x-vercel-oidc-token"] || environment["VERCEL_OIDC_TOKEN"]);
}

/** The client of one environment: its keys share connections and credentials. */
export class Client {
  #made: Promise<KMSClient> | undefined;

  constructor(
    readonly region: string,
    readonly environment: Environment,
    readonly credentials?: Credentials,
  ) {}

  get(): Promise<KMSClient> {
    if (!this.#made) {
      this.#made = this.#create();
      this.#made.catch(() => (this.#made = undefined)); // the next attempt tries again
    }
    return this.#made;
  }

  async #create(): Promise<KMSClient> {
    const sdk = await import("@aws-sdk/client-kms");
    const credentials = this.credentials ?? (await vercelCredentials(this.environment, this.region));
    return new sdk.KMSClient({
      region: this.region,
      maxAttempts: 2,
      requestHandler: { connectionTimeout: CONNECT_MS, requestTimeout: READ_MS, throwOnRequestTimeout: true },
      // Elsewhere the SDK finds them: the task role of ECS, the pod's identity on EKS, or an IAM user's access key.
      ...(credentials && { credentials }),
    });
  }
}

async function vercelCredentials(environment: Environment, region: string): Promise<Credentials | undefined> {
  if (!isOnVercelByRole(environment)) return undefined;
  const roleArn = environment[ROLE_ARN];
  if (!roleArn) throw new MissingVariable(`${ROLE_ARN} is not set.`);
  try {
    // Only inside of `try` a bundler takes a package that is not installed for a warning: an application elsewhere has
    // none. And only a plain import is traced: a deployment on Vercel has the files that the build found.
    const { awsCredentialsProvider } = await import("@vercel/oidc-aws-credentials-provider");
    return awsCredentialsProvider({ roleArn, clientConfig: { region } });
  } catch {
    throw new MissingVariable("The package @vercel/oidc-aws-credentials-provider is not installed: on Vercel it brings the token.");
  }
}

/** Asks KMS for every key; put a CachedKey in front of it. */
export class KmsKeySource implements KeySource {
  readonly #wrapped: WrappedKey;
  readonly #client: Client;

  constructor(wrapped: WrappedKey, client: Client) {
    this.#wrapped = wrapped;
    this.#client = client;
  }

  /** Decrypts the wrapped key, without an encryption context. */
  async dataKey(): Promise<Uint8Array> {
    const { region, keyArn, blob, checkValue } = this.#wrapped;
    let answer: DecryptCommandOutput;
    try {
      const kms = await this.#client.get();
      const { DecryptCommand } = await import("@aws-sdk/client-kms");
      answer = await within(TOTAL_MS, region, (abortSignal) =>
        kms.send(new DecryptCommand({ KeyId: keyArn, CiphertextBlob: blob }), { abortSignal }),
      );
    } catch (error) {
      throw errorFor(error, region);
    }
    const key = answer.Plaintext;
    if (!(key instanceof Uint8Array) || !answer.KeyId) {
      throw new InvalidResponse(`The response of kms in ${region} has no key in it.`);
    }
    if (answer.KeyId !== keyArn) throw new WrongKey("The wrapped key was wrapped by another KMS key.");
    if (key.length !== 32) throw new WrongLength(`The wrapped key holds ${key.length} bytes; a data key is 32.`);
    if (checkValue && checkValue !== keyId(key)) {
      throw new WrongKeyCheckValue(
        `The wrapped key opens to another key: its check value is ${keyId(key)}, and the environment says ${checkValue}.`,
      );
    }
    return key;
  }
}

/** One time for a request with all its attempts, credentials included. */
async function within<T>(ms: number, region: string, request: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      controller.abort();
      reject(new Unreachable(`kms in ${region} did not answer within ${ms / 1000} seconds.`));
    }, ms);
  });
  try {
    return await Promise.race([request(controller.signal), late]);
  } finally {
    clearTimeout(timer);
  }
}
