/** The keys of this process: loaded before the first request, used synchronously by every module. */

import { type FieldsOptions, type HashField, PhiFields } from "./fields.js";
import { hasVercelToken, isOnVercelByRole } from "./kms.js";

interface State {
  fields?: PhiFields;
  options?: FieldsOptions;
}

// Next.js bundles instrumentation.ts apart from the routes: each bundle has its own copy of a module's variables.
const shared = globalThis as typeof globalThis & { [name: symbol]: State };
const state: State = (shared[Symbol.for("@eonpro/phi 0")] ??= {});

/** Before the first use: other credentials, other times. */
export function configure(options: FieldsOptions): void {
  state.fields?.forget();
  delete state.fields;
  state.options = options;
}

/** The keys of this process, from its variables: all that is not a function here. Throws MissingVariable or MalformedVariable. */
export function fields(): PhiFields {
  return (state.fields ??= PhiFields.fromEnvironment(process.env, state.options));
}

/**
 * For `register()`: loads the keys, refreshes them from then on, and ends the process where they cannot be loaded. Not
 * during `next build`; and on Vercel by role not here: its token exists only in a request, where `withKey` loads them.
 */
export async function startWithKey(): Promise<void> {
  if (process.env["NEXT_PHASE"] === "phase-production-build") return;
  const inRequests = isOnVercelByRole(process.env);
  if (inRequests && !hasVercelToken(process.env)) return;
  try {
    await initializeEncryption();
    if (!inRequests) fields().keepFresh();
  } catch (error) {
    // Next.js logs what register() throws, and serves requests all the same.
    console.error(`The application does not start without its data key: ${String(error)}`);
    process.exit(1);
  }
}

/** Waits until the keys are there, and while they are cached for nothing. After a failure the next call tries again. */
export async function initializeEncryption(): Promise<void> {
  await fields().ready();
}

/**
 * Put it around each route handler and server action that handles PHI: `export const POST = withKey(async (request) => …)`.
 * On Vercel a role's token exists only in a request, and a request can arrive before register() has ended.
 */
export function withKey<A extends unknown[], R>(handler: (...args: A) => R | Promise<R>): (...args: A) => Promise<R> {
  return async (...args) => {
    await initializeEncryption();
    return handler(...args);
  };
}

/** A record of the text; null for null, undefined and "". Throws NotText and InvalidText. */
export function encryptPHI(text: string | null | undefined): string | null {
  return fields().cipher.encrypt(text);
}

/** The text of a record; null for null, undefined and "". Throws DecryptionError: never returns a text that it did not decrypt. */
export function decryptPHI(record: string | null | undefined, context = ""): string | null {
  return fields().cipher.decrypt(record, context);
}

/** See PhiFields.searchHash. */
export const searchHash = (field: HashField, text: string | null | undefined): string | null => fields().searchHash(field, text);
