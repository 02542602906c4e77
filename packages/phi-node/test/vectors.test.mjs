// The vectors that every implementation of phi reads alike: tests/phi/vectors of the repository. A script wrote
// shared.json, and the third implementation, in Go, third.json.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as phi from "../dist/esm/index.js";
import { Scripted } from "./keys.mjs";

const folder = process.env.PHI_VECTORS ?? new URL("../../../tests/phi/vectors/", import.meta.url);
const bytes = (text) => Buffer.from(text, "base64");
const cipher = ({ dataKey }) => new phi.PhiCipher(bytes(dataKey));
const refused = phi.DecryptionError;

/** Fields with this hash key, or with the one that the data key gives. */
async function fields({ hashKey, dataKey = Buffer.alloc(32).toString("base64") }) {
  const current = hashKey && new phi.CachedKey(new Scripted(bytes(hashKey)));
  const found = new phi.PhiFields(new phi.CachedKey(new Scripted(bytes(dataKey))), { current });
  await found.ready();
  return found;
}

function testEach(name, check) {
  for (const file of ["shared.json", "third.json"]) {
    test(`${name}: ${file}`, () => check(JSON.parse(readFileSync(new URL(file, folder), "utf8"))));
  }
}

testEach("records are read in their places, and the others are refused", (vectors) => {
  for (const vector of vectors.records.accepted) assert.equal(cipher(vector).decrypt(vector.record, vector.context), vector.text);
  for (const vector of vectors.records.refused) {
    assert.throws(() => cipher(vector).decrypt(vector.record, vector.context), refused, vector.name);
  }
});

testEach("binary records and streams are read, and the others are refused", (vectors) => {
  for (const vector of vectors.binary.accepted) {
    const content = cipher(vector).decryptBytes(bytes(vector.stored), vector.context);
    assert.equal(createHash("sha256").update(content).digest("hex"), vector.contentSha256, vector.name);
  }
  for (const vector of vectors.binary.refused) {
    assert.throws(() => cipher(vector).decryptBytes(bytes(vector.stored), vector.context), refused, vector.name);
  }
});

testEach("in JSON the texts of the fields are records", (vectors) => {
  for (const vector of vectors.json) {
    assert.deepEqual(cipher(vector).decryptJson(vector.stored, vector.fields), vector.value);
    const again = cipher(vector).encryptJson(vector.value, vector.fields);
    assert.deepEqual(cipher(vector).decryptJson(again, vector.fields), vector.value);
  }
});

testEach("hashes are those of the application", async (vectors) => {
  for (const vector of vectors.hashes) {
    const found = await fields(vector);
    assert.equal(found.searchHash(vector.field, vector.text), vector.hash, vector.text);
    assert.deepEqual(found.searchHashes(vector.field, vector.text), vector.hash === null ? [] : [vector.hash]);
  }
});

testEach("search values and tokens are the same", async (vectors) => {
  for (const vector of vectors.search.exact) {
    const index = new phi.ExactIndex(vector.index);
    assert.equal((await fields(vector)).searchValue(index, vector.text, vector.clinic), vector.value, vector.text);
  }
  for (const vector of vectors.search.rows) {
    const tokens = (await fields(vector)).searchTokens(new phi.WordIndex(vector.index), vector.texts, vector.clinic);
    assert.deepEqual(tokens, vector.tokens);
  }
  for (const vector of vectors.search.queries) {
    const groups = (await fields(vector)).searchGroups(new phi.WordIndex(vector.index), vector.query, vector.clinic);
    assert.deepEqual(groups, vector.groups, vector.query);
  }
});

testEach("key check values and tenants are the same", async (vectors) => {
  for (const vector of vectors.keyCheckValues) assert.equal(cipher(vector).keyId, vector.keyCheckValue);
  for (const vector of vectors.tenants) {
    const tenant = cipher(vector).forTenant(vector.tenant);
    assert.equal(tenant.decrypt(vector.record, vector.context), vector.text);
    assert.deepEqual(tenant.decryptBytes(bytes(vector.stored), vector.context), bytes(vector.content));
  }
});

testEach("places are the same", (vectors) => {
  for (const vector of vectors.places) {
    const row = vector.row === null ? [] : [vector.row];
    assert.equal(phi.place(vector.table, vector.column, ...row), vector.place);
  }
});

test("lookups try the former hash keys too, each value once", async () => {
  const [one, other, data, former] = [1, 2, 3, 4].map((fill) => Buffer.alloc(32, fill));
  const keyOf = (key, ...reading) => new phi.CachedKey(new Scripted(key), reading.map((each) => new Scripted(each)));
  const alone = new phi.PhiFields(keyOf(data, former));
  const changed = new phi.PhiFields(keyOf(data, former), { current: keyOf(one), former: [keyOf(other), keyOf(one)], derived: true });
  await Promise.all([alone.ready(), changed.ready()]);
  const index = new phi.ExactIndex({ table: "Patient", column: "emailSearch", rule: "email" });
  const words = new phi.WordIndex({ table: "Patient", column: "tokens" });
  assert.equal(alone.searchHashes("email", "a@b.c").length, 2);
  assert.equal(changed.searchHashes("email", "a@b.c").length, 4);
  assert.equal(changed.searchHashes("email", "a@b.c")[0], changed.searchHash("email", "a@b.c"));
  assert.equal(changed.searchValues(index, "a@b.c", "7")[0], changed.searchValue(index, "a@b.c", "7"));
  assert.ok(changed.searchValues(index, "a@b.c").includes(alone.searchValue(index, "a@b.c")));
  const [group] = changed.searchGroups(words, "jane");
  assert.ok(group.includes(alone.searchTokens(words, ["Jane"]).find((token) => alone.searchGroups(words, "jane")[0].includes(token))));
  assert.deepEqual([index.matches("A@b.c", "a@B.c"), index.matches("", ""), words.matches("jan", ["Jane"])], [true, false, true]);
  assert.throws(() => changed.searchTokens(words, "Jane"), { name: "NotText" });
  assert.throws(() => new phi.ExactIndex({ table: "a", column: "b", rule: "none" }), RangeError);
});
