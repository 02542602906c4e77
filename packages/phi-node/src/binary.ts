/** The binary form of an encrypted value, and the stream of authenticated chunks. docs/formats.md of the repository. */

import { type KeyObject, createHmac } from "node:crypto";
import { DecryptionError } from "./errors.js";
import { open } from "./gcm.js";
import { type Parts, TAG_BYTES, V2_IV_BYTES } from "./record.js";

/** The first bytes of a record and of a stream: F7, which no text in UTF-8 has, and "phi". */
export const MAGIC: Buffer = Buffer.from("f7706869", "hex");
const RECORD = 1;
const STREAM = 2;
const HEADER_BYTES = MAGIC.length + 1 + 8;
const STREAM_HEADER_BYTES = HEADER_BYTES + 1 + 32 + 7;
export const OVERHEAD_BYTES = HEADER_BYTES + V2_IV_BYTES + TAG_BYTES;
const STREAM_KEY = "eonpro-phi-stream-v1 key";

/** The bytes before the IV of a record, which its tag covers. */
export function header(keyId: string): Buffer {
  return Buffer.concat([MAGIC, Buffer.of(RECORD), Buffer.from(keyId, "hex")]);
}

/** The key id of a record or a stream in hex; null for anything else. */
export function keyIdOf(data: Buffer): string | null {
  const form = data[MAGIC.length];
  if (data.length <= OVERHEAD_BYTES || !data.subarray(0, MAGIC.length).equals(MAGIC)) return null;
  return form === RECORD || form === STREAM ? data.toString("hex", MAGIC.length + 1, HEADER_BYTES) : null;
}

/** The content of a record or of a whole stream under this key. Throws DecryptionError. */
export function openBinary(data: Buffer, key: KeyObject, context: string): Buffer {
  const associated = Buffer.from(context, "utf8");
  const content =
    data[MAGIC.length] === STREAM
      ? openStream(data, key, associated)
      : open(key, split(data.subarray(HEADER_BYTES)), Buffer.concat([data.subarray(0, HEADER_BYTES), associated]));
  if (content === null) throw new DecryptionError();
  return content;
}

function split(data: Buffer): Parts {
  return {
    iv: data.subarray(0, V2_IV_BYTES),
    ciphertext: data.subarray(V2_IV_BYTES, -TAG_BYTES),
    tag: data.subarray(-TAG_BYTES),
  };
}

function openStream(data: Buffer, key: KeyObject, context: Buffer): Buffer | null {
  const start = data.subarray(0, STREAM_HEADER_BYTES);
  const exponent = start[HEADER_BYTES] ?? 0;
  if (start.length < STREAM_HEADER_BYTES || exponent < 16 || exponent > 20) return null;
  const own = createHmac("sha256", key).update(STREAM_KEY).update(start).digest();
  const associated = Buffer.concat([start, context]);
  const size = 2 ** exponent + TAG_BYTES;
  const chunks: Buffer[] = [];
  for (let at = STREAM_HEADER_BYTES, number = 0; number === 0 || at < data.length; at += size, number += 1) {
    const sealed = data.subarray(at, at + size);
    // The chunk's number and whether it is the last one: none can be left out, moved or repeated, and no end cut off.
    const iv = Buffer.alloc(V2_IV_BYTES);
    start.copy(iv, 0, STREAM_HEADER_BYTES - 7);
    iv.writeUInt32BE(number, 7);
    iv[11] = at + size >= data.length ? 1 : 0;
    if (sealed.length < TAG_BYTES) return null;
    const content = open(own, { iv, ciphertext: sealed.subarray(0, -TAG_BYTES), tag: sealed.subarray(-TAG_BYTES) }, associated);
    // Only an empty stream has an empty chunk.
    if (content === null || (number > 0 && content.length === 0)) return null;
    chunks.push(content);
  }
  return Buffer.concat(chunks);
}
