/** The search hashes that EONPRO stores next to its records (`emailHash`, `dobHash`): HMAC-SHA-256 of the normalised text. */

import { createHmac } from "node:crypto";

const NO_EMAILS = new Set(["", "unknown@example.com", "unknown@intake.local", "noemail@placeholder.local"]);
const NO_EMAIL_DOMAINS = ["@intake.local", "@placeholder.local"];
const NO_DATES = new Set(["", "1900-01-01"]);

/** The hash key that the application derives from its data key, where ENCRYPTED_PHI_HASH_KEY is not set. */
export function derivedHashKey(dataKey: Uint8Array): Buffer {
  return createHmac("sha256", dataKey).update("patient-dedup-v1").digest();
}

/** The text that is hashed for an e-mail address; null for a placeholder, which has no hash. */
export function normalisedEmail(text: string): string | null {
  const normalised = text.toLowerCase().trim();
  const none = NO_EMAILS.has(normalised) || NO_EMAIL_DOMAINS.some((domain) => normalised.endsWith(domain));
  return none ? null : normalised;
}

/** The text that is hashed for a date of birth, YYYY-MM-DD; null for a placeholder, which has no hash. */
export function normalisedDate(text: string): string | null {
  const trimmed = text.trim();
  const american = /^([0-9]{1,2})[/-]([0-9]{1,2})[/-]([0-9]{4})$/.exec(trimmed);
  const normalised = american
    ? `${american[3]}-${american[1]!.padStart(2, "0")}-${american[2]!.padStart(2, "0")}`
    : trimmed.split("T")[0]!;
  return NO_DATES.has(normalised) ? null : normalised;
}

/** The hash of a normalised text in 64 hex digits. */
export function hash(hashKey: Uint8Array, normalised: string): string {
  return createHmac("sha256", hashKey).update(normalised, "utf8").digest("hex");
}
