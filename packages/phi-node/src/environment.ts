/** The application's environment variables: three of the wrapped key, and optional ones. Reports all problems at once. */

import { createHash } from "node:crypto";
import { MalformedVariable, MissingVariable } from "./errors.js";
import { strictBase64 } from "./record.js";

/** The variables of a process: `process.env`, or the same for a test. */
export type Environment = Readonly<Record<string, string | undefined>>;

export const REGION = "AWS_REGION";
export const KEY_ID = "AWS_KMS_KEY_ID";
export const WRAPPED = "ENCRYPTED_PHI_KEY";
export const HASH_KEY = "ENCRYPTED_PHI_HASH_KEY";
export const FOR_READING = "ENCRYPTED_PHI_KEYS_FOR_READING";
export const HASH_KEYS_FOR_READING = "ENCRYPTED_PHI_HASH_KEYS_FOR_READING";
/** In place of a wrapped key there: the hash keys that are derived from the data keys. */
const DERIVED = "derived";
/** After the name of a variable with a wrapped key: the one with the check value of that key. */
const CHECK_VALUE = "_CHECK_VALUE";
export const NAMES = "PHI_VARIABLE_NAMES";
const USUAL = [REGION, KEY_ID, WRAPPED, HASH_KEY, WRAPPED + CHECK_VALUE, HASH_KEY + CHECK_VALUE];

const KEY_ARN = /^arn:aws[a-z-]*:kms:([a-z0-9-]+):[0-9]{12}:key\/(?:mrk-[0-9a-f]{32}|[0-9a-f-]{36})$/;
const REGION_FORM = /^[a-z]{2}(?:-[a-z]+)+-[0-9]+$/;
const BLOB_LIMIT = 6144; // https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html, CiphertextBlob
// The white space of the Python package: both read the same values alike.
const SPACE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const SPACES = new RegExp(`[${SPACE}]+`);
const AROUND = new RegExp(`^[${SPACE}]+|[${SPACE}]+$`, "g");

/** A wrapped data key together with the KMS key that decrypts it. */
export interface WrappedKey {
  readonly region: string;
  readonly keyArn: string;
  readonly blob: Buffer;
  /** The check value of the data key that it has to open to, where it is known. */
  readonly checkValue?: string | undefined;
}

/** All wrapped data keys of the application. */
export interface WrappedKeys {
  readonly current: WrappedKey;
  readonly reading: readonly WrappedKey[];
  /** Null where the hash key is derived from the data key. */
  readonly hash: WrappedKey | null;
  readonly hashReading: readonly WrappedKey[];
  /** Whether, although there is a hash key, search values may still be under those that the data keys give. */
  readonly derivedHashKeys: boolean;
}

/** `sha256:` and 16 hex digits over the wrapped bytes; reveals nothing about the data key. */
export function fingerprint(wrapped: WrappedKey): string {
  return `sha256:${createHash("sha256").update(wrapped.blob).digest("hex").slice(0, 16)}`;
}

/** Reads the variables. Throws MissingVariable or MalformedVariable, naming all that are wrong. */
export function wrappedKeys(environment: Environment): WrappedKeys {
  return byName(environment, (usual) => {
    require(usual, REGION, KEY_ID, WRAPPED);
    const problems: string[] = [];
    const current = wrappedKey(usual, problems);
    const former = words(usual, HASH_KEYS_FOR_READING);
    const reading = blobs(FOR_READING, words(usual, FOR_READING), problems);
    const hashReading = blobs(HASH_KEYS_FOR_READING, former.filter((word) => word !== DERIVED), problems);
    const hash = usual[HASH_KEY] ? (blobOf(usual[HASH_KEY]) ?? problem(usual, HASH_KEY, problems)) : null;
    const hashCheckValue = checkValue(usual, HASH_KEY, problems);
    // A hash key derived from the data key would find nothing by the hashes of the one that is meant.
    if (hashCheckValue && !usual[HASH_KEY]) problems.push(`${HASH_KEY}${CHECK_VALUE} is set, but ${HASH_KEY} is not`);
    if (problems.length > 0 || current === null) throw new MalformedVariable(`${problems.join("; ")}.`);
    const distinct = (found: readonly Buffer[], first: Buffer | null) =>
      found.filter((blob) => !first?.equals(blob)).map((blob) => ({ ...current, blob, checkValue: undefined }));
    return {
      current,
      reading: distinct(reading, current.blob),
      hash: hash && { ...current, blob: hash, checkValue: hashCheckValue },
      hashReading: distinct(hashReading, hash),
      derivedHashKeys: former.includes(DERIVED),
    };
  });
}

/** Every problem of the variables, one sentence each without its full stop; none if the application can start. */
export function problemsOf(environment: Environment): string[] {
  const found: string[] = [];
  const attempt = (tried: Environment): boolean => {
    try {
      wrappedKeys(tried);
      return false;
    } catch (error) {
      if (!(error instanceof MissingVariable || error instanceof MalformedVariable)) throw error;
      found.push(...error.message.replace(/\.$/, "").split("; "));
      return error instanceof MissingVariable;
    }
  };
  // A missing variable hides what is wrong with the others: look again with stand-ins that fit to them.
  if (attempt(environment)) attempt(withStandIns(environment));
  return [...new Set(found)];
}

function withStandIns(environment: Environment): Environment {
  const renamed = names(environment[NAMES] ?? "");
  const named = (usual: string) => renamed.get(usual) ?? usual;
  const region = environment[named(REGION)] || KEY_ARN.exec(environment[named(KEY_ID)] ?? "")?.[1] || "us-east-1";
  const place = /^[a-z0-9-]+$/.test(region) ? region : "us-east-1";
  const standIns = { [REGION]: region, [KEY_ID]: `arn:aws:kms:${place}:000000000000:key/mrk-${"0".repeat(32)}`, [WRAPPED]: "AA==" };
  const added = Object.entries(standIns).map(([usual, value]) => [named(usual), environment[named(usual)] || value]);
  return { ...environment, ...(Object.fromEntries(added) as Environment) };
}

/**
 * The variables under their usual names, where PHI_VARIABLE_NAMES gives them others: then one of the usual name is
 * somebody else's, and is not read. The errors have the names that the variables have.
 */
function byName<T>(environment: Environment, read: (usual: Environment) => T): T {
  const found = names(environment[NAMES] ?? "");
  try {
    return read(withUsualNames(environment));
  } catch (error) {
    if (found.size === 0 || !(error instanceof MissingVariable || error instanceof MalformedVariable)) throw error;
    const text = error.message.replace(/\w+/g, (word) => found.get(word) ?? word);
    throw error instanceof MissingVariable ? new MissingVariable(text) : new MalformedVariable(text);
  }
}

/** The variables under their usual names. Throws MalformedVariable. */
export function withUsualNames(environment: Environment): Environment {
  const usual: Record<string, string | undefined> = { ...environment };
  for (const [name, other] of names(environment[NAMES] ?? "")) usual[name] = environment[other];
  return usual;
}

/** The name of each variable that has another than the usual one. */
function names(value: string): Map<string, string> {
  const pairs = value.split(",").map(stripped).filter(Boolean);
  const form = new RegExp(`^(?:${USUAL.join("|")})=[A-Za-z_][A-Za-z0-9_]*$`);
  if (!pairs.every((pair) => form.test(pair))) {
    throw new MalformedVariable(`${NAMES} is not a list such as ${KEY_ID}=EONPRO_KMS_KEY_ID, separated by commas.`);
  }
  const found = new Map(pairs.map((pair) => pair.split("=") as [string, string]));
  const read = new Set(USUAL.map((usual) => found.get(usual) ?? usual));
  if (found.size < pairs.length || read.size < USUAL.length) {
    throw new MalformedVariable(`${NAMES} names a variable twice, or two variables alike.`);
  }
  return new Map([...found].filter(([usual, name]) => usual !== name));
}

function require(environment: Environment, ...required: readonly string[]): void {
  const missing = required
    .filter((name) => !environment[name])
    .map((name) => `${name} is ${environment[name] === undefined ? "not set" : "empty"}`);
  if (missing.length > 0) throw new MissingVariable(`${missing.join("; ")}.`);
}

function wrappedKey(environment: Environment, problems: string[]): WrappedKey | null {
  const region = environment[REGION]!;
  const keyArn = environment[KEY_ID]!;
  const arn = KEY_ARN.exec(keyArn);
  const before = problems.length;
  if (!REGION_FORM.test(region)) problems.push(`${REGION} is not the name of a Region${mistake(region)}`);
  else if (arn && arn[1] !== region) problems.push(`${KEY_ID} is a key in ${arn[1]} while ${REGION} is ${region}`);
  if (!arn) problems.push(`${KEY_ID} is not the ARN of a KMS key${mistake(keyArn)}`);
  const blob = blobOf(environment[WRAPPED]!) ?? problem(environment, WRAPPED, problems);
  const expected = checkValue(environment, WRAPPED, problems);
  return blob && problems.length === before ? { region, keyArn, blob, checkValue: expected } : null;
}

function checkValue(environment: Environment, wrapped: string, problems: string[]): string | undefined {
  const name = wrapped + CHECK_VALUE;
  const value = environment[name] || undefined;
  if (value && !/^[0-9a-f]{16}$/.test(value)) problems.push(`${name} is not a key check value, 16 hex digits${mistake(value)}`);
  return value;
}

function problem(environment: Environment, name: string, problems: string[]): null {
  problems.push(`${name} is not the base64 of a wrapped key${mistake(environment[name]!)}`);
  return null;
}

function blobOf(text: string): Buffer | null {
  const blob = strictBase64(text);
  return blob && blob.length > 0 && blob.length <= BLOB_LIMIT ? blob : null;
}

function words(environment: Environment, name: string): string[] {
  return (environment[name] ?? "").split(SPACES).filter(Boolean);
}

/** The wrapped keys of a variable that holds several, without duplicates. */
function blobs(name: string, texts: readonly string[], problems: string[]): Buffer[] {
  const found = new Map<string, Buffer>();
  for (const [index, text] of texts.entries()) {
    const blob = blobOf(text);
    if (blob) found.set(text, blob);
    else problems.push(`${name}: number ${index + 1} is not the base64 of a wrapped key${mistake(text)}`);
  }
  return [...found.values()];
}

function stripped(text: string): string {
  return text.replace(AROUND, "");
}

/** The usual mistake in a pasted value, without showing the value. */
function mistake(value: string): string {
  if (/^["']|["']$/.test(value)) return " (it has quotation marks around it)";
  return value === stripped(value) ? "" : " (it has white space around it)";
}
