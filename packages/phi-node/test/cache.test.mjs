// The cached key: asked for once by all callers, refreshed before its five minutes are over, dropped when KMS denies it.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as phi from "../dist/esm/index.js";
import { KEY, OTHER, Scripted, cached } from "./keys.mjs";

/** When all that was begun waits for nobody but other tasks of this process. */
const settled = () => new Promise((resolve) => setImmediate(resolve));
const idOf = (key) => new phi.PhiCipher(key).keyId;

test("a thousand callers at once ask KMS once, and none before the first use", async () => {
  const source = new Scripted(KEY);
  const { key } = cached(source);
  assert.equal(source.requests, 0);
  await Promise.all(Array.from({ length: 1000 }, () => key.ready()));
  assert.equal(source.requests, 1);
  assert.equal(key.keys().cipher, key.keys().cipher);
});

test("a synchronous call before the key is there says what is missing, and starts the load", async () => {
  const source = new Scripted(KEY);
  const { key } = cached(source);
  assert.throws(() => key.keys(), { name: "KeyNotLoaded", message: /withKey/ });
  await settled();
  assert.equal(key.keys().cipher.keyId, idOf(KEY));
  assert.equal(source.requests, 1);
});

test("a key of development is there at once, and no timer runs for it", () => {
  const key = phi.CachedKey.fixed(KEY);
  const { setTimeout } = globalThis;
  globalThis.setTimeout = () => assert.fail("a timer");
  try {
    key.keepFresh();
  } finally {
    globalThis.setTimeout = setTimeout;
  }
  assert.equal(key.keys().cipher.keyId, idOf(KEY));
});

test("the refresh begins before the TTL is over, in the background, once", async () => {
  const source = new Scripted(KEY);
  const { key, clock } = cached(source);
  await key.ready();
  clock.now += 239;
  key.keys();
  assert.equal(source.requests, 1);
  clock.now += 2;
  for (let call = 0; call < 10; call += 1) {
    key.keys();
    await key.ready();
  }
  await settled();
  assert.equal(source.requests, 2);
  clock.now += 239;
  key.keys();
  assert.equal(source.requests, 2);
});

test("past its TTL ready() waits for KMS, and a synchronous call does not", async () => {
  const { key, clock } = cached(new Scripted(KEY, OTHER));
  await key.ready();
  clock.now += 301;
  assert.equal(key.keys().cipher.keyId, idOf(KEY));
  const { key: waiting, clock: later } = cached(new Scripted(KEY, OTHER));
  await waiting.ready();
  later.now += 301;
  await waiting.ready();
  assert.equal(waiting.keys().cipher.keyId, idOf(OTHER));
});

test("while KMS does not answer the key stays for an hour, and is asked for after growing delays", async (t) => {
  const warn = t.mock.method(console, "warn", () => {});
  const source = new Scripted(KEY);
  const { key, clock } = cached(source);
  await key.ready();
  source.answerWith(new phi.Unreachable("no answer"));
  clock.now += 301;
  await key.ready();
  await key.ready();
  key.keys();
  assert.equal(source.requests, 2);
  for (const delay of [0.6, 1.1, 2.1, 4.1, 8.1, 15.1, 15.1]) {
    clock.now += delay;
    await key.ready();
    await settled();
  }
  assert.equal(source.requests, 9);
  assert.equal(warn.mock.callCount(), 8);
  assert.equal(warn.mock.calls[0].arguments[0], "KMS did not return the current key (Unreachable): no answer");
  clock.now = 1000 + 300 + 3600;
  await assert.rejects(key.ready(), { name: "Unreachable", message: "no answer" });
  assert.throws(() => key.keys(), { name: "Unreachable" });
  source.answerWith(KEY);
  clock.now += 31;
  await key.ready();
  assert.equal(key.keys().cipher.keyId, idOf(KEY));
});

test("a denial drops the key at once, and a repaired permission needs no restart", async () => {
  const source = new Scripted(KEY);
  const { key, clock } = cached(source);
  await key.ready();
  source.answerWith(new phi.AccessDenied("denied"));
  clock.now += 241;
  key.keys();
  await settled();
  assert.throws(() => key.keys(), { name: "AccessDenied" });
  await assert.rejects(key.ready(), { name: "AccessDenied" });
  assert.equal(source.requests, 2);
  source.answerWith(KEY);
  clock.now += 1;
  await key.ready();
  assert.equal(key.keys().cipher.keyId, idOf(KEY));
});

test("each caller gets an error of its own", async () => {
  const { key } = cached(new Scripted(new phi.AccessDenied("denied")));
  const [one, other] = await Promise.allSettled([key.ready(), key.ready()]);
  assert.notEqual(one.reason, other.reason);
  assert.equal(one.reason.message, other.reason.message);
});

test("without one of its reading keys it reads the others' records, and calls none of that key's corrupt", async () => {
  const reading = new Scripted(new phi.Throttled("later"));
  const { key, clock } = cached(new Scripted(KEY), { reading: [reading] });
  await key.ready();
  const { cipher } = key.keys();
  const theirs = new phi.PhiCipher(OTHER);
  assert.equal(cipher.decrypt(cipher.encrypt("Jane")), "Jane");
  for (const record of [theirs.encrypt("Joe"), theirs.encryptV2("Joe")]) assert.throws(() => cipher.decrypt(record), { name: "Throttled" });
  assert.throws(() => cipher.decryptBytes(theirs.encryptBytes(Buffer.from("x"))), { name: "Throttled" });
  assert.throws(() => cipher.forTenant("1").decrypt(theirs.forTenant("1").encrypt("Joe")), { name: "Throttled" });
  assert.throws(() => cipher.decrypt("Jane"), { name: "DecryptionError" });
  assert.throws(() => cipher.decrypt(cipher.encryptV2("Jane", "here"), "there"), { name: "DecryptionError" });
  assert.throws(() => key.dataKeys(), { name: "Throttled" });
  reading.answerWith(OTHER);
  clock.now += 1.1;
  key.keys();
  await settled();
  assert.equal(key.keys().cipher.decrypt(theirs.encrypt("Joe")), "Joe");
  reading.answerWith(new phi.Disabled("disabled"));
  clock.now += 241;
  key.keys();
  await settled();
  assert.throws(() => key.keys().cipher.decrypt(theirs.encrypt("Joe")), { name: "Disabled" });
});

test("after forget() the answer of a running attempt is not used", async () => {
  const answers = [];
  const source = new Scripted(() => new Promise((resolve) => answers.push(resolve)));
  const { key } = cached(source);
  const waiting = key.ready();
  key.forget();
  answers[0](KEY);
  await settled();
  answers[1](OTHER);
  await waiting;
  assert.equal(key.keys().cipher.keyId, idOf(OTHER));
  key.forget();
  assert.throws(() => key.keys(), { name: "KeyNotLoaded" });
});

test("a defect of a source reaches no caller as anything but an UnwrapError", async (t) => {
  t.mock.method(console, "warn", () => {});
  for (const answer of [new TypeError("secret"), Buffer.alloc(31), "x".repeat(32), undefined]) {
    const { key } = cached(new Scripted(answer));
    await assert.rejects(key.ready(), (error) => error instanceof phi.UnwrapError && !error.message.includes("secret"));
  }
  assert.equal(console.warn.mock.callCount(), 4);
});

test("with keepFresh() the key is refreshed while nobody calls, and nothing is asked after a denial", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const source = new Scripted(KEY);
  const { key, clock } = cached(source);
  await key.ready();
  key.keepFresh();
  for (const expected of [2, 3]) {
    clock.now += 240;
    t.mock.timers.tick(240_001);
    await settled();
    assert.equal(source.requests, expected);
  }
  source.answerWith(new phi.AccessDenied("denied"));
  for (let round = 0; round < 3; round += 1) {
    clock.now += 240;
    t.mock.timers.tick(240_001);
    await settled();
  }
  assert.equal(source.requests, 4);
});

test("impossible times are refused", () => {
  for (const options of [{ ttl: 0 }, { ttl: NaN }, { grace: -1 }]) {
    assert.throws(() => new phi.CachedKey(new Scripted(KEY), [], options), RangeError);
  }
});
