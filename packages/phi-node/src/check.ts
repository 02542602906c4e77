/** Whether this environment can start the application: its variables are there, well-formed and of one key. */

import { type Declaration, notices } from "./binding.js";
import { developmentKey } from "./development.js";
import { type Environment, fingerprint, problemsOf, wrappedKeys } from "./environment.js";
import { MalformedVariable } from "./errors.js";
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
  /** With modules of models: the columns that they bind, and what to know of them. */
  readonly columns?: readonly Declaration[];
  readonly notices?: readonly string[];
}

/** All problems at once; nobody is asked. Of `columns` it has the notices. */
export function check(environment: Environment = process.env, columns?: readonly Declaration[]): Verdict {
  const told = columns && { columns, notices: notices(columns) };
  try {
    if (developmentKey(environment)) return { checked: true, problems: [], developmentKey: true, ...told };
  } catch (error) {
    if (!(error instanceof MalformedVariable)) throw error;
    return { checked: false, problems: [error.message.replace(/\.$/, "")] };
  }
  const problems = problemsOf(environment);
  if (isOnVercelByRole(environment) && !environment[ROLE_ARN]) {
    problems.push(`${ROLE_ARN} is not set: on Vercel the application takes this role`);
  }
  if (problems.length > 0) return { checked: false, problems };
  const { current } = wrappedKeys(environment);
  return { checked: true, problems, keyArn: current.keyArn, fingerprint: fingerprint(current), ...told };
}

/** The verdict for a person. */
export function text({ checked, problems, developmentKey, keyArn, notices: found = [] }: Verdict): string {
  let fits = `The variables are there and well-formed, for ${keyArn}. KMS was not asked.`;
  if (developmentKey) fits = "The application uses a development key, without AWS: production opens none of its records.";
  if (checked) return [fits, ...found.map((each) => `Attention: ${each}`)].join("\n");
  return ["The application cannot use its data key:", ...problems.map((problem) => `  ${problem}.`)].join("\n");
}
