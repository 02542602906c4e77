/** Keys derived from a key: HKDF-SHA-256 with an unambiguous text of what each is for. */

import { hkdfSync } from "node:crypto";

/** The 32 bytes for this purpose, without a salt. From them nobody can compute the key, nor those of another purpose. */
export function derivedKey(key: Uint8Array, ...purpose: readonly string[]): Buffer {
  return Buffer.from(hkdfSync("sha256", key, "", parts(...purpose), 32));
}

/** Each text as its length in UTF-8 (4 bytes, big-endian), then its bytes: no two lists of texts give the same bytes. */
function parts(...texts: readonly string[]): Buffer {
  return Buffer.concat(
    texts.flatMap((text) => {
      const bytes = Buffer.from(text, "utf8");
      const length = Buffer.alloc(4);
      length.writeUInt32BE(bytes.length);
      return [length, bytes];
    }),
  );
}
