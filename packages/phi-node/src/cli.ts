#!/usr/bin/env node
/** `phi check`: for `prebuild`, and for a container before it starts. */

import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { declarations } from "./binding.js";
import { check, text } from "./check.js";
import { statements } from "./constraint.js";

const USAGE = `usage: phi check [--models FILE] [--json]
       phi check --sql TABLE COLUMN [COLUMN...]

Exits with 1 unless the variables of the data key are there, well-formed and of one key. Asks nobody.

  --models  a module of the application that calls withPhi: tells of columns that still read earlier forms
  --json    one line of JSON
  --sql     print the statements with which PostgreSQL refuses what is no record in these columns of a table, and check
            nothing; data:bytes is a column of bytes, email:v2 one of bound records
`;

async function main(args: readonly string[]): Promise<number> {
  let options: { sql?: string | undefined; models?: string | undefined; json?: boolean | undefined; help?: boolean | undefined };
  let positionals: string[];
  try {
    const found = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { sql: { type: "string" }, models: { type: "string" }, json: { type: "boolean" }, help: { type: "boolean", short: "h" } },
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
  const columns = positionals.slice(1);
  if (positionals[0] !== "check" || columns.length > 0 !== (options.sql !== undefined)) {
    process.stderr.write(USAGE);
    return 2;
  }
  if (options.sql !== undefined) {
    try {
      process.stdout.write(`${statements(options.sql, columns).join("\n")}\n`);
      return 0;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      process.stderr.write(`phi: ${error.message}\n`);
      return 2;
    }
  }
  const { models } = options;
  const failure = models && (await import(pathToFileURL(resolve(models)).href).then(() => "", ({ message }: Error) => `--models ${models}: ${message}`));
  let verdict = check(process.env, models ? [...declarations().values()] : undefined);
  if (failure) verdict = { ...verdict, checked: false, problems: [...verdict.problems, failure] };
  const shown = options.json ? JSON.stringify(verdict) : text(verdict);
  (options.json || verdict.checked ? process.stdout : process.stderr).write(`${shown}\n`);
  return verdict.checked ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
