// A real Prisma client on SQLite through withPhi: what is stored, and what is read. Prints one line of JSON.
import assert from "node:assert/strict";
import { CachedKey, PhiFields } from "@eonpro/phi";
import { EncryptedFieldUse, withPhi } from "@eonpro/phi/prisma";
import { PrismaLibSql } from "@prisma/adapter-libsql";
import { PrismaClient } from "./client.mjs";

const key = Buffer.from(process.argv[2], "hex");
const fields = new PhiFields(new CachedKey({ dataKey: async () => key }));
const plain = new PrismaClient({ adapter: new PrismaLibSql({ url: "file:./patients.db" }) });
await plain.$executeRawUnsafe('CREATE TABLE "Clinic" (id INTEGER PRIMARY KEY, name TEXT NOT NULL)');
await plain.$executeRawUnsafe(
  'CREATE TABLE "Patient" (id INTEGER PRIMARY KEY AUTOINCREMENT, "firstName" TEXT, email TEXT, "emailHash" TEXT UNIQUE, dob TEXT,' +
    ' "dobHash" TEXT, plan TEXT, scan BLOB, answers JSONB, "clinicId" INTEGER REFERENCES "Clinic"(id))',
);
await plain.$executeRawUnsafe('CREATE TABLE "visits" (id TEXT PRIMARY KEY, "clinicId" INTEGER NOT NULL, note_text TEXT)');
const prisma = withPhi(
  plain,
  {
    Patient: {
      fields: ["firstName", "email", "dob"],
      bytes: ["scan"],
      json: { answers: "*" },
      search: { emailHash: { of: "email", by: "email" }, dobHash: { of: "dob", by: "dob" } },
    },
    Visit: { fields: ["note"], bound: { note: { bound: "row", tenant: "clinicId" } } },
  },
  () => fields,
);

const jane = { firstName: "Jane", email: "Jane@Example.org", dob: "4/5/1980", plan: "basic", scan: Buffer.from("%PDF"), answers: { q: ["x"] } };
const created = await prisma.patient.create({ data: jane });
const hashes = { emailHash: fields.searchHash("email", jane.email), dobHash: fields.searchHash("dob", jane.dob) };
assert.deepEqual(JSON.parse(JSON.stringify(created)), JSON.parse(JSON.stringify({ ...jane, ...hashes, id: 1, clinicId: null })));
const stored = await plain.patient.findUniqueOrThrow({ where: { id: 1 } });
for (const name of ["firstName", "email", "dob"]) assert.equal(fields.cipher.decrypt(stored[name]), jane[name]);

const found = await prisma.patient.findMany({ where: { emailHash: { in: fields.searchHashes("email", "jane@example.org") } } });
assert.deepEqual(found.map(({ firstName }) => firstName), ["Jane"]);
assert.equal((await prisma.patient.findFirst({ select: { email: true } })).email, jane.email);
assert.deepEqual(JSON.parse(JSON.stringify(await prisma.patient.findFirst({ select: { email: true, plan: true } }))), { email: jane.email, plan: "basic" });

await prisma.patient.update({ where: { id: 1 }, data: { email: { set: "new@example.org" }, dob: null } });
const updated = await prisma.patient.findUniqueOrThrow({ where: { emailHash: fields.searchHash("email", "new@example.org") } });
assert.deepEqual([updated.email, updated.dob, updated.dobHash], ["new@example.org", null, null]);

await prisma.clinic.create({ data: { id: 7, name: "Praxis", patients: { create: [{ firstName: "Joe" }, { firstName: "Jöe" }] } } });
const clinic = await prisma.clinic.findUniqueOrThrow({ where: { id: 7 }, include: { patients: { select: { firstName: true, clinic: true } } } });
assert.deepEqual(clinic.patients.map(({ firstName }) => firstName), ["Joe", "Jöe"]);
const rows = await plain.patient.findMany({ where: { clinicId: 7 } });
assert.ok(rows.every(({ firstName }) => fields.cipher.holds(firstName)));

await prisma.$transaction(async (transaction) => {
  await transaction.patient.createMany({ data: [{ email: "a@b.c" }, { email: "d@e.f" }] });
  await transaction.patient.upsert({ where: { id: 1 }, create: {}, update: { firstName: "Janet" } });
});
assert.equal((await prisma.patient.findUniqueOrThrow({ where: { id: 1 } })).firstName, "Janet");
assert.equal(await prisma.patient.count({ where: { email: { not: null } } }), 3);
await assert.rejects(prisma.patient.findMany({ where: { email: "a@b.c" } }), EncryptedFieldUse);
await assert.rejects(prisma.patient.findMany({ orderBy: { email: "asc" } }), EncryptedFieldUse);
await prisma.visit.createMany({ data: [{ id: "a", clinicId: 7, note: "well" }, { id: "b", clinicId: 7, note: "ill" }] });
await prisma.visit.update({ where: { id: "b", clinicId: 7 }, data: { note: "better" } });
const visits = await prisma.visit.findMany({ select: { note: true }, orderBy: { id: "asc" } });
assert.deepEqual(JSON.parse(JSON.stringify(visits)), [{ note: "well" }, { note: "better" }]);
const [{ note_text: sealed }] = await plain.$queryRawUnsafe("SELECT note_text FROM visits WHERE id = 'b'");
assert.equal(fields.cipher.forTenant("7").decrypt(sealed, "visits.note_text:b"), "better");
await assert.rejects(prisma.visit.update({ where: { id: "b" }, data: { note: "x" } }), EncryptedFieldUse);
await plain.$executeRawUnsafe("UPDATE visits SET note_text = (SELECT note_text FROM visits WHERE id = 'b') WHERE id = 'a'");
const moved = await prisma.visit.findUniqueOrThrow({ where: { id: "a" } });
assert.throws(() => moved.note, { name: "NotBound" });

const texts = await plain.$queryRawUnsafe('SELECT "firstName", email, dob, answers FROM "Patient"');
assert.ok(!/Jan|Joe|Jöe|@|1980|"x"/.test(JSON.stringify(texts)));
console.log(JSON.stringify(stored.email));
await plain.$disconnect();
