/** Whether this environment can start the application: its variables are there, well-formed and of one key. */

import { developmentKey } from "./development.js";
import { type Environment, fingerprint, problemsOf, wrappedKeys } from "./environment.js";
import { MalformedVariable, PhiError } from "./errors.js";
import { type FieldsOptions, PhiFields } from "./fields.js";
import { ROLE_ARN, isOnVercelByRole } from "./kms.js";

/** The verdict of `phi check`, as `--json` prints it. */
export interface Verdict {
  readonly checked: boolean;
  /** All of them, one sentence each; no value of a variable is in it. */
  readonly problems: readonly string[];
  /** The environment has a key for development, and no AWS. */
  readonly developmentKey?: boolean;
  readonly keyArn?: string;
  readonly fingerprint?: string;
  /** With `unwrap`: those of the unwrapped keys. */
  readonly keyCheckValue?: string;
  readonly hashKeyCheckValue?: string;
}

/** All problems at once. No network, but with `unwrap`: then KMS is asked for each key. */
export async function check(environment: Environment = process.env, unwrap = false, options: FieldsOptions = {}): Promise<Verdict> {
  try {
    if (developmentKey(environment)) return { checked: true, problems: [], developmentKey: true };
  } catch (error) {
    if (!(error instanceof MalformedVariable)) throw error;
    return { checked: false, problems: [error.message.replace(/\.$/, "")] };
  }
  const problems = problemsOf(environment);
  if (isOnVercelByRole(environment) && !environment[ROLE_ARN]) {
    problems.push(`${ROLE_ARN} is not set: on Vercel the application takes this role`);
  }
  if (problems.length > 0) return { checked: false, problems };
  const [current] = wrappedKeys(environment).current;
  const facts = { keyArn: current!.keyArn, fingerprint: fingerprint(current!) };
  if (!unwrap) return { checked: true, problems, ...facts };
  try {
    const fields = PhiFields.fromEnvironment(environment, options);
    await fields.ready();
    fields.requireAllKeys();
    return { checked: true, problems, ...facts, keyCheckValue: fields.keyCheckValue(), hashKeyCheckValue: fields.hashKeyCheckValue() };
  } catch (error) {
    if (!(error instanceof PhiError)) throw error;
    return { checked: false, problems: [error.message.replace(/\.$/, "")], ...facts };
  }
}

/** The verdict for a person. */
export function text({ checked, problems, developmentKey, keyArn, keyCheckValue }: Verdict): string {
  if (developmentKey) return "The application uses a development key, without AWS: production opens none of its records.";
  if (checked && keyCheckValue) return `The data key of ${keyArn} opens; its check value is ${keyCheckValue}.`;
  if (checked) return `The variables are there and well-formed, for ${keyArn}. KMS was not asked (--unwrap).`;
  return ["The application cannot use its data key:", ...problems.map((problem) => `  ${problem}.`)].join("\n");
}
