// Reads parsed JSON value by value: whether it is what is expected, for every format that is read here; and one object of it field by
// field: the configuration, and what is in it of a sensor's own.
//
// Promises: what is read has its kind and is within its bounds; else the `Rejection` is thrown (`config-invalid`) that names the
// field by its whole path and says what was expected. Never: shows a value, which may be a password in the wrong place; converts what
// is not exactly what the field takes.

import { fromHex } from "./bytes.js";
import { scalarOf } from "./codec/rlp.js";
import { Rejection } from "./rejection.js";

/** An object, and neither null nor a list. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A whole number from `min` to `max`. */
export function isUint(value: unknown, min: number, max: number): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= min && value <= max;
}

/** Bytes in hexadecimal, with 0x or without, `lengthMin` to `lengthMax` of them; undefined where the value is anything else. */
export function bytesIn(value: unknown, lengthMin: number, lengthMax: number): Uint8Array | undefined {
  const bytes = typeof value === "string" && value.length <= 2 + 2 * lengthMax ? fromHex(value) : undefined;
  return bytes instanceof Uint8Array && bytes.length >= lengthMin && bytes.length <= lengthMax ? bytes : undefined;
}

/** Digits of the longest quantity: 256 bits. */
const QUANTITY_DIGITS_MAX = 64;

/** A whole number from 0 to `max`, as a number below 2^53 or in hexadecimal with 0x; undefined where the value is anything else. */
export function quantityIn(value: unknown, max: bigint): bigint | undefined {
  let read: bigint | undefined;
  if (isUint(value, 0, Number.MAX_SAFE_INTEGER)) read = BigInt(value);
  if (typeof value === "string" && value.startsWith("0x") && value.length > 2) {
    const bytes = bytesIn(value.length % 2 === 0 ? value : `0x0${value.slice(2)}`, 1, QUANTITY_DIGITS_MAX / 2);
    if (bytes !== undefined) read = scalarOf(bytes);
  }
  return read === undefined || read > max ? undefined : read;
}

/** One object; every method that reads throws the `Rejection` that names the field. */
export class Fields {
  /** Where the object is, for a message: `sensors[0]`. */
  readonly path: string;
  /** The object itself. */
  readonly json: Readonly<Record<string, unknown>>;

  constructor(json: unknown, path: string) {
    if (!isObject(json)) throw new Rejection("config-invalid", `${path === "" ? "the configuration" : path}: expected an object`);
    this.path = path;
    this.json = json;
  }

  has(name: string): boolean {
    return this.json[name] !== undefined;
  }

  value(name: string): unknown {
    if (!this.has(name)) throw this.wrong(name, "a value");
    return this.json[name];
  }

  section(name: string, otherwise?: object): Fields {
    return new Fields(this.json[name] ?? otherwise, this.at(name));
  }

  /** A list of objects; undefined where the field is absent. */
  sections(name: string, countMax: number): readonly Fields[] | undefined {
    const value = this.json[name];
    if (value === undefined) return undefined;
    if (!Array.isArray(value) || value.length > countMax) throw this.wrong(name, `a list of at most ${countMax} objects`);
    return value.map((item: unknown, i) => new Fields(item, `${this.at(name)}[${i}]`));
  }

  text(name: string, lengthMax: number, otherwise?: string): string {
    const value = this.json[name] ?? otherwise;
    const fits = typeof value === "string" && utf8Bytes(value) <= lengthMax && (value !== "" || otherwise === "");
    if (!fits) throw this.wrong(name, `a text of 1 to ${lengthMax} bytes`);
    return value;
  }

  texts(name: string, countMax: number): readonly string[] {
    const value = this.json[name];
    const fits = Array.isArray(value) && value.length >= 1 && value.length <= countMax;
    if (!fits || !value.every((item) => typeof item === "string" && item !== "" && item.length <= 253))
      throw this.wrong(name, `a list of 1 to ${countMax} texts`);
    return value as readonly string[];
  }

  uint(name: string, min: number, max: number, otherwise?: number): number {
    const value = this.json[name] ?? otherwise;
    if (!isUint(value, min, max)) throw this.wrong(name, `a whole number from ${min} to ${max}`);
    return value;
  }

  number(name: string, min: number, max: number, otherwise?: number): number {
    const value = this.json[name] ?? otherwise;
    if (typeof value !== "number" || !(value >= min && value <= max)) throw this.wrong(name, `a number from ${min} to ${max}`);
    return value;
  }

  flag(name: string, otherwise: boolean): boolean {
    const value = this.json[name] ?? otherwise;
    if (typeof value !== "boolean") throw this.wrong(name, "true or false");
    return value;
  }

  /** One of these words; the first where it is absent. */
  choice<Word extends string>(name: string, words: readonly [Word, ...Word[]]): Word {
    const value = this.json[name] ?? words[0];
    const word = words.find((word) => word === value);
    if (word === undefined) throw this.wrong(name, words.join(" or "));
    return word;
  }

  bytes(name: string, lengthMin: number, lengthMax: number): Uint8Array {
    const bytes = bytesIn(this.json[name], lengthMin, lengthMax);
    const length = lengthMin === lengthMax ? `${lengthMin}` : `${lengthMin} to ${lengthMax}`;
    if (bytes === undefined) throw this.wrong(name, `${length} bytes in hexadecimal`);
    return bytes;
  }

  wrong(name: string, expected: string): Rejection {
    const found = this.has(name) ? `found ${describe(this.json[name])}` : "it is absent";
    return new Rejection("config-invalid", `${this.at(name)}: expected ${expected}; ${found}`);
  }

  private at(name: string): string {
    return this.path === "" ? name : `${this.path}.${name}`;
  }
}

/** One object, found at `path`. */
export function fieldsOf(json: unknown, path = ""): Fields {
  return new Fields(json, path);
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

/** Names a value's kind, never the value: it may be a password in the wrong place. */
function describe(value: unknown): string {
  if (typeof value === "string") return `a text of ${value.length} characters`;
  return Array.isArray(value) ? `a list of ${value.length}` : value === null ? "null" : `a ${typeof value}`;
}
