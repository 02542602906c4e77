// Reads the vectors with Node's crypto alone: a second implementation of docs/decisions/0057. Prints what differs, as JSON.
import { createDecipheriv, createHash, createHmac } from "node:crypto";
import { readFileSync } from "node:fs";

const MAGIC = Buffer.from("f7706869", "hex");
const KEY_ID = "eonpro-phi-record-v2 key id";
const STREAM_KEY = "eonpro-phi-stream-v1 key";

function open(key, iv, sealed, associated) {
  const decipher = createDecipheriv("aes-256-gcm", key, iv, { authTagLength: 16 });
  decipher.setAAD(associated).setAuthTag(sealed.subarray(-16));
  return Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()]);
}

function decrypt(stored, key, context) {
  const id = createHmac("sha256", key).update(KEY_ID).digest().subarray(0, 8);
  if (stored.length <= 41 || !stored.subarray(0, 4).equals(MAGIC) || !stored.subarray(5, 13).equals(id)) throw new Error("no record");
  if (stored[4] === 1) {
    return open(key, stored.subarray(13, 25), stored.subarray(25), Buffer.concat([stored.subarray(0, 13), Buffer.from(context)]));
  }
  const exponent = stored[13];
  if (stored[4] !== 2 || exponent < 16 || exponent > 20) throw new Error("no stream");
  const header = stored.subarray(0, 53);
  const own = createHmac("sha256", key).update(STREAM_KEY).update(header).digest();
  const size = 2 ** exponent + 16;
  const parts = [];
  for (let at = 53, number = 0; number === 0 || at < stored.length; at += size, number += 1) {
    const iv = Buffer.alloc(12);
    header.copy(iv, 0, 46);
    iv.writeUInt32BE(number, 7);
    iv[11] = at + size >= stored.length ? 1 : 0;
    const part = open(own, iv, stored.subarray(at, at + size), Buffer.concat([header, Buffer.from(context)]));
    if (number > 0 && part.length === 0) throw new Error("an empty chunk");
    parts.push(part);
  }
  return Buffer.concat(parts);
}

const vectors = JSON.parse(readFileSync(process.argv[2], "utf8"));
const bytes = (text) => Buffer.from(text, "base64");
const wrong = [];
for (const { name, dataKey, context, content, contentSha256, stored } of vectors.accepted) {
  const opened = decrypt(bytes(stored), bytes(dataKey), context);
  const same = contentSha256 ? createHash("sha256").update(opened).digest("hex") === contentSha256 : opened.equals(bytes(content));
  if (!same) wrong.push(name);
}
for (const { name, dataKey, context, stored, storedFrom, cutBytes } of vectors.refused) {
  const whole = storedFrom ? bytes(vectors.accepted.find((each) => each.name === storedFrom).stored).subarray(0, -cutBytes) : bytes(stored);
  try {
    decrypt(whole, bytes(dataKey), context);
    wrong.push(name);
  } catch {
    continue;
  }
}
console.log(JSON.stringify(wrong));
