/**
 * The cache of the data key: refreshed before its TTL ends, by one attempt at a time, and dropped when KMS denies it.
 * A key is never written, logged or shown.
 */

import { PhiCipher } from "./cipher.js";
import { KeyNotLoaded, RequestRejected, TransientUnwrapError, UnwrapError, WrongLength } from "./errors.js";
import type { KeySource } from "./kms.js";
import { keyId } from "./record.js";

/** Seconds until a key is unwrapped again. */
export const TTL_SECONDS = 300;
/** Seconds beyond the TTL in which the cached key stays in use while KMS does not answer. */
export const GRACE_SECONDS = 3600;
/** The share of the TTL, at its end, for the refresh: it starts after four to four and a half minutes. */
const REFRESH_AHEAD = 0.2;
/** Seconds before the next attempt after one failure, two in a row…; jitter cuts each to between half and all. */
const RETRY_SECONDS = [1, 2, 4, 8, 16, 30];

export interface CacheOptions {
  /** Seconds; default 300. */
  readonly ttl?: number;
  /** Seconds beyond the TTL, while KMS does not answer; default 3600, 0: not at all. */
  readonly grace?: number;
  /** Seconds that never go back. */
  readonly clock?: () => number;
  /** From 0 to 1. */
  readonly jitter?: () => number;
}

interface Unwrapped {
  readonly key: Uint8Array;
  readonly expiresAt: number;
  readonly unusableAt: number;
}

/** A key that only decrypts: while it is usable, and why the last attempt failed, if it did. */
interface Reading {
  readonly unwrapped?: Unwrapped | undefined;
  readonly failure?: UnwrapError | undefined;
}

interface Entry {
  readonly current: Unwrapped;
  readonly reading: readonly Reading[];
  readonly keys: Keys;
}

/** The unwrapped keys of an entry, and their cipher: the same object while the keys are the same. */
export interface Keys {
  readonly cipher: PhiCipher;
  readonly current: Uint8Array;
  readonly reading: readonly Uint8Array[];
  /** The error for what may be under a reading key that is not here now. */
  readonly missing?: (() => Error) | undefined;
}

interface Attempt {
  readonly background: boolean;
  readonly finished: Promise<{ readonly entry?: Entry | undefined; readonly failure?: UnwrapError }>;
}

/**
 * One current key and reading keys, asked for once in `ttl` seconds for all callers together. `ready()` waits for KMS
 * where there is no key, and where its TTL is over; `keys()` is synchronous and never waits.
 */
export class CachedKey {
  readonly #sources: readonly KeySource[];
  readonly #ttl: number;
  readonly #grace: number;
  readonly #clock: () => number;
  readonly #jitter: () => number;
  #entry: Entry | undefined;
  #failure: UnwrapError | undefined;
  #failures = 0;
  #nextAttempt = -Infinity;
  #attempt: Attempt | undefined;
  /** Until then `keys()` has nothing to decide. */
  #validUntil = -Infinity;
  #keepsFresh = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(source: KeySource, reading: readonly KeySource[] = [], options: CacheOptions = {}) {
    this.#sources = [source, ...reading];
    this.#ttl = options.ttl ?? TTL_SECONDS;
    this.#grace = options.grace ?? GRACE_SECONDS;
    if (!(this.#ttl > 0) || !(this.#grace >= 0)) throw new RangeError("ttl must be above 0, and grace 0 or more.");
    this.#clock = options.clock ?? (() => performance.now() / 1000);
    this.#jitter = options.jitter ?? Math.random;
  }

  /** A key that is here from the start, and stays. */
  static fixed(key: Uint8Array): CachedKey {
    const cache = new CachedKey({ dataKey: async () => key });
    cache.#replace({ key, expiresAt: Infinity, unusableAt: Infinity }, []);
    cache.#nextAttempt = cache.#validUntil = Infinity;
    return cache;
  }

  /**
   * The keys that are here now. While a refresh is due it starts one, and does not wait for it: only within the grace
   * is a key used past its TTL. Throws the last UnwrapError, or KeyNotLoaded.
   */
  keys(): Keys {
    const now = this.#clock();
    if (this.#entry && now < this.#validUntil) return this.#entry.keys;
    const entry = this.#usable(now);
    this.#startIfDue(now, entry !== undefined);
    this.#setValidUntil(now);
    if (entry) return entry.keys;
    throw this.#failure?.copy() ?? new KeyNotLoaded();
  }

  /** The current key, then the reading keys. Throws the UnwrapError of any of them. */
  dataKeys(): readonly Uint8Array[] {
    const { current, reading, missing } = this.keys();
    if (missing) throw missing();
    return [current, ...reading];
  }

  /** Waits until a key is there, and where its TTL is over until KMS was asked. Rejects with the UnwrapError of its source. */
  async ready(): Promise<void> {
    for (;;) {
      const now = this.#clock();
      if (this.#entry && now < this.#validUntil && now < this.#entry.current.expiresAt) return;
      const entry = this.#usable(now);
      const stale = entry !== undefined && now >= entry.current.expiresAt;
      // Past its TTL a key is used without a new answer only where the last attempt got none, or while one that began
      // before is running.
      const mustWait = !entry || (stale && !this.#failure && !this.#attempt?.background);
      this.#startIfDue(now, !mustWait);
      this.#setValidUntil(now);
      if (!mustWait) return;
      if (!this.#attempt) throw this.#failure?.copy() ?? new KeyNotLoaded();
      const outcome = await this.#attempt.finished;
      if (outcome.entry) return;
      if (outcome.failure && !this.#entry) throw outcome.failure.copy();
    }
  }

  /** Drops all keys now; the next use asks again, and the result of a running attempt is not used. */
  forget(): void {
    this.#entry = this.#failure = this.#attempt = undefined;
    this.#failures = 0;
    this.#nextAttempt = this.#validUntil = -Infinity;
    clearTimeout(this.#timer);
  }

  /** From now on refresh the key also while nobody calls, so that `keys()` has it. The timer keeps no process alive. */
  keepFresh(): void {
    this.#keepsFresh = true;
    this.#plan();
  }

  #usable(now: number): Entry | undefined {
    const entry = this.#entry;
    if (!entry) return undefined;
    if (now >= entry.current.unusableAt) this.#entry = undefined;
    else if (entry.reading.some((each) => isPastGrace(each, now))) {
      this.#replace(entry.current, entry.reading.map((each) => (isPastGrace(each, now) ? { failure: each.failure } : each)));
    }
    return this.#entry;
  }

  #startIfDue(now: number, background: boolean): void {
    if (this.#attempt || now < this.#nextAttempt) return;
    let finish: (outcome: { entry?: Entry | undefined; failure?: UnwrapError }) => void = () => {};
    const attempt: Attempt = { background, finished: new Promise((resolve) => (finish = resolve)) };
    this.#attempt = attempt;
    void this.#run(attempt, now).then(finish);
  }

  async #run(attempt: Attempt, startedAt: number): Promise<{ entry?: Entry | undefined; failure?: UnwrapError }> {
    const results = await Promise.all(this.#sources.map((source, number) => this.#unwrap(source, number, startedAt)));
    const [current, ...reading] = results;
    const isCurrent = this.#attempt === attempt;
    if (!isCurrent) return {}; // forgotten meanwhile: the callers make another attempt
    this.#attempt = undefined;
    const now = this.#clock();
    if (current instanceof UnwrapError) {
      this.#failure = current;
      this.#entry = current instanceof TransientUnwrapError ? this.#usable(now) : undefined;
    } else {
      this.#failure = undefined;
      const before = this.#entry?.reading ?? [];
      this.#replace(current!, reading.map((result, index) => updated(before[index], result, now)));
    }
    this.#schedule(results, now);
    this.#setValidUntil(now);
    this.#plan();
    // Each caller decides by the entry that there is now: a transient failure may have left the former one.
    return current instanceof UnwrapError ? { failure: current } : { entry: this.#entry };
  }

  async #unwrap(source: KeySource, number: number, startedAt: number): Promise<Unwrapped | UnwrapError> {
    try {
      const key = await source.dataKey();
      if (!(key instanceof Uint8Array) || key.length !== 32) throw new WrongLength("The key source did not return the 32 bytes of a data key.");
      // Its age counts from the request: KMS checked the permissions then.
      const expiresAt = startedAt + this.#ttl;
      return { key, expiresAt, unusableAt: expiresAt + this.#grace };
    } catch (error) {
      const kind = error instanceof Error ? error.name : typeof error;
      const failure = error instanceof UnwrapError ? error : new RequestRejected(`The key source failed (${kind}).`);
      console.warn(`KMS did not return the ${number === 0 ? "current key" : `reading key ${number}`} (${failure.reason}): ${failure.message}`);
      return failure;
    }
  }

  #replace(current: Unwrapped, reading: readonly Reading[]): void {
    const before = this.#entry;
    const same = before && identity(before.current, before.reading) === identity(current, reading);
    this.#entry = { current, reading, keys: same ? before.keys : keysOf(current, reading) };
  }

  #schedule(results: readonly (Unwrapped | UnwrapError)[], now: number): void {
    const [current] = results;
    const ahead = 1 - this.#jitter() / 2;
    const refresh = current instanceof UnwrapError ? Infinity : current!.expiresAt - this.#ttl * REFRESH_AHEAD * ahead;
    if (!(current instanceof UnwrapError) && !results.some((result) => result instanceof TransientUnwrapError)) {
      this.#failures = 0;
      this.#nextAttempt = refresh;
      return;
    }
    this.#failures += 1;
    const delay = RETRY_SECONDS[Math.min(this.#failures, RETRY_SECONDS.length) - 1]! * ((1 + this.#jitter()) / 2);
    this.#nextAttempt = Math.min(refresh, now + delay);
  }

  #setValidUntil(now: number): void {
    const entry = this.#entry;
    const times = entry
      ? [entry.current.expiresAt, entry.current.unusableAt, ...entry.reading.map((each) => each.unwrapped?.unusableAt ?? Infinity)]
      : [];
    if (!this.#attempt) times.push(this.#nextAttempt);
    this.#validUntil = entry ? Math.min(...times.filter((time) => time > now)) : -Infinity;
  }

  #plan(): void {
    clearTimeout(this.#timer);
    // After a denial there is no key to keep: the next caller asks. A key that stays needs no timer.
    if (!this.#keepsFresh || !this.#entry || this.#nextAttempt === Infinity) return;
    const wait = Math.max(this.#nextAttempt - this.#clock(), 0);
    this.#timer = setTimeout(() => void this.ready().catch(() => undefined), wait * 1000 + 1);
    this.#timer.unref();
  }
}

function keysOf(current: Unwrapped, reading: readonly Reading[]): Keys {
  const usable = reading.flatMap(({ unwrapped }) => (unwrapped ? [unwrapped.key] : []));
  const failure = reading.find((each) => each.failure && !each.unwrapped)?.failure;
  const missing = failure && (() => failure.copy());
  return { cipher: new PhiCipher(current.key, usable, missing), current: current.key, reading: usable, missing };
}

/** A transient failure leaves a reading key usable until its grace ends, as the current key. */
function updated(before: Reading | undefined, result: Unwrapped | UnwrapError, now: number): Reading {
  if (!(result instanceof UnwrapError)) return { unwrapped: result };
  const kept = before?.unwrapped;
  const usable = result instanceof TransientUnwrapError && kept && now < kept.unusableAt;
  return { unwrapped: usable ? kept : undefined, failure: result };
}

function isPastGrace({ unwrapped, failure }: Reading, now: number): boolean {
  return failure !== undefined && unwrapped !== undefined && now >= unwrapped.unusableAt;
}

function identity(current: Unwrapped, reading: readonly Reading[]): string {
  const keys = reading.map(({ unwrapped, failure }) => (unwrapped ? keyId(unwrapped.key) : `${failure?.name}: ${failure?.message}`));
  return [keyId(current.key), ...keys].join("\n");
}
