#!/usr/bin/env node
/** `npx @eonpro/phi check`: for `prebuild`, and for a container before it starts. */

import { parseArgs } from "node:util";
import { check, text } from "./check.js";

const USAGE = `usage: phi check [--unwrap] [--json]

Exits with 1 unless the variables of the data key are there, well-formed and of one key. Asks nobody.

  --unwrap  have KMS unwrap the keys, with this environment's AWS credentials, and compare their check values
  --json    one line of JSON
`;

async function main(args: readonly string[]): Promise<number> {
  let options: { unwrap?: boolean | undefined; json?: boolean | undefined; help?: boolean | undefined };
  let positionals: string[];
  try {
    const found = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { unwrap: { type: "boolean" }, json: { type: "boolean" }, help: { type: "boolean", short: "h" } },
    });
    options = found.values;
    positionals = found.positionals;
  } catch (error) {
    process.stderr.write(`phi: ${(error as Error).message}\n${USAGE}`);
    return 2;
  }
  if (options.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (positionals.length !== 1 || positionals[0] !== "check") {
    process.stderr.write(USAGE);
    return 2;
  }
  const verdict = await check(process.env, options.unwrap);
  const shown = options.json ? JSON.stringify(verdict) : text(verdict);
  (options.json || verdict.checked ? process.stdout : process.stderr).write(`${shown}\n`);
  return verdict.checked ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
