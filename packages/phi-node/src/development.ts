/** A data key for development and tests, which needs no AWS: made of a text, and refused where the application is deployed. */

import { createHmac } from "node:crypto";
import { type Environment, WRAPPED, withUsualNames } from "./environment.js";
import { MalformedVariable } from "./errors.js";

/** The text that the key is made of; any will do. */
export const VARIABLE = "PHI_DEVELOPMENT_KEY";

/** The variables of a deployment, each with the values by which it is one; with none, any value. */
const DEPLOYED: readonly (readonly [name: string, ...values: string[]])[] = [
  ["NODE_ENV", "production"],
  ["VERCEL_ENV", "production", "preview"],
  ["ECS_CONTAINER_METADATA_URI"],
  ["ECS_CONTAINER_METADATA_URI_V4"],
  ["KUBERNETES_SERVICE_HOST"],
  ["AWS_LAMBDA_FUNCTION_NAME"],
];
export const LOUD = "DEVELOPMENT KEY: whoever knows PHI_DEVELOPMENT_KEY reads what is encrypted now, and production never opens it.";

/**
 * The key of this text, or of PHI_DEVELOPMENT_KEY; null where neither is given. It is a hash of the text,
 * the same as in Python's `phi`: no text, and no other key that is given as one, makes a key that production has. Throws
 * MalformedVariable where the environment is a deployment's, or has a wrapped data key too.
 */
export function developmentKey(environment: Environment, given?: string): Uint8Array | null {
  const text = given || environment[VARIABLE];
  if (!text) return null;
  for (const [name, ...values] of DEPLOYED) {
    const value = environment[name];
    if (!value || (values.length > 0 && !values.includes(value))) continue;
    const sign = values.length > 0 ? `${name}=${value}` : name;
    throw new MalformedVariable(`${VARIABLE} is for a laptop and for tests, and this is a deployment (${sign}): remove it.`);
  }
  if (withUsualNames(environment)[WRAPPED]) throw new MalformedVariable(`${VARIABLE} and ${WRAPPED} are both set: remove one.`);
  return createHmac("sha256", "eonpro-phi development key").update(text).digest();
}
