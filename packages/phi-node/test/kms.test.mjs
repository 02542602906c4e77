// KMS as this process asks it, beside a server of this test that answers in its place.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, beforeEach, test } from "node:test";
import * as phi from "../dist/esm/index.js";
import { KEY, OTHER } from "./keys.mjs";

const ARN = `arn:aws:kms:us-east-1:123456789012:key/mrk-${"0a".repeat(16)}`;
const WRAPPED = Buffer.alloc(184, 1).toString("base64");
const MORE = Buffer.alloc(184, 2).toString("base64");
const VARIABLES = { AWS_REGION: "us-east-1", AWS_KMS_KEY_ID: ARN, ENCRYPTED_PHI_KEY: WRAPPED };
const requests = [];
let answer;

const server = createServer(async (request, response) => {
  const body = JSON.parse(Buffer.concat(await request.toArray()).toString());
  const region = /\/([a-z0-9-]+)\/kms\//.exec(request.headers.authorization)[1];
  requests.push({ ...body, region });
  const { status = 200, content, cut, silent } = answer({ ...body, region });
  if (cut) return request.socket.destroy();
  if (silent) return;
  response.writeHead(status, { "content-type": "application/x-amz-json-1.1" });
  response.end(typeof content === "string" ? content : JSON.stringify(content));
});

const opened = (key, KeyId = ARN) => ({ content: { KeyId, Plaintext: key.toString("base64") } });
const refused = (code, status = 400) => ({ status, content: { __type: code, message: "secret words of AWS" } });

before(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  Object.assign(process.env, {
    AWS_ENDPOINT_URL: `http://127.0.0.1:${server.address().port}`,
    AWS_ACCESS_KEY_ID: "AKIAEXAMPLE",
    AWS_SECRET_ACCESS_KEY: "s3cret",
    AWS_EC2_METADATA_DISABLED: "true",
  });
});
after(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  requests.length = 0;
  answer = () => opened(KEY);
});

async function ready(more = {}, options = {}) {
  const fields = phi.PhiFields.fromEnvironment({ ...VARIABLES, ...more }, options);
  await fields.ready();
  return fields;
}

test("each wrapped key is asked for once, with its KMS key and no encryption context", async () => {
  answer = ({ CiphertextBlob }) => opened(CiphertextBlob === MORE ? OTHER : KEY);
  const fields = await ready({ ENCRYPTED_PHI_KEYS_FOR_READING: `${MORE} ${WRAPPED}` });
  assert.deepEqual(
    requests.map(({ KeyId, CiphertextBlob, EncryptionContext }) => [KeyId, CiphertextBlob, EncryptionContext]).sort(),
    [[ARN, WRAPPED, undefined], [ARN, MORE, undefined]].sort(),
  );
  assert.equal(fields.cipher.decrypt(new phi.PhiCipher(OTHER).encrypt("Jane")), "Jane");
});

test("each answer that is no key is an error of its own, and no message has AWS's words", async () => {
  for (const [given, name] of [
    [refused("AccessDeniedException"), "AccessDenied"],
    [refused("KMSInvalidStateException"), "Disabled"],
    [refused("InvalidSignatureException", 403), "BadCredentials"],
    [refused("SomethingNew"), "RequestRejected"],
    [refused("KMSInternalException", 500), "Unreachable"],
    [{ status: 502, content: "<html>a proxy</html>" }, "Unreachable"],
    [{ content: "<html>a proxy</html>" }, "InvalidResponse"],
    [{ content: {} }, "InvalidResponse"],
    [{ content: { KeyId: ARN } }, "InvalidResponse"],
    [{ cut: true }, "Unreachable"],
    [opened(KEY, ARN.replace("0a0a", "0b0b")), "WrongKey"],
    [opened(KEY.subarray(1)), "WrongLength"],
  ]) {
    answer = () => given;
    await assert.rejects(ready(), (error) => {
      assert.deepEqual([error.name, /secret words|<html>/.test(error.message + error.stack)], [name, false], error.stack);
      return error instanceof phi.UnwrapError && error.cause === undefined;
    });
  }
});

test("a request that gets no answer is sent once more", async (t) => {
  t.mock.method(console, "warn", () => assert.fail("the SDK writes into the application's log"));
  answer = () => (requests.length === 1 ? { silent: true } : opened(KEY));
  await ready();
  assert.equal(requests.length, 2);
});

test("a key of another check value is refused before anything is encrypted", async () => {
  const { keyId } = new phi.PhiCipher(KEY);
  const fields = await ready({ ENCRYPTED_PHI_KEY_CHECK_VALUE: keyId });
  assert.equal(fields.cipher.keyId, keyId);
  answer = () => opened(OTHER);
  const other = phi.PhiFields.fromEnvironment({ ...VARIABLES, ENCRYPTED_PHI_KEY_CHECK_VALUE: keyId });
  await assert.rejects(other.ready(), { name: "WrongKeyCheckValue" });
  assert.throws(() => other.cipher.encrypt("Jane"), { name: "WrongKeyCheckValue" });
});

test("a handler waits for the key, and what it calls is synchronous", async () => {
  phi.configure({});
  for (const [name, value] of Object.entries(VARIABLES)) process.env[name] = value;
  const handler = phi.withKey(async (text, more) => [phi.decryptPHI(phi.encryptPHI(text)), more]);
  assert.throws(() => phi.encryptPHI("Jane"), { name: "KeyNotLoaded" });
  assert.deepEqual(await Promise.all([handler("Jane", 1), handler("Joe", 2)]), [["Jane", 1], ["Joe", 2]]);
  assert.equal(requests.length, 1);
  const { createRequire } = await import("node:module");
  const other = createRequire(import.meta.url)("../dist/cjs/index.js");
  assert.equal(other.decryptPHI(phi.encryptPHI("Jane")), "Jane", "two copies of the package share one key");
  const patient = { id: 7, email: "a@b.c" };
  const { cipher } = phi.fields();
  assert.deepEqual(cipher.decryptFields(cipher.encryptFields(patient)), patient);
  assert.equal(phi.decryptPHI(cipher.encryptV2("Jane", "here"), "here"), "Jane");
  assert.deepEqual(phi.fields().searchHashes("email", "a@b.c"), [phi.searchHash("email", "A@b.c")]);
  phi.configure({});
  assert.throws(() => phi.decryptPHI("x"), { name: "KeyNotLoaded" });
  await phi.initializeEncryption();
  assert.equal(requests.length, 2);
});

test("a start without its key ends the process, but in a build and on Vercel before a request", async (t) => {
  t.mock.method(console, "error", () => {});
  const exit = t.mock.method(process, "exit", () => {});
  answer = () => refused("AccessDeniedException");
  for (const [more, code] of [
    [{}, 1],
    [{ NEXT_PHASE: "phase-production-build" }, undefined],
    [{ VERCEL: "1", AWS_ACCESS_KEY_ID: "" }, undefined],
  ]) {
    const before = Object.fromEntries(Object.keys(more).map((name) => [name, process.env[name]]));
    Object.assign(process.env, more);
    phi.configure({});
    exit.mock.resetCalls();
    await phi.startWithKey();
    assert.equal(exit.mock.calls[0]?.arguments[0], code, JSON.stringify(more));
    for (const [name, value] of Object.entries(before)) value === undefined ? delete process.env[name] : (process.env[name] = value);
  }
  assert.match(console.error.mock.calls[0].arguments[0], /does not start without its data key: AccessDenied/);
});

test("on Vercel by role what is missing is said", async () => {
  const vercel = { ...VARIABLES, VERCEL: "1" };
  await assert.rejects(phi.PhiFields.fromEnvironment(vercel).ready(), { name: "MissingVariable", message: "AWS_ROLE_ARN is not set." });
  const withRole = phi.PhiFields.fromEnvironment({ ...vercel, AWS_ROLE_ARN: "arn:aws:iam::123456789012:role/eonpro-app-role" });
  await assert.rejects(withRole.ready(), (error) => error.name === "NoCredentials" && error.reason === "BadCredentials");
});
