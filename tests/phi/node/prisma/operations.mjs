// The operations of Prisma's documentation on a clinic's models: each is right, or is refused in words. After each of them the
// database, the log of queries and the error hold no text, every row reads back, and the search columns are those of its texts.
import assert from "node:assert/strict";
import { CachedKey, ExactIndex, PhiFields, WordIndex } from "@eonpro/phi";
import { EncryptedFieldUse, hasWords, withPhi } from "@eonpro/phi/prisma";
import { PrismaPg } from "@prisma/adapter-pg";
import { Prisma, PrismaClient } from "./client.mjs";

const [keyInHex, host, database] = process.argv.slice(2);
const key = Buffer.from(keyInHex, "hex");
const fields = new PhiFields(new CachedKey({ dataKey: async () => key }));
await fields.ready();
const plain = new PrismaClient({ adapter: new PrismaPg({ host, database, user: "postgres" }), log: [{ emit: "event", level: "query" }, { emit: "event", level: "error" }] });
const WORDS = new WordIndex({ table: "Patient", column: "tokens" });
const LAST_FOUR = new ExactIndex({ table: "Patient", column: "lastFour", rule: "last4" });
const MODELS = {
  Patient: {
    fields: ["firstName", "email", "dob", "phone", "tags"],
    bytes: ["scan"],
    json: { answers: "*" },
    search: {
      emailHash: { of: "email", by: "email" },
      dobHash: { of: "dob", by: "dob" },
      lastFour: { of: "phone", by: LAST_FOUR, clinic: "clinicId" },
      tokens: { of: ["firstName", "phone"], by: WORDS, clinic: "clinicId" },
    },
  },
  Visit: { fields: ["note"], bound: { note: { bound: "row", tenant: "clinicId" } } },
};
const prisma = withPhi(plain, MODELS, () => fields);
/** What every text here has, and no record: a character that is not of base64. */
const SHOWN = /zz\w* zz|zz\w*@|zz-|\b19\d\d-\d\d-\d\d|555 010|5550102/i;
const shown = [];
for (const level of ["query", "error"]) plain.$on(level, (event) => shown.push(JSON.stringify(event)));

const P = prisma.patient;
const V = prisma.visit;
const C = prisma.clinic;
const ANA = { id: 1, firstName: "Zzana Zzovak", email: "zzana@x.org", dob: "1980-01-31", phone: "+1 555 010 2345", tags: ["zz-asthma", "zz-dust"], plan: "basic", clinicId: 7 };
const BOB = { id: 2, firstName: "Zzbob Zzeller", email: "zzbob@x.org", plan: "basic", clinicId: 7 };
const EVE = { id: 3, firstName: "Zzeva Zzana", plan: "gold", clinicId: 8 };
const NAMES = [ANA, BOB, EVE].map(({ firstName }) => firstName);
const NEW = { firstName: "Zzora Zznew", phone: null };
const BACK = ["Zzora Zznew", NAMES[1], NAMES[2]];
const MORE = [...NAMES, "Zzora Zznew"];
const id = (id) => ({ id });
const at = (number) => ({ where: { id: number, clinicId: number === 3 ? 8 : 7 } });
const first = { orderBy: { id: "asc" } };
const firstNames = (rows) => rows.map(({ firstName }) => firstName);
const names = async (where = {}) => firstNames(await P.findMany({ where, ...first }));
const notes = async () => (await V.findMany(first)).map(({ note }) => note);
const after = (write, result = names) => async () => (await write(), result());
const email = { emailHash: { in: fields.searchHashes("email", "ZZANA@x.org") } };
const words = (query, clinic = 7) => hasWords("tokens", fields.searchGroups(WORDS, query, clinic));
const own = (client) => client.patient.findUnique({ where: id(1) });

/** What is read of a row with the record of another one. */
async function moved() {
  const [{ note_text: before }] = await plain.$queryRawUnsafe("SELECT note_text FROM visits WHERE id = 'a'");
  await plain.$executeRawUnsafe("UPDATE visits SET note_text = (SELECT note_text FROM visits WHERE id = 'b') WHERE id = 'a'");
  const row = await V.findUnique({ where: id("a") });
  await plain.$executeRawUnsafe("UPDATE visits SET note_text = $1 WHERE id = 'a'", before);
  try {
    return row.note;
  } catch ({ name }) {
    return name;
  }
}

/** What is read, written and included of a table that was renamed, by a client that declares the former name. */
async function renamed() {
  const bound = { note: { bound: "row", tenant: "clinicId", place: "stays.text" } };
  const client = withPhi(plain, { ...MODELS, Visit: { fields: ["note"], bound } }, () => fields);
  const former = fields.forTenant("7").encrypt("zz-former", "stays.text:a");
  await plain.$executeRawUnsafe("UPDATE visits SET note_text = $1 WHERE id = 'a'", former);
  const found = [(await client.visit.findUnique({ where: id("a") })).note];
  await client.visit.update({ where: { id: "a", clinicId: 7 }, data: { note: "zz-later" } });
  found.push((await client.patient.findUnique({ where: id(1), include: { visits: true } })).visits[0].note);
  await client.visit.upsert({ where: { id: "a", clinicId: 7 }, update: { id: "c", note: "zz-moved" }, create: { id: "a", clinicId: 7 } });
  found.push((await client.visit.findUnique({ where: id("c") })).note);
  const row = await V.findUnique({ where: id("c") });
  assert.throws(() => row.note, /declare its former name/);
  await V.update({ where: { id: "c", clinicId: 7 }, data: { note: "zz-ulna" } });
  return found;
}

class Undone extends Error {}

async function fill() {
  await plain.$executeRawUnsafe('TRUNCATE "Clinic", "Patient", visits, "Label", "_LabelToPatient" RESTART IDENTITY');
  await C.createMany({ data: [{ id: 7, name: "Praxis" }, { id: 8, name: "Ward" }] });
  await P.create({ data: { ...ANA, scan: Buffer.from("zz-%PDF"), answers: { q: ["zz-yes"] } } });
  await P.createMany({ data: [BOB, EVE] });
  await V.createMany({ data: [{ id: "a", clinicId: 7, note: "zz-ulna", patientId: 1 }, { id: "b", clinicId: 8, note: "zz-well", patientId: 2 }] });
  await plain.$queryRawUnsafe(`SELECT setval('"Patient_id_seq"', 3)`);
}

const dump = async () => {
  const rows = [];
  for (const table of ['"Patient"', "visits", '"Clinic"', '"Label"']) rows.push(...(await plain.$queryRawUnsafe(`SELECT t::text AS row FROM ${table} t`)));
  return rows.map(({ row }) => row).sort();
};

async function requireSound() {
  for (const row of [...(await dump()), ...shown]) assert.doesNotMatch(row, SHOWN);
  for (const row of await P.findMany()) {
    assert.deepEqual([row.emailHash, row.dobHash], [fields.searchHash("email", row.email), fields.searchHash("dob", row.dob)]);
    assert.equal(row.lastFour, fields.searchValue(LAST_FOUR, row.phone, row.clinicId ?? ""));
    assert.deepEqual([...row.tokens].sort(), [...fields.searchTokens(WORDS, [row.firstName, row.phone], row.clinicId ?? "")].sort());
    assert.ok([row.scan, row.answers, ...row.tags].every((value) => value !== undefined));
  }
  for (const { note } of await V.findMany()) assert.notEqual(note, undefined);
}

const READS = {
  findMany: [() => names(), NAMES],
  findUnique: [async () => (await own(prisma)).email, ANA.email],
  "findUnique by a search column": [async () => (await P.findUnique({ where: { emailHash: fields.searchHash("email", ANA.email) } })).id, 1],
  findUniqueOrThrow: [async () => (await P.findUniqueOrThrow({ where: id(1) })).tags, ANA.tags],
  "findUnique of none": [() => P.findUnique({ where: id(9) }), null],
  findFirst: [async () => (await P.findFirst({ where: { plan: "gold" } })).firstName, NAMES[2]],
  findFirstOrThrow: [async () => (await P.findFirstOrThrow(first)).dob, ANA.dob],
  "every type": [async () => (({ scan, answers }) => [Buffer.from(scan).toString(), answers])(await own(prisma)), ["zz-%PDF", { q: ["zz-yes"] }]],
  "by e-mail": [() => names(email), NAMES.slice(0, 1)],
  "by last four": [() => names({ lastFour: { in: fields.searchValues(LAST_FOUR, "2345", 7) } }), NAMES.slice(0, 1)],
  "by words": [() => names(words("zzova")), NAMES.slice(0, 1)],
  "by words of another clinic": [() => names(words("zzova", 8)), []],
  "by no word": [() => names(words("-")), []],
  "by null": [() => names({ email: null }), NAMES.slice(2)],
  "by not null": [() => names({ email: { not: null } }), NAMES.slice(0, 2)],
  "by an empty list": [() => names({ tags: { isEmpty: false } }), NAMES.slice(0, 1)],
  AND: [() => names({ AND: [email, { plan: "basic" }] }), NAMES.slice(0, 1)],
  OR: [() => names({ OR: [email, { plan: "gold" }] }), [NAMES[0], NAMES[2]]],
  NOT: [() => names({ NOT: { email: null } }), NAMES.slice(0, 2)],
  "not a text": [() => names({ NOT: { OR: [email, { emailHash: null }] } }), NAMES.slice(1, 2)],
  some: [() => names({ visits: { some: { note: { not: null } } } }), NAMES.slice(0, 2)],
  every: [() => names({ visits: { every: { clinicId: 7 } } }), [NAMES[0], NAMES[2]]],
  none: [() => names({ visits: { none: {} } }), NAMES.slice(2)],
  is: [async () => (await V.findMany({ where: { patient: { is: email } } })).map(({ note }) => note), ["zz-ulna"]],
  isNot: [async () => (await V.findMany({ where: { patient: { isNot: { email: null } } }, ...first })).length, 2],
  "a relation's text": [async () => (await C.findMany({ where: { patients: { some: email } } })).map(({ name }) => name), ["Praxis"]],
  select: [() => P.findFirst({ where: id(1), select: { email: true, plan: true } }), { email: ANA.email, plan: "basic" }],
  omit: [async () => Object.hasOwn(await P.findFirst({ where: id(1), omit: { email: true } }), "email"), false],
  include: [async () => (await P.findUnique({ where: id(1), include: { visits: true } })).visits[0].note, "zz-ulna"],
  "include from the other side": [async () => (await V.findUnique({ where: id("a"), include: { patient: true } })).patient.email, ANA.email],
  "include of an include": [async () => (await C.findUnique({ where: id(7), include: { patients: { include: { visits: true }, ...first } } })).patients[1].visits[0].note, "zz-well"],
  "select of a relation": [async () => (await C.findUnique({ where: id(7), select: { patients: { select: { email: true }, ...first } } })).patients, [{ email: ANA.email }, { email: BOB.email }]],
  "include of some": [async () => (await C.findUnique({ where: id(7), include: { patients: { where: email } } })).patients.length, 1],
  "select of a bound text alone": [() => V.findMany({ select: { note: true }, ...first }), [{ note: "zz-ulna" }, { note: "zz-well" }]],
  "omit of a bound text's keys": [() => V.findFirst({ where: id("a"), omit: { id: true, clinicId: true } }), { note: "zz-ulna", patientId: 1 }],
  "fluent": [async () => (await V.findUnique({ where: id("a") }).patient()).email, ANA.email],
  "fluent of many": [async () => (await P.findUnique({ where: id(1) }).visits({ select: { note: true } })), [{ note: "zz-ulna" }]],
  "fluent with a select": [() => V.findFirst({ where: id("a") }).patient({ select: { email: true } }), { email: ANA.email }],
  "fluent twice": [async () => (await V.findUnique({ where: id("a") }).patient().clinic()).name, "Praxis"],
  "fluent after a write": [async () => (await V.update({ where: id("a"), data: { patientId: 2 } }).patient()).email, BOB.email],
  "fluent after findUniqueOrThrow": [async () => (await V.findUniqueOrThrow({ where: id("a") }).patient()).email, ANA.email],
  "fluent after upsert": [async () => (await V.upsert({ where: { id: "a", clinicId: 7 }, update: {}, create: { id: "z", clinicId: 7 } }).patient()).email, ANA.email],
  "fluent of a list with a filter": [async () => (await C.findUnique({ where: id(7) }).patients({ where: email })).map((row) => row.email), [ANA.email]],
  "omit in a relation": [async () => Object.keys((await V.findUnique({ where: id("a"), select: { patient: { omit: { email: true } } } })).patient).includes("email"), false],
  "a relation of a relation of a relation": [async () => (await V.findUnique({ where: id("a"), select: { patient: { select: { clinic: { select: { patients: { select: { email: true }, ...first } } } } } } })).patient.clinic.patients[1].email, BOB.email],
  "_count of all": [async () => (await P.findUnique({ where: id(1), select: { _count: true, email: true } }))._count.visits, 1],
  "a record of another row": [() => moved(), "NotBound"],
  "a renamed table": [() => renamed(), ["zz-former", "zz-later", "zz-moved"]],
  "an unknown field": [() => P.create({ data: { email: "zz-secret", unknown: 1 } }).catch((error) => [error.name, SHOWN.test(error.message)]), ["PrismaClientValidationError", false]],
  "a value of another type": [() => P.create({ data: { email: "zz-secret", plan: 1 } }).catch((error) => [error.name, SHOWN.test(error.message)]), ["PrismaClientValidationError", false]],
  "a value that is there": [() => P.create({ data: { email: ANA.email } }).catch((error) => [error.code, SHOWN.test(error.message + JSON.stringify(error.meta))]), ["P2002", false]],
  "a row that is not there": [() => P.update({ where: id(9), data: { email: "zz-secret" } }).catch((error) => [error.code, SHOWN.test(error.message)]), ["P2025", false]],
  "order by another": [async () => firstNames(await P.findMany({ orderBy: [{ plan: "desc" }, { id: "desc" }] })), [NAMES[2], NAMES[1], NAMES[0]]],
  "order by a relation": [async () => firstNames(await P.findMany({ orderBy: [{ clinic: { name: "desc" } }, { id: "asc" }] })), [NAMES[2], NAMES[0], NAMES[1]]],
  "order by a count": [async () => (await P.findMany({ orderBy: [{ visits: { _count: "asc" } }, { id: "asc" }] }))[0].firstName, NAMES[2]],
  "take and skip": [async () => firstNames(await P.findMany({ ...first, take: 1, skip: 1 })), NAMES.slice(1, 2)],
  "take from the end": [async () => firstNames(await P.findMany({ ...first, take: -1 })), NAMES.slice(2)],
  "a cursor": [async () => firstNames(await P.findMany({ ...first, cursor: id(2), skip: 1 })), NAMES.slice(2)],
  "distinct of another": [async () => (await P.findMany({ distinct: ["plan"], ...first })).length, 2],
  count: [() => P.count({ where: email }), 1],
  "count of texts": [() => P.count({ select: { email: true, _all: true } }), { email: 2, _all: 3 }],
  aggregate: [() => P.aggregate({ _count: { email: true }, _max: { id: true } }), { _count: { email: 2 }, _max: { id: 3 } }],
  "groupBy another": [() => P.groupBy({ by: ["plan"], _count: { email: true }, orderBy: { plan: "asc" } }), [{ _count: { email: 2 }, plan: "basic" }, { _count: { email: 0 }, plan: "gold" }]],
  "groupBy with having": [async () => (await P.groupBy({ by: ["plan"], having: { id: { _max: { gt: 2 } } } })).length, 1],
  "a relation's count": [async () => (await C.findUnique({ where: id(7), include: { _count: { select: { patients: { where: email } } } } }))._count.patients, 1],
  "$queryRaw of others": [() => prisma.$queryRaw`SELECT id FROM "Patient" WHERE plan = ${"gold"}`, [{ id: 3 }]],
  "$queryRaw by a search column": [() => prisma.$queryRaw`SELECT id FROM "Patient" WHERE "emailHash" = ${fields.searchHash("email", ANA.email)}`, [{ id: 1 }]],
  "$transaction of a list": [async () => (await prisma.$transaction([P.count(), own(prisma)]))[1].email, ANA.email],
  "$transaction with a function": [() => prisma.$transaction(async (client) => (await own(client)).email, { isolationLevel: "Serializable" }), ANA.email],
  "two at once": [async () => (await Promise.all([own(prisma), own(prisma)])).map((row) => row.email), [ANA.email, ANA.email]],
  structuredClone: [async () => structuredClone(await own(prisma)).email, ANA.email],
  "JSON.stringify": [async () => JSON.parse(JSON.stringify(await own(prisma))).email, ANA.email],
  "a spread row": [async () => ({ ...(await own(prisma)) }).email, ANA.email],
  "$on": [() => prisma.$on("query", () => undefined) === prisma, true],
  "an extension's result": [async () => (await own(prisma.$extends({ result: { patient: { hello: { needs: { email: true }, compute: (row) => `Dear ${row.email}` } } } }))).hello, `Dear ${ANA.email}`],
  "an extension's query": [async () => (await prisma.$extends({ query: { patient: { findUnique: async ({ args, query }) => ({ ...(await query(args)), seen: true }) } } }).patient.findUnique({ where: id(1) })).email, ANA.email],
  "an extension's model": [async () => (await prisma.$extends({ model: { patient: { last() { return Prisma.getExtensionContext(this).findFirst({ orderBy: { id: "desc" } }); } } } }).patient.last()).firstName, NAMES[2]],
  "an extension's client": [() => prisma.$extends({ client: { hello: () => "hello" } }).hello(), "hello"],
  "an extension before": [async () => (await own(withPhi(plain.$extends({ result: { patient: { hello: { needs: { email: true }, compute: (row) => `Dear ${row.email}` } } } }), MODELS, () => fields))).hello, `Dear ${ANA.email}`],
};

const WRITES = {
  create: [after(() => P.create({ data: { ...NEW, clinicId: 7 } })), MORE],
  "create returns texts": [async () => (await P.create({ data: { ...NEW, clinicId: 7 } })).firstName, NEW.firstName],
  "create with a select": [() => P.create({ data: { email: "zzn@x.org" }, select: { email: true } }), { email: "zzn@x.org" }],
  "create with an include": [async () => (await V.create({ data: { id: "c", clinicId: 7, note: "zz-new", patient: { connect: id(1) } }, include: { patient: true } })).patient.email, ANA.email],
  "create of undefined": [after(() => P.create({ data: { ...NEW, email: undefined, clinicId: 7 } })), MORE],
  "create of an empty text": [async () => (await P.create({ data: { email: "" } })).email, null],
  "create of a relation": [after(() => P.create({ data: { ...NEW, clinic: { connect: id(7) } } })), MORE],
  "create with its visits": [after(() => P.create({ data: { ...NEW, clinicId: 7, visits: { create: { id: "c", clinicId: 7, note: "zz-new" } } } }), notes), ["zz-ulna", "zz-well", "zz-new"]],
  "create with many visits": [after(() => P.create({ data: { plan: "x", visits: { createMany: { data: [{ id: "c", clinicId: 7, note: "zz-new" }] } } } }), notes), ["zz-ulna", "zz-well", "zz-new"]],
  "connectOrCreate, created": [after(() => V.update({ where: id("a"), data: { patient: { connectOrCreate: { where: id(9), create: { ...NEW, clinicId: 7 } } } } })), MORE],
  "connectOrCreate, connected": [after(() => V.update({ where: id("a"), data: { patient: { connectOrCreate: { where: id(2), create: { email: "zz@x" } } } } })), NAMES],
  createMany: [after(() => P.createMany({ data: [{ ...NEW, clinicId: 7 }] })), MORE],
  "createMany that skips": [after(() => P.createMany({ data: [{ ...ANA, firstName: "Zzlost Zz" }], skipDuplicates: true })), NAMES],
  createManyAndReturn: [async () => firstNames(await P.createManyAndReturn({ data: [{ ...NEW, clinicId: 7 }] })), [NEW.firstName]],
  update: [after(() => P.update({ ...at(1), data: NEW })), BACK],
  "update returns texts": [async () => (await P.update({ ...at(1), data: NEW })).email, ANA.email],
  "update by set": [after(() => P.update({ ...at(1), data: { firstName: { set: NEW.firstName }, phone: { set: null } } })), BACK],
  "update of one source": [async () => (await P.update({ where: id(1), data: { email: "zznew@x.org" } })).email, "zznew@x.org"],
  "update to null": [async () => (await P.update({ where: id(1), data: { email: null } })).emailHash, null],
  "update of another": [after(() => P.update({ where: id(1), data: { plan: "gold" } })), NAMES],
  "update of a number": [after(() => P.update({ where: id(3), data: { id: { increment: 6 } } })), NAMES],
  "update of each type": [async () => (({ scan, answers, dob }) => [Buffer.from(scan).toString(), answers, dob])(await P.update({ where: id(1), data: { scan: Buffer.from("zz-o"), answers: { q: "zz-no" }, dob: "1999-09-09" } })), ["zz-o", { q: "zz-no" }, "1999-09-09"]],
  "update of a list": [async () => (await P.update({ where: id(1), data: { tags: ["zz-new"] } })).tags, ["zz-new"]],
  "update of a list by set": [async () => (await P.update({ where: id(1), data: { tags: { set: ["zz-new"] } } })).tags, ["zz-new"]],
  "update by push": [async () => (await P.update({ where: id(1), data: { tags: { push: "zz-new" } } })).tags, [...ANA.tags, "zz-new"]],
  "update by push of many": [async () => (await P.update({ where: id(1), data: { tags: { push: ["zz-new"] } } })).tags, [...ANA.tags, "zz-new"]],
  "update to a JSON null": [async () => (await P.update({ where: id(1), data: { answers: Prisma.DbNull } })).answers, null],
  "update of a bound text": [after(() => V.update({ where: { id: "a", clinicId: 7 }, data: { note: "zz-new" } }), notes), ["zz-new", "zz-well"]],
  "update of a bound row's other": [after(() => V.update({ where: id("a"), data: { patientId: 2 } }), notes), ["zz-ulna", "zz-well"]],
  "update to another clinic": [after(() => V.update({ where: { id: "a", clinicId: 7 }, data: { note: "zz-ulna", clinicId: 8 } }), notes), ["zz-ulna", "zz-well"]],
  "move with all sources": [after(() => P.update({ ...at(1), data: { firstName: ANA.firstName, phone: ANA.phone, clinic: { connect: id(8) } } }), () => names(words("zzova", 8))), NAMES.slice(0, 1)],
  updateMany: [after(() => P.updateMany({ where: email, data: { dob: "1999-09-09" } }), async () => (await own(prisma)).dob), "1999-09-09"],
  "updateMany of another": [after(() => P.updateMany({ data: { plan: "x" } })), NAMES],
  updateManyAndReturn: [async () => (await P.updateManyAndReturn({ where: email, data: { dob: "1999-09-09" }, select: { dob: true } })), [{ dob: "1999-09-09" }]],
  "upsert, updated": [after(() => P.upsert({ ...at(1), update: NEW, create: {} })), BACK],
  "upsert, created": [after(() => P.upsert({ where: { id: 9, clinicId: 7 }, update: NEW, create: { ...NEW, clinicId: 7 } })), MORE],
  "upsert by a search column": [async () => (await P.upsert({ where: { emailHash: fields.searchHash("email", ANA.email) }, update: { dob: "1999-09-09" }, create: {} })).dob, "1999-09-09"],
  "upsert of a bound row": [after(() => V.upsert({ where: { id: "c", clinicId: 7 }, update: { note: "zz-x" }, create: { id: "c", clinicId: 7, note: "zz-new" } }), notes), ["zz-ulna", "zz-well", "zz-new"]],
  delete: [async () => (await P.delete({ where: id(3) })).firstName, NAMES[2]],
  deleteMany: [after(() => V.deleteMany({ where: { note: { not: null } } }), notes), []],
  "deleteMany by words": [after(() => P.deleteMany({ where: words("zzeva", 8) })), NAMES.slice(0, 2)],
  "nested update": [after(() => V.update({ where: id("a"), data: { patient: { update: { email: "zznew@x.org" } } } }), async () => (await own(prisma)).email), "zznew@x.org"],
  "nested update with a condition": [after(() => C.update({ where: id(7), data: { patients: { update: { where: id(1), data: { email: "zznew@x.org" } } } } }), async () => (await own(prisma)).email), "zznew@x.org"],
  "nested updateMany": [after(() => C.update({ where: id(7), data: { patients: { updateMany: { where: email, data: { dob: "1999-09-09" } } } } }), async () => (await own(prisma)).dob), "1999-09-09"],
  "nested upsert": [after(() => V.update({ where: id("a"), data: { patient: { upsert: { update: { email: "zznew@x.org" }, create: {} } } } }), async () => (await own(prisma)).email), "zznew@x.org"],
  "nested delete": [after(() => P.update({ where: id(1), data: { visits: { delete: id("a") } } }), notes), ["zz-well"]],
  "nested deleteMany": [after(() => P.update({ where: id(1), data: { visits: { deleteMany: {} } } }), notes), ["zz-well"]],
  "nested disconnect": [after(() => P.update({ where: id(1), data: { visits: { disconnect: id("a") } } }), notes), ["zz-ulna", "zz-well"]],
  "nested connect": [after(() => P.update({ where: id(1), data: { visits: { connect: id("b") } } }), notes), ["zz-ulna", "zz-well"]],
  "nested set": [after(() => P.update({ where: id(1), data: { visits: { set: [id("b")] } } }), notes), ["zz-ulna", "zz-well"]],
  "many to many": [async () => (await P.update({ where: id(1), data: { labels: { create: { name: "a" } } }, include: { labels: true } })).labels.length, 1],
  "many to many from the other side": [async () => (await prisma.label.create({ data: { name: "a", patients: { connect: id(1) } }, include: { patients: true } })).patients[0].email, ANA.email],
  "a patient of a label": [after(() => prisma.label.create({ data: { name: "a", patients: { create: { ...NEW, clinicId: 7 } } } })), MORE],
  "createMany of one": [after(() => P.createMany({ data: { ...NEW, clinicId: 7 } })), MORE],
  "createMany of rows with other fields": [after(() => P.createMany({ data: [{ email: "zzn@x.org" }, { dob: "1999-09-09" }] }), () => P.count()), 5],
  "updateMany with a limit": [async () => (await P.updateMany({ where: { plan: "basic" }, data: { email: null }, limit: 1 })).count, 1],
  "update to a JSON null inside": [async () => (await P.update({ where: id(1), data: { answers: Prisma.JsonNull } })).answers, null],
  "update to an empty list": [async () => (await P.update({ where: id(1), data: { tags: [] } })).tags, []],
  "connect by a key and another": [after(() => V.update({ where: id("b"), data: { patient: { connect: { id: 1, plan: "basic" } } } }), notes), ["zz-ulna", "zz-well"]],
  "nested update with its own condition": [after(() => V.update({ where: id("a"), data: { patient: { update: { where: email, data: { dob: "1999-09-09" } } } } }), async () => (await own(prisma)).dob), "1999-09-09"],
  "a nested delete of one": [after(() => V.update({ where: id("a"), data: { patient: { delete: true } } })), NAMES.slice(1)],
  "a nested disconnect of one": [after(() => V.update({ where: id("a"), data: { patient: { disconnect: true } } }), notes), ["zz-ulna", "zz-well"]],
  "$transaction within a time": [() => prisma.$transaction(async (client) => (await client.patient.update({ ...at(1), data: NEW })).firstName, { timeout: 20_000 }), NEW.firstName],
  "$executeRaw of another": [after(() => prisma.$executeRaw`UPDATE "Patient" SET plan = 'x'`), NAMES],
  "$transaction of writes": [after(() => prisma.$transaction([P.update({ ...at(1), data: NEW }), P.update({ where: id(2), data: { plan: "x" } })])), BACK],
  "$transaction undone": [after(() => prisma.$transaction(async (client) => { await client.patient.update({ ...at(1), data: NEW }); throw new Undone(); }).catch((error) => assert.ok(error instanceof Undone))), NAMES],
  "$transaction that fails": [after(() => prisma.$transaction([P.update({ ...at(1), data: NEW }), P.create({ data: { id: 2 } })]).catch(({ code }) => assert.equal(code, "P2002"))), NAMES],
  "an extension's write": [after(() => prisma.$extends({ query: { patient: { update: ({ args, query }) => query({ ...args, data: NEW }) } } }).patient.update({ ...at(1), data: {} })), BACK],
};

const ONLY_NULL = "filtered by null only";
const NOTHING = "orders and groups nothing";
const REFUSED = {
  "a text": [() => P.findMany({ where: { email: "zz-" } }), ONLY_NULL],
  equals: [() => P.findMany({ where: { email: { equals: "zz-" } } }), "searchHashes"],
  not: [() => P.findMany({ where: { email: { not: "zz-" } } }), ONLY_NULL],
  in: [() => P.findMany({ where: { email: { in: ["zz-"] } } }), ONLY_NULL],
  notIn: [() => P.findMany({ where: { email: { notIn: ["zz-"] } } }), ONLY_NULL],
  contains: [() => P.findMany({ where: { firstName: { contains: "zz-", mode: "insensitive" } } }), "hasWords"],
  startsWith: [() => P.findMany({ where: { firstName: { startsWith: "zz-" } } }), "hasWords"],
  endsWith: [() => P.findMany({ where: { phone: { endsWith: "2345" } } }), "searchValues"],
  gt: [() => P.findMany({ where: { dob: { gt: "1980-01-01" } } }), ONLY_NULL],
  has: [() => P.findMany({ where: { tags: { has: "zz-dust" } } }), ONLY_NULL],
  hasSome: [() => P.findMany({ where: { tags: { hasSome: ["zz-dust"] } } }), ONLY_NULL],
  "a list that equals": [() => P.findMany({ where: { tags: { equals: ["zz-dust"] } } }), ONLY_NULL],
  "a path of JSON": [() => P.findMany({ where: { answers: { path: ["q"], equals: "zz-yes" } } }), ONLY_NULL],
  "a JSON that contains": [() => P.findMany({ where: { answers: { string_contains: "zz-" } } }), ONLY_NULL],
  "bytes that equal": [() => P.findMany({ where: { scan: Buffer.from("zz-") } }), ONLY_NULL],
  "a text in OR": [() => P.findMany({ where: { OR: [{ plan: "x" }, { email: "zz-" }] } }), ONLY_NULL],
  "a text in NOT": [() => P.findMany({ where: { NOT: [{ email: "zz-" }] } }), ONLY_NULL],
  "a relation's text": [() => V.findMany({ where: { patient: { email: "zz-" } } }), ONLY_NULL],
  "a relation's text by is": [() => V.findMany({ where: { patient: { is: { email: "zz-" } } } }), ONLY_NULL],
  "a text of some": [() => P.findMany({ where: { visits: { some: { note: "zz-" } } } }), ONLY_NULL],
  "a text in an include": [() => C.findMany({ include: { patients: { where: { email: "zz-" } } } }), ONLY_NULL],
  "a text of a count": [() => C.findMany({ include: { _count: { select: { patients: { where: { email: "zz-" } } } } } }), ONLY_NULL],
  "a text of another model": [() => C.findMany({ where: { patients: { some: { visits: { some: { note: "zz-" } } } } } }), ONLY_NULL],
  "a field compared": [() => P.findMany({ where: { email: { equals: plain.patient.fields.plan } } }), ONLY_NULL],
  "compared with a field": [() => P.findMany({ where: { plan: { equals: plain.patient.fields.email } } }), "compared with no other field"],
  "compared with a field in NOT": [() => P.findMany({ where: { NOT: { plan: { equals: plain.patient.fields.email } } } }), "compared with no other field"],
  "findUnique with a text": [() => P.findUnique({ where: { id: 1, email: "zz-" } }), ONLY_NULL],
  "findFirst with a text": [() => P.findFirst({ where: { email: "zz-" } }), ONLY_NULL],
  "count with a text": [() => P.count({ where: { email: "zz-" } }), ONLY_NULL],
  "orderBy": [() => P.findMany({ orderBy: { email: "asc" } }), NOTHING],
  "orderBy of two": [() => P.findMany({ orderBy: [{ plan: "asc" }, { dob: { sort: "asc", nulls: "last" } }] }), NOTHING],
  "orderBy of a relation": [() => V.findMany({ orderBy: { patient: { email: "asc" } } }), NOTHING],
  "orderBy in an include": [() => C.findMany({ include: { patients: { orderBy: { email: "asc" } } } }), NOTHING],
  distinct: [() => P.findMany({ distinct: ["email"] }), NOTHING],
  "distinct of one": [() => P.findMany({ distinct: "email" }), NOTHING],
  "groupBy": [() => P.groupBy({ by: ["email"] }), NOTHING],
  "groupBy of one": [() => P.groupBy({ by: "email" }), NOTHING],
  "having": [() => P.groupBy({ by: ["plan"], having: { email: "zz-" } }), ONLY_NULL],
  "_max": [() => P.aggregate({ _max: { dob: true } }), NOTHING],
  "_min of a group": [() => P.groupBy({ by: ["plan"], _min: { dob: true } }), NOTHING],
  "a cursor": [() => P.findMany({ cursor: { email: "zz-" } }), ONLY_NULL],
  "updateMany by a text": [() => P.updateMany({ where: { email: "zz-" }, data: { plan: "x" } }), ONLY_NULL],
  "deleteMany by a text": [() => P.deleteMany({ where: { email: "zz-" } }), ONLY_NULL],
  "update by a text": [() => P.update({ where: { id: 1, email: "zz-" }, data: { plan: "x" } }), ONLY_NULL],
  "upsert by a text": [() => P.upsert({ where: { id: 1, email: "zz-" }, update: {}, create: {} }), ONLY_NULL],
  "nested deleteMany by a text": [() => C.update({ where: id(7), data: { patients: { deleteMany: { email: "zz-" } } } }), ONLY_NULL],
  "nested updateMany by a text": [() => C.update({ where: id(7), data: { patients: { updateMany: { where: { email: "zz-" }, data: {} } } } }), ONLY_NULL],
  "connect by a text": [() => V.update({ where: id("b"), data: { patient: { connect: { id: 1, email: "zz-" } } } }), ONLY_NULL],
  "connectOrCreate by a text": [() => V.update({ where: id("b"), data: { patient: { connectOrCreate: { where: { id: 1, email: "zz-" }, create: {} } } } }), ONLY_NULL],
  "a nested delete by a text": [() => V.update({ where: id("a"), data: { patient: { delete: { email: "zz-" } } } }), ONLY_NULL],
  "a nested disconnect by a text": [() => V.update({ where: id("a"), data: { patient: { disconnect: { email: "zz-" } } } }), ONLY_NULL],
  "a nested update by a text": [() => V.update({ where: id("a"), data: { patient: { update: { where: { email: "zz-" }, data: {} } } } }), ONLY_NULL],
  "a nested upsert by a text": [() => V.update({ where: id("a"), data: { patient: { upsert: { where: { email: "zz-" }, update: {}, create: {} } } } }), ONLY_NULL],
  "a nested set by a text": [() => P.update({ where: id(1), data: { visits: { set: [{ id: "a", note: "zz-" }] } } }), ONLY_NULL],
  "nested words of one source": [() => V.update({ where: id("a"), data: { patient: { update: { firstName: "zz-" } } } }), "add clinicId"],
  "a count of texts in having": [() => P.groupBy({ by: ["plan"], having: { email: { _count: { gt: 1 } } } }), ONLY_NULL],
  "an object in AND": [() => P.findMany({ where: { AND: { email: "zz-" } } }), ONLY_NULL],
  "one of two sources": [() => P.update({ ...at(1), data: { firstName: "zz-" } }), "write phone too"],
  "words without a clinic": [() => P.update({ where: id(1), data: NEW }), "which this write does not name: add clinicId"],
  "a new row's words without a clinic": [() => P.create({ data: { firstName: "zz-" } }), "add clinicId"],
  "a clinic without its words": [() => P.update({ where: id(1), data: { clinicId: 8 } }), "would stay with the former clinicId"],
  "a clinic connected": [() => P.update({ where: id(1), data: { clinic: { connect: id(8) } } }), "would stay with the former clinicId"],
  "a clinic disconnected": [() => P.update({ where: id(1), data: { clinic: { disconnect: true } } }), "would stay with the former clinicId"],
  "patients connected": [() => C.update({ where: id(8), data: { patients: { connect: id(1) } } }), "update these rows of Patient instead"],
  "patients set": [() => C.update({ where: id(8), data: { patients: { set: [id(1)] } } }), "update these rows of Patient instead"],
  "a nested patient with words": [() => C.update({ where: id(8), data: { patients: { create: { firstName: "zz-" } } } }), "add clinicId"],
  "updateMany of words": [() => P.updateMany({ data: NEW }), "add clinicId"],
  "a bound text without its tenant": [() => V.update({ where: id("a"), data: { note: "zz-" } }), "add clinicId"],
  "a tenant without its text": [() => V.update({ where: id("a"), data: { clinicId: 8 } }), "would stay with the former clinicId"],
  "updateMany of a bound text": [() => V.updateMany({ data: { note: "zz-" } }), "add id and clinicId"],
  "a key without its text": [() => V.update({ where: { id: "a", clinicId: 7 }, data: { id: "z" } }), "would stay with the former id"],
  "a number": [() => P.update({ where: id(1), data: { email: 7 } }), "text"],
  "an increment": [() => P.update({ where: id(1), data: { email: { increment: 1 } } }), "text"],
  "a text for bytes": [() => P.update({ where: id(1), data: { scan: "zz-" } }), "ytes"],
  "a number in JSON": [() => P.update({ where: id(1), data: { answers: { q: 7 } } }), "text"],
  "a text in a transaction": [() => prisma.$transaction([P.findMany({ where: { email: "zz-" } })]), ONLY_NULL],
};

const failed = [];
const entries = (table, verdict) => Object.entries(table).map(([name, [run, expected]]) => [`${verdict}: ${name}`, run, expected, verdict]);
for (const [name, run, expected, verdict] of [...entries(READS, "right"), ...entries(WRITES, "right"), ...entries(REFUSED, "refused")]) {
  await fill();
  shown.length = 0;
  try {
    if (verdict === "right") assert.deepEqual(JSON.parse(JSON.stringify((await run()) ?? null)), JSON.parse(JSON.stringify(expected)));
    else {
      const before = await dump();
      const error = await Promise.resolve().then(run).then(() => assert.fail("nothing was refused"), (error) => error);
      assert.ok(error.message.includes(expected), `${error.name}: ${error.message}`);
      assert.doesNotMatch(error.stack.split("\n    at ")[0], SHOWN);
      assert.deepEqual(await dump(), before);
    }
    await requireSound();
  } catch (error) {
    failed.push(`${name}: ${error.message}`);
  }
}
await fill();
const stored = (await plain.patient.findUniqueOrThrow({ where: id(1) })).email;
console.log(JSON.stringify({ stored, right: Object.keys(READS).length + Object.keys(WRITES).length, refused: Object.keys(REFUSED).length, failed }));
await plain.$disconnect();
