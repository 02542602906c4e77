/**
 * A Prisma client that encrypts mapped fields when it writes and decrypts them when it reads, and keeps the columns with
 * their search hashes in step. It uses Prisma's client extensions, and imports nothing of Prisma.
 */

import { type HashField, type PhiFields, type ExactIndex, PhiError, fields as fieldsOfProcess } from "./index.js";
import { isPlain } from "./json.js";

/** What of one model is encrypted. */
export interface EncryptedModel {
  /** Texts (`String?`). */
  readonly fields?: readonly string[];
  /** Bytes (`Bytes?`), as binary records. */
  readonly bytes?: readonly string[];
  /** JSON (`Json?`): the texts of these fields inside the value, or `"*"`. */
  readonly json?: Readonly<Record<string, readonly string[] | "*">>;
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
interface DataModel {
  readonly models: Readonly<Record<string, { readonly fields: readonly { name: string; kind: string; type: string }[] }>>;
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
  const mapped = new Mapped(models, relations, fields);
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
    result: Object.fromEntries(Object.entries(models).map(([model, encrypted]) => [lowerFirst(model), reading(encrypted, fields)])),
  }) as C;
}

/** How each encrypted field of a model is read: when it is looked at. */
function reading(model: EncryptedModel, fields: () => PhiFields): Values {
  const computed = (name: string, open: (value: never) => unknown) => [name, { needs: { [name]: true }, compute: (row: Values) => open(row[name] as never) }];
  return Object.fromEntries([
    ...(model.fields ?? []).map((name) => computed(name, (value: string | null) => fields().cipher.decrypt(value))),
    ...(model.bytes ?? []).map((name) => computed(name, (value: Uint8Array | null) => fields().cipher.decryptBytes(value))),
    ...Object.entries(model.json ?? {}).map(([name, inside]) => computed(name, (value: unknown) => fields().cipher.decryptJson(value, inside))),
  ]) as Values;
}

/** The arguments of an operation, with the values of encrypted fields replaced. */
class Mapped {
  constructor(
    readonly models: Readonly<Record<string, EncryptedModel>>,
    readonly relations: ReadonlyMap<string, ReadonlyMap<string, string>>,
    readonly fields: () => PhiFields,
  ) {}

  /** A copy of the arguments of an operation, of a nested write or of an included relation. Throws EncryptedFieldUse. */
  written(model: string, args: Values | undefined): Values | undefined {
    if (!isObject(args)) return args;
    const copy: Values = { ...args };
    for (const [name, value] of Object.entries(args)) {
      if (FILTERS.includes(name)) this.#requireNoFilter(model, value);
      else if (ORDERS.includes(name)) this.#requireNoOrder(model, value);
      else if (name === "data" || name === "create" || name === "update") copy[name] = each(value, (data) => this.#data(model, data));
      else if (name === "include" || name === "select") copy[name] = this.#related(model, value);
    }
    return copy;
  }

  /** A row to write. */
  #data(model: string, data: Values): Values {
    const encrypted = this.models[model] ?? {};
    const copy: Values = { ...data };
    for (const [name, value] of Object.entries(data)) {
      const related = this.relations.get(model)?.get(name);
      if (related && isObject(value)) copy[name] = this.#nested(related, value);
      else if (value !== undefined) copy[name] = this.#value(encrypted, name, value);
    }
    for (const [column, { of, by }] of Object.entries(encrypted.search ?? {})) {
      if (data[of] === undefined) continue;
      const text = plain(data[of]) as string | null;
      copy[column] = typeof by === "string" ? this.fields().searchHash(by, text) : this.fields().searchValue(by, text);
    }
    return copy;
  }

  #value(encrypted: EncryptedModel, name: string, value: unknown): unknown {
    const { cipher } = this.fields();
    const inside = encrypted.json && Object.hasOwn(encrypted.json, name) ? encrypted.json[name] : undefined;
    // Prisma's markers of a JSON null are objects of its own classes.
    if (inside) return isObject(value) && !isPlain(value) ? value : cipher.encryptJson(value, inside);
    if (encrypted.bytes?.includes(name)) return cipher.encryptBytes(plain(value) as Uint8Array | null);
    if (encrypted.fields?.includes(name)) return cipher.encryptFields({ text: plain(value) }, ["text"]).text;
    return value;
  }

  /** The writes of a relation: create, connectOrCreate, update, upsert and those of many. */
  #nested(model: string, writes: Values): Values {
    const copy: Values = { ...writes };
    for (const [name, value] of Object.entries(writes)) {
      if (name === "create") copy[name] = each(value, (data) => this.#data(model, data));
      else if (name === "update") copy[name] = each(value, (one) => (isObject(one["data"]) ? this.written(model, one)! : this.#data(model, one)));
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
function requireFields(dataModel: DataModel, model: string, { fields = [], bytes = [], json = {}, search = {} }: EncryptedModel): void {
  const known = new Set(dataModel.models[model]?.fields.map(({ name }) => name));
  const columns = [...fields, ...bytes, ...Object.keys(json), ...Object.entries(search).flatMap(([column, { of }]) => [column, of])];
  const missing = columns.filter((name) => !known.has(name));
  if (missing.length > 0) throw new TypeError(`The Prisma schema has no ${missing.map((name) => `${model}.${name}`).join(", ")}.`);
}

function relationsOf(fields: readonly { name: string; kind: string; type: string }[]): Map<string, string> {
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
