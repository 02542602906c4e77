// The cipher: a value comes back from its own record, and nothing else is ever taken for one.
import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import * as phi from "../dist/esm/index.js";
import { KEY, OTHER } from "./keys.mjs";

const cipher = new phi.PhiCipher(KEY);
const refused = { name: "DecryptionError", message: "The record cannot be decrypted." };

test("a text comes back, and two records of it differ", () => {
  for (const text of ["Jane", "Jöhn Dœ", "患者 🩺".repeat(500), "\ufeffwith a mark", "\0"]) {
    const record = cipher.encrypt(text);
    assert.notEqual(record, cipher.encrypt(text));
    assert.equal(cipher.decrypt(record), text);
    assert.equal(record.length, 50 + 4 * Math.ceil(Buffer.byteLength(text) / 3));
  }
});

test("nothing has no record", () => {
  for (const nothing of [null, undefined, ""]) {
    assert.equal(cipher.encrypt(nothing), null);
    assert.equal(cipher.encryptV2(nothing), null);
    assert.equal(cipher.decrypt(nothing), null);
  }
  assert.equal(cipher.encryptBytes(new Uint8Array()), null);
});

test("what is no text is refused, and what UTF-8 cannot encode", () => {
  for (const value of [0, 7, true, new Date(), Buffer.from("a"), {}, ["a"]]) {
    assert.throws(() => cipher.encrypt(value), { name: "NotText" });
    assert.throws(() => cipher.encryptV2(value), { name: "NotText" });
  }
  assert.throws(() => cipher.encrypt("a\ud800"), { name: "InvalidText" });
  assert.throws(() => cipher.encryptV2("a", "\ud800"), { name: "InvalidText" });
  for (const value of ["text", 7, [1]]) assert.throws(() => cipher.encryptBytes(value), { name: "NotBytes" });
});

test("an index is no context", () => {
  const records = ["Jane", "Joe"].map((text) => cipher.encrypt(text));
  assert.throws(() => records.map(cipher.decrypt, cipher), { name: "TypeError", message: /records\.map\(\(record\) =>/ });
});

test("each change of one character of a record is refused", () => {
  for (const [record, context] of [[cipher.encrypt("Jane"), ""], [cipher.encryptV2("Jane", "Patient.email"), "Patient.email"]]) {
    for (let at = 0; at < record.length; at += 1) {
      for (const character of ["A", "/", "=", ":", " ", "-", ""]) {
        const changed = record.slice(0, at) + character + record.slice(at + 1);
        if (changed !== record) assert.throws(() => cipher.decrypt(changed, context), refused, changed);
      }
    }
    for (const changed of [` ${record}`, `${record}\n`, `${record}=`, `${record}:`, record.slice(0, -1), record.toLowerCase()]) {
      assert.throws(() => cipher.decrypt(changed, context), refused);
    }
  }
  for (const other of ["Jane", "::", "AAAA", 7, {}, Buffer.from("x")]) assert.throws(() => cipher.decrypt(other), refused);
});

test("a record of version 2 opens in its own place only", () => {
  const here = phi.place("Patient", "email", 7);
  const record = cipher.encryptV2("Jane", here);
  assert.equal(cipher.decrypt(record, here), "Jane");
  for (const other of ["", "Patient.email", "Patient.email:8", "\ud800"]) assert.throws(() => cipher.decrypt(record, other), refused);
  for (const key of [1, 1n, "1"]) assert.equal(phi.place('a."b', "c:d", key), '"a.""b"."c:d":1');
  for (const key of [null, undefined, 7.5, 1e21, true, new Date()]) assert.throws(() => phi.place("Patient", "email", key), /whole number/);
});

test("what is bound to no place opens in none", () => {
  const rotated = new phi.PhiCipher(OTHER, [KEY]);
  for (const reader of [cipher, rotated]) {
    assert.throws(() => reader.decrypt(cipher.encrypt("Jane"), "Patient.email"), (error) => error instanceof phi.DecryptionError && error.name === "NotBound");
    assert.throws(() => reader.decrypt(cipher.encryptV2("Jane"), "Patient.email"), refused);
    assert.throws(() => reader.decrypt("Jane", "Patient.email"), refused);
  }
});

test("reading keys read, and the current one writes", () => {
  const rotated = new phi.PhiCipher(OTHER, [KEY]);
  const here = "Patient.data";
  assert.equal(rotated.decrypt(cipher.encrypt("Jane")), "Jane");
  assert.equal(rotated.decrypt(cipher.encryptV2("Jane")), "Jane");
  assert.equal(rotated.decryptBytes(cipher.encryptBytes(Buffer.from("%PDF"), here), here).toString(), "%PDF");
  for (const record of [rotated.encrypt("Jane"), rotated.encryptV2("Jane")]) assert.throws(() => cipher.decrypt(record), refused);
  assert.throws(() => new phi.PhiCipher(Buffer.alloc(31)), { name: "InvalidDataKey" });
  assert.throws(() => new phi.PhiCipher(KEY, ["x".repeat(32)]), { name: "InvalidDataKey" });
});

test("each change of one bit of a binary record is refused", () => {
  const record = cipher.encryptBytes(Buffer.from("%PDF"), "here");
  assert.equal(record.length, 4 + 41);
  for (let bit = 0; bit < record.length * 8; bit += 1) {
    const changed = Buffer.from(record);
    changed[bit >> 3] ^= 1 << (bit & 7);
    assert.throws(() => cipher.decryptBytes(changed, "here"), refused, `bit ${bit}`);
  }
  for (let length = 0; length < record.length; length += 1) {
    assert.throws(() => cipher.decryptBytes(record.subarray(0, length), "here"), refused);
  }
  assert.throws(() => cipher.decryptBytes(Buffer.concat([record, Buffer.of(0)]), "here"), refused);
  assert.throws(() => cipher.decryptBytes(record, "there"), refused);
  assert.throws(() => cipher.decryptBytes("f7706869"), refused);
  const inside = new Uint8Array(Buffer.concat([Buffer.alloc(3), record])).subarray(3);
  assert.equal(cipher.decryptBytes(inside, "here").toString(), "%PDF");
});

test("fields are encrypted once, and the rest of the object stays", () => {
  const patient = { id: 7, firstName: "Jane", email: null, plan: "basic" };
  const stored = cipher.encryptFields(patient);
  assert.deepEqual({ ...stored, firstName: "Jane" }, patient);
  assert.deepEqual(cipher.decryptFields(stored), patient);
  assert.throws(() => cipher.encryptFields(stored), { name: "AlreadyEncrypted" });
  assert.throws(() => cipher.decryptFields(patient), refused);
});

test("in a JSON value each text of the fields is a record, at any depth", () => {
  const value = { plan: "basic", answers: [{ q: "a", free: ["x", "", null, true, { y: "z" }] }], n: 1 };
  const stored = cipher.encryptJson(value, ["answers"]);
  assert.deepEqual([stored.plan, stored.n, stored.answers[0].free.slice(1, 4)], ["basic", 1, ["", null, true]]);
  assert.notEqual(stored.answers[0].free[4].y, "z");
  assert.deepEqual(cipher.decryptJson(JSON.parse(JSON.stringify(stored)), ["answers"]), value);
  assert.equal(cipher.decryptJson(cipher.encryptJson("Jane", "*"), "*"), "Jane");
  const hostile = JSON.parse('{"__proto__": {"answers": "x"}}');
  assert.deepEqual(cipher.decryptJson(cipher.encryptJson(hostile, ["answers"]), ["answers"]), hostile);
  assert.throws(() => cipher.encryptJson({ answers: { weight: 70 } }, ["answers"]), { name: "NotText" });
  assert.throws(() => cipher.encryptJson(stored, ["answers"]), { name: "AlreadyEncrypted" });
  assert.throws(() => cipher.decryptJson(value, ["answers"]), refused);
});

test("one tenant's key opens no other's records", () => {
  const [one, other] = ["clinic-7", "clinic-8"].map((id) => cipher.forTenant(id));
  const record = one.encrypt("Jane", "Patient.email");
  assert.equal(one.decrypt(record, "Patient.email"), "Jane");
  assert.equal(new phi.PhiCipher(OTHER, [KEY]).forTenant("clinic-7").decrypt(record, "Patient.email"), "Jane");
  for (const foreign of [other, cipher]) assert.throws(() => foreign.decrypt(record, "Patient.email"), refused);
  assert.throws(() => other.decryptBytes(one.encryptBytes(Buffer.from("x"))), refused);
  for (const id of ["", 7, null, "\ud800"]) assert.throws(() => cipher.forTenant(id), { name: "InvalidTenant" });
});

test("no key is shown", () => {
  for (const object of [cipher, cipher.forTenant("clinic-7"), new phi.CachedKey({ dataKey: async () => KEY })]) {
    const shown = inspect(object, { depth: 9, showHidden: true }) + JSON.stringify(object) + JSON.stringify({ ...object });
    for (const form of [KEY.toString("hex"), KEY.toString("base64"), "00 01 02 03", "0,1,2,3"]) assert.ok(!shown.includes(form), shown);
  }
});
