// One field in Node: @eonpro/phi beside the same calls by hand, in turn. Prints one JSON line: seconds a call.
import { createCipheriv, randomBytes } from "node:crypto";

const [, , place, given] = process.argv;
const phi = await import(place);
const CALLS = 2_000;
const TEXT = "x".repeat(64);
const key = Buffer.alloc(32, 1);

function encryptByHand(text) {
  const iv = randomBytes(16);
  const cipher = createCipheriv("aes-256-gcm", key, iv);
  const ciphertext = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
  return [iv, cipher.getAuthTag(), ciphertext].map((part) => part.toString("base64")).join(":");
}

const fields = new phi.PhiFields(new phi.CachedKey({ dataKey: async () => key }));
await fields.ready();
const ours = () => fields.cipher.encrypt(TEXT);
const theirs = () => encryptByHand(TEXT);

function seconds(call) {
  const began = process.hrtime.bigint();
  for (let number = 0; number < CALLS; number += 1) call();
  return Number(process.hrtime.bigint() - began) / 1e9 / CALLS;
}

for (let round = 0; round < 10; round += 1) seconds(round % 2 ? ours : theirs);
const found = { ours: [], theirs: [], control: [] };
for (let round = 0; round < Number(given); round += 1) {
  const turns = [["ours", ours], ["theirs", theirs], ["control", theirs]];
  for (let turn = 0; turn < 3; turn += 1) {
    const [side, call] = turns[(turn + round) % 3];
    found[side].push(seconds(call));
  }
}
console.log(JSON.stringify(found));
