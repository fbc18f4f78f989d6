// Deterministic CBOR, written (RFC 8949 §4.2.1): shortest heads, definite lengths, keys in the bytewise order of their
// encodings. One whole value; cbor-writer.ts writes item by item.
//
// Promises: one value, one byte string. Never writes a float, a duplicate key or a tag outside the subset, and never more
// than its limit of bytes. What cannot be encoded is our own mistake and throws; only a limit that is passed is a
// `Rejection`, since that may depend on input.
// The heads are written by plain functions over buffer and position: on XS a private method costs a search and a slot.

import { compare } from "../bytes.js";
import { assert, Rejection } from "../rejection.js";
import {
  CBOR_BYTES_MAX,
  CBOR_DEPTH_MAX,
  type CborValue,
  INT64_MIN,
  TAG_COSE_SIGN1,
  TAG_DECIMAL_FRACTION,
  Tagged,
  UINT64_MAX,
} from "./cbor-value.js";

/** Major types, where they stand in an initial byte. */
export const UINT = 0x00;
export const NEGATIVE = 0x20;
export const BYTES = 0x40;
const TEXT = 0x60;
export const ARRAY = 0x80;
export const MAP = 0xa0;
export const TAG = 0xc0;
export const FALSE = 0xf4;
export const TRUE = 0xf5;
export const NULL = 0xf6;

/** Fields that have keys of one byte, and the most bytes of a key and a head. */
const FIELDS_MAX = 24;
const FIELD_BYTES_MAX = 10;

/** Number.MAX_SAFE_INTEGER: on XS a global and its property cost two searches each time. */
const SAFE_MAX = 2 ** 53 - 1;

/**
 * The one deterministic encoding of `value`.
 * @param bytesMax a longer encoding throws a `Rejection` of code `cbor-too-long`
 * @param depthMax nesting that is our own mistake beyond, so that a cycle ends
 */
export function encode(value: CborValue, bytesMax = CBOR_BYTES_MAX, depthMax = CBOR_DEPTH_MAX): Uint8Array {
  const length = lengthOf(value, depthMax);
  if (length > bytesMax) throw new Rejection("cbor-too-long", `${length} bytes, at most ${bytesMax}`);
  const buffer = new Uint8Array(length);
  const end = put(buffer, 0, value);
  assert(end === length, "as many bytes as were counted");
  return buffer;
}

/**
 * A map from 0, 1, 2, … to `values`, without the objects that a `Map` takes: integers that a number holds exactly, and byte strings.
 */
export function encodeFields(values: readonly (number | Uint8Array)[]): Uint8Array {
  const count = values.length;
  if (count > FIELDS_MAX) assert(false, "keys of one byte");
  let bytesMax = 1;
  for (let i = 0; i < count; i += 1) {
    const value = values[i] as number | Uint8Array;
    bytesMax += FIELD_BYTES_MAX + (typeof value === "number" ? 0 : value.length);
  }
  const buffer = new Uint8Array(bytesMax);
  buffer[0] = MAP | count;
  let at = 1;
  for (let i = 0; i < count; i += 1) {
    const value = values[i] as number | Uint8Array;
    buffer[at] = i;
    at =
      typeof value === "number"
        ? putNumber(buffer, at + 1, value)
        : putRaw(buffer, putHead(buffer, at + 1, BYTES, value.length), value);
  }
  return buffer.slice(0, at);
}

/** Bytes of the encoding of `value`. */
function lengthOf(value: CborValue, depth: number): number {
  if (typeof value === "number") return headLength(value < 0 ? -1 - value : value);
  if (typeof value === "bigint") return headLength(Number(value < 0n ? -1n - value : value));
  if (typeof value === "string") {
    const length = utf8Length(value);
    return headLength(length) + length;
  }
  if (typeof value === "boolean" || value === null) return 1;
  if (value instanceof Uint8Array) return headLength(value.length) + value.length;
  assert(depth > 0, "a value of bounded depth");
  if (value instanceof Tagged) return headLength(value.tag) + lengthOf(value.value, depth - 1);
  if (value instanceof Map) {
    let length = headLength(value.size);
    for (const [key, item] of value) length += lengthOf(key, depth - 1) + lengthOf(item, depth - 1);
    return length;
  }
  assert(Array.isArray(value), "a value of the CBOR subset");
  let length = headLength(value.length);
  for (const item of value as readonly CborValue[]) length += lengthOf(item, depth - 1);
  return length;
}

function headLength(argument: number): number {
  return argument < 24 ? 1 : argument < 0x100 ? 2 : argument < 0x10000 ? 3 : argument < 0x1_0000_0000 ? 5 : 9;
}

function put(buffer: Uint8Array, at: number, value: CborValue): number {
  if (typeof value === "number") return putNumber(buffer, at, value);
  if (typeof value === "bigint") return putBigint(buffer, at, value);
  if (typeof value === "string") return putText(buffer, at, value);
  if (typeof value === "boolean" || value === null) {
    buffer[at] = value === null ? NULL : value ? TRUE : FALSE;
    return at + 1;
  }
  if (value instanceof Uint8Array) return putRaw(buffer, putHead(buffer, at, BYTES, value.length), value);
  if (value instanceof Tagged) {
    assert(value.tag === TAG_DECIMAL_FRACTION || value.tag === TAG_COSE_SIGN1, "a tag of the subset");
    return put(buffer, putHead(buffer, at, TAG, value.tag), value.value);
  }
  if (value instanceof Map) return putMap(buffer, at, value);
  const items = value as readonly CborValue[];
  at = putHead(buffer, at, ARRAY, items.length);
  for (const item of items) at = put(buffer, at, item);
  return at;
}

/** RFC 8949 §4.2.1: keys in the bytewise lexicographic order of their encodings. */
function putMap(buffer: Uint8Array, at: number, map: ReadonlyMap<CborValue, CborValue>): number {
  at = putHead(buffer, at, MAP, map.size);
  const pairs: { key: Uint8Array; value: CborValue }[] = [];
  for (const [key, value] of map) {
    // The room for the pairs serves for each key in turn.
    const end = put(buffer, at, key);
    pairs.push({ key: buffer.slice(at, end), value });
  }
  pairs.sort((a, b) => compare(a.key, b.key));
  let previous: Uint8Array | undefined;
  for (const { key, value } of pairs) {
    assert(previous === undefined || compare(previous, key) !== 0, "a map whose keys differ");
    previous = key;
    at = put(buffer, putRaw(buffer, at, key), value);
  }
  return at;
}

export function putNumber(buffer: Uint8Array, at: number, value: number): number {
  // Nearly all are integers of 32 bits, which need no more than this to be known as such.
  if ((value | 0) === value) return value >= 0 ? putHead(buffer, at, UINT, value) : putHead(buffer, at, NEGATIVE, ~value);
  assert(value % 1 === 0 && value <= SAFE_MAX && value >= -SAFE_MAX, "an integer that a number holds exactly");
  return value >= 0 ? putHead(buffer, at, UINT, value) : putHead(buffer, at, NEGATIVE, -1 - value);
}

export function putBigint(buffer: Uint8Array, at: number, value: bigint): number {
  assert(value >= INT64_MIN && value <= UINT64_MAX, "an integer from -2^63 to 2^64 - 1");
  const major = value < 0n ? NEGATIVE : UINT;
  const argument = value < 0n ? -1n - value : value;
  if (argument <= BigInt(SAFE_MAX)) return putHead(buffer, at, major, Number(argument));
  buffer[at] = major | 27;
  putUint32(buffer, at + 1, Number(argument >> 32n));
  putUint32(buffer, at + 5, Number(argument & 0xffff_ffffn));
  return at + 9;
}

/** RFC 8949 §3 and §4.2.1: the shortest head that holds `argument`, a safe integer from 0. Answers where it ends. */
export function putHead(buffer: Uint8Array, at: number, major: number, argument: number): number {
  if (argument < 24) {
    buffer[at] = major | argument;
    return at + 1;
  }
  if (argument < 0x100) {
    buffer[at] = major | 24;
    buffer[at + 1] = argument;
    return at + 2;
  }
  if (argument < 0x10000) {
    buffer[at] = major | 25;
    buffer[at + 1] = argument >> 8;
    buffer[at + 2] = argument & 0xff;
    return at + 3;
  }
  if (argument < 0x1_0000_0000) {
    buffer[at] = major | 26;
    putUint32(buffer, at + 1, argument);
    return at + 5;
  }
  buffer[at] = major | 27;
  putUint32(buffer, at + 1, Math.floor(argument / 0x1_0000_0000));
  putUint32(buffer, at + 5, argument % 0x1_0000_0000);
  return at + 9;
}

function putUint32(buffer: Uint8Array, at: number, value: number): void {
  buffer[at] = value >>> 24;
  buffer[at + 1] = (value >>> 16) & 0xff;
  buffer[at + 2] = (value >>> 8) & 0xff;
  buffer[at + 3] = value & 0xff;
}

/** Copies `bytes`, as a whole or, where there is no room, not at all. Answers where they end. */
export function putRaw(buffer: Uint8Array, at: number, bytes: Uint8Array): number {
  const end = at + bytes.length;
  if (end <= buffer.length) buffer.set(bytes, at);
  return end;
}

/** Bytes of a text in UTF-8. Lone surrogates are our own mistake. */
function utf8Length(text: string): number {
  let length = 0;
  for (let i = 0; i < text.length; i += 1) {
    const code = text.codePointAt(i) as number;
    if (code >= 0x10000) i += 1;
    assert(code < 0xd800 || code > 0xdfff, "text without lone surrogates");
    length += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return length;
}

export function putText(buffer: Uint8Array, at: number, text: string): number {
  const length = utf8Length(text);
  at = putHead(buffer, at, TEXT, length);
  const end = at + length;
  for (let i = 0; at < end; i += 1) {
    const code = text.codePointAt(i) as number;
    if (code < 0x80) {
      buffer[at++] = code;
      continue;
    }
    if (code < 0x800) buffer[at++] = 0xc0 | (code >> 6);
    else {
      if (code < 0x10000) buffer[at++] = 0xe0 | (code >> 12);
      else {
        i += 1;
        buffer[at++] = 0xf0 | (code >> 18);
        buffer[at++] = 0x80 | ((code >> 12) & 63);
      }
      buffer[at++] = 0x80 | ((code >> 6) & 63);
    }
    buffer[at++] = 0x80 | (code & 63);
  }
  return at;
}
