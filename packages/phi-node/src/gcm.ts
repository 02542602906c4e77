/** AES-256-GCM as all forms of a record use it. */

import { type KeyObject, createCipheriv, createDecipheriv } from "node:crypto";
import { isUtf8 } from "node:buffer";
import type { Parts } from "./record.js";

const TAG = { authTagLength: 16 };

/** Ciphertext and tag. */
export function seal(key: KeyObject | Buffer, iv: Buffer, content: Uint8Array, associated: Uint8Array): [Buffer, Buffer] {
  const cipher = createCipheriv("aes-256-gcm", key, iv, TAG);
  cipher.setAAD(associated);
  const ciphertext = cipher.update(content);
  cipher.final(); // GCM has no padding: this adds nothing
  return [ciphertext, cipher.getAuthTag()];
}

/** The content; null where the tag does not fit. */
export function open(key: KeyObject | Buffer, parts: Parts, associated?: Uint8Array): Buffer | null {
  try {
    const decipher = createDecipheriv("aes-256-gcm", key, parts.iv, TAG).setAuthTag(parts.tag);
    if (associated) decipher.setAAD(associated);
    const content = decipher.update(parts.ciphertext);
    decipher.final();
    return content;
  } catch {
    return null;
  }
}

/** The text of an opened record; null for bytes that are no UTF-8. */
export function textOf(content: Buffer | null): string | null {
  return content && isUtf8(content) ? content.toString("utf8") : null;
}
