// What the package for Node says of environments: a JSON list on standard input, a list of verdicts and texts on output.
import { json } from "node:stream/consumers";
import { ERRORS_BY_CODE, errorFor } from "./dist/esm/aws-errors.js";
import { check, text } from "./dist/esm/check.js";
import { PHI_FIELDS } from "./dist/esm/cipher.js";

const given = await json(process.stdin);
const verdicts = given.map((environment) => check(environment));
const errors = Object.keys(ERRORS_BY_CODE).map((code) => {
  const error = errorFor({ name: code, $metadata: { httpStatusCode: 400 } }, "us-east-1");
  return [code, [error.name, error.message, error.transient, error.reason]];
});
process.stdout.write(JSON.stringify({ verdicts: verdicts.map((each) => [each, text(each)]), errors, fields: PHI_FIELDS }));
