// Reads one object of parsed JSON field by field: the configuration, and what is in it of a sensor's own.
//
// Promises: what is read has its kind and is within its bounds; else the `Rejection` is thrown (`config-invalid`) that names the
// field by its whole path and says what was expected. Never: shows a value, which may be a password in the wrong place.

import { fromHex } from "./bytes.js";
import { Rejection } from "./rejection.js";

export interface Fields {
  /** Where the object is, for a message: `sensors[0]`. */
  readonly path: string;
  /** The object itself. */
  readonly json: object;
  has(name: string): boolean;
  value(name: string): unknown;
  section(name: string, otherwise?: object): Fields;
  /** A list of objects; undefined where the field is absent. */
  sections(name: string, countMax: number): readonly Fields[] | undefined;
  text(name: string, lengthMax: number, otherwise?: string): string;
  texts(name: string, countMax: number): readonly string[];
  uint(name: string, min: number, max: number, otherwise?: number): number;
  number(name: string, min: number, max: number, otherwise?: number): number;
  flag(name: string, otherwise: boolean): boolean;
  /** One of these words; the first where it is absent. */
  choice<Word extends string>(name: string, words: readonly [Word, ...Word[]]): Word;
  bytes(name: string, lengthMin: number, lengthMax: number): Uint8Array;
  wrong(name: string, expected: string): Rejection;
}

/** Bytes of UTF-8, in which Wi-Fi and MQTT count; a surrogate is half of four. */
function utf8Bytes(text: string): number {
  let bytes = 0;
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    bytes += unit < 0x80 ? 1 : unit < 0x800 || (unit >= 0xd800 && unit < 0xe000) ? 2 : 3;
  }
  return bytes;
}

/** One object, found at `path`; every method throws the `Rejection` that names the field. */
export function fieldsOf(json: unknown, path = ""): Fields {
  if (typeof json !== "object" || json === null || Array.isArray(json))
    throw new Rejection("config-invalid", `${path === "" ? "the configuration" : path}: expected an object`);
  const fields = json as Readonly<Record<string, unknown>>;
  const at = (name: string): string => (path === "" ? name : `${path}.${name}`);
  const wrong = (name: string, expected: string): Rejection => {
    const found = fields[name] === undefined ? "it is absent" : `found ${describe(fields[name])}`;
    return new Rejection("config-invalid", `${at(name)}: expected ${expected}; ${found}`);
  };
  const text = (name: string, lengthMax: number, otherwise?: string): string => {
    const value = fields[name] ?? otherwise;
    const fits = typeof value === "string" && utf8Bytes(value) <= lengthMax && (value !== "" || otherwise === "");
    if (!fits) throw wrong(name, `a text of 1 to ${lengthMax} bytes`);
    return value;
  };
  return {
    path,
    json,
    has: (name) => fields[name] !== undefined,
    value(name) {
      if (fields[name] === undefined) throw wrong(name, "a value");
      return fields[name];
    },
    section: (name, otherwise) => fieldsOf(fields[name] ?? otherwise, at(name)),
    sections(name, countMax) {
      const value = fields[name];
      if (value === undefined) return undefined;
      if (!Array.isArray(value) || value.length > countMax) throw wrong(name, `a list of at most ${countMax} objects`);
      return value.map((item: unknown, i) => fieldsOf(item, `${at(name)}[${i}]`));
    },
    text,
    texts(name, countMax) {
      const value = fields[name];
      const fits = Array.isArray(value) && value.length >= 1 && value.length <= countMax;
      if (!fits || !value.every((item) => typeof item === "string" && item !== "" && item.length <= 253))
        throw wrong(name, `a list of 1 to ${countMax} texts`);
      return value as readonly string[];
    },
    uint(name, min, max, otherwise) {
      const value = fields[name] ?? otherwise;
      if (typeof value !== "number" || !Number.isInteger(value) || value < min || value > max)
        throw wrong(name, `a whole number from ${min} to ${max}`);
      return value;
    },
    number(name, min, max, otherwise) {
      const value = fields[name] ?? otherwise;
      if (typeof value !== "number" || !(value >= min && value <= max)) throw wrong(name, `a number from ${min} to ${max}`);
      return value;
    },
    flag(name, otherwise) {
      const value = fields[name] ?? otherwise;
      if (typeof value !== "boolean") throw wrong(name, "true or false");
      return value;
    },
    choice(name, words) {
      const value = fields[name] ?? words[0];
      const word = words.find((word) => word === value);
      if (word === undefined) throw wrong(name, words.join(" or "));
      return word;
    },
    bytes(name, lengthMin, lengthMax) {
      const length = lengthMin === lengthMax ? `${lengthMin}` : `${lengthMin} to ${lengthMax}`;
      const value = fields[name];
      const bytes = typeof value === "string" && value.length <= 2 + 2 * lengthMax ? fromHex(value) : undefined;
      if (!(bytes instanceof Uint8Array) || bytes.length < lengthMin || bytes.length > lengthMax)
        throw wrong(name, `${length} bytes in hexadecimal`);
      return bytes;
    },
    wrong,
  };
}

/** Names a value's kind, never the value: it may be a password in the wrong place. */
function describe(value: unknown): string {
  if (typeof value === "string") return `a text of ${value.length} characters`;
  return Array.isArray(value) ? `a list of ${value.length}` : value === null ? "null" : `a ${typeof value}`;
}
