/** The texts in a JSON value: those of some fields, at any depth. */

import { NotText } from "./errors.js";

/** A copy of the value, with the function applied to each text of these fields, and of everything inside them. */
export function mapTexts<T>(value: T, fields: readonly string[] | "*", apply: (text: string) => unknown): T {
  const names = new Set(fields === "*" ? [] : fields);
  const walk = (each: unknown, inside: boolean): unknown => {
    if (Array.isArray(each)) return each.map((item: unknown) => walk(item, inside));
    if (each !== null && typeof each === "object" && isPlain(each)) {
      const entries = Object.entries(each).map(([name, item]) => [name, walk(item, inside || names.has(name))]);
      return Object.fromEntries(entries) as unknown;
    }
    if (!inside || each === "" || each === null || each === undefined || typeof each === "boolean") return each;
    // No record can take the place of a number: it is a text. A Date or bytes are no JSON.
    if (typeof each !== "string") throw new NotText();
    return apply(each);
  };
  return walk(value, fields === "*") as T;
}

/** Whether it is an object of JSON, and not of a class. */
export function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
