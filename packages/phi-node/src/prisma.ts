/**
 * A Prisma client that encrypts mapped fields when it writes and decrypts them when it reads, and keeps the columns with
 * their search values in step. It uses Prisma's client extensions, and imports nothing of Prisma.
 */

import { type Bound, declarations, declared } from "./binding.js";
import { type HashField, type PhiFields, type ExactIndex, type WordIndex, fields as fieldsOfProcess } from "./index.js";
import { type Bindings, type Held, Operations, type Values, hasRows } from "./operations.js";

export { EncryptedFieldUse } from "./operations.js";

/** What of one model is encrypted. */
export interface EncryptedModel {
  /** Texts (`String?`, `String[]`). */
  readonly fields?: readonly string[];
  /** Bytes (`Bytes?`), as binary records. */
  readonly bytes?: readonly string[];
  /** JSON (`Json?`): the texts of these fields inside the value, or `"*"`. */
  readonly json?: Readonly<Record<string, readonly string[] | "*">>;
  /** How fields and bytes are bound to their column, their row or its tenant; those that are not named are not. */
  readonly bound?: Readonly<Record<string, Bound>>;
  /** The field that names a row, for `bound: "row"`; default "id". */
  readonly key?: string;
  /** Columns that are written with their fields: `{ emailHash: { of: "email", by: "email" } }`. */
  readonly search?: Readonly<Record<string, SearchColumn>>;
}

/** A column of search values: a text, or `Int[]` for the words of several fields. */
export interface SearchColumn {
  readonly of: string | readonly string[];
  readonly by: HashField | ExactIndex | WordIndex;
  /** The field with the clinic of a row, where each clinic has a search key of its own. */
  readonly clinic?: string;
}

interface Operation {
  readonly model: string;
  readonly operation: string;
  readonly args: unknown;
  readonly query: (args: unknown) => Promise<unknown>;
  /** Of the fluent API: "select" and a relation's name in turn. */
  readonly __internalParams?: { readonly dataPath?: readonly string[] };
}
interface DataField {
  readonly name: string;
  readonly kind: string;
  readonly type: string;
  readonly dbName?: string | null;
  readonly relationName?: string | null;
}
interface DataModel {
  readonly models: Readonly<Record<string, { readonly dbName?: string | null; readonly fields: readonly DataField[] }>>;
}
interface Client {
  readonly _runtimeDataModel?: DataModel;
  readonly _globalOmit?: Readonly<Record<string, Readonly<Record<string, boolean>>>>;
  readonly _engineConfig?: { readonly inlineSchema?: string };
  readonly $extends?: (extension: object) => Client;
  readonly $on?: (...listener: unknown[]) => unknown;
}

/**
 * The client with these models encrypted: `withPhi(new PrismaClient(…), { Patient: { fields: ["email"], search: … } })`.
 * Each operation waits for the keys. A filter, an order or a group by an encrypted field throws EncryptedFieldUse, but for
 * null. Extensions see texts, whether the client gets them before or after. Raw SQL is not changed.
 */
export function withPhi<C extends object>(client: C, models: Readonly<Record<string, EncryptedModel>>, fields: () => PhiFields = fieldsOfProcess): C {
  const { _runtimeDataModel: dataModel, _globalOmit: omitted, _engineConfig: engine, $extends, $on } = client as Client;
  if (!dataModel || !$extends) throw new TypeError("withPhi takes a PrismaClient (Prisma 6.16 or newer).");
  const relations = new Map(Object.entries(dataModel.models).map(([model, { fields: all }]) => [model, relationsOf(all)]));
  for (const [model, encrypted] of Object.entries(models)) requireFields(dataModel, model, encrypted);
  const bindings = new Map(Object.entries(models).map(([model, encrypted]) => [model, declare(dataModel, model, encrypted)]));
  const isOmitted = (model: string, name: string) => omitted?.[lowerFirst(model)]?.[name] ?? false;
  const held = heldRelations(engine?.inlineSchema ?? "");
  const relationName = (model: string, relation: string) => dataModel.models[model]?.fields.find(({ name }) => name === relation)?.relationName;
  const linked = (model: string, relation: string) => {
    const others = held.get(relations.get(model)!.get(relation)!) ?? [];
    return others.filter((other) => relationName(relations.get(model)!.get(relation)!, other.relation) === relationName(model, relation)).flatMap((other) => other.fields);
  };
  const operations = new Operations({ encrypted: models, relations, held, linked, bindings, isOmitted }, fields);

  const $allOperations = async ({ model, operation, args, query, __internalParams: request }: Operation): Promise<unknown> => {
    await fields().ready();
    const result = await query(operations.sent(model, operation, args));
    if (!hasRows(operation)) return result;
    let [of, asked] = [model, args];
    for (const name of (request?.dataPath ?? []).filter((_, index) => index % 2 === 1)) {
      of = relations.get(of)!.get(name)!;
      asked = (asked as { select: Values }).select[name];
    }
    return operations.received(of, result, asked);
  };
  /** An extension that is added later is put before this one: after it, it would see and write what is stored. */
  const extended = (inner: Client): Client => {
    const $extends = (extension: object) => (typeof extension === "function" ? (extension as (client: Client) => unknown)(outer) : extended(inner.$extends!(extension)));
    const made = inner.$extends!({ name: "@eonpro/phi", query: { $allModels: { $allOperations } }, client: { $extends } });
    // Prisma takes $on away from a client with extensions, and lets none of them have it.
    const listening = (...listener: unknown[]) => ($on!.apply(client, listener), outer);
    const outer: Client = $on ? (Object.create(made, { $on: { value: listening } }) as Client) : made;
    return outer;
  };
  return extended(client as Client) as C;
}

/**
 * The filter by a query's groups: `where: hasWords("tokens", searchGroups(index, query))`. Without a group it finds nothing.
 * Its rows are candidates: keep those that the index `matches`.
 */
export function hasWords<K extends string>(column: K, groups: readonly number[][]): { AND: Record<K, { hasSome: number[] }>[] } | { OR: never[] } {
  if (groups.length === 0) return { OR: [] }; // an empty AND would find every row
  return { AND: groups.map((group) => ({ [column]: { hasSome: group } }) as Record<K, { hasSome: number[] }>) };
}

/** A misspelt field would be stored in plain text. */
function requireFields(dataModel: DataModel, model: string, { fields = [], bytes = [], json = {}, search = {}, bound = {}, key = "id" }: EncryptedModel): void {
  const known = new Set(dataModel.models[model]?.fields.map(({ name }) => name));
  const others = Object.keys(bound).filter((name) => !fields.includes(name) && !bytes.includes(name));
  if (others.length > 0) throw new TypeError(`bound names ${others.join(", ")} of ${model}, which is neither in fields nor in bytes.`);
  const needed = Object.values(bound).flatMap((each) => [...(each.bound === "row" ? [key] : []), ...(each.tenant ? [each.tenant] : [])]);
  const searched = Object.entries(search).flatMap(([column, { of, clinic }]) => [column, ...[of].flat(), ...(clinic ? [clinic] : [])]);
  const missing = [...fields, ...bytes, ...needed, ...Object.keys(json), ...searched].filter((name) => !known.has(name));
  if (missing.length > 0) throw new TypeError(`The Prisma schema has no ${missing.map((name) => `${model}.${name}`).join(", ")}.`);
  for (const [column, { of, by, clinic }] of Object.entries(search)) {
    if (typeof by === "string" && clinic) throw new TypeError(`${model}.${column} is the application's own hash, which has no clinic.`);
    if ((typeof by === "string" || by.kind === "exact") && [of].flat().length !== 1) throw new TypeError(`${model}.${column} is of one field.`);
  }
}

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

function relationsOf(fields: readonly DataField[]): Map<string, string> {
  return new Map(fields.filter(({ kind }) => kind === "object").map(({ name, type }) => [name, type]));
}

/** The relations of the schema's text that fields hold, which no other part of a client says. */
function heldRelations(schema: string): Map<string, Held[]> {
  const names = (inside: string, list: string) => (new RegExp(`\\b${list}:\\s*\\[([^\\]]*)\\]`).exec(inside)?.[1] ?? "").split(",").map((name) => name.trim());
  return new Map(
    [...schema.matchAll(/^\s*model\s+(\w+)\s*\{(.*?)^\s*\}/gms)].map(([, model, body]) => {
      const all = [...body!.matchAll(/^\s*(\w+)\s+\w[^\n/]*?@relation\(([^)]*\bfields:[^)]*)\)/gm)];
      return [model!, all.map(([, relation, inside]) => ({ relation: relation!, fields: names(inside!, "fields"), references: names(inside!, "references") }))];
    }),
  );
}

function lowerFirst(model: string): string {
  return model.charAt(0).toLowerCase() + model.slice(1);
}
