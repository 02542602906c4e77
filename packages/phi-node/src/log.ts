/**
 * Keeps records, and the fields of patients that are logged by name, out of logs. A decrypted value has no mark: a name
 * that is written into a message stays.
 */

import { inspect } from "node:util";
import { PHI_FIELDS, looksBinary } from "./cipher.js";

/** In place of a value under the name of a field. */
export const REMOVED = "[removed]";
/** In place of a record. */
export const RECORD = "[PHI record]";

const DEPTH = 8; // levels that are looked into; what is deeper is removed
const RECORDS = new RegExp(
  // A text record of either version, whole, cut or damaged.
  "(?<![A-Za-z0-9+/])(?:[A-Za-z0-9+/]{22}={1,2}:|v2:[0-9a-f]{16}:)[A-Za-z0-9+/=:]*" +
    // A binary record or stream: in hex, in base64, as Node shows a Buffer.
    "|f7706869[0-9a-f]{16,}|93BoaQ[E-L][A-Za-z0-9+/]{10,}={0,2}|<Buffer f7 70 68 69[^>]*>",
  "gi",
);

/** The text with a note in place of each record, whole or damaged. */
export function shortened(text: string): string {
  return text.replace(RECORDS, RECORD);
}

/**
 * A copy of what is logged: records shortened, values under the names of PHI_FIELDS and of `names` removed (`first_name`
 * is `firstName`). For a logger's own hook: pino `formatters: { log: redacted }`, a winston format, Sentry's `beforeSend`.
 */
export function redacted<T>(value: T, names: readonly string[] = []): T {
  return clean(value, new Set([...PHI_FIELDS, ...names].map(foldedName)), DEPTH, new Set()) as T;
}

/** From now on `console` prints what `redacted` leaves of its arguments. Returns a function that ends this. */
export function filterConsole(names: readonly string[] = []): () => void {
  const methods = ["debug", "error", "info", "log", "trace", "warn"] as const;
  const before = methods.map((method) => [method, console[method]] as const);
  for (const [method, print] of before) {
    console[method] = (...args: unknown[]) => print.apply(console, args.map((each) => redacted(each, names)));
  }
  return () => {
    for (const [method, print] of before) console[method] = print;
  };
}

function clean(value: unknown, names: ReadonlySet<string>, depth: number, above: ReadonlySet<object>): unknown {
  if (typeof value === "string") return shortened(value);
  if (value === null || typeof value !== "object") return value;
  if (value instanceof Uint8Array) return looksBinary(value) ? RECORD : value;
  if (value instanceof Date || value instanceof RegExp || value instanceof URL) return value;
  if (depth === 0 || above.has(value)) return REMOVED;
  const inside = new Set(above).add(value);
  const cleaned = (each: unknown) => clean(each, names, depth - 1, inside);
  if (Array.isArray(value)) return value.map(cleaned);
  if (value instanceof Map) return new Map([...value].map(([name, each]) => [cleaned(name), named(name, names) ? REMOVED : cleaned(each)]));
  if (value instanceof Set) return new Set([...value].map(cleaned));
  if (value instanceof Error) return errorText(value, names, depth, inside);
  const entries = Object.entries(value).map(([name, each]) => [shortened(name), named(name, names) ? REMOVED : cleaned(each)]);
  return Object.fromEntries(entries) as unknown;
}

/** An error as an object of the same name, so that no reporter finds the original's properties behind it. */
function errorText(error: Error, names: ReadonlySet<string>, depth: number, above: ReadonlySet<object>): Error {
  const copy = new Error(shortened(error.message));
  copy.name = error.name;
  copy.stack = shortened(error.stack ?? inspect(error));
  for (const [name, value] of Object.entries(error)) {
    if (name !== "stack" && name !== "message" && name !== "name") {
      Object.assign(copy, { [name]: named(name, names) ? REMOVED : clean(value, names, depth - 1, above) });
    }
  }
  if (error.cause !== undefined) copy.cause = clean(error.cause, names, depth - 1, above);
  return copy;
}

function named(name: unknown, names: ReadonlySet<string>): boolean {
  return typeof name === "string" && names.has(foldedName(name));
}

function foldedName(name: string): string {
  return name.replaceAll("_", "").toLowerCase();
}
