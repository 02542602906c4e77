// A real Prisma client on PostgreSQL through withPhi: what is stored, and what is read. Prints one line of JSON.
import assert from "node:assert/strict";
import { CachedKey, ExactIndex, PhiFields, WordIndex } from "@eonpro/phi";
import { EncryptedFieldUse, hasWords, withPhi } from "@eonpro/phi/prisma";
import { PrismaPg } from "@prisma/adapter-pg";
import { Prisma, PrismaClient } from "./client.mjs";

const [keyInHex, host, database] = process.argv.slice(2);
const key = Buffer.from(keyInHex, "hex");
const fields = new PhiFields(new CachedKey({ dataKey: async () => key }));
const plain = new PrismaClient({ adapter: new PrismaPg({ host, database, user: "postgres" }), log: [{ emit: "event", level: "query" }] });
const WORDS = new WordIndex({ table: "Patient", column: "tokens" });
const LAST_FOUR = new ExactIndex({ table: "Patient", column: "lastFour", rule: "last4" });
const prisma = withPhi(
  plain,
  {
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
  },
  () => fields,
);
const queries = [];
assert.equal(prisma.$on("query", ({ query, params }) => queries.push(query, params)), prisma);
const isEqual = (actual, expected) => assert.deepEqual(JSON.parse(JSON.stringify(actual)), JSON.parse(JSON.stringify(expected)));

await prisma.clinic.createMany({ data: [{ id: 7, name: "Praxis" }, { id: 8, name: "Ward" }] });
const jane = { firstName: "Jane", email: "Jane@Example.org", dob: "4/5/1980", phone: "(555) 010-0222", tags: ["asthma", "pollen"], plan: "basic", clinicId: 7 };
const more = { scan: Buffer.from("%PDF"), answers: { q: ["x"] } };
const created = await prisma.patient.create({ data: { ...jane, ...more } });
const values = {
  emailHash: fields.searchHash("email", jane.email),
  dobHash: fields.searchHash("dob", jane.dob),
  lastFour: fields.searchValue(LAST_FOUR, jane.phone, 7),
  tokens: fields.searchTokens(WORDS, [jane.firstName, jane.phone], 7),
};
isEqual(created, { ...jane, ...more, ...values, id: 1 });
isEqual({ ...structuredClone(created), scan: null }, { ...created, scan: null });
const stored = await plain.patient.findUniqueOrThrow({ where: { id: 1 } });
for (const name of ["firstName", "email", "dob", "phone"]) assert.equal(fields.cipher.decrypt(stored[name]), jane[name]);
assert.deepEqual(stored.tags.map((tag) => fields.cipher.decrypt(tag)), jane.tags);

// Search
const found = await prisma.patient.findMany({ where: { emailHash: { in: fields.searchHashes("email", "jane@example.org") } } });
assert.deepEqual(found.map(({ firstName }) => firstName), ["Jane"]);
const byWords = async (query, clinic) => (await prisma.patient.findMany({ where: hasWords("tokens", fields.searchGroups(WORDS, query, clinic)) })).map(({ email }) => email);
assert.deepEqual([await byWords("ja 0222", 7), await byWords("ja", 8), await byWords("-", 7)], [[jane.email], [], []]);
await assert.rejects(prisma.patient.update({ where: { id: 1, clinicId: 7 }, data: { firstName: "Janet" } }), /tokens is made of firstName, phone/);
await assert.rejects(prisma.patient.update({ where: { id: 1 }, data: { clinicId: 8 } }), EncryptedFieldUse);
await prisma.patient.update({ where: { id: 1, clinicId: 7 }, data: { firstName: "Ruth", phone: jane.phone, clinicId: 8 } });
assert.deepEqual([await byWords("ja", 7), await byWords("ru 0222", 8)], [[], [jane.email]]);
assert.equal(await prisma.patient.count({ where: { lastFour: { in: fields.searchValues(LAST_FOUR, "555 0222", 8) } } }), 1);
for (const clinic of [{ connect: { id: 7 } }, { disconnect: true }]) await assert.rejects(prisma.patient.update({ where: { id: 1 }, data: { clinic } }), EncryptedFieldUse);
await assert.rejects(prisma.clinic.update({ where: { id: 7 }, data: { patients: { connect: { id: 1 } } } }), EncryptedFieldUse);
await prisma.patient.update({ where: { id: 1 }, data: { firstName: "Jane", phone: jane.phone, clinic: { connect: { id: 7 } } } });
assert.deepEqual([await byWords("ja 0222", 7), await byWords("ja", 8)], [[jane.email], []]);

// Rows, whatever is asked for
assert.equal((await prisma.patient.findFirst({ select: { email: true } })).email, jane.email);
isEqual(await prisma.patient.findFirst({ select: { email: true, plan: true } }), { email: jane.email, plan: "basic" });
await prisma.patient.update({ where: { id: 1 }, data: { email: { set: "new@example.org" }, dob: null, tags: { push: "dust" } } });
const updated = await prisma.patient.findUniqueOrThrow({ where: { emailHash: fields.searchHash("email", "new@example.org") } });
assert.deepEqual([updated.email, updated.dob, updated.dobHash, updated.tags], ["new@example.org", null, null, ["asthma", "pollen", "dust"]]);
await prisma.clinic.update({ where: { id: 7 }, data: { patients: { create: [{ email: "joe@x.org" }, { email: "jöe@x.org" }] } } });
const clinic = await prisma.clinic.findUniqueOrThrow({ where: { id: 7 }, include: { patients: { select: { email: true, clinic: true }, orderBy: { id: "asc" } }, _count: true } });
assert.deepEqual(clinic.patients.map(({ email }) => email), ["new@example.org", "joe@x.org", "jöe@x.org"]);
assert.equal(clinic._count.patients, 3);
await prisma.$transaction(async (transaction) => {
  await transaction.patient.createMany({ data: [{ email: "a@b.c" }, { email: "d@e.f" }] });
  await transaction.patient.upsert({ where: { id: 1 }, create: {}, update: { dob: "1980-04-06" } });
});
const [many, [one]] = await prisma.$transaction([prisma.patient.count({ where: { email: { not: null } } }), prisma.patient.findMany({ where: { id: 1 } })]);
assert.deepEqual([many, one.dob], [5, "1980-04-06"]);
const returned = await prisma.patient.updateManyAndReturn({ where: { id: 1 }, data: { dob: "1980-04-05" }, select: { dob: true } });
isEqual(returned, [{ dob: "1980-04-05" }]);
const twice = await Promise.all([1, 1].map((id) => prisma.patient.findUnique({ where: { id } })));
assert.deepEqual(twice.map(({ email }) => email), ["new@example.org", "new@example.org"]);

// Bound to the row, and read by the fluent API
await prisma.visit.createMany({ data: [{ id: "a", clinicId: 7, note: "well", patientId: 1 }, { id: "b", clinicId: 7, note: "ill" }] });
await prisma.visit.update({ where: { id: "b", clinicId: 7 }, data: { note: "better" } });
isEqual(await prisma.visit.findMany({ select: { note: true }, orderBy: { id: "asc" } }), [{ note: "well" }, { note: "better" }]);
isEqual(await prisma.visit.findFirst({ where: { id: "a" }, omit: { id: true } }), { clinicId: 7, note: "well", patientId: 1 });
for (const find of [{ findFirst: { where: { id: "a" } } }, { findUnique: { where: { id: "a" } } }, { update: { where: { id: "a" }, data: { patientId: 1 } } }]) {
  const visit = () => Object.entries(find).map(([operation, args]) => prisma.visit[operation](args))[0];
  isEqual(await visit().patient({ select: { email: true } }), { email: "new@example.org" });
  assert.equal((await visit().patient()).email, "new@example.org");
  isEqual(await visit().patient().clinic({ select: { name: true } }), { name: "Praxis" });
}
isEqual(await prisma.patient.findUnique({ where: { id: 1 } }).visits({ select: { note: true } }), [{ note: "well" }]);
assert.equal(await prisma.visit.findUnique({ where: { id: "b" } }).patient(), null);
const [{ note_text: sealed }] = await plain.$queryRawUnsafe("SELECT note_text FROM visits WHERE id = 'b'");
assert.equal(fields.cipher.forTenant("7").decrypt(sealed, "visits.note_text:b"), "better");
await assert.rejects(prisma.visit.update({ where: { id: "b" }, data: { note: "x" } }), EncryptedFieldUse);
await plain.$executeRawUnsafe("UPDATE visits SET note_text = (SELECT note_text FROM visits WHERE id = 'b') WHERE id = 'a'");
const moved = await prisma.visit.findUniqueOrThrow({ where: { id: "a" } });
assert.throws(() => moved.note, { name: "NotBound" });

// Extensions, before and after
const greeting = { result: { patient: { greeting: { needs: { email: true }, compute: ({ email }) => `Dear ${email}` } }, visit: { short: { needs: { note: true }, compute: ({ note }) => note.slice(0, 3) } } } };
const seen = [];
const watching = { query: { patient: { $allOperations: async ({ args, query }) => { seen.push(args.data?.email, (await query(args)).email); return query(args); } } } };
for (const extended of [prisma.$extends(greeting), withPhi(plain.$extends(greeting), { Patient: { fields: ["email"] }, Visit: { fields: ["note"], bound: { note: { bound: "row", tenant: "clinicId" } } } }, () => fields)]) {
  isEqual(await extended.patient.findFirst({ where: { id: 1 }, select: { greeting: true } }), { greeting: "Dear new@example.org" });
  isEqual(await extended.visit.findFirst({ where: { id: "b" }, select: { short: true } }), { short: "bet" });
  isEqual((await extended.clinic.findUnique({ where: { id: 7 }, include: { patients: { orderBy: { id: "asc" } } } })).patients[0].greeting, "Dear new@example.org");
}
await prisma.$extends(watching).patient.update({ where: { id: 1 }, data: { email: "watched@x.org" } });
await prisma.$extends((client) => client.$extends(watching)).patient.findUnique({ where: { id: 1 } });
assert.deepEqual(seen, ["watched@x.org", "watched@x.org", undefined, "watched@x.org"]);
const counting = prisma.$extends({ model: { patient: { async newest() { return Prisma.getExtensionContext(this).findFirst({ orderBy: { id: "desc" } }); } } } });
assert.equal((await counting.patient.newest()).email, "d@e.f");

// Uses that would find nothing
await assert.rejects(prisma.patient.findMany({ where: { email: "a@b.c" } }), EncryptedFieldUse);
await assert.rejects(prisma.patient.findMany({ orderBy: { email: "asc" } }), EncryptedFieldUse);
await assert.rejects(prisma.patient.findMany({ where: { tags: { has: "dust" } } }), EncryptedFieldUse);
for (const where of [{ plan: { equals: plain.patient.fields.email } }, { email: { equals: plain.patient.fields.plan } }, { email: { not: plain.patient.fields.plan } }]) {
  await assert.rejects(prisma.patient.findMany({ where }), EncryptedFieldUse);
}

const texts = await plain.$queryRawUnsafe('SELECT p.*, v.note_text FROM "Patient" p FULL JOIN visits v ON v."patientId" = p.id');
for (const everything of [texts, queries]) assert.ok(!/\b(Jane|Ruth|well|ill|better)\b|@|4.5.1980|1980-04|010-0222|"x"|asthma|pollen/.test(JSON.stringify(everything)), JSON.stringify(everything));
assert.ok(queries.length > 50);
console.log(JSON.stringify(stored.email));
await plain.$disconnect();
