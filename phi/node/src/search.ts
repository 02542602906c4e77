/** Search without plain text: columns of keyed hashes beside encrypted ones, exact or by the beginnings of words. */

import { createHmac } from "node:crypto";
import { InvalidText, NotText } from "./errors.js";
import { normalisedDate, normalisedEmail } from "./hashes.js";
import { derivedKey } from "./derivation.js";

const PURPOSE = "eonpro-phi-search-v1";
const SPACES = /\s+/g;

/** The names of the rules that make different spellings of one value the same text before it is hashed. */
export type Rule = keyof typeof RULES;

/** Names the clinic (tenant) of a row; "" where there is one key for all. */
export type Clinic = string | number;

/** Finds the rows whose text is the same as another under a rule: a column of text with a B-tree index. */
export class ExactIndex {
  readonly kind = "exact";
  /** Without its schema. */
  readonly table: string;
  /** The column that holds the values. */
  readonly column: string;
  readonly rule: Rule;
  /** Of a value, a multiple of 4 from 8 to 256. With few bits its rows are only candidates. */
  readonly bits: number;

  constructor({ table, column, rule, bits = 128 }: { table: string; column: string; rule: Rule; bits?: number }) {
    if (!Object.hasOwn(RULES, rule)) throw new RangeError(`rule is ${Object.keys(RULES).join(", ")}; not ${rule}`);
    if (!(bits >= 8 && bits <= 256 && bits % 4 === 0)) throw new RangeError(`bits is a multiple of 4 from 8 to 256, not ${bits}`);
    this.table = table;
    this.column = column;
    this.rule = rule;
    this.bits = bits;
  }

  /** The text to hash; null for no text and for a placeholder. Throws NotText. */
  normalised(text: string | null | undefined): string | null {
    if (text === null || text === undefined) return null;
    if (typeof text !== "string") throw new NotText();
    return text && RULES[this.rule](text);
  }

  /** Whether a decrypted text is the wanted one. */
  matches(wanted: string | null | undefined, text: string | null | undefined): boolean {
    const normalised = this.normalised(wanted);
    return normalised !== null && normalised !== "" && normalised === this.normalised(text);
  }
}

/**
 * Finds the rows with words that begin as those of a query, or with a phone number that ends so: a column of integer[]
 * with a GIN index. Its rows are candidates: decrypt them, and keep those that it `matches`.
 */
export class WordIndex {
  readonly kind = "words";
  readonly table: string;
  /** The column that holds the tokens of all searched columns. */
  readonly column: string;
  /** Of a token, from 8 to 31: one token stands for many prefixes. */
  readonly bits: number;

  constructor({ table, column, bits = 16 }: { table: string; column: string; bits?: number }) {
    if (!(Number.isInteger(bits) && bits >= 8 && bits <= 31)) throw new RangeError(`bits is from 8 to 31, not ${bits}`);
    this.table = table;
    this.column = column;
    this.bits = bits;
  }

  /** Whether the decrypted texts of a row are what the query looks for. A query without a letter or digit finds nothing. */
  matches(query: string, texts: Iterable<string | null | undefined>): boolean {
    const wanted = queryWords(query);
    const [words, numbers] = wordsAndNumbers(texts);
    const begins = (each: string) => [...words].some((word) => word.startsWith(each));
    const ends = (each: string) => mayBeEnd(each) && [...numbers].some((number) => number.endsWith(each));
    return wanted.length > 0 && wanted.every((each) => begins(each) || ends(each));
  }
}

/** The value of a text: the first `bits` of its HMAC in lower hex; null for nothing to hash. */
export function exactValue(hashKey: Uint8Array, index: ExactIndex, text: string | null | undefined, clinic: Clinic = ""): string | null {
  const normalised = index.normalised(text);
  if (!normalised) return null;
  if (!normalised.isWellFormed()) throw new InvalidText();
  return createHmac("sha256", searchKey(hashKey, index, clinic)).update(normalised, "utf8").digest("hex").slice(0, index.bits / 4);
}

/** The tokens of a row, from the texts of all its searched columns: sorted, each once. Throws NotText. */
export function rowTokens(hashKey: Uint8Array, index: WordIndex, texts: Iterable<string | null | undefined>, clinic: Clinic = ""): number[] {
  const key = searchKey(hashKey, index, clinic);
  const tokens = new Set([...rowTerms(texts)].map((term) => token(key, term, index.bits)));
  return [...tokens].sort((one, other) => one - other);
}

/** For each word of a query the tokens of which a row has to have one, under any of the hash keys. */
export function tokenGroups(hashKeys: readonly Uint8Array[], index: WordIndex, query: string, clinic: Clinic = ""): number[][] {
  if (typeof query !== "string") throw new NotText();
  const keys = hashKeys.map((key) => searchKey(key, index, clinic));
  return queryTerms(query).map((terms) => [...new Set(keys.flatMap((key) => terms.map((term) => token(key, term, index.bits))))]);
}

function searchKey(hashKey: Uint8Array, index: ExactIndex | WordIndex, clinic: Clinic): Buffer {
  const rule = index.kind === "exact" ? index.rule : "words";
  return derivedKey(hashKey, PURPOSE, index.kind, rule, index.table, index.column, String(clinic));
}

function token(key: Buffer, term: string, bits: number): number {
  return createHmac("sha256", key).update(term, "utf8").digest().readUInt32BE(0) >>> (32 - bits);
}

/** The text without accents and other marks, in lower case: NFKD, no character of category M, lower case. */
export function folded(text: string): string {
  // A sigma at the end of a word has a lower case of its own, which depends on what stands beside it.
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().replaceAll("ς", "σ");
}

/** The digits of a phone number, without an extension and without the 1 or +1 of a North American number. */
export function phoneDigits(text: string): string {
  let plain = folded(text).trim();
  const extension = /[0-9][^0-9a-z]*(?:ext|x|#)/.exec(plain);
  if (extension) plain = plain.slice(0, extension.index + 1);
  const digits = plain.replace(/[^0-9]+/g, "");
  const isAmerican = digits.startsWith("1") && (digits.length === 11 || plain.startsWith("+1"));
  return isAmerican ? digits.slice(1) : digits;
}

const RULES = {
  email: normalisedEmail,
  phone: (text: string) => phoneDigits(text) || null,
  last4: (text: string) => (phoneDigits(text).length >= 4 ? phoneDigits(text).slice(-4) : null),
  date: normalisedDate,
  id: (text: string) => folded(text).replace(SPACES, "") || null,
  text: (text: string) => folded(text).replace(SPACES, " ").replace(/^ +| +$/g, "") || null,
};

const LONGEST_PREFIX = 10;
const SHORTEST_END = 4;
const LONGEST_END = 10;
const SHORTEST_PHONE = 7;
const WORD = /[\p{L}\p{N}]+/gu;
const APOSTROPHES = /['`´\u02b9\u02bb\u02bc\u2018\u2019\u201b\u2032\u05f3\uff07]/gu;
const HYPHENS = /[-\u2010-\u2015\u2212\u00ad]/gu;
const PHONE = /^[+0-9 ().\-/\u2010-\u2015\u2212]+(?:[, ]*(?:ext|x|#)[. ]*[0-9]+)?$/;

/** The words of a text, folded. With an apostrophe or a hyphen: its parts, and the word without. */
function wordsOf(text: string): string[] {
  const plain = folded(text);
  const joined = plain.replace(APOSTROPHES, "");
  return [plain, joined, joined.replace(HYPHENS, "")].flatMap((each) => each.match(WORD) ?? []);
}

/** The digits of a text that is a phone number and nothing else; null for another. */
function phone(text: string): string | null {
  if (!PHONE.test(folded(text).trim())) return null;
  const digits = phoneDigits(text);
  return digits.length >= SHORTEST_PHONE ? digits : null;
}

/** What a row's tokens are made of: `p:` and each prefix of each word, `e:` and each end of each phone number. */
function rowTerms(texts: Iterable<string | null | undefined>): Set<string> {
  const [words, numbers] = wordsAndNumbers(texts);
  const terms = new Set<string>();
  for (const word of words) {
    const characters = [...word].slice(0, LONGEST_PREFIX);
    characters.forEach((_, index) => terms.add(`p:${characters.slice(0, index + 1).join("")}`));
  }
  for (const number of numbers) {
    for (let length = SHORTEST_END; length <= Math.min(LONGEST_END, number.length); length += 1) terms.add(`e:${number.slice(-length)}`);
  }
  return terms;
}

function queryTerms(query: string): string[][] {
  return queryWords(query).map((word) => {
    const prefix = `p:${[...word].slice(0, LONGEST_PREFIX).join("")}`;
    return mayBeEnd(word) ? [prefix, `e:${word.slice(-LONGEST_END)}`] : [prefix];
  });
}

/** The words of a query, each once. A phone number is one word; an apostrophe separates nothing. */
function queryWords(query: string): string[] {
  const whole = phone(query);
  if (whole) return [whole];
  const found = query.split(SPACES).flatMap((chunk) => phone(chunk) ?? folded(chunk).replace(APOSTROPHES, "").match(WORD) ?? []);
  return [...new Set(found)];
}

/** The words of a row, its phone numbers among them, and the phone numbers. */
function wordsAndNumbers(texts: Iterable<string | null | undefined>): [Set<string>, Set<string>] {
  const words = new Set<string>();
  const numbers = new Set<string>();
  if (typeof texts === "string") throw new NotText(); // its characters are not the texts of a row
  for (const text of texts) {
    if (text === null || text === undefined || text === "") continue;
    if (typeof text !== "string") throw new NotText();
    for (const word of wordsOf(text)) words.add(word);
    const number = phone(text);
    if (number) numbers.add(number);
  }
  for (const word of words) if (word.length >= SHORTEST_PHONE && isNumber(word)) numbers.add(word);
  for (const number of numbers) words.add(number);
  return [words, numbers];
}

function mayBeEnd(word: string): boolean {
  return word.length >= SHORTEST_END && isNumber(word);
}

function isNumber(word: string): boolean {
  return /^[0-9]+$/.test(word);
}
