// The Prisma extension beside a stand-in for PrismaClient, which keeps the extension and has the models of a schema. Under
// real clients each operation is tried by tests/phi/node/test_prisma.py of the repository; here is what those cannot show.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as phi from "../dist/esm/index.js";
import { declarations } from "../dist/esm/binding.js";
import { EncryptedFieldUse, hasWords, withPhi } from "../dist/esm/prisma.js";
import { KEY, Scripted } from "./keys.mjs";

const scalars = (...names) => names.map((name) => ({ name, kind: "scalar", type: "String" }));
const relation = (name, type, relationName = [name, type].sort().join()) => ({ name, kind: "object", type, relationName });
const DATA_MODEL = {
  models: {
    Patient: { fields: [...scalars("id", "clinicId", "email", "dob", "phone", "tags", "emailHash", "emailSearch", "phoneSearch", "tokens", "plan", "scan", "answers"), relation("clinic", "Clinic", "ofPatient"), relation("doctor", "Clinic", "doctor")] },
    Visit: {
      dbName: "visits",
      fields: [...scalars("id", "clinicId", "plan", "scan"), { name: "email", kind: "scalar", type: "String", dbName: "e_mail" }, relation("clinic", "Clinic", "ofVisit")],
    },
    Clinic: { fields: [...scalars("id", "name"), relation("patients", "Patient", "ofPatient"), relation("doctors", "Patient", "doctor"), relation("visits", "Visit", "ofVisit")] },
  },
};
const SCHEMA = `
model Patient {
  id       Int     @id // clinic2 Clinic @relation(fields: [email], references: [id])
  clinicId Int?
  clinic   Clinic? @relation("ofPatient", fields: [clinicId], references: [id], onDelete: Cascade)
  doctor   Clinic? @relation(name: "doctor", fields: [doctorId], references: [id])
  @@index([clinicId])
}

model Visit {
  clinicId Int
  clinic   Clinic @relation(references: [id], fields: [ clinicId ])
}
`;
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
  _engineConfig = { inlineSchema: SCHEMA };
  extensions = [];
  listeners = [];

  $extends(extension) {
    return Object.assign(Object.create(StandInForPrismaClient.prototype), { extensions: [...this.extensions, extension], $on: undefined, ...extension.client });
  }

  $on(...listener) {
    this.listeners.push(listener);
  }
}

/** One operation of a client: what Prisma gets, and what the caller gets for a result. */
const operationsOf = (client) => {
  const { $allOperations } = client.extensions.at(-1).query.$allModels;
  const sent = async (model, args, operation = args.where && args.data ? "update" : "create") => {
    let given;
    await $allOperations({ model, operation, args, query: async (all) => void (given = all) });
    return given;
  };
  const received = (model, result, args = {}, operation = "findMany", __internalParams = {}) => $allOperations({ model, operation, args, query: async () => result, __internalParams });
  return { sent, received };
};
const client = (models = MODELS) => withPhi(new StandInForPrismaClient(), models, () => fields);
const { sent, received } = operationsOf(client());
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
    { where: { OR: [{ plan: "x" }, { NOT: { email: { contains: "a@b.c" } } }] } },
    { where: { email: { in: [null, "a"] } } },
    { where: { id_email: { id: 1, email: "a" } } },
    { orderBy: { _relevance: { fields: ["plan", "email"], search: "x", sort: "asc" } } },
    { orderBy: [{ _relevance: { fields: "dob", search: "x", sort: "asc" } }] },
    { select: { clinic: { select: { patients: { orderBy: { dob: "asc" } } } } } },
    { include: { clinic: { select: { _count: { select: { patients: { where: { email: "a" } } } } } } } },
  ]) {
    await assert.rejects(sent("Patient", args, "findMany"), (error) => error instanceof EncryptedFieldUse && !error.message.includes("a@b.c"), JSON.stringify(args));
  }
  await assert.rejects(sent("Clinic", { where: { patients: { some: { email: "a" } } } }), /emailHash: \{ in: … \}/);
  await assert.rejects(sent("Clinic", { orderBy: { patients: { email: "asc" } } }), EncryptedFieldUse);
  for (const where of [{ email: null }, { email: { not: null } }, { emailHash: { in: ["x"] } }, { clinic: { is: { name: "a" } } }]) {
    assert.deepEqual(await sent("Patient", { where }), { where });
  }
});

test("a row has texts; a record that does not open throws where it is looked at", async () => {
  const row = { ...(await sent("Patient", { data: { email: "a@b.c", scan: Buffer.from("%PDF"), answers: { text: "x" }, plan: "basic" } })).data, dob: null };
  const { email, scan, answers, dob, plan } = await received("Patient", row);
  assert.deepEqual([email, scan.toString(), answers, dob, plan], ["a@b.c", "%PDF", { text: "x" }, null, "basic"]);
  assert.notEqual(row.email, "a@b.c");
  assert.deepEqual(structuredClone(await received("Patient", [row]))[0].email, "a@b.c");
  const damaged = await received("Patient", { ...row, email: "a@b.c" });
  assert.equal(damaged.answers.text, "x");
  for (const use of [() => damaged.email, () => structuredClone(damaged), () => JSON.stringify(damaged)]) assert.throws(use, { name: "DecryptionError" });
  assert.deepEqual(await received("Patient", { count: 1 }, {}, "updateMany"), { count: 1 });
  assert.deepEqual(await received("Patient", [{ email: "a" }], {}, "groupBy"), [{ email: "a" }]);
  assert.equal(await received("Patient", null), null);
});

test("an extension that comes later is put before this one, and a listener is one of the client", () => {
  const base = new StandInForPrismaClient();
  const own = withPhi(base, MODELS, () => fields);
  const later = { name: "later", query: {} };
  assert.deepEqual(own.$extends(later).extensions.map(({ name }) => name), ["later", "@eonpro/phi"]);
  assert.deepEqual(own.$extends(later).$extends((made) => made.$extends({ name: "last" })).extensions.map(({ name }) => name), ["later", "last", "@eonpro/phi"]);
  const listener = () => undefined;
  assert.equal(own.$on("query", listener), own);
  own.$extends(later).$on("error", listener);
  assert.deepEqual(base.listeners, [["query", listener], ["error", listener]]);
});

test("a list of texts is a list of records, and not bound to a place", async () => {
  const { data } = await operationsOf(client({ Patient: { fields: ["tags"] } })).sent("Patient", { data: { tags: ["a", "", "b"] } });
  assert.deepEqual([open(data.tags[0]), data.tags[1], open(data.tags[2])], ["a", "", "b"]);
  const bound = operationsOf(client({ Patient: { fields: ["tags"], bound: { tags: { bound: true } } } }));
  for (const tags of [["a"], { set: ["a"] }, { push: "a" }]) await assert.rejects(bound.sent("Patient", { data: { tags } }), /bound/);
});

const WORDS = new phi.WordIndex({ table: "Patient", column: "tokens" });
const PHONE = new phi.ExactIndex({ table: "Patient", column: "phoneSearch", rule: "phone" });
const searched = operationsOf(
  client({
    Patient: {
      fields: ["email", "phone"],
      search: { tokens: { of: ["email", "phone"], by: WORDS, clinic: "clinicId" }, phoneSearch: { of: "phone", by: PHONE, clinic: "clinicId" } },
    },
  }),
);

test("words and values of a clinic are written with their fields", async () => {
  const one = { clinicId: 7, email: "jane@example.org", phone: "555-0100-222" };
  const tokens = (email, phone, clinic = 7) => fields.searchTokens(WORDS, [email, phone], clinic);
  const isWritten = (data, clinic = 7) => assert.deepEqual([data.tokens, data.phoneSearch], [tokens(one.email, one.phone, clinic), fields.searchValue(PHONE, one.phone, clinic)]);
  isWritten((await searched.sent("Patient", { data: one })).data);
  isWritten((await searched.sent("Patient", { data: [one] }, "createMany")).data[0]);
  isWritten((await searched.sent("Patient", { where: { id: 1 }, data: { ...one, clinicId: { set: 8 } } })).data, 8);
  const upserted = await searched.sent("Patient", { where: { id: 1, clinicId: 7 }, create: one, update: { email: one.email, phone: one.phone } }, "upsert");
  isWritten(upserted.create);
  isWritten(upserted.update);
  const nested = await searched.sent("Clinic", { data: { patients: { create: one, createMany: { data: [one] }, updateMany: { where: { clinicId: 7 }, data: one } } } });
  isWritten(nested.data.patients.create);
  isWritten(nested.data.patients.createMany.data[0]);
  isWritten(nested.data.patients.updateMany.data);
  assert.deepEqual((await searched.sent("Patient", { data: { clinicId: 7, email: "jane" } })).data.tokens, tokens("jane", null));
  const cleared = await searched.sent("Patient", { where: { id: 1 }, data: { email: null, phone: null } });
  assert.deepEqual([cleared.data.tokens, cleared.data.phoneSearch], [[], null]);
  assert.deepEqual((await searched.sent("Patient", { where: { id: 1 }, data: { plan: "x" } })).data, { plan: "x" });
  assert.deepEqual((await searched.sent("Patient", { where: { id: 1, clinicId: 7 }, data: { clinicId: 7 } })).data, { clinicId: 7 });
});

test("a write after which the words or the clinic of a row would be wrong is refused", async () => {
  const where = { id: 1, clinicId: 7 };
  for (const [args, operation] of [
    [{ data: { clinicId: null, email: "x" } }, "create"],
    [{ data: { email: "x", clinicId: 7 } }, "updateManyAndReturn"],
    [{ where, create: {}, update: { phone: "5550100222" } }, "upsert"],
  ]) {
    await assert.rejects(searched.sent("Patient", args, operation), EncryptedFieldUse, JSON.stringify(args));
  }
  const nested = [{ update: { data: { clinicId: 8 } } }, { upsert: { create: {}, update: { clinicId: 8 } } }, { updateMany: { where: {}, data: { clinicId: 8 } } }];
  for (const patients of nested) await assert.rejects(searched.sent("Clinic", { where: { id: 1 }, data: { patients } }), EncryptedFieldUse, JSON.stringify(patients));
  await assert.rejects(searched.sent("Patient", { where: { email: "x" } }, "findMany"), /hasWords\("tokens"/);
});

test("a relation names the clinic of a row, and does not move rows away from theirs", async () => {
  const email = "jane";
  const made = await searched.sent("Patient", { data: { email, clinic: { connect: { id: 7 } }, doctor: { connect: { id: 9 } } } });
  assert.deepEqual(made.data.tokens, fields.searchTokens(WORDS, [email], 7));
  assert.equal(made.data.clinicId, undefined);
  const moved = await searched.sent("Patient", { where: { id: 1, clinicId: 7 }, data: { email, phone: null, clinic: { connect: { id: 8 } } } });
  assert.deepEqual(moved.data.tokens, fields.searchTokens(WORDS, [email], 8));
  const where = { id: 1, clinicId: 7 };
  for (const clinic of [{ connect: { id: 7 } }, { update: { name: "x" } }]) await searched.sent("Patient", { where, data: { clinic } });
  await searched.sent("Patient", { where: { id: 1 }, data: { doctor: { disconnect: true } } });
  for (const clinic of [{ connect: { id: 8 } }, { connect: { name: "x" } }, { create: { name: "x" } }, { disconnect: true }, { connectOrCreate: { where: { id: 7 }, create: {} } }]) {
    await assert.rejects(searched.sent("Patient", { where, data: { clinic } }), EncryptedFieldUse, JSON.stringify(clinic));
  }
  await assert.rejects(searched.sent("Patient", { data: { email, clinic: { create: { name: "x" } } } }), EncryptedFieldUse);
  for (const links of [{ connect: [{ id: 1 }] }, { set: [] }, { disconnect: { id: 1 } }]) {
    await assert.rejects(searched.sent("Clinic", { data: { patients: links } }), EncryptedFieldUse, JSON.stringify(links));
    await searched.sent("Clinic", { data: { doctors: links } });
  }
  await searched.sent("Clinic", { data: { patients: { connect: [], create: { phone: null } } } });
});

test("a filter by words finds nothing for a query without a word", () => {
  assert.deepEqual(hasWords("tokens", []), { OR: [] });
  assert.deepEqual(hasWords("tokens", [[1, 2], [3]]), { AND: [{ tokens: { hasSome: [1, 2] } }, { tokens: { hasSome: [3] } }] });
});

test("a field that the schema does not have is refused at once", () => {
  const make = (models) => () => withPhi(new StandInForPrismaClient(), models);
  assert.throws(make({ Patient: { fields: ["e-mail"] } }), /no Patient\.e-mail/);
  assert.throws(make({ Patients: { fields: ["email"] } }), /no Patients\.email/);
  assert.throws(make({ Patient: { search: { emailHash: { of: "mail", by: "email" } } } }), /Patient\.mail/);
  assert.throws(make({ Patient: { search: { emailHash: { of: "email", by: "email", clinic: "clinicId" } } } }), /no clinic/);
  assert.throws(make({ Patient: { search: { emailSearch: { of: ["email", "dob"], by: INDEX } } } }), /of one field/);
  assert.throws(make({ Patient: { search: { tokens: { of: ["email"], by: INDEX, clinic: "clinic_id" } } } }), /Patient\.clinic_id/);
  assert.throws(() => withPhi({}, MODELS), /PrismaClient/);
});

const ROW = { bound: "row", tenant: "clinicId" };
const bound = (options = ROW) => operationsOf(client({ Visit: { fields: ["email"], bytes: ["scan"], bound: { email: options, scan: ROW } } }));
const visits = bound();
const write = (args, model = "Visit") => visits.sent(model, args, args.create ? "upsert" : undefined);
const read = async (row, of = visits) => (await of.received("Visit", row)).email;
await fields.ready();
const tenant = fields.cipher.forTenant("7");

test("a bound field is sealed for its row and its tenant, and read with them", async () => {
  const one = { id: 1, clinicId: 7, email: "a@b.c", scan: Buffer.from("%PDF") };
  const { data } = await write({ data: one });
  assert.equal(tenant.decrypt(data.email, "visits.e_mail:1"), "a@b.c");
  const opened = await visits.received("Visit", data);
  assert.deepEqual([opened.email, opened.scan.toString(), await read({ email: null })], ["a@b.c", "%PDF", null]);
  for (const other of [{ id: 2 }, { clinicId: 8 }, { email: tenant.encrypt("x", "visits.other:1") }]) {
    await assert.rejects(read({ ...data, ...other }), { name: "NotBound" }, JSON.stringify(other));
  }
  const changed = await write({ where: { id: 1, clinicId: 7 }, data: { email: { set: "d@e.f" } } });
  assert.equal(await read({ ...one, ...changed.data }), "d@e.f");
  const moved = await write({ where: { id: 1 }, data: { ...one, clinicId: 8 } });
  assert.equal(await read(moved.data), "a@b.c");
  const upserted = await write({ where: { id: 1, clinicId: 7 }, create: one, update: { email: "x" } });
  assert.deepEqual([await read(upserted.create), await read({ ...one, ...upserted.update })], ["a@b.c", "x"]);
  assert.deepEqual(await Promise.all((await write({ data: [one, { ...one, id: 2 }] })).data.map((row) => read(row))), ["a@b.c", "a@b.c"]);
  assert.deepEqual((await write({ where: { id: 1 }, data: { email: null, plan: "x" } })).data, { email: null, plan: "x" });
  assert.deepEqual((await write({ where: { id: 1, clinicId: 7 }, data: { clinicId: 7 } })).data, { clinicId: 7 });
});

test("the key and the tenant of a bound field are asked for, and not shown to who has not asked", async () => {
  const { data } = await write({ data: { id: 1, clinicId: 7, email: "a@b.c", plan: "basic" } });
  for (const args of [{ select: { email: true } }, { omit: { id: true, clinicId: true } }]) {
    const given = await visits.sent("Visit", args, "findMany");
    assert.deepEqual(given, "select" in args ? { select: { email: true, id: true, clinicId: true } } : { omit: { id: false, clinicId: false } });
    const row = await visits.received("Visit", data, args);
    assert.equal(row.email, "a@b.c");
    assert.ok(!Object.keys(row).includes("id") && !Object.keys(structuredClone(row)).includes("clinicId"));
  }
  const nested = { include: { visits: { select: { email: true } }, _count: { select: { visits: true } } } };
  const given = await visits.sent("Clinic", nested, "findMany");
  assert.deepEqual(given, { include: { visits: { select: { email: true, id: true, clinicId: true } }, _count: { select: { visits: true } } } });
  const [row] = (await visits.received("Clinic", { visits: [data] }, nested)).visits;
  assert.deepEqual([row.email, Object.keys(row).includes("id")], ["a@b.c", false]);
  assert.deepEqual(await visits.sent("Visit", { _count: { plan: true } }, "aggregate"), { _count: { plan: true } });
  const hidden = Object.assign(new StandInForPrismaClient(), { _globalOmit: { visit: { clinicId: true } } });
  const omitting = operationsOf(withPhi(hidden, { Visit: { fields: ["email"], bound: { email: ROW } } }, () => fields));
  assert.deepEqual(await omitting.sent("Visit", {}, "findMany"), { omit: { clinicId: false } });
  assert.deepEqual(await omitting.sent("Clinic", { include: { visits: true } }, "findMany"), { include: { visits: { omit: { clinicId: false } } } });
  assert.ok(!Object.keys(await omitting.received("Visit", data)).includes("clinicId"));
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
  await assert.rejects(visits.sent("Visit", { data: { clinicId: 8 } }, "updateMany"), EncryptedFieldUse);
  for (const email of [fields.cipher.encrypt("x"), tenant.encrypt("x", "visits.e_mail:1")]) await assert.rejects(write({ data: { id: 1, clinicId: 7, email } }), { name: "AlreadyEncrypted" });
  await assert.rejects(write({ data: { id: 1, clinicId: 7, email: 7 } }), { name: "NotText" });
});

test("an earlier form is read where it is declared, and told", async () => {
  const row = { id: 1, clinicId: 7 };
  const earlier = { unbound: fields.cipher.encrypt("x"), column: fields.cipher.encryptV2("x", "visits.e_mail"), tenant: tenant.encrypt("x") };
  for (const [form, email] of Object.entries(earlier)) {
    await assert.rejects(read({ ...row, email }), (error) => error.name === "NotBound" && error.message.includes(`reads: "${form}"`));
    const moving = bound({ ...ROW, reads: form });
    assert.equal(await read({ ...row, email }, moving), "x");
    for (const other of Object.values(earlier)) if (other !== email) await assert.rejects(read({ ...row, email: other }, moving), { name: "NotBound" });
  }
  const renamed = bound({ ...ROW, reads: ["unbound"], place: "Visit.mail" });
  assert.equal(await read({ ...row, email: tenant.encrypt("x", "Visit.mail:1") }, renamed), "x");
  const verdict = await phi.check({ AWS_REGION: "us-east-1", AWS_KMS_KEY_ID: "arn:aws:kms:us-east-1:123456789012:key/12345678-1234-1234-1234-123456789012", ENCRYPTED_PHI_KEY: Buffer.alloc(184).toString("base64") }, [...declarations().values()]);
  assert.deepEqual(verdict.columns.find(({ column }) => column === "e_mail"), {
    table: "visits", column: "e_mail", place: "Visit.mail", form: "tenant+row", reads: ["unbound"], tenantColumn: "clinicId",
  });
  assert.match(verdict.notices.join(), /visits\.e_mail still reads records of an earlier form \(unbound\)/);
  for (const wrong of [{ reads: "unbound" }, { bound: true, reads: "row" }, { bound: true, place: "email" }, { bound: "table" }]) {
    assert.throws(() => bound(wrong), RangeError);
  }
  assert.throws(() => withPhi(new StandInForPrismaClient(), { Visit: { fields: ["email"], bound: { mail: ROW } } }), /mail/);
});
