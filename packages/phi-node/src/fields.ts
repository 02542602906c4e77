/** Encryption and decryption with the keys of the application's environment: fetched, cached and refreshed. */

import { CachedKey, type CacheOptions } from "./cache.js";
import { TenantCipher, type PhiCipher } from "./cipher.js";
import { LOUD, developmentKey } from "./development.js";
import { type Environment, type WrappedKey, wrappedKeys } from "./environment.js";
import { InvalidText } from "./errors.js";
import { derivedHashKey, hash, normalisedDate, normalisedEmail } from "./hashes.js";
import { Client, type Credentials, KmsKeySource } from "./kms.js";
import { type Clinic, type ExactIndex, type WordIndex, exactValue, rowTokens, tokenGroups } from "./search.js";

export interface FieldsOptions extends CacheOptions {
  /** What gives the AWS SDK its credentials; without it the SDK's own chain, on Vercel by role its OIDC token. */
  readonly credentials?: Credentials;
  /** A text: the key of development and tests, without AWS. Not where the application is deployed. */
  readonly developmentKey?: string;
}

interface HashKeys {
  /** Without one it is derived from the data key. */
  readonly current?: CachedKey | undefined;
  /** Lookups try these too. */
  readonly former?: readonly CachedKey[];
  /** Whether lookups also try those that the data keys give. */
  readonly derived?: boolean;
}

/** The keys of one environment. `ready()` waits for KMS where it has to; every other method is synchronous. */
export class PhiFields {
  readonly #key: CachedKey;
  readonly #hash: HashKeys;

  constructor(key: CachedKey, hash: HashKeys = {}) {
    this.#key = key;
    this.#hash = hash;
  }

  /** Checks all variables; no request before the first `ready()`. Throws MissingVariable or MalformedVariable. */
  static fromEnvironment(environment: Environment = process.env, options: FieldsOptions = {}): PhiFields {
    const { credentials, developmentKey: text, ...cache } = options;
    const fixed = developmentKey(environment, text);
    if (fixed) {
      console.warn(LOUD);
      return new PhiFields(CachedKey.fixed(fixed));
    }
    const keys = wrappedKeys(environment);
    const client = new Client(keys.current.region, environment, credentials);
    const source = (key: WrappedKey) => new KmsKeySource(key, client);
    return new PhiFields(new CachedKey(source(keys.current), keys.reading.map(source), cache), {
      current: keys.hash ? new CachedKey(source(keys.hash), [], cache) : undefined,
      former: keys.hashReading.map((key) => new CachedKey(source(key), [], cache)),
      derived: keys.derivedHashKeys,
    });
  }

  /** Waits until the keys are there. Rejects with an UnwrapError. While they are cached it costs next to nothing. */
  async ready(): Promise<void> {
    await Promise.all(this.#keys().map((key) => key.ready()));
  }

  /** From now on refreshes the keys also while nobody calls. */
  keepFresh(): void {
    for (const key of this.#keys()) key.keepFresh();
  }

  /** Drops all keys now. */
  forget(): void {
    for (const key of this.#keys()) key.forget();
  }

  /** The cipher of the keys that are here now, for one use. Throws an UnwrapError. */
  get cipher(): PhiCipher {
    return this.#key.keys().cipher;
  }

  /** See PhiCipher.forTenant. */
  forTenant(tenant: string): TenantCipher {
    return new TenantCipher(() => this.cipher, tenant);
  }

  /** The value that the application stores in `emailHash` or `dobHash`; null for no text and for a placeholder. */
  searchHash(field: HashField, text: string | null | undefined): string | null {
    const normalised = text ? NORMALISATIONS[field](text) : null;
    return normalised === null ? null : hash(this.#currentHashKey(), wellFormed(normalised));
  }

  /** The values to look up, one for each hash key in use: `where: { emailHash: { in: … } }`. None for a placeholder. */
  searchHashes(field: HashField, text: string | null | undefined): string[] {
    const normalised = text ? NORMALISATIONS[field](text) : null;
    return normalised === null ? [] : distinct(this.#allHashKeys().map((key) => hash(key, wellFormed(normalised))));
  }

  /** The value to store for a row; null for nothing to hash. Throws NotText and InvalidText. */
  searchValue(index: ExactIndex, text: string | null | undefined, clinic: Clinic = ""): string | null {
    return exactValue(this.#currentHashKey(), index, text, clinic);
  }

  /** The values to look up, under each hash key in use: `column = ANY(values)`. None: then no row is the wanted one. */
  searchValues(index: ExactIndex, text: string | null | undefined, clinic: Clinic = ""): string[] {
    const values = this.#allHashKeys().map((key) => exactValue(key, index, text, clinic));
    return distinct(values.filter((value) => value !== null));
  }

  /** The tokens to store for a row, from the texts of its searched columns: sorted, each once. */
  searchTokens(index: WordIndex, texts: Iterable<string | null | undefined>, clinic: Clinic = ""): number[] {
    return rowTokens(this.#currentHashKey(), index, texts, clinic);
  }

  /**
   * For each word of a query the tokens of which a row has to have one: `column && group` for each, joined by AND. Decrypt
   * the rows, and keep those that `index.matches`. No group: the query finds nothing.
   */
  searchGroups(index: WordIndex, query: string, clinic: Clinic = ""): number[][] {
    return tokenGroups(this.#allHashKeys(), index, query, clinic);
  }

  #keys(): CachedKey[] {
    return [this.#key, ...(this.#hash.current ? [this.#hash.current] : []), ...(this.#hash.former ?? [])];
  }

  #currentHashKey(): Uint8Array {
    return this.#hash.current?.keys().current ?? derivedHashKey(this.#key.keys().current);
  }

  /** The current hash key, then the former ones: all of them, for without one of them a search would find fewer rows. */
  #allHashKeys(): Uint8Array[] {
    const isDerived = this.#hash.derived || !this.#hash.current;
    return [
      ...(this.#hash.current ? [this.#hash.current.keys().current] : []),
      ...(isDerived ? this.#key.dataKeys().map(derivedHashKey) : []),
      ...(this.#hash.former ?? []).map((key) => key.keys().current),
    ];
  }
}

/** A field of which the application stores a hash. */
export type HashField = "email" | "dob";

const NORMALISATIONS = { email: normalisedEmail, dob: normalisedDate };

function distinct<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}

function wellFormed(text: string): string {
  if (!text.isWellFormed()) throw new InvalidText();
  return text;
}
