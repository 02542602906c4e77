/** Encryption and decryption of values under data keys, with AES-256-GCM. Synchronous; touches the random source only. */

import { type KeyObject, createCipheriv, createSecretKey, randomBytes } from "node:crypto";
import { MAGIC, header, keyIdOf, openBinary } from "./binary.js";
import { AlreadyEncrypted, DecryptionError, InvalidBytes, InvalidDataKey, InvalidTenant, InvalidText, NotBound, NotBytes, NotText } from "./errors.js";
import { open, seal, textOf } from "./gcm.js";
import { mapTexts } from "./json.js";
import { V2, V2_IV_BYTES, keyId, looksLikeARecord, parse, parseV2 } from "./record.js";
import { derivedKey } from "./derivation.js";

/** The patient fields that the application stores encrypted. */
export const PHI_FIELDS = [
  "firstName", "lastName", "email", "phone", "dob", "address1", "address2", "city", "state", "zip",
] as const;

const TAG = { authTagLength: 16 };
const TENANT = "eonpro-phi-tenant-v1";
const MOST_TENANTS = 1000; // ciphers that are kept

interface Key {
  readonly id: string;
  readonly key: KeyObject;
}

/** Encrypts with one data key, decrypts with that and with reading keys. It shows no key. */
export class PhiCipher {
  readonly #current: Key;
  readonly #byId: ReadonlyMap<string, KeyObject>;
  readonly #missing: (() => Error) | undefined;
  readonly #keys: readonly Uint8Array[];
  readonly #tenants = new Map<string, PhiCipher>();

  /** Each key is 32 bytes; `missing`: the error for a well-formed record that may be under a key that is not here. */
  constructor(dataKey: Uint8Array, readingKeys: readonly Uint8Array[] = [], missing?: () => Error) {
    for (const key of [dataKey, ...readingKeys]) {
      if (!(key instanceof Uint8Array) || key.length !== 32) throw new InvalidDataKey();
    }
    const keys = [dataKey, ...readingKeys].map((key) => ({ id: keyId(key), key: createSecretKey(key) }));
    this.#current = keys[0]!;
    this.#byId = new Map(keys.map(({ id, key }) => [id, key]));
    this.#missing = missing;
    this.#keys = [dataKey, ...readingKeys];
  }

  /** The key check value of the current key: 16 hex digits, the key id of its records of version 2. */
  get keyId(): string {
    return this.#current.id;
  }

  /** A record of the text with a new IV; null for null, undefined and "". Throws NotText, and InvalidText for lone surrogates. */
  encrypt(text: string | null | undefined): string | null {
    if (!checked(text)) return null;
    const iv = randomBytes(16);
    const cipher = createCipheriv("aes-256-gcm", this.#current.key, iv, TAG);
    const ciphertext = cipher.update(text, "utf8");
    cipher.final(); // GCM has no padding: this adds nothing
    return `${iv.toString("base64")}:${cipher.getAuthTag().toString("base64")}:${ciphertext.toString("base64")}`;
  }

  /** A record of version 2, which opens only with the same context, such as `place("Patient", "email")`. */
  encryptV2(text: string | null | undefined, context = ""): string | null {
    if (!checked(text)) return null;
    if (!context.isWellFormed()) throw new InvalidText();
    const start = `${V2}${this.#current.id}:`;
    const iv = randomBytes(V2_IV_BYTES);
    const sealed = seal(this.#current.key, iv, Buffer.from(text, "utf8"), Buffer.from(start + context, "utf8"));
    return start + Buffer.concat([iv, ...sealed]).toString("base64");
  }

  /**
   * The text of a record of either version; null for null, undefined and "". Throws DecryptionError for anything else:
   * it never returns a text that it did not decrypt. `context` is that of `encryptV2`; with one, what is bound to no place
   * throws NotBound.
   */
  decrypt(record: string | null | undefined, context = ""): string | null {
    // In JavaScript `records.map(decryptPHI)` passes the index.
    if (typeof context !== "string") throw new TypeError("A context is a text: records.map((record) => decryptPHI(record)).");
    if (record === null || record === undefined || record === "") return null;
    if (typeof record !== "string") throw new DecryptionError();
    if (record.startsWith(V2)) return this.#decryptV2(record, context);
    const split = parse(record);
    if (split === null) throw new DecryptionError();
    for (const key of this.#byId.values()) {
      const text = textOf(open(key, split));
      if (text && context) throw new NotBound();
      if (text) return text;
    }
    throw this.#missing?.() ?? new DecryptionError();
  }

  #decryptV2(record: string, context: string): string {
    const split = parseV2(record);
    const key = this.#byId.get(split.keyId);
    if (key === undefined) throw this.#missing?.() ?? new DecryptionError();
    const associated = context.isWellFormed() ? Buffer.from(`${V2}${split.keyId}:${context}`, "utf8") : null;
    const text = associated && textOf(open(key, split, associated));
    if (!text) throw new DecryptionError();
    return text;
  }

  /** A binary record, 41 bytes longer, bound to its context; null for null, undefined and no bytes. Throws NotBytes. */
  encryptBytes(data: Uint8Array | null | undefined, context = ""): Buffer | null {
    if (data === null || data === undefined) return null;
    if (!(data instanceof Uint8Array)) throw new NotBytes();
    if (data.length === 0) return null;
    if (data.length > 2 ** 31 - 1 || !context.isWellFormed()) throw new InvalidBytes();
    const start = header(this.#current.id);
    const iv = randomBytes(V2_IV_BYTES);
    const associated = Buffer.concat([start, Buffer.from(context, "utf8")]);
    return Buffer.concat([start, iv, ...seal(this.#current.key, iv, data, associated)]);
  }

  /** The bytes of a binary record, or of a whole stream; null for null and undefined. Throws DecryptionError. */
  decryptBytes(record: Uint8Array | null | undefined, context = ""): Buffer | null {
    if (record === null || record === undefined) return null;
    if (!(record instanceof Uint8Array) || !context.isWellFormed()) throw new DecryptionError();
    const data = Buffer.from(record.buffer, record.byteOffset, record.byteLength);
    const id = keyIdOf(data);
    if (id === null) throw new DecryptionError();
    const key = this.#byId.get(id);
    if (key === undefined) throw this.#missing?.() ?? new DecryptionError();
    return openBinary(data, key, context);
  }

  /** A copy of the object with these fields encrypted, where they exist. Throws AlreadyEncrypted for a record of these keys. */
  encryptFields<T extends object>(object: T, fields: readonly string[] = PHI_FIELDS): T {
    return mapFields(object, fields, (value) => this.#encryptOnce(value));
  }

  /** A copy of the object with these fields decrypted, where they exist. */
  decryptFields<T extends object>(object: T, fields: readonly string[] = PHI_FIELDS): T {
    return mapFields(object, fields, (value) => this.decrypt(value as string | null));
  }

  /**
   * A copy of a JSON value in which every text of these fields, at any depth and in everything inside them, is a record.
   * `"*"`: every text. An empty text, a boolean and null stay; a number in such a field throws NotText.
   */
  encryptJson<T>(value: T, fields: readonly string[] | "*"): T {
    return mapTexts(value, fields, (text) => this.#encryptOnce(text));
  }

  /** The JSON value of `encryptJson` with the same fields. Throws DecryptionError for a text there that is no record. */
  decryptJson<T>(value: T, fields: readonly string[] | "*"): T {
    return mapTexts(value, fields, (text) => this.decrypt(text));
  }

  /**
   * Encryption for one tenant under a key that is derived from the data key: its records are of version 2, or binary, and
   * open with no other tenant's key. `tenant` is an id that never changes. Throws InvalidTenant.
   */
  forTenant(tenant: string): TenantCipher {
    return new TenantCipher(() => this, tenant);
  }

  /** The cipher of a tenant's keys. @internal */
  derived(tenant: string): PhiCipher {
    const found = this.#tenants.get(tenant);
    if (found) return found;
    const [current, ...reading] = this.#keys.map((key) => derivedKey(key, TENANT, tenant));
    const cipher = new PhiCipher(current!, reading, this.#missing);
    if (this.#tenants.size >= MOST_TENANTS) this.#tenants.clear();
    this.#tenants.set(tenant, cipher);
    return cipher;
  }

  /** Whether it is a record of one of these keys. */
  holds(record: string | Uint8Array): boolean {
    try {
      if (typeof record !== "string") return this.#byId.has(keyIdOf(Buffer.from(record)) ?? "");
      if (record.startsWith(V2)) return this.#byId.has(parseV2(record).keyId);
      const split = parse(record);
      return split !== null && [...this.#byId.values()].some((key) => textOf(open(key, split)));
    } catch {
      return false;
    }
  }

  #encryptOnce(value: unknown): string | null {
    if (typeof value === "string" && looksLikeARecord(value) && this.holds(value)) throw new AlreadyEncrypted();
    return this.encrypt(value as string | null);
  }
}

/** Encrypts and decrypts for one tenant. */
export class TenantCipher {
  readonly #base: () => PhiCipher;
  readonly #tenant: string;

  constructor(base: () => PhiCipher, tenant: string) {
    if (typeof tenant !== "string" || tenant === "" || !tenant.isWellFormed()) throw new InvalidTenant();
    this.#base = base;
    this.#tenant = tenant;
  }

  encrypt(text: string | null | undefined, context = ""): string | null {
    return this.#cipher().encryptV2(text, context);
  }

  decrypt(record: string | null | undefined, context = ""): string | null {
    return this.#cipher().decrypt(record, context);
  }

  encryptBytes(data: Uint8Array | null | undefined, context = ""): Buffer | null {
    return this.#cipher().encryptBytes(data, context);
  }

  decryptBytes(record: Uint8Array | null | undefined, context = ""): Buffer | null {
    return this.#cipher().decryptBytes(record, context);
  }

  #cipher(): PhiCipher {
    return this.#base().derived(this.#tenant);
  }
}

/** Whether there is a text to encrypt. Throws NotText and InvalidText. */
function checked(text: unknown): text is string {
  if (text === null || text === undefined || text === "") return false;
  if (typeof text !== "string") throw new NotText();
  if (!text.isWellFormed()) throw new InvalidText();
  return true;
}

function mapFields<T extends object>(object: T, fields: readonly string[], apply: (value: unknown) => unknown): T {
  const copy = { ...object } as Record<string, unknown>;
  for (const field of fields) if (Object.hasOwn(copy, field)) copy[field] = apply(copy[field]);
  return copy as T;
}

/** Whether bytes begin like a binary record or a stream; the rest may be damaged. */
export function looksBinary(data: Uint8Array): boolean {
  return MAGIC.equals(data.subarray(0, MAGIC.length));
}
