// Re-encrypts the table as applications do: a page of rows, and each row decrypted, encrypted and updated by itself.
// `node row_by_row.mjs FOLDER-OF-THE-SOCKET DATABASE` prints the seconds.
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import pg from "pg";

const OLD = Buffer.from(Array.from({ length: 32 }, (_, n) => n));
const NEW = Buffer.from(Array.from({ length: 32 }, (_, n) => n + 32));
const COLUMNS = ["firstName", "lastName", "email", "phone"];
const PAGE = 1000;

function reencrypted(record) {
  const [iv, tag, sealed] = record.split(":").map((part) => Buffer.from(part, "base64"));
  const opening = createDecipheriv("aes-256-gcm", OLD, iv);
  opening.setAuthTag(tag);
  const text = Buffer.concat([opening.update(sealed), opening.final()]);
  const newIv = randomBytes(16);
  const sealing = createCipheriv("aes-256-gcm", NEW, newIv);
  const parts = [sealing.update(text), sealing.final()];
  return [newIv, sealing.getAuthTag(), Buffer.concat(parts)].map((part) => part.toString("base64")).join(":");
}

const [, , host, database] = process.argv;
const client = new pg.Client({ host, database, user: "postgres" });
await client.connect();
const names = COLUMNS.map((name) => `"${name}"`);
const read = `select id, ${names.join(", ")} from patients where id > $1 order by id limit ${PAGE}`;
const write = `update patients set ${names.map((name, n) => `${name} = $${n + 2}`).join(", ")} where id = $1`;
const started = performance.now();
for (let after = "0"; ; ) {
  const { rows } = await client.query(read, [after]);
  if (rows.length === 0) break;
  for (const row of rows) {
    await client.query(write, [row.id, ...COLUMNS.map((name) => reencrypted(row[name]))]);
  }
  after = rows[rows.length - 1].id;
}
console.log((performance.now() - started) / 1000);
await client.end();
