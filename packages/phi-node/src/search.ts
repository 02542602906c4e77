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

// The tables and the rule are those of eonpro_phi/search/rules.py, where they are explained.
const LETTERS = "ßss æae œoe øo łl đd ðd þth ıi ħh ŧt ŋn ɓb ɗd ƙk ƴy ƀb ǥg ɨi ɉj ƚl ɫl ɍr ʉu ɏy ƶz ⱥa ȼc ɇe ⱦt";
const APOSTROPHES = "`\xb4\u02b9\u02bb\u02bc\u02bd\u02be\u02bf\u02ca\u02cb\u0384\u055a\u05f3\u07f4\u07f5\u1fbd\u1fbf\u1ffd\u1ffe\u2018\u2019\u201b\u2032\ua78c";
const HYPHENS = "\xad\xb7\u05be\u1806\u200c\u200d\u2010\u2011\u2012\u2013\u2014\u2015\u2027\u2212\u30fb";
const UNSEEN = "\u0640\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069";
const SPELLED = new Map([
  ...LETTERS.split(" ").map((each) => [each[0]!, each.slice(1)] as const),
  ...[...APOSTROPHES].map((each) => [each, "'"] as const),
  ...[...HYPHENS].map((each) => [each, "-"] as const),
  ...[...UNSEEN].map((each) => [each, ""] as const),
]);
const LATER =
  "897 CF3 ECE 1ACF-1AEB 1B4E-1B4F 1B7F 1C89 20C1 2427-2429 2B96 2FFC-2FFF 31E4-31EF A7CB-A7CE A7D2 A7D4 A7DA-A7F1 " +
  "FBC3-FBD2 FD90-FD91 FDC8-FDCE 105C9-105E4 10D40-10D8F 10ED0-10EFF 11241 11383-113E2 116D0-116E3 11B00-11BF9 " +
  "11DE0-11DE9 11F00-11F5A 13439-13455 1611E-16139 16D68-16D79 16EA0-16EB8 1CC00-1CEF0 1E030-1E08F 1E4EC-1E6F5 " +
  "1F6D8-1F6DC 1F774-1F77F 1F7D9 1F8B2-1F8D8 1FA54-1FA57 1FA75-1FA77 1FA87-1FA8F 1FAAD-1FAAF 1FABB-1FABF 1FAC6-1FACF " +
  "1FADA-1FADF 1FAE8-1FAEF 1FAF7-1FAF8 1FBCB-1FBEF 1FBFA";
const RANGES = LATER.replace(/[0-9A-F]+/g, "\\u{$&}").replaceAll(" ", "");
const IS_LATER = new RegExp(`^[\\p{Cn}${RANGES}]$`, "u");
const DIVIDER = new RegExp(`[^\\p{L}\\p{N}\\p{Cn}${RANGES}]+`, "u");
const FOLDED = new Map<string, string>();

function spelled(text: string): string {
  return [...text].map((each) => SPELLED.get(each) ?? each).join("");
}

function foldedCharacter(character: string): string {
  if (IS_LATER.test(character)) return character;
  if (/\p{Nd}/u.test(character)) {
    // Digits stand in Unicode from 0 to 9, one set beside the other.
    const code = character.codePointAt(0)!;
    let zero = code;
    while (/\p{Nd}/u.test(String.fromCodePoint(zero - 1))) zero -= 1;
    return String((code - zero) % 10);
  }
  const kept = spelled(character).normalize("NFKD").replace(/\p{M}/gu, "");
  return spelled(kept.toLowerCase().replaceAll("ς", "σ"));
}

/** The text without accents and other marks, in lower case, with one apostrophe, one hyphen and the digits 0 to 9. */
export function folded(text: string): string {
  let plain = "";
  for (const character of text) {
    let found = FOLDED.get(character);
    if (found === undefined) {
      found = foldedCharacter(character);
      // Those that stay are many, and kept only where they are frequent.
      if (found !== character || character < "\u3400") FOLDED.set(character, found);
    }
    plain += found;
  }
  return plain;
}

/** A phone number in one form: ten digits in North America, of another country E.164 with its +. */
function phoneNumber(text: string): string {
  let plain = folded(text).trim();
  const extension = /[0-9][^0-9a-z]*(?:ext|x|#)/.exec(plain);
  if (extension) plain = plain.slice(0, extension.index + 1);
  let isAbroad = plain.startsWith("+");
  let digits = (isAbroad ? plain.replaceAll("(0)", "") : plain).replace(/[^0-9]+/g, "");
  const prefix = isAbroad ? null : /^(?:011|00)/.exec(digits);
  if (prefix) {
    isAbroad = true;
    digits = digits.slice(prefix[0].length);
  }
  if (digits.startsWith("1") && (digits.length === 11 || isAbroad)) return digits.slice(1);
  return digits && (isAbroad || digits.length > 11) ? `+${digits}` : digits;
}

function phoneDigits(text: string): string {
  return phoneNumber(text).replace("+", "");
}

function date(text: string): string | null {
  const plain = folded(text).trim();
  const yearFirst = /^([0-9]{4})([-/.])([0-9]{1,2})\2([0-9]{1,2})(?:[t ].*)?$/s.exec(plain);
  const monthFirst = /^([0-9]{1,2})([-/])([0-9]{1,2})\2([0-9]{4})(?:[t ].*)?$/s.exec(plain);
  const [year, month, day] = yearFirst ? [1, 3, 4].map((at) => yearFirst[at]!) : monthFirst ? [4, 1, 3].map((at) => monthFirst[at]!) : [];
  return year ? normalisedDate(`${year}-${month!.padStart(2, "0")}-${day!.padStart(2, "0")}`) : singleSpaced(text);
}

function singleSpaced(text: string): string | null {
  return folded(text).replace(SPACES, " ").replace(/^ +| +$/g, "") || null;
}

const RULES = {
  email: normalisedEmail,
  phone: (text: string) => phoneNumber(text) || null,
  last4: (text: string) => (phoneDigits(text).length >= 4 ? phoneDigits(text).slice(-4) : null),
  date,
  id: (text: string) => folded(text).replace(SPACES, "") || null,
  text: singleSpaced,
};

const LONGEST_PREFIX = 10;
const SHORTEST_END = 4;
const LONGEST_END = 10;
const SHORTEST_PHONE = 7;
const PHONE = /^[+0-9 ().\-/]+(?:(?:,[, ]*)?(?:ext|x|#)[. ]*[0-9]+)?$/;

/** The runs of letters and digits in a folded text. */
function divided(plain: string): string[] {
  return plain.split(DIVIDER);
}

/** The words of a text, folded. With an apostrophe or a hyphen: its parts, and the word without. */
function wordsOf(text: string): string[] {
  const plain = folded(text);
  const joined = plain.replaceAll("'", "");
  return [plain, joined, joined.replaceAll("-", "")].flatMap(divided).filter(Boolean);
}

/** The digits of a text that is a phone number and nothing else; null for another. */
function phone(text: string): string | null {
  if (!PHONE.test(folded(text).trim())) return null;
  const digits = phoneDigits(text);
  return digits.length >= SHORTEST_PHONE ? digits : null;
}

/** What a row's tokens are made of: `p:` and each prefix of each word, `e:` and each end of each phone number. */
export function rowTerms(texts: Iterable<string | null | undefined>): Set<string> {
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

/** For each word of a query the terms of which a row has to have one. */
export function queryTerms(query: string): string[][] {
  return queryWords(query).map((word) => {
    const prefix = `p:${[...word].slice(0, LONGEST_PREFIX).join("")}`;
    return mayBeEnd(word) ? [prefix, `e:${word.slice(-LONGEST_END)}`] : [prefix];
  });
}

/** The words of a query, each once. A phone number is one word; an apostrophe separates nothing. */
function queryWords(query: string): string[] {
  const whole = phone(query);
  if (whole) return [whole];
  const found = query.split(SPACES).flatMap((chunk) => phone(chunk) ?? divided(folded(chunk).replaceAll("'", "")));
  return [...new Set(found)].filter(Boolean);
}

/** The words of a row, its phone numbers among them, and the phone numbers. */
function wordsAndNumbers(texts: Iterable<string | null | undefined>): [Set<string>, Set<string>] {
  const words = new Set<string>();
  if (typeof texts === "string") throw new NotText(); // its characters are not the texts of a row
  for (const text of texts) {
    if (text === null || text === undefined || text === "") continue;
    if (typeof text !== "string") throw new NotText();
    for (const word of wordsOf(text)) words.add(word);
    const number = phone(text);
    if (number) words.add(number);
  }
  return [words, new Set([...words].filter((word) => word.length >= SHORTEST_PHONE && isNumber(word)))];
}

function mayBeEnd(word: string): boolean {
  return word.length >= SHORTEST_END && isNumber(word);
}

function isNumber(word: string): boolean {
  return /^[0-9]+$/.test(word);
}
