// Byte strings: UTF-8, reading hexadecimal, and what bytes/primitives.ts has, on a board in C: comparing, copying, joining,
// big-endian integers, hexadecimal, CRC-32 (ISO-HDLC, as in IEEE 802.3).
//
// Never allocates by a length that it has not got; never reads past an end. No text encoder is used: XS has none.

import { bytesOfAscii, bytesOfHex, textOfAscii } from "./bytes/primitives.js";
import { assert, Rejection } from "./rejection.js";

export { compare, concat, copyInto, crc32, equal, isFilled, readUint, toHex, writeUint } from "./bytes/primitives.js";

/** Bytes of a hexadecimal text, with or without 0x. Refuses odd lengths and other characters (`hex-malformed`). */
export function fromHex(text: string): Uint8Array | Rejection {
  const read = bytesOfHex(text);
  if (read !== undefined) return read;
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

/** UTF-8 of a text whose code units form valid UTF-16; lone surrogates are our own mistake. */
export function fromText(text: string): Uint8Array {
  const ascii = bytesOfAscii(text);
  if (ascii !== undefined) return ascii;
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
  const ascii = textOfAscii(bytes);
  if (ascii !== undefined) return ascii;
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
