// What may be logged: no record of any form, and no value under the name of a field.
import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import * as phi from "../dist/esm/index.js";
import { KEY } from "./keys.mjs";

const cipher = new phi.PhiCipher(KEY);
const stored = cipher.encryptBytes(Buffer.from("%PDF"));
const records = [cipher.encrypt("Jane"), cipher.encryptV2("Jane"), stored.toString("hex"), stored.toString("base64"), inspect(stored)];

test("a record is shortened wherever it stands in a text, a damaged one too", () => {
  for (const record of [...records, records[0].slice(0, 40), records[1].slice(0, 30)]) {
    assert.equal(phi.shortened(`email=${record}; id 7`), "email=[PHI record]; id 7", record);
  }
  assert.equal(phi.shortened("id 7 of us-east-1: ready"), "id 7 of us-east-1: ready");
});

test("values under the names of fields are removed at any depth, and nothing is changed in place", () => {
  const logged = { id: 7, first_name: "Jane", patient: [{ EMAIL: "a@b.c", mrn: 1, scan: stored }], at: new Date(0), m: new Map([["dob", "x"]]) };
  const kept = inspect(logged);
  assert.deepEqual(phi.redacted(logged, ["mrn"]), {
    id: 7,
    first_name: "[removed]",
    patient: [{ EMAIL: "[removed]", mrn: "[removed]", scan: "[PHI record]" }],
    at: new Date(0),
    m: new Map([["dob", "[removed]"]]),
  });
  assert.equal(inspect(logged), kept);
  const circle = { a: [] };
  circle.a.push(circle);
  assert.deepEqual(phi.redacted(circle), { a: ["[removed]"] });
});

test("an error keeps its kind and its stack, without records and without the fields it carries", () => {
  const error = Object.assign(new TypeError(`no place for ${records[0]}`, { cause: new Error(records[1]) }), { email: "a@b.c", code: "P2002" });
  const shown = phi.redacted({ error }).error;
  assert.ok(!records.some((record) => inspect(shown, { depth: 9, showHidden: true }).includes(record)));
  assert.deepEqual([shown.name, shown.message, shown.email, shown.code], ["TypeError", "no place for [PHI record]", "[removed]", "P2002"]);
  assert.match(shown.stack, /log\.test\.mjs/);
});

test("the console prints what is left", (t) => {
  const print = t.mock.method(console, "log", () => {});
  const end = phi.filterConsole(["mrn"]);
  console.log("saved %s", records[0], { mrn: 7 });
  end();
  console.log(records[0]);
  assert.deepEqual(print.mock.calls.map(({ arguments: each }) => each), [["saved %s", "[PHI record]", { mrn: "[removed]" }], [records[0]]]);
});
