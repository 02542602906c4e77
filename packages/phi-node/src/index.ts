/** The application's side of PHI encryption for Node: README.md. */

export { CachedKey, GRACE_SECONDS, TTL_SECONDS, type CacheOptions } from "./cache.js";
export type { Bound, Form } from "./binding.js";
export { check, type Verdict } from "./check.js";
export { PHI_FIELDS, PhiCipher, TenantCipher } from "./cipher.js";
export type { Environment } from "./environment.js";
export * from "./errors.js";
export { PhiFields, type FieldsOptions, type HashField } from "./fields.js";
export type { Credentials, KeySource } from "./kms.js";
export * from "./process.js";
export { place } from "./record.js";
export { ExactIndex, WordIndex, type Clinic, type Rule } from "./search.js";
