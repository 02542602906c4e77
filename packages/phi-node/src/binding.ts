/** What the records of a column are bound to, and which earlier forms are read beside: as `eonpro_phi.binding` has it. */

import { type PhiCipher, looksBinary } from "./cipher.js";
import { AlreadyEncrypted, DecryptionError, NotBound } from "./errors.js";
import { V2, keyText, looksLikeARecord, namesOf, place } from "./record.js";

/** How a record is bound, and whose key it is under; "unbound" is every record of version 1. */
export type Form = "unbound" | "column" | "row" | "tenant" | "tenant+column" | "tenant+row";
const FORMS: readonly Form[] = ["unbound", "column", "row", "tenant", "tenant+column", "tenant+row"];

/** How a field is bound. Nothing else is read. */
export interface Bound {
  /** `true` for its table and column, "row" for its row too. */
  readonly bound?: boolean | "row";
  /** The field with the tenant of a row, such as "clinicId", under whose key its records are. */
  readonly tenant?: string;
  /** The earlier forms that a table has while it moves. */
  readonly reads?: Form | readonly Form[];
  /** The column's name for keys, "TABLE.COLUMN" as they were before they were renamed. */
  readonly place?: string;
}

/** A column as it is declared; the members of `phi check --models … --json`. */
export interface Declaration {
  readonly table: string;
  readonly column: string;
  readonly place: string;
  readonly form: Form;
  readonly reads: readonly Form[];
  readonly tenantColumn: string | null;
}

/** The row of a record: its key, where the record is bound to it, and its tenant. */
export interface Row {
  readonly key?: unknown;
  readonly tenant?: unknown;
}

/** The declaration of a column. Throws RangeError for options that are none. */
export function declared(table: string, column: string, { bound = false, tenant, reads = [], place: name }: Bound, tenantColumn: string | null = null): Declaration {
  if (bound !== "row" && typeof bound !== "boolean") throw new RangeError('bound is false, true for the column of a record, or "row" for its row too');
  if (name !== undefined) namesOf(name);
  const form = [tenant && "tenant", bound && (bound === "row" ? "row" : "column")].filter(Boolean).join("+") || "unbound";
  const earlier = typeof reads === "string" ? [reads] : reads;
  const beyond = earlier.filter((each) => !FORMS.includes(each) || each === form || (ofTenant(each) && !tenant) || (ofRow(each) && bound !== "row"));
  if (beyond.length > 0) throw new RangeError(`reads names earlier forms of a column of the form ${form}, which needs no more than that; not ${beyond.join(", ")}`);
  return { table, column, place: name ?? place(table, column), form: form as Form, reads: earlier, tenantColumn };
}

/** The record of a text or of bytes, bound as declared. Throws AlreadyEncrypted for a record of these keys. */
export function sealed(cipher: PhiCipher, value: string | Uint8Array | null | undefined, of: Declaration, row: Row): string | Buffer | null {
  if (value === null || value === undefined) return null;
  const own = ofTenant(of.form) ? cipher.forTenant(keyText(row.tenant)) : null;
  const context = contextOf(of, of.form, row);
  if (typeof value === "string" && looksLikeARecord(value) && (cipher.holds(value) || (own && cipher.derived(keyText(row.tenant)).holds(value)))) throw new AlreadyEncrypted();
  if (value instanceof Uint8Array) return (own ?? cipher).encryptBytes(value, context);
  if (own) return own.encrypt(value, context);
  return context ? cipher.encryptV2(value, context) : cipher.encrypt(value);
}

/** The text or the bytes of a record in the declared form, or in an earlier one that is read. Throws NotBound. */
export function opened(cipher: PhiCipher, record: string | Uint8Array | null, of: Declaration, row: Row): string | Buffer | null {
  let missing: unknown;
  for (const form of [of.form, ...of.reads]) {
    try {
      return openedAs(cipher, record, of, form, row);
    } catch (error) {
      if (!(error instanceof DecryptionError)) missing ??= error;
    }
  }
  throw (missing as Error | undefined) ?? refused(cipher, record!, of, row);
}

function openedAs(cipher: PhiCipher, record: string | Uint8Array | null, of: Declaration, form: Form, row: Row): string | Buffer | null {
  if (form !== "unbound" && typeof record === "string" && record !== "" && !record.startsWith(V2)) throw new DecryptionError();
  const reader = ofTenant(form) ? cipher.forTenant(keyText(row.tenant)) : cipher;
  const context = contextOf(of, form, row);
  return record instanceof Uint8Array ? reader.decryptBytes(record, context) : reader.decrypt(record, context);
}

function refused(cipher: PhiCipher, record: string | Uint8Array, of: Declaration, row: Row): DecryptionError {
  for (const form of FORMS) {
    if ((ofTenant(form) && row.tenant === undefined) || (ofRow(form) && row.key === undefined)) continue;
    try {
      openedAs(cipher, record, of, form, row);
    } catch {
      continue;
    }
    return new NotBound(
      `${of.place} reads records of the form "${of.form}", and this one is genuine and "${form}". While the table moves, declare reads: "${form}"; ` +
        `\`phi reencrypt --reads ${form}\`, with the --bind and --tenant-column of the column, ends the move. If it is not moving, somebody has put the record here.`,
    );
  }
  if (typeof record === "string" ? !record.startsWith(V2) : !looksBinary(record)) return new DecryptionError();
  const known = cipher.holds(record) || (row.tenant !== undefined && cipher.derived(keyText(row.tenant)).holds(record));
  return new NotBound(
    known
      ? `The record is not bound to ${of.place}, or not to this row of it, or is damaged. If the table or the column was renamed, declare its former name: ` +
          'place: "TABLE.COLUMN". Else somebody has moved the record: restore it from a backup.'
      : `The record in ${of.place} is of another tenant, or under a key that is not here: ENCRYPTED_PHI_KEYS_FOR_READING.`,
  );
}

function contextOf(of: Declaration, form: Form, row: Row): string {
  if (ofRow(form)) return `${of.place}:${keyText(row.key)}`;
  return form.endsWith("column") ? of.place : "";
}

function ofTenant(form: string): boolean {
  return form.startsWith("tenant");
}

function ofRow(form: string): boolean {
  return form.endsWith("row");
}

const DECLARED = Symbol.for("@eonpro/phi declared");

/** The columns that are declared in this process, whichever copy of the package declared them. */
export function declarations(): Map<string, Declaration> {
  const own = globalThis as { [DECLARED]?: Map<string, Declaration> };
  return (own[DECLARED] ??= new Map());
}

/** What a person has to know of them: what still reads earlier forms, and names that two columns share. */
export function notices(all: readonly Declaration[]): string[] {
  const found = all
    .filter(({ reads }) => reads.length > 0)
    .map(
      ({ table, column, reads }) =>
        `${table}.${column} still reads records of an earlier form (${reads.join(", ")}): whoever can write to the database can put one into any row. ` +
        "End the move by `phi reencrypt --reads`, then remove reads.",
    );
  for (const name of new Set(all.map((each) => each.place))) {
    const names = all.filter((each) => each.place === name && each.form !== "tenant").map(({ table, column }) => `${table}.${column}`);
    if (names.length > 1) found.push(`${names.join(" and ")} have one name for keys, ${name}: the records of one open in the other.`);
  }
  return found;
}
