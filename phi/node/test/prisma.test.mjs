// The Prisma extension beside a stand-in for PrismaClient, which keeps the extension and has the models of a schema. Under a
// real client: tests/phi/node/test_prisma.py of the repository.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as phi from "../dist/esm/index.js";
import { declarations } from "../dist/esm/binding.js";
import { EncryptedFieldUse, withPhi } from "../dist/esm/prisma.js";
import { KEY, Scripted } from "./keys.mjs";

const scalars = (...names) => names.map((name) => ({ name, kind: "scalar", type: "String" }));
const relation = (name, type) => ({ name, kind: "object", type });
const DATA_MODEL = {
  models: {
    Patient: { fields: [...scalars("id", "email", "dob", "emailHash", "emailSearch", "plan", "scan", "answers"), relation("clinic", "Clinic")] },
    Visit: {
      dbName: "visits",
      fields: [...scalars("id", "clinicId", "plan", "scan"), { name: "email", kind: "scalar", type: "String", dbName: "e_mail" }, relation("clinic", "Clinic")],
    },
    Clinic: { fields: [...scalars("id", "name"), relation("patients", "Patient"), relation("visits", "Visit")] },
  },
};
const INDEX = new phi.ExactIndex({ table: "Patient", column: "emailSearch", rule: "email" });
const MODELS = {
  Patient: {
    fields: ["email", "dob"],
    bytes: ["scan"],
    json: { answers: ["text"] },
    search: { emailHash: { of: "email", by: "email" }, emailSearch: { of: "email", by: INDEX } },
  },
};
const fields = new phi.PhiFields(new phi.CachedKey(new Scripted(KEY)));

class StandInForPrismaClient {
  _runtimeDataModel = DATA_MODEL;

  $extends(extension) {
    return { extension };
  }
}

const { extension } = withPhi(new StandInForPrismaClient(), MODELS, () => fields);
/** What Prisma gets for these arguments. */
const sent = (model, args) => extension.query.$allModels.$allOperations({ model, args, query: async (given) => given });
const open = (record) => fields.cipher.decrypt(record);

test("a write encrypts the mapped fields, and its search columns follow", async () => {
  const args = { data: { id: 7, email: "Jane@Example.org", dob: null, plan: "basic", scan: Buffer.from("%PDF"), answers: { text: "x", n: 1 } } };
  const { data } = await sent("Patient", args);
  assert.equal(open(data.email), "Jane@Example.org");
  assert.deepEqual([data.dob, data.plan, data.id, data.answers.n], [null, "basic", 7, 1]);
  assert.equal(fields.cipher.decryptBytes(data.scan).toString(), "%PDF");
  assert.equal(open(data.answers.text), "x");
  assert.equal(data.emailHash, fields.searchHash("email", "jane@example.org"));
  assert.equal(data.emailSearch, fields.searchValue(INDEX, "jane@example.org"));
  assert.equal(args.data.email, "Jane@Example.org");
  const cleared = await sent("Patient", { data: { email: null }, where: { id: 7 } });
  assert.deepEqual(cleared.data, { email: null, emailHash: null, emailSearch: null });
  const untouched = await sent("Patient", { data: { plan: "more", email: undefined } });
  assert.deepEqual(untouched.data, { plan: "more", email: undefined });
});

test("every form of a write is encrypted, nested ones too", async () => {
  const one = { email: "a@b.c" };
  const isWritten = (data) => open(data.email) === "a@b.c" && data.emailHash !== undefined;
  assert.ok((await sent("Patient", { data: [one, one] })).data.every(isWritten));
  const upserted = await sent("Patient", { where: { id: 1 }, create: one, update: { email: { set: "a@b.c" } } });
  assert.ok(isWritten(upserted.create) && isWritten(upserted.update));
  const { patients } = (
    await sent("Clinic", {
      data: {
        patients: {
          create: [one],
          createMany: { data: [one] },
          connectOrCreate: { where: { id: 1 }, create: one },
          update: [{ where: { id: 1 }, data: one }],
          updateMany: { where: { id: 1 }, data: one },
          upsert: { where: { id: 1 }, create: one, update: one },
          connect: { id: 1 },
        },
      },
    })
  ).data;
  const written = [patients.create[0], patients.createMany.data[0], patients.connectOrCreate.create, patients.update[0].data];
  assert.ok([...written, patients.updateMany.data, patients.upsert.create, patients.upsert.update].every(isWritten));
  const deep = await sent("Patient", { data: { clinic: { update: { patients: { create: one } } } } });
  assert.ok(isWritten(deep.data.clinic.update.patients.create));
});

test("a record is not encrypted twice, and a value that is no text is refused", async () => {
  const email = fields.cipher.encrypt("a@b.c");
  await assert.rejects(sent("Patient", { data: { email } }), { name: "AlreadyEncrypted" });
  for (const value of [7, { increment: 1 }, new Date()]) await assert.rejects(sent("Patient", { data: { email: value } }), { name: "NotText" });
  class JsonNull {}
  const nothing = new JsonNull();
  assert.equal((await sent("Patient", { data: { answers: nothing } })).data.answers, nothing);
  await assert.rejects(sent("Patient", { data: { scan: "text" } }), { name: "NotBytes" });
  await assert.rejects(sent("Patient", { data: { answers: { text: 7 } } }), { name: "NotText" });
});

test("a filter, an order or a group by an encrypted field says what to use", async () => {
  for (const args of [
    { where: { email: "a@b.c" } },
    { where: { OR: [{ plan: "x" }, { NOT: { email: { contains: "a" } } }] } },
    { where: { email: { not: "a" } } },
    { where: { email: { in: [null, "a"] } } },
    { where: { scan: Buffer.from("x") } },
    { cursor: { email: "a" } },
    { orderBy: [{ id: "asc" }, { email: "desc" }] },
    { orderBy: { email: { sort: "asc", nulls: "last" } } },
    { distinct: ["email"] },
    { by: ["email"], _count: true },
    { _max: { dob: true } },
    { having: { email: { equals: "x" } } },
    { include: { clinic: { include: { patients: { where: { email: "a" } } } } } },
    { select: { clinic: { select: { patients: { orderBy: { dob: "asc" } } } } } },
    { include: { clinic: { select: { _count: { select: { patients: { where: { email: "a" } } } } } } } },
    { where: { id_email: { id: 1, email: "a" } } },
  ]) {
    await assert.rejects(sent("Patient", args), (error) => error instanceof EncryptedFieldUse && !error.message.includes("a@b.c"), JSON.stringify(args));
  }
  await assert.rejects(sent("Clinic", { where: { patients: { some: { email: "a" } } } }), /emailHash: \{ in: … \}/);
  await assert.rejects(sent("Clinic", { orderBy: { patients: { email: "asc" } } }), EncryptedFieldUse);
  await assert.rejects(sent("Clinic", { data: { patients: { deleteMany: { email: "a" } } } }), EncryptedFieldUse);
  for (const where of [{ email: null }, { email: { not: null } }, { emailHash: { in: ["x"] } }, { clinic: { is: { name: "a" } } }]) {
    assert.deepEqual(await sent("Patient", { where }), { where });
  }
});

test("a row is decrypted where it is looked at", async () => {
  const row = (await sent("Patient", { data: { email: "a@b.c", scan: Buffer.from("%PDF"), answers: { text: "x" } } })).data;
  const { email, scan, answers, dob } = extension.result.patient;
  assert.deepEqual(email.needs, { email: true });
  assert.deepEqual([email.compute(row), scan.compute(row).toString(), answers.compute(row), dob.compute({ dob: null })], ["a@b.c", "%PDF", { text: "x" }, null]);
  assert.throws(() => email.compute({ email: "a@b.c" }), { name: "DecryptionError" });
});

test("a field that the schema does not have is refused at once", () => {
  const make = (models) => () => withPhi(new StandInForPrismaClient(), models);
  assert.throws(make({ Patient: { fields: ["e-mail"] } }), /no Patient\.e-mail/);
  assert.throws(make({ Patients: { fields: ["email"] } }), /no Patients\.email/);
  assert.throws(make({ Patient: { search: { emailHash: { of: "mail", by: "email" } } } }), /Patient\.mail/);
  assert.throws(() => withPhi({}, MODELS), /PrismaClient/);
});

const ROW = { bound: "row", tenant: "clinicId" };
const bound = (options = ROW) => withPhi(new StandInForPrismaClient(), { Visit: { fields: ["email"], bytes: ["scan"], bound: { email: options, scan: ROW } } }, () => fields).extension;
const visits = bound();
const write = (args, model = "Visit") => visits.query.$allModels.$allOperations({ model, args, query: async (given) => given });
await fields.ready();
const tenant = fields.cipher.forTenant("7");

test("a bound field is sealed for its row and its tenant, and read with them", async () => {
  const one = { id: 1, clinicId: 7, email: "a@b.c", scan: Buffer.from("%PDF") };
  const { data } = await write({ data: one });
  assert.equal(tenant.decrypt(data.email, "visits.e_mail:1"), "a@b.c");
  const { email, scan } = visits.result.visit;
  assert.deepEqual(email.needs, { email: true, id: true, clinicId: true });
  assert.deepEqual([email.compute(data), scan.compute(data).toString(), email.compute({ email: null })], ["a@b.c", "%PDF", null]);
  for (const other of [{ id: 2 }, { clinicId: 8 }, { email: tenant.encrypt("x", "visits.other:1") }]) {
    assert.throws(() => email.compute({ ...data, ...other }), { name: "NotBound" }, JSON.stringify(other));
  }
  const changed = await write({ where: { id: 1, clinicId: 7 }, data: { email: { set: "d@e.f" } } });
  assert.equal(email.compute({ ...one, ...changed.data }), "d@e.f");
  const moved = await write({ where: { id: 1 }, data: { ...one, clinicId: 8 } });
  assert.equal(email.compute(moved.data), "a@b.c");
  const upserted = await write({ where: { id: 1, clinicId: 7 }, create: one, update: { email: "x" } });
  assert.deepEqual([email.compute(upserted.create), email.compute({ ...one, ...upserted.update })], ["a@b.c", "x"]);
  assert.deepEqual((await write({ data: [one, { ...one, id: 2 }] })).data.map(email.compute), ["a@b.c", "a@b.c"]);
  assert.deepEqual((await write({ where: { id: 1 }, data: { email: null, plan: "x" } })).data, { email: null, plan: "x" });
  assert.deepEqual((await write({ where: { id: 1, clinicId: 7 }, data: { clinicId: 7 } })).data, { clinicId: 7 });
});

test("a write that does not name the row, or would leave its records, is refused", async () => {
  for (const args of [
    { data: { email: "a@b.c" } },
    { data: { id: 1, email: "a@b.c" } },
    { where: { id: 1 }, data: { email: "a@b.c" } },
    { where: { id: { gt: 1 }, clinicId: 7 }, data: { email: "a@b.c" } },
    { where: { id: 1, clinicId: 7 }, data: { clinicId: { increment: 1 }, email: "a@b.c", scan: null } },
    { where: { id: 1, clinicId: 7 }, data: { clinicId: 8 } },
    { where: { id: 1, clinicId: 7 }, data: { id: 2, email: "a@b.c" } },
  ]) {
    await assert.rejects(write(args), (error) => error instanceof EncryptedFieldUse && !error.message.includes("a@b.c"), JSON.stringify(args));
  }
  await assert.rejects(write({ data: { visits: { create: { id: 1, email: "x" } } } }, "Clinic"), EncryptedFieldUse);
  await assert.rejects(write({ data: { id: 1, clinicId: 7, email: 7 } }), { name: "NotText" });
});

test("an earlier form is read where it is declared, and told", async () => {
  const row = { id: 1, clinicId: 7 };
  const earlier = { unbound: fields.cipher.encrypt("x"), column: fields.cipher.encryptV2("x", "visits.e_mail"), tenant: tenant.encrypt("x") };
  for (const [form, email] of Object.entries(earlier)) {
    assert.throws(() => visits.result.visit.email.compute({ ...row, email }), (error) => error.name === "NotBound" && error.message.includes(`reads: "${form}"`));
    const moving = bound({ ...ROW, reads: form });
    assert.equal(moving.result.visit.email.compute({ ...row, email }), "x");
    for (const other of Object.values(earlier)) if (other !== email) assert.throws(() => moving.result.visit.email.compute({ ...row, email: other }), { name: "NotBound" });
  }
  const renamed = bound({ ...ROW, reads: ["unbound"], place: "Visit.mail" });
  assert.equal(renamed.result.visit.email.compute({ ...row, email: tenant.encrypt("x", "Visit.mail:1") }), "x");
  const verdict = await phi.check({ AWS_REGION: "us-east-1", AWS_KMS_KEY_ID: "arn:aws:kms:us-east-1:123456789012:key/12345678-1234-1234-1234-123456789012", ENCRYPTED_PHI_KEY: Buffer.alloc(184).toString("base64") }, false, {}, [...declarations().values()]);
  assert.deepEqual(verdict.columns.find(({ column }) => column === "e_mail"), {
    table: "visits", column: "e_mail", place: "Visit.mail", form: "tenant+row", reads: ["unbound"], tenantColumn: "clinicId",
  });
  assert.match(verdict.notices.join(), /visits\.e_mail still reads records of an earlier form \(unbound\)/);
  for (const wrong of [{ reads: "unbound" }, { bound: true, reads: "row" }, { bound: true, place: "email" }, { bound: "table" }]) {
    assert.throws(() => bound(wrong), RangeError);
  }
  assert.throws(() => withPhi(new StandInForPrismaClient(), { Visit: { fields: ["email"], bound: { mail: ROW } } }), /mail/);
});
