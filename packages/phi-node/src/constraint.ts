/** The condition that a stored value is a record, as SQL of PostgreSQL: it then refuses plain text, whoever writes it. */

import { createHash } from "node:crypto";
import { OVERHEAD_BYTES } from "./binary.js";
import { quoted } from "./record.js";

/** The statements for the columns of a table, `data:bytes` for bytes, `email:v2` for bound records. Throws RangeError. */
export function statements(table: string, columns: readonly string[]): string[] {
  const where = table.split(".").map(quoted).join(".");
  return columns.flatMap((each) => {
    const [column, form = ""] = each.split(/:(.*)/s, 2) as [string, string?];
    const field = quoted(column);
    const value = `${field} collate "C"`;
    const v1 = `substr(${value}, 23, 3) = '==:' and substr(${value}, 48, 3) = '==:' and length(${value}) > 50`;
    const v2 = `substr(${value}, 1, 3) = 'v2:' and substr(${value}, 20, 1) = ':' and length(${value}) > 57`;
    const text = (shapes: string) => `(${shapes}) and ${value} !~ '[^A-Za-z0-9+/=:]'`;
    const condition = new Map([
      ["", text(`${v1} or ${v2}`)],
      ["v2", text(v2)],
      ["bytes", `octet_length(${field}) > ${OVERHEAD_BYTES} and substring(${field} from 1 for 4) = '\\xf7706869'::bytea`],
    ]).get(form);
    if (condition === undefined) throw new RangeError(`${each}: after the colon stands bytes or v2`);
    const name = quoted(nameOf(`${table.split(".").at(-1)}_${column}_is_record`));
    return [
      `alter table ${where} add constraint ${name} check (${condition}) not valid;`,
      `alter table ${where} validate constraint ${name};`,
    ];
  });
}

/** At most 63 bytes of a name: PostgreSQL would cut it, and two might be one. */
function nameOf(name: string): string {
  const bytes = Buffer.from(name);
  if (bytes.length <= 63) return name;
  const start = bytes.subarray(0, 40).toString().replace(/\ufffd+$/, "");
  return `${start}_${createHash("sha256").update(bytes).digest("hex").slice(0, 12)}_is_record`;
}
