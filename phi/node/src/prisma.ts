/**
 * A Prisma client that encrypts mapped fields when it writes and decrypts them when it reads, and keeps the columns with
 * their search hashes in step. It uses Prisma's client extensions, and imports nothing of Prisma.
 */

import { type Bound, type Declaration, type Row, declarations, declared, opened, sealed } from "./binding.js";
import { type HashField, type PhiFields, type ExactIndex, NotBytes, NotText, PhiError, fields as fieldsOfProcess } from "./index.js";
import { isPlain } from "./json.js";

/** What of one model is encrypted. */
export interface EncryptedModel {
  /** Texts (`String?`). */
  readonly fields?: readonly string[];
  /** Bytes (`Bytes?`), as binary records. */
  readonly bytes?: readonly string[];
  /** JSON (`Json?`): the texts of these fields inside the value, or `"*"`. */
  readonly json?: Readonly<Record<string, readonly string[] | "*">>;
  /** How fields and bytes are bound to their column, their row or its tenant; those that are not named are not. */
  readonly bound?: Readonly<Record<string, Bound>>;
  /** The field that names a row, for `bound: "row"`; default "id". */
  readonly key?: string;
  /** Columns that are written with their field: `{ emailHash: { of: "email", by: "email" } }`. */
  readonly search?: Readonly<Record<string, { readonly of: string; readonly by: HashField | ExactIndex }>>;
}

/** A use of an encrypted field that would find nothing, or order by random text. */
export class EncryptedFieldUse extends PhiError {
  static override readonly name: string = "EncryptedFieldUse";
}

type Values = Record<string, unknown>;
interface Operation {
  readonly model: string;
  readonly args: unknown;
  readonly query: (args: unknown) => Promise<unknown>;
}
interface DataField {
  readonly name: string;
  readonly kind: string;
  readonly type: string;
  readonly dbName?: string | null;
}
interface DataModel {
  readonly models: Readonly<Record<string, { readonly dbName?: string | null; readonly fields: readonly DataField[] }>>;
}

const FILTERS = ["where", "having", "cursor"];
const ORDERS = ["orderBy", "distinct", "by", "_min", "_max", "_sum", "_avg"];

/**
 * The client with these models encrypted: `withPhi(new PrismaClient(…), { Patient: { fields: ["email"], search: … } })`.
 * Each operation waits for the keys. A filter, an order or a group by an encrypted field throws EncryptedFieldUse, but for
 * null. Raw SQL is not changed.
 */
export function withPhi<C extends object>(client: C, models: Readonly<Record<string, EncryptedModel>>, fields: () => PhiFields = fieldsOfProcess): C {
  const { _runtimeDataModel: dataModel, $extends } = client as { _runtimeDataModel?: DataModel; $extends?: (extension: object) => unknown };
  if (!dataModel || !$extends) throw new TypeError("withPhi takes a PrismaClient (Prisma 6.16 or newer).");
  const relations = new Map(Object.entries(dataModel.models).map(([model, { fields: all }]) => [model, relationsOf(all)]));
  for (const [model, encrypted] of Object.entries(models)) requireFields(dataModel, model, encrypted);
  const bindings = new Map(Object.entries(models).map(([model, encrypted]) => [model, declare(dataModel, model, encrypted)]));
  const mapped = new Mapped(models, relations, bindings, fields);
  return $extends.call(client, {
    name: "@eonpro/phi",
    query: {
      $allModels: {
        async $allOperations({ model, args, query }: Operation): Promise<unknown> {
          await fields().ready();
          return query(mapped.written(model, args as Values));
        },
      },
    },
    result: Object.fromEntries(Object.entries(models).map(([model, encrypted]) => [lowerFirst(model), reading(encrypted, bindings.get(model)!, fields)])),
  }) as C;
}

/** How each encrypted field of a model is read: when it is looked at. */
function reading(model: EncryptedModel, bound: Bindings, fields: () => PhiFields): Values {
  const computed = (name: string, open: (value: never, row: Values) => unknown) => {
    const needs = [name, ...(bound.get(name)?.needs ?? [])];
    return [name, { needs: Object.fromEntries(needs.map((each) => [each, true])), compute: (row: Values) => open(row[name] as never, row) }];
  };
  const whole = (name: string) =>
    computed(name, (value: string | Uint8Array | null, row) => (value === null ? null : opened(fields().cipher, value, bound.get(name)!.of, rowOf(bound.get(name)!, row))));
  return Object.fromEntries([
    ...[...(model.fields ?? []), ...(model.bytes ?? [])].map(whole),
    ...Object.entries(model.json ?? {}).map(([name, inside]) => computed(name, (value: unknown) => fields().cipher.decryptJson(value, inside))),
  ]) as Values;
}

/** The arguments of an operation, with the values of encrypted fields replaced. */
class Mapped {
  constructor(
    readonly models: Readonly<Record<string, EncryptedModel>>,
    readonly relations: ReadonlyMap<string, ReadonlyMap<string, string>>,
    readonly bindings: ReadonlyMap<string, Bindings>,
    readonly fields: () => PhiFields,
  ) {}

  /** A copy of the arguments of an operation, of a nested write or of an included relation. Throws EncryptedFieldUse. */
  written(model: string, args: Values | undefined): Values | undefined {
    if (!isObject(args)) return args;
    const copy: Values = { ...args };
    for (const [name, value] of Object.entries(args)) {
      if (FILTERS.includes(name)) this.#requireNoFilter(model, value);
      else if (ORDERS.includes(name)) this.#requireNoOrder(model, value);
      else if (name === "data" || name === "create" || name === "update") copy[name] = each(value, (data) => this.#data(model, data, name === "create" || !isObject(args["where"]) ? null : args["where"]));
      else if (name === "include" || name === "select") copy[name] = this.#related(model, value);
    }
    return copy;
  }

  /** A row to write; `where` names it where it is there already. */
  #data(model: string, data: Values, where: Values | null): Values {
    const encrypted = this.models[model] ?? {};
    const copy: Values = { ...data };
    this.#requireRows(model, data, where);
    for (const [name, value] of Object.entries(data)) {
      const related = this.relations.get(model)?.get(name);
      if (related && isObject(value)) copy[name] = this.#nested(related, value);
      else if (value !== undefined) copy[name] = this.#value(model, name, value, { ...where, ...data });
    }
    for (const [column, { of, by }] of Object.entries(encrypted.search ?? {})) {
      if (data[of] === undefined) continue;
      const text = plain(data[of]) as string | null;
      copy[column] = typeof by === "string" ? this.fields().searchHash(by, text) : this.fields().searchValue(by, text);
    }
    return copy;
  }

  /** A field that is bound is written with all that its record depends on, and never left behind by it. */
  #requireRows(model: string, data: Values, where: Values | null): void {
    for (const [name, { of, needs }] of this.bindings.get(model) ?? []) {
      const missing = needs.filter((each) => !isKey(plain(data[each])) && (data[each] !== undefined || !where || !isKey(where[each])));
      const left = where ? needs.filter((each) => data[each] !== undefined && plain(data[each]) !== where[each]) : [];
      if (data[name] !== undefined && plain(data[name]) !== null && missing.length > 0) {
        throw new EncryptedFieldUse(`${model}.${name} is sealed for its row, which this write does not name: add ${missing.join(" and ")} to data or, of a row that is there, to where: { ${missing.join(", ")} }.`);
      }
      if (data[name] === undefined && left.length > 0) {
        throw new EncryptedFieldUse(`${model}.${name} would stay sealed for the former ${left.join(" and ")} (${of.place}), and could not be read: write it too, or add the present ${left.join(" and ")} to where.`);
      }
    }
  }

  #value(model: string, name: string, value: unknown, row: Values): unknown {
    const { cipher } = this.fields();
    const encrypted = this.models[model] ?? {};
    const bound = this.bindings.get(model)?.get(name);
    const inside = encrypted.json && Object.hasOwn(encrypted.json, name) ? encrypted.json[name] : undefined;
    // Prisma's markers of a JSON null are objects of its own classes.
    if (inside) return isObject(value) && !isPlain(value) ? value : cipher.encryptJson(value, inside);
    if (bound && bound.of.form !== "unbound") return sealed(cipher, requireKind(encrypted, name, plain(value)), bound.of, rowOf(bound, row));
    if (encrypted.bytes?.includes(name)) return cipher.encryptBytes(plain(value) as Uint8Array | null);
    if (encrypted.fields?.includes(name)) return cipher.encryptFields({ text: plain(value) }, ["text"]).text;
    return value;
  }

  /** The writes of a relation: create, connectOrCreate, update, upsert and those of many. */
  #nested(model: string, writes: Values): Values {
    const copy: Values = { ...writes };
    for (const [name, value] of Object.entries(writes)) {
      if (name === "create") copy[name] = each(value, (data) => this.#data(model, data, null));
      else if (name === "update") copy[name] = each(value, (one) => (isObject(one["data"]) ? this.written(model, one)! : this.#data(model, one, {})));
      else if (name === "createMany" || name === "updateMany" || name === "upsert" || name === "connectOrCreate") {
        copy[name] = each(value, (one) => this.written(model, one)!);
      } else each(value, (filter) => (this.#requireNoFilter(model, filter), filter)); // connect, disconnect, delete, set
    }
    return copy;
  }

  #related(model: string, chosen: unknown): unknown {
    if (!isObject(chosen)) return chosen;
    const entries = Object.entries(chosen).map(([name, args]) => {
      const related = name === "_count" ? model : this.relations.get(model)?.get(name);
      return [name, related && isObject(args) ? this.written(related, args) : args];
    });
    return Object.fromEntries(entries) as unknown;
  }

  #requireNoFilter(model: string, filter: unknown): void {
    for (const [name, value] of entriesOf(filter)) {
      const related = this.relations.get(model)?.get(name);
      if (related && isObject(value)) {
        const inside = ["some", "every", "none", "is", "isNot"].filter((quantifier) => Object.hasOwn(value, quantifier));
        for (const each of inside.length > 0 ? inside.map((quantifier) => value[quantifier]) : [value]) this.#requireNoFilter(related, each);
      } else if (this.#isEncrypted(model, name) && !isNullFilter(value)) throw this.#error(model, name, "can be filtered by null only");
      else if (["AND", "OR", "NOT"].includes(name) || isObject(value)) this.#requireNoFilter(model, value);
    }
  }

  #requireNoOrder(model: string, order: unknown): void {
    if (typeof order === "string" && this.#isEncrypted(model, order)) throw this.#error(model, order, "orders and groups nothing");
    if (Array.isArray(order)) for (const each of order) this.#requireNoOrder(model, each);
    if (!isObject(order)) return;
    for (const [name, value] of Object.entries(order)) {
      if (value !== undefined && this.#isEncrypted(model, name)) throw this.#error(model, name, "orders and groups nothing");
      const related = this.relations.get(model)?.get(name);
      if (related) this.#requireNoOrder(related, value);
    }
  }

  #isEncrypted(model: string, name: string): boolean {
    const { fields = [], bytes = [], json = {} } = this.models[model] ?? {};
    return fields.includes(name) || bytes.includes(name) || Object.hasOwn(json, name);
  }

  #error(model: string, name: string, why: string): EncryptedFieldUse {
    const column = Object.entries(this.models[model]?.search ?? {}).find(([, { of }]) => of === name)?.[0];
    const instead = column ? ` Use ${column}: { in: … } with the values of searchHashes() or searchValues().` : "";
    return new EncryptedFieldUse(`${model}.${name} is encrypted: it ${why}.${instead}`);
  }
}

/** A misspelt field would be stored in plain text. */
function requireFields(dataModel: DataModel, model: string, { fields = [], bytes = [], json = {}, search = {}, bound = {}, key = "id" }: EncryptedModel): void {
  const known = new Set(dataModel.models[model]?.fields.map(({ name }) => name));
  const others = Object.keys(bound).filter((name) => !fields.includes(name) && !bytes.includes(name));
  if (others.length > 0) throw new TypeError(`bound names ${others.join(", ")} of ${model}, which is neither in fields nor in bytes.`);
  const needed = Object.values(bound).flatMap((each) => [...(each.bound === "row" ? [key] : []), ...(each.tenant ? [each.tenant] : [])]);
  const columns = [...fields, ...bytes, ...needed, ...Object.keys(json), ...Object.entries(search).flatMap(([column, { of }]) => [column, of])];
  const missing = columns.filter((name) => !known.has(name));
  if (missing.length > 0) throw new TypeError(`The Prisma schema has no ${missing.map((name) => `${model}.${name}`).join(", ")}.`);
}

interface Binding {
  readonly of: Declaration;
  /** The fields that name the row and its tenant. */
  readonly needs: readonly string[];
  readonly key: string | undefined;
  readonly tenant: string | undefined;
}
type Bindings = ReadonlyMap<string, Binding>;

/** What the fields of a model are bound to, by the names of the database. Throws RangeError. */
function declare(dataModel: DataModel, model: string, { fields = [], bytes = [], bound = {}, key = "id" }: EncryptedModel): Bindings {
  const { dbName, fields: known } = dataModel.models[model]!;
  const column = (name: string) => known.find((each) => each.name === name)?.dbName ?? name;
  return new Map(
    [...fields, ...bytes].map((name) => {
      const options = bound[name] ?? {};
      const of = declared(dbName ?? model, column(name), options, options.tenant ? column(options.tenant) : null);
      if (of.form !== "unbound") declarations().set(`${of.table}.${of.column}`, of);
      const own = { key: options.bound === "row" ? key : undefined, tenant: options.tenant };
      return [name, { of, ...own, needs: [own.key, own.tenant].filter((each) => each !== undefined) }];
    }),
  );
}

function rowOf({ key, tenant }: Binding, row: Values): Row {
  return { ...(key === undefined ? {} : { key: plain(row[key]) }), ...(tenant === undefined ? {} : { tenant: plain(row[tenant]) }) };
}

function isKey(value: unknown): boolean {
  return typeof value === "string" || typeof value === "bigint" || Number.isSafeInteger(value);
}

/** The text or the bytes to seal. Throws NotText and NotBytes. */
function requireKind({ bytes = [] }: EncryptedModel, name: string, value: unknown): string | Uint8Array | null {
  if (value === null || (bytes.includes(name) ? value instanceof Uint8Array : typeof value === "string")) return value as string | Uint8Array | null;
  throw bytes.includes(name) ? new NotBytes() : new NotText();
}

function relationsOf(fields: readonly DataField[]): Map<string, string> {
  return new Map(fields.filter(({ kind }) => kind === "object").map(({ name, type }) => [name, type]));
}

/** The value of `{ set: value }`; any other update of a field is no value, and encrypting it throws NotText or NotBytes. */
function plain(value: unknown): unknown {
  return isObject(value) && Object.hasOwn(value, "set") ? value["set"] : value;
}

function isNullFilter(value: unknown): boolean {
  if (value === null || value === undefined) return true;
  return isObject(value) && Object.entries(value).every(([name, each]) => ["equals", "not"].includes(name) && isNullFilter(each));
}

function each(value: unknown, apply: (value: Values) => Values): unknown {
  if (Array.isArray(value)) return value.map((one) => (isObject(one) ? apply(one) : (one as unknown)));
  return isObject(value) ? apply(value) : value;
}

function entriesOf(filter: unknown): [string, unknown][] {
  if (Array.isArray(filter)) return filter.flatMap(entriesOf);
  return isObject(filter) ? Object.entries(filter) : [];
}

function isObject(value: unknown): value is Values {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array) && !(value instanceof Date);
}

function lowerFirst(model: string): string {
  return model.charAt(0).toLowerCase() + model.slice(1);
}
