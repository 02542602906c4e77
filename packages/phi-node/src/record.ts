/** The text form of one encrypted field: `base64(iv):base64(tag):base64(ciphertext)`, or `v2:<key id>:base64(…)`. */

import { createHmac } from "node:crypto";
import { DecryptionError } from "./errors.js";

export const TAG_BYTES = 16;
export const V2 = "v2:";
export const V2_IV_BYTES = 12;

const V1_START = /^(?:[A-Za-z0-9+/]{21}[AQgw]==:){2}/;
const V2_FORM = /^v2:([0-9a-f]{16}):([A-Za-z0-9+/]+={0,2})$/;
const PLACE = /^([^.:"]+|"(?:[^"]|"")+")\.([^.:"]+|"(?:[^"]|"")+")$/;
const PREFIX = /^(?:[A-Za-z0-9+/_-]{22}={0,2}:|.{24}:.{24}:|v2:[0-9a-f]{16}:)/s;

/** The parts of a record, in the form that AES-GCM takes. */
export interface Parts {
  readonly iv: Buffer;
  readonly ciphertext: Buffer;
  readonly tag: Buffer;
}

/** Decodes canonical standard base64; null for anything that would not encode to the same text again. */
export function strictBase64(text: string): Buffer | null {
  // The decoder skips unknown characters and ignores pad bits, so one record would have several text forms.
  const decoded = Buffer.from(text, "base64");
  return decoded.toString("base64") === text ? decoded : null;
}

/** Whether a text starts like a record. The rest may be damaged: such a record was never a plain text. */
export function looksLikeARecord(text: string): boolean {
  return PREFIX.test(text);
}

/** 16 hex digits that name a data key in records of version 2 and in binary records: the key check value. */
export function keyId(dataKey: Uint8Array): string {
  return createHmac("sha256", dataKey).update("eonpro-phi-record-v2 key id").digest("hex").slice(0, 16);
}

/**
 * The context that binds a record to a column, or to one row of it: no two places have the same one. The names are those
 * of the database, a table's without its schema; the row is named by the text of its key. Throws TypeError for a key that
 * is null or undefined, as that of an unsaved row. `place("PatientDocument", "data", 7)` is `PatientDocument.data:7`.
 */
export function place(table: string, column: string, ...row: [] | [string | number | bigint]): string {
  const parts = [table, column].map((name) => (/[.:"]/.test(name) ? quoted(name) : name));
  return parts.join(".") + (row.length === 0 ? "" : `:${keyText(row[0])}`);
}

/** A name of the database in double quotes, those in it doubled. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** The table and the column of a place without a row. Throws RangeError for another text. */
export function namesOf(text: string): [string, string] {
  const parts = PLACE.exec(text)?.slice(1).map((name) => (name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name));
  if (parts && place(parts[0]!, parts[1]!) === text) return [parts[0]!, parts[1]!];
  throw new RangeError(`${text} is no name for keys: TABLE.COLUMN, a name with a dot, a colon or a quote in quotes`);
}

/** The text of a primary key or a tenant, as PostgreSQL writes it. Throws TypeError for anything but a whole number and a text. */
export function keyText(value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value === "bigint" || Number.isSafeInteger(value)) return String(value as bigint | number);
  throw new TypeError("A key is a whole number, a text or a UUID.");
}

/** Splits a record of version 1; null unless it is the canonical form of one. */
export function parse(text: string): Parts | null {
  // Of 16 bytes each, with pad bits that are 0: they need not be encoded again.
  if (!V1_START.test(text)) return null;
  const ciphertext = strictBase64(text.slice(50));
  // An empty text is stored as NULL, so no record has an empty ciphertext.
  return ciphertext?.length ? { iv: Buffer.from(text.slice(0, 24), "base64"), tag: Buffer.from(text.slice(25, 49), "base64"), ciphertext } : null;
}

/** Splits a record of version 2. Throws DecryptionError unless it is the canonical form of one. */
export function parseV2(text: string): Parts & { readonly keyId: string } {
  const [, id, body] = V2_FORM.exec(text) ?? [];
  const raw = body === undefined ? null : strictBase64(body);
  if (id === undefined || raw === null || raw.length <= V2_IV_BYTES + TAG_BYTES) throw new DecryptionError();
  return {
    keyId: id,
    iv: raw.subarray(0, V2_IV_BYTES),
    ciphertext: raw.subarray(V2_IV_BYTES, -TAG_BYTES),
    tag: raw.subarray(-TAG_BYTES),
  };
}
