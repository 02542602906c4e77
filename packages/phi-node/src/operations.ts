/**
 * The operations of a Prisma client on encrypted models: the arguments with records in place of texts, and the rows with
 * texts in place of records. Copies; touches nothing.
 */

import { type Declaration, type Row, opened, sealed } from "./binding.js";
import { NotBytes, NotText, PhiError } from "./errors.js";
import type { PhiFields } from "./fields.js";
import { isPlain } from "./json.js";
import type { EncryptedModel } from "./prisma.js";
import type { Clinic } from "./search.js";

/** A use of an encrypted field that would find nothing, order by random text, or leave a record or a search column behind. */
export class EncryptedFieldUse extends PhiError {
  static override readonly name: string = "EncryptedFieldUse";
}

export type Values = Record<string, unknown>;

/** What a field is bound to. */
export interface Binding {
  readonly of: Declaration;
  /** The fields that name the row and its tenant. */
  readonly needs: readonly string[];
  readonly key: string | undefined;
  readonly tenant: string | undefined;
}
export type Bindings = ReadonlyMap<string, Binding>;

/** A relation that fields of its own model hold, and the fields of the other that they equal. */
export interface Held {
  readonly relation: string;
  readonly fields: readonly string[];
  readonly references: readonly string[];
}

/** The models of a client by their names. */
export interface Models {
  readonly encrypted: Readonly<Record<string, EncryptedModel>>;
  /** The models of the fields that are relations. */
  readonly relations: ReadonlyMap<string, ReadonlyMap<string, string>>;
  readonly bindings: ReadonlyMap<string, Bindings>;
  /** The relations that a model's own fields hold. */
  readonly held: ReadonlyMap<string, readonly Held[]>;
  /** The fields of the related model that change where a row is linked through this relation. */
  readonly linked: (model: string, relation: string) => readonly string[];
  /** Whether the client leaves a field out of every row that does not ask for it. */
  readonly isOmitted: (model: string, name: string) => boolean;
}

const FILTERS = ["where", "having", "cursor"];
const ORDERS = ["orderBy", "distinct", "by", "_min", "_max", "_sum", "_avg"];
const LINKS = ["connect", "connectOrCreate", "create", "disconnect", "delete"];
const UNKNOWN = Symbol("a key that the write does not name");
const WITHOUT_ROWS = ["aggregate", "count", "createMany", "deleteMany", "groupBy", "updateMany"];

/** Whether the operation returns rows, and takes the fields that they have. */
export function hasRows(operation: string): boolean {
  return !WITHOUT_ROWS.includes(operation);
}

/** What is done to arguments and rows, with the keys that are here. */
export class Operations {
  constructor(
    readonly models: Models,
    readonly fields: () => PhiFields,
  ) {}

  /** A copy of the arguments of an operation, or of an included relation. Throws EncryptedFieldUse. */
  sent(model: string, operation: string, args: unknown): unknown {
    const copy = this.#written(model, isObject(args) ? args : {}, operation.startsWith("update"));
    return hasRows(operation) ? this.#asking(model, copy) : copy;
  }

  /** A copy of a result of an operation with these arguments: a row, rows or null. A record that does not open throws where it is looked at. */
  received(model: string, result: unknown, args: unknown): unknown {
    if (Array.isArray(result)) return result.map((row) => this.received(model, row, args));
    if (!isObject(result)) return result;
    const copy = { ...result };
    for (const [name, related] of this.models.relations.get(model) ?? []) {
      if (Object.hasOwn(result, name)) copy[name] = this.received(related, result[name], chosen(args)[name]);
    }
    for (const name of this.#encrypted(model)) {
      if (!Object.hasOwn(result, name)) continue;
      try {
        copy[name] = this.#opened(model, name, result[name], result);
      } catch (error) {
        const get = () => {
          throw error;
        };
        Object.defineProperty(copy, name, { get, enumerable: true, configurable: true });
      }
    }
    // A computed field of the application may need them.
    for (const name of this.#unasked(model, args)) if (Object.hasOwn(copy, name)) Object.defineProperty(copy, name, { enumerable: false });
    return copy;
  }

  #opened(model: string, name: string, value: unknown, row: Values): unknown {
    if (value === null || value === undefined) return value;
    const { cipher } = this.fields();
    const inside = this.#inside(model, name);
    if (inside) return cipher.decryptJson(value, inside);
    const bound = this.models.bindings.get(model)!.get(name)!;
    const open = (record: unknown) => opened(cipher, record as string | Uint8Array, bound.of, rowOf(bound, row));
    return Array.isArray(value) ? value.map((item: unknown) => (item === "" ? item : open(item))) : open(value);
  }

  /** The keys and tenants of rows that the caller does not ask for; the records are read with them. */
  #unasked(model: string, args: unknown): string[] {
    const { select, omit } = isObject(args) ? args : {};
    return this.#needs(model).filter((name) => {
      if (isObject(select)) return !select[name];
      const own = isObject(omit) ? omit[name] : undefined;
      return own ?? this.models.isOmitted(model, name);
    });
  }

  /** The arguments that ask for those too. */
  #asking(model: string, args: unknown): unknown {
    const unasked = this.#unasked(model, args);
    if (unasked.length === 0) return args;
    const all = isObject(args) ? args : {};
    const name = isObject(all["select"]) ? "select" : "omit";
    return { ...all, [name]: { ...(all[name] as Values | undefined), ...Object.fromEntries(unasked.map((each) => [each, name === "select"])) } };
  }

  #written(model: string, args: Values, isUpdate: boolean): Values {
    const copy: Values = { ...args };
    const where = isObject(args["where"]) ? args["where"] : {};
    for (const [name, value] of Object.entries(args)) {
      if (FILTERS.includes(name)) this.#requireNoFilter(model, value);
      else if (ORDERS.includes(name)) this.#requireNoOrder(model, value);
      else if (name === "data" || name === "create" || name === "update") {
        copy[name] = each(value, (data) => this.#data(model, data, name === "update" || isUpdate ? where : null));
      } else if (name === "include" || name === "select") copy[name] = this.#related(model, value, true);
    }
    return copy;
  }

  /** A row to write; `where` names it where it is there already. */
  #data(model: string, data: Values, where: Values | null): Values {
    const copy: Values = { ...data };
    const keyed = this.#keyed(model, data);
    this.#requireRows(model, keyed, where);
    for (const [name, value] of Object.entries(data)) {
      const related = this.models.relations.get(model)?.get(name);
      if (related && isObject(value)) {
        this.#requireNoMove(related, value, this.models.linked(model, name));
        copy[name] = this.#nested(related, value);
      } else if (value !== undefined) copy[name] = this.#value(model, name, value, { ...where, ...keyed });
    }
    for (const [column, { of, by, clinic: field }] of Object.entries(this.models.encrypted[model]?.search ?? {})) {
      const sources = [of].flat();
      const absent = where ? sources.filter((name) => data[name] === undefined || isAddition(data[name])) : [];
      const texts = sources.flatMap((name) => (plain(data[name]) ?? null) as string | null);
      const isWritten = sources.some((name) => data[name] !== undefined);
      this.#requireRow(model, `${column} has a search key of its clinic`, field ? [field] : [], isWritten, texts.some(Boolean), keyed, where);
      if (!isWritten) continue;
      if (absent.length > 0) throw new EncryptedFieldUse(`${model}.${column} is made of ${sources.join(", ")}, and would be wrong: write ${absent.join(" and ")} too, as the row has it.`);
      const clinic = (field && texts.some(Boolean) ? keyOf(field, where, keyed) : "") as Clinic;
      copy[column] =
        typeof by === "string"
          ? this.fields().searchHash(by, texts[0])
          : by.kind === "words"
            ? this.fields().searchTokens(by, texts, clinic)
            : this.fields().searchValue(by, texts[0], clinic);
    }
    return copy;
  }

  /** The row with the keys that its relations set: `clinic: { connect: { id: 7 } }`. */
  #keyed(model: string, data: Values): Values {
    const keyed: Values = { ...data };
    for (const { relation, fields, references } of this.models.held.get(model) ?? []) {
      const write = data[relation];
      if (!isObject(write) || !LINKS.some((name) => write[name] !== undefined)) continue;
      const { connect } = write;
      fields.forEach((field, index) => (keyed[field] = (isObject(connect) ? connect[references[index]!] : undefined) ?? UNKNOWN));
    }
    return keyed;
  }

  /** A link that is set from the other side changes a key of rows that nobody names. */
  #requireNoMove(model: string, writes: Values, linked: readonly string[]): void {
    const clinics = Object.values(this.models.encrypted[model]?.search ?? {}).flatMap(({ clinic }) => clinic ?? []);
    const moved = linked.filter((name) => this.#needs(model).includes(name) || clinics.includes(name));
    const links = ["connect", "connectOrCreate", "disconnect", "set"].filter((name) => writes[name] !== undefined && (name === "set" || [writes[name]].flat().length > 0));
    if (moved.length > 0 && links.length > 0) {
      throw new EncryptedFieldUse(`${model} has fields that depend on ${moved.join(" and ")}, which ${links.join(" and ")} would change: update these rows of ${model} instead.`);
    }
  }

  /** The fields that name the row and the tenant of records. */
  #needs(model: string): string[] {
    const bindings = this.models.bindings.get(model);
    return bindings ? [...new Set([...bindings.values()].flatMap(({ needs }) => needs))] : [];
  }

  #requireRows(model: string, data: Values, where: Values | null): void {
    for (const [name, { of, needs }] of this.models.bindings.get(model) ?? []) {
      this.#requireRow(model, `${name} is sealed for its row (${of.place})`, needs, data[name] !== undefined, plain(data[name]) !== null, data, where);
    }
  }

  /** What depends on keys of its row is written with them, and never left behind by them. */
  #requireRow(model: string, what: string, needs: readonly string[], isWritten: boolean, hasValue: boolean, data: Values, where: Values | null): void {
    const missing = needs.filter((name) => !isKey(keyOf(name, where, data)));
    const left = where ? needs.filter((name) => data[name] !== undefined && plain(data[name]) !== where[name]) : [];
    if (isWritten && hasValue && missing.length > 0) {
      throw new EncryptedFieldUse(`${model}.${what}, which this write does not name: add ${missing.join(" and ")} to data or, of a row that is there, to where: { ${missing.join(", ")} }.`);
    }
    if (!isWritten && left.length > 0) {
      throw new EncryptedFieldUse(`${model}.${what}, and would stay with the former ${left.join(" and ")}: write its text too, or add the present ${left.join(" and ")} to where.`);
    }
  }

  #value(model: string, name: string, value: unknown, row: Values): unknown {
    if (!this.#isEncrypted(model, name)) return value;
    const { cipher } = this.fields();
    const inside = this.#inside(model, name);
    // Prisma's markers of a JSON null are objects of its own classes.
    if (inside) return isObject(value) && !isPlain(value) ? value : cipher.encryptJson(value, inside);
    const isBytes = this.models.encrypted[model]!.bytes?.includes(name) ?? false;
    const bound = this.models.bindings.get(model)!.get(name)!;
    const seal = (text: unknown) => sealed(cipher, requireKind(isBytes, text), bound.of, rowOf(bound, row));
    const list = (items: readonly unknown[]) => {
      // Records inside a value have no place: `phi reencrypt` would leave them.
      if (bound.of.form.endsWith("column") || bound.of.form.endsWith("row")) throw new EncryptedFieldUse(`${model}.${name} is a list, whose records can be of a tenant, but not bound to a place: remove bound.`);
      return items.map((item) => (item === "" ? item : seal(item)));
    };
    if (isAddition(value)) return { push: list([value.push].flat()) };
    const whole = plain(value);
    return Array.isArray(whole) ? list(whole) : seal(whole);
  }

  /** The writes of a relation: create, connectOrCreate, update, upsert and those of many. */
  #nested(model: string, writes: Values): Values {
    const copy: Values = { ...writes };
    for (const [name, value] of Object.entries(writes)) {
      if (name === "create") copy[name] = each(value, (data) => this.#data(model, data, null));
      else if (name === "update") copy[name] = each(value, (one) => (isObject(one["data"]) ? this.#written(model, one, true) : this.#data(model, one, {})));
      else if (name === "createMany" || name === "updateMany" || name === "upsert" || name === "connectOrCreate") {
        copy[name] = each(value, (one) => this.#written(model, one, name === "updateMany"));
      } else each(value, (filter) => (this.#requireNoFilter(model, filter), filter)); // connect, disconnect, delete, set
    }
    return copy;
  }

  /** The relations of a row, or those to count, which have no rows. */
  #related(model: string, chosen: unknown, haveRows: boolean): unknown {
    if (!isObject(chosen)) return chosen;
    const entries = Object.entries(chosen).map(([name, args]) => {
      if (name === "_count" && isObject(args)) return [name, { ...args, select: this.#related(model, args["select"], false) }];
      const related = this.models.relations.get(model)?.get(name);
      const copy = related && isObject(args) ? this.#written(related, args, false) : args;
      return [name, related && args && haveRows ? this.#asking(related, copy) : copy];
    });
    return Object.fromEntries(entries) as unknown;
  }

  #requireNoFilter(model: string, filter: unknown): void {
    if (Array.isArray(filter)) for (const each of filter) this.#requireNoFilter(model, each);
    if (isReference(filter) && this.#isEncrypted(filter.modelName, filter.name)) throw this.#error(filter.modelName, filter.name, "can be compared with no other field");
    if (!isObject(filter) || isReference(filter)) return;
    for (const [name, value] of Object.entries(filter)) {
      const related = this.models.relations.get(model)?.get(name);
      if (related && isObject(value)) {
        const inside = ["some", "every", "none", "is", "isNot"].filter((quantifier) => Object.hasOwn(value, quantifier));
        for (const each of inside.length > 0 ? inside.map((quantifier) => value[quantifier]) : [value]) this.#requireNoFilter(related, each);
      } else if (this.#isEncrypted(model, name) && !isNullFilter(value)) throw this.#error(model, name, "can be filtered by null only");
      else this.#requireNoFilter(model, value);
    }
  }

  #requireNoOrder(model: string, order: unknown): void {
    if (typeof order === "string" && this.#isEncrypted(model, order)) throw this.#error(model, order, "orders and groups nothing");
    if (Array.isArray(order)) for (const each of order) this.#requireNoOrder(model, each);
    if (!isObject(order)) return;
    for (const [name, value] of Object.entries(order)) {
      if (value !== undefined && this.#isEncrypted(model, name)) throw this.#error(model, name, "orders and groups nothing");
      if (name === "_relevance" && isObject(value)) this.#requireNoOrder(model, [value["fields"]].flat());
      const related = this.models.relations.get(model)?.get(name);
      if (related) this.#requireNoOrder(related, value);
    }
  }

  #encrypted(model: string): string[] {
    const { fields = [], bytes = [], json = {} } = this.models.encrypted[model] ?? {};
    return [...fields, ...bytes, ...Object.keys(json)];
  }

  #isEncrypted(model: string, name: string): boolean {
    return this.#encrypted(model).includes(name);
  }

  #inside(model: string, name: string): readonly string[] | "*" | undefined {
    const { json = {} } = this.models.encrypted[model] ?? {};
    return Object.hasOwn(json, name) ? json[name] : undefined;
  }

  #error(model: string, name: string, why: string): EncryptedFieldUse {
    const columns = Object.entries(this.models.encrypted[model]?.search ?? {}).filter(([, { of }]) => [of].flat().includes(name));
    const uses = columns.map(([column, { by }]) =>
      typeof by !== "string" && by.kind === "words" ? `hasWords("${column}", searchGroups(…))` : `${column}: { in: … } with the values of ${typeof by === "string" ? "searchHashes" : "searchValues"}()`,
    );
    return new EncryptedFieldUse(`${model}.${name} is encrypted: it ${why}.${uses.length > 0 ? ` Use ${uses.join(", or ")}.` : ""}`);
  }
}

function rowOf({ key, tenant }: Binding, row: Values): Row {
  return { ...(key === undefined ? {} : { key: plain(row[key]) }), ...(tenant === undefined ? {} : { tenant: plain(row[tenant]) }) };
}

/** What a field of a row is after the write. */
function keyOf(name: string, where: Values | null, data: Values): unknown {
  return data[name] === undefined ? where?.[name] : plain(data[name]);
}

function isKey(value: unknown): boolean {
  return typeof value === "string" || typeof value === "bigint" || Number.isSafeInteger(value);
}

/** The text or the bytes to seal. Throws NotText and NotBytes. */
function requireKind(isBytes: boolean, value: unknown): string | Uint8Array | null {
  if (value === null || (isBytes ? value instanceof Uint8Array : typeof value === "string")) return value as string | Uint8Array | null;
  throw isBytes ? new NotBytes() : new NotText();
}

/** The value of `{ set: value }`; any other update of a field is no value, and encrypting it throws NotText or NotBytes. */
function plain(value: unknown): unknown {
  return isObject(value) && Object.hasOwn(value, "set") ? value["set"] : value;
}

/** Whether it adds to a list. */
function isAddition(value: unknown): value is { readonly push: unknown } {
  return isObject(value) && Object.hasOwn(value, "push");
}

interface Reference {
  readonly modelName: string;
  readonly name: string;
}

/** Whether it is another field, as `prisma.patient.fields.email`. */
function isReference(value: unknown): value is Reference {
  return isObject(value) && !isPlain(value) && typeof value["modelName"] === "string" && typeof value["name"] === "string";
}

function isNullFilter(value: unknown): boolean {
  if (value === null || value === undefined) return true;
  if (!isObject(value) || isReference(value)) return false;
  return Object.entries(value).every(([name, each]) => (["equals", "not"].includes(name) && isNullFilter(each)) || name === "isEmpty");
}

/** The fields and relations that arguments choose. */
function chosen(args: unknown): Values {
  const { select, include } = isObject(args) ? args : {};
  return { ...(include as Values | undefined), ...(select as Values | undefined) };
}

function each(value: unknown, apply: (value: Values) => Values): unknown {
  if (Array.isArray(value)) return value.map((one) => (isObject(one) ? apply(one) : (one as unknown)));
  return isObject(value) ? apply(value) : value;
}

function isObject(value: unknown): value is Values {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array) && !(value instanceof Date);
}
