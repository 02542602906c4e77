// Reads what Python wrote and writes the same for Python, through the built package: JSON on standard input and output.
import { json } from "node:stream/consumers";
import { CachedKey, ExactIndex, PhiCipher, PhiFields, WordIndex } from "./dist/esm/index.js";

const given = await json(process.stdin);
const bytes = (text) => Buffer.from(text, "base64");
const pinned = (key) => new CachedKey({ dataKey: async () => bytes(key) });
const cipher = new PhiCipher(bytes(given.dataKey));
const tenant = cipher.forTenant(given.tenant);
const fields = new PhiFields(pinned(given.dataKey), { current: pinned(given.hashKey) });
await fields.ready();
const words = new WordIndex({ table: "Patient", column: "tokens" });

function search(text, clinic) {
  const exact = Object.fromEntries(
    given.rules.map((rule) => [rule, fields.searchValue(new ExactIndex({ table: "Patient", column: rule, rule }), text, clinic)]),
  );
  const [tokens, groups] = [fields.searchTokens(words, [text], clinic), fields.searchGroups(words, text, clinic)];
  return { exact, tokens, groups, email: fields.searchHash("email", text), dob: fields.searchHash("dob", text) };
}

const answers = given.items.map(({ text, context, content, value, theirs }) => ({
  read: {
    record: cipher.decrypt(theirs.record),
    bound: cipher.decrypt(theirs.bound, context),
    tenant: tenant.decrypt(theirs.tenant, context),
    content: cipher.decryptBytes(bytes(theirs.content), context).toString("base64"),
    stream: cipher.decryptBytes(bytes(theirs.stream), context).toString("base64"),
    value: cipher.decryptJson(theirs.value, given.names),
  },
  made: {
    record: cipher.encrypt(text),
    bound: cipher.encryptV2(text, context),
    tenant: tenant.encrypt(text, context),
    content: cipher.encryptBytes(bytes(content), context).toString("base64"),
    value: cipher.encryptJson(value, given.names),
  },
  search: search(text, context),
}));
process.stdout.write(JSON.stringify({ answers, checkValue: fields.cipher.keyId }));
