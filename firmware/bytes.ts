// Byte strings: hexadecimal, joining, comparing, big-endian integers, UTF-8, CRC-32 (ISO-HDLC, as in IEEE 802.3).
//
// Never allocates by a length that it has not got; never reads past an end. No text encoder is used: XS has none.

import { assert, Rejection } from "./rejection.js";

const HEX = "0123456789abcdef";

/** Lower-case hexadecimal without prefix. */
export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 1) {
    const byte = bytes[i] as number;
    text += HEX.charAt(byte >> 4) + HEX.charAt(byte & 15);
  }
  return text;
}

/** Bytes of a hexadecimal text, with or without 0x. Refuses odd lengths and other characters (`hex-malformed`). */
export function fromHex(text: string): Uint8Array | Rejection {
  const start = text.startsWith("0x") ? 2 : 0;
  const digits = text.length - start;
  if (digits % 2 !== 0) return new Rejection("hex-malformed", `an odd number of digits (${digits})`);
  const bytes = new Uint8Array(digits / 2);
  for (let i = 0; i < bytes.length; i += 1) {
    const high = nibble(text.charCodeAt(start + 2 * i));
    const low = nibble(text.charCodeAt(start + 2 * i + 1));
    if (high < 0 || low < 0) return new Rejection("hex-malformed", `no hexadecimal digit near position ${start + 2 * i}`);
    bytes[i] = (high << 4) | low;
  }
  return bytes;
}

function nibble(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  if (code >= 97 && code <= 102) return code - 87;
  if (code >= 65 && code <= 70) return code - 55;
  return -1;
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const joined = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** Byte equality. Not constant-time: for public values only. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i += 1) if (a[i] !== b[i]) return false;
  return true;
}

/** −1, 0 or 1, bytewise, a prefix before what it begins. */
export function compare(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i += 1) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference < 0 ? -1 : 1;
  }
  return a.length === b.length ? 0 : a.length < b.length ? -1 : 1;
}

/**
 * A big-endian unsigned integer of at most 6 bytes, so that a number holds it exactly. By shifts as far as they go: on a
 * chip without floating point a step in floats costs as much as all of them.
 */
export function readUint(bytes: Uint8Array, offset = 0, length = bytes.length - offset): number {
  if (length > 6 || offset + length > bytes.length) assert(false, "an integer of at most 6 bytes inside its buffer");
  let at = offset;
  let end = offset + (length > 3 ? length - 3 : 0);
  let high = 0;
  for (; at < end; at += 1) high = (high << 8) | (bytes[at] as number);
  end = offset + length;
  let low = 0;
  for (; at < end; at += 1) low = (low << 8) | (bytes[at] as number);
  return high === 0 ? low : high * 0x100_0000 + low;
}

/** Writes `value` big-endian into `length` bytes (at most 6) at `offset`. */
export function writeUint(bytes: Uint8Array, value: number, offset: number, length: number): void {
  let at = offset + length;
  let rest = value;
  if ((value | 0) !== value) {
    assert(value % 1 === 0 && value >= 0 && value < 2 ** 48 && length > 3, "an unsigned integer that fits its field");
    rest = value % 0x100_0000;
    for (let i = 0; i < 3; i += 1) {
      at -= 1;
      bytes[at] = rest;
      rest >>= 8;
    }
    rest = Math.floor(value / 0x100_0000);
  }
  while (at > offset) {
    at -= 1;
    bytes[at] = rest;
    rest >>= 8;
  }
  if (rest !== 0) assert(false, "an unsigned integer that fits its field");
}

/** UTF-8 of a text whose code units form valid UTF-16; lone surrogates are our own mistake. */
export function fromText(text: string): Uint8Array {
  const bytes: number[] = [];
  for (let i = 0; i < text.length; i += 1) {
    const code = text.codePointAt(i) as number;
    if (code >= 0x10000) i += 1;
    assert(code < 0xd800 || code > 0xdfff, "text without lone surrogates");
    if (code < 0x80) bytes.push(code);
    else if (code < 0x800) bytes.push(0xc0 | (code >> 6), 0x80 | (code & 63));
    else if (code < 0x10000) bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
    else bytes.push(0xf0 | (code >> 18), 0x80 | ((code >> 12) & 63), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
  }
  return Uint8Array.from(bytes);
}

/** Strict UTF-8 (RFC 3629: shortest form, no surrogates, up to U+10FFFF), or `utf8-malformed`. */
export function toText(bytes: Uint8Array): string | Rejection {
  let text = "";
  let i = 0;
  while (i < bytes.length) {
    const lead = bytes[i] as number;
    const more =
      lead < 0x80 ? 0 : lead >= 0xc2 && lead < 0xe0 ? 1 : lead >= 0xe0 && lead < 0xf0 ? 2 : lead >= 0xf0 && lead < 0xf5 ? 3 : -1;
    if (more < 0 || i + more >= bytes.length) return new Rejection("utf8-malformed", `no UTF-8 at byte ${i}`);
    let code = more === 0 ? lead : lead & (0x3f >> more);
    for (let k = 1; k <= more; k += 1) {
      const next = bytes[i + k] as number;
      if ((next & 0xc0) !== 0x80) return new Rejection("utf8-malformed", `no UTF-8 at byte ${i + k}`);
      code = (code << 6) | (next & 0x3f);
    }
    if ((more === 2 && code < 0x800) || (more === 3 && (code < 0x10000 || code > 0x10ffff)) || (code >= 0xd800 && code <= 0xdfff))
      return new Rejection("utf8-malformed", `no UTF-8 at byte ${i}`);
    text += String.fromCodePoint(code);
    i += more + 1;
  }
  return text;
}

/** CRC-32 of the first `length` bytes. Its table is made from the polynomial, so no typed array sits at module level. */
export function crc32(bytes: Uint8Array, seed = 0, length = bytes.length): number {
  const table = CRC_TABLE;
  let crc = ~seed;
  for (let i = 0; i < length; i += 1) crc = (table[(crc ^ (bytes[i] as number)) & 255] as number) ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** Signed, as XS has small integers: half of the unsigned ones would be floats there. 4 KiB of a board's flash. */
const CRC_TABLE: readonly number[] = /* @__PURE__ */ crcTable(0xedb88320);

function crcTable(polynomial: number): readonly number[] {
  const table: number[] = [];
  for (let i = 0; i < 256; i += 1) {
    let crc = i;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
    table.push(crc | 0);
  }
  return Object.freeze(table);
}
