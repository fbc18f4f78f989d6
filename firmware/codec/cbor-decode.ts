// Deterministic CBOR, read strictly (RFC 8949 §4.2.1, §5.3, Appendix F).
//
// Promises: accepts exactly what the encoder writes, so `encode(decode(x))` is `x`. Anything else gets a `Rejection` whose
// detail names the byte: lengths that are not shortest, keys unsorted or twice, indefinite lengths, bad UTF-8, bytes after the
// end, and what nests or grows beyond the limits. Never allocates by a length that it has not got, never reads past the end,
// and keeps no copy: byte strings are views of the input.
//
// Codes: cbor-truncated (the end came early, or a length exceeds what is left), cbor-malformed (reserved bits), cbor-not-shortest,
// cbor-indefinite, cbor-unsorted, cbor-duplicate-key, cbor-utf8, cbor-trailing, cbor-too-deep, cbor-too-long (bytes or items),
// cbor-unsupported (well-formed as far as read, but outside the subset of cbor-value.ts).
//
// Nothing here recurses, since the input chooses how deep it nests and a board's stack is small.

import { toText } from "../bytes.js";
import { Rejection } from "../rejection.js";
import { CBOR_LIMITS, type CborLimits, type CborValue, TAG_COSE_SIGN1, TAG_DECIMAL_FRACTION, Tagged } from "./cbor-value.js";

/** The one item that `bytes` is, or why not. */
export function decode(bytes: Uint8Array, limits: CborLimits = CBOR_LIMITS): CborValue | Rejection {
  const first = decodeFirst(bytes, 0, limits);
  if (first instanceof Rejection) return first;
  if (first.end < bytes.length) return at("cbor-trailing", first.end, `${bytes.length - first.end} bytes after the item`);
  return first.value;
}

/** An array, a map or a tag whose items are still to come. */
interface Open {
  readonly value: CborValue[] | Map<CborValue, CborValue> | undefined;
  readonly tag: number;
  /** Items to come: for a map, keys and values. */
  left: number;
  /** Of a map: the key that waits for its value. */
  key: CborValue;
  /** Of a map: where the key that is under way begins in the input. */
  keyStart: number;
  /** Of a map: where the key in front of it begins and ends; −1 where there is none. */
  previousStart: number;
  previousEnd: number;
}

/**
 * The item that begins at `offset`, and where it ends: for sequences (RFC 8742). `limits.bytesMax` counts the bytes of this
 * item alone.
 */
export function decodeFirst(
  bytes: Uint8Array,
  offset: number,
  limits: CborLimits = CBOR_LIMITS,
): { value: CborValue; end: number } | Rejection {
  const window = Math.min(bytes.length, offset + limits.bytesMax);
  const open: Open[] = [];
  let itemsLeft = limits.itemsMax;
  let position = offset;
  for (;;) {
    const start = position;
    if (start >= window) return short(bytes, start, window, 1);
    if (itemsLeft === 0) return at("cbor-too-long", start, "too many items");
    itemsLeft -= 1;
    const initial = bytes[start] as number;
    const major = initial >> 5;
    const argument = (initial & 31) < 24 ? initial & 31 : readArgument(bytes, start, window);
    if (argument instanceof Rejection) return argument;
    position = start + headLength(initial & 31);
    let value: CborValue | Rejection | undefined;
    if (major === 0) value = argument;
    else if (major === 1) value = negative(argument, start);
    else if (major === 2 || major === 3) {
      if (argument > window - position) return short(bytes, start, window, argument);
      const end = position + Number(argument);
      const content = bytes.subarray(position, end);
      value = major === 2 ? content : textOf(content, start);
      position = end;
    } else if (major === 7) value = simple(bytes, start);
    else {
      const holder = begin(major, argument, start, position, window, bytes, itemsLeft);
      if (holder instanceof Rejection) return holder;
      if (open.length >= limits.depthMax) return at("cbor-too-deep", start, "an item nested too deep");
      if (holder.left > 0) open.push(holder);
      else value = holder.value;
    }
    // What is complete goes into what holds it, and may complete that.
    while (value !== undefined) {
      if (value instanceof Rejection) return value;
      const holder = open[open.length - 1];
      if (holder === undefined) return { value, end: position };
      value = add(holder, value, bytes, position);
      if (value !== undefined) open.pop();
    }
  }
}

/** Bytes of a head, from its additional information. */
function headLength(info: number): number {
  return info < 24 ? 1 : 1 + (1 << (info - 24));
}

/** RFC 8949 §3: the argument that follows the initial byte; shortest form only (§4.2.1). */
function readArgument(bytes: Uint8Array, start: number, window: number): number | bigint | Rejection {
  const initial = bytes[start] as number;
  const info = initial & 31;
  if (info === 31)
    return initial === 0xff
      ? at("cbor-malformed", start, "a break outside an indefinite length")
      : at("cbor-indefinite", start, "an indefinite length");
  if (info > 27) return at("cbor-malformed", start, `reserved additional information ${info}`);
  const width = headLength(info) - 1;
  if (start + 1 + width > window) return short(bytes, start, window, 1 + width);
  // What follows the initial byte of major type 7 is no argument: its own rules are those of `simple`.
  if (initial >> 5 === 7) return 0;
  let high = 0;
  let low = 0;
  for (let i = 1; i <= width; i += 1) {
    const byte = bytes[start + i] as number;
    if (i <= width - 4) high = high * 256 + byte;
    else low = low * 256 + byte;
  }
  const shortest = width === 1 ? low >= 24 : width === 2 ? low >= 0x100 : width === 4 ? low >= 0x10000 : high > 0;
  if (!shortest) return at("cbor-not-shortest", start, `an argument in ${width} bytes that fits in fewer`);
  return high < 0x20_0000 ? high * 0x1_0000_0000 + low : (BigInt(high) << 32n) | BigInt(low);
}

/** −1 − argument, where 64 bits hold it: from −2^63. */
function negative(argument: number | bigint, start: number): number | bigint | Rejection {
  if (typeof argument === "number") return argument < Number.MAX_SAFE_INTEGER ? -1 - argument : -1n - BigInt(argument);
  return argument < 0x8000_0000_0000_0000n ? -1n - argument : at("cbor-unsupported", start, "an integer below -2^63");
}

function textOf(content: Uint8Array, start: number): string | Rejection {
  const text = toText(content);
  return text instanceof Rejection ? at("cbor-utf8", start, `a text string with ${text.detail}`) : text;
}

/** Major type 7 (RFC 8949 §3.3), its head complete: false, true and null; the rest is refused by what it is. */
function simple(bytes: Uint8Array, start: number): boolean | null | Rejection {
  const info = (bytes[start] as number) & 31;
  if (info === 20 || info === 21) return info === 21;
  if (info === 22) return null;
  if (info > 24) return at("cbor-unsupported", start, "a floating-point number");
  if (info === 24 && (bytes[start + 1] as number) < 32)
    return at("cbor-malformed", start, "a simple value below 32 in two bytes");
  return at("cbor-unsupported", start, "a simple value other than false, true and null");
}

/** An array, a map or a tag, whose items begin at `position`; its length has to be there before anything is built. */
function begin(
  major: number,
  argument: number | bigint,
  start: number,
  position: number,
  window: number,
  bytes: Uint8Array,
  itemsLeft: number,
): Open | Rejection {
  if (major === 6 && argument !== TAG_DECIMAL_FRACTION && argument !== TAG_COSE_SIGN1)
    return at("cbor-unsupported", start, `tag ${argument}`);
  // An item takes at least one byte, so more items than bytes are a lie.
  const items = major === 6 ? 1 : Number(argument) * (major - 3);
  if (major !== 6 && items > window - position) return short(bytes, start, window, argument);
  if (items > itemsLeft) return at("cbor-too-long", start, "too many items");
  return {
    value: major === 4 ? [] : major === 5 ? new Map() : undefined,
    tag: major === 6 ? Number(argument) : 0,
    left: items,
    key: null,
    keyStart: position,
    previousStart: -1,
    previousEnd: -1,
  };
}

/** Puts a complete item, which ends at `position`, where it belongs: answers the holder once that is complete as well. */
function add(holder: Open, item: CborValue, bytes: Uint8Array, position: number): CborValue | Rejection | undefined {
  holder.left -= 1;
  const { value, left } = holder;
  if (value === undefined) return new Tagged(holder.tag, item);
  if (!(value instanceof Map)) value.push(item);
  else if (left % 2 === 1) {
    const fault = holder.previousEnd < 0 ? undefined : checkOrder(holder, bytes, position);
    if (fault !== undefined) return fault;
    holder.previousStart = holder.keyStart;
    holder.previousEnd = position;
    holder.key = item;
  } else {
    value.set(holder.key, item);
    holder.keyStart = position;
  }
  return left === 0 ? value : undefined;
}

/** Two keys in a row, as they are encoded, must rise bytewise. A well-formed item never is a prefix of another one. */
function checkOrder({ keyStart, previousStart, previousEnd }: Open, bytes: Uint8Array, keyEnd: number): Rejection | undefined {
  const shared = Math.min(previousEnd - previousStart, keyEnd - keyStart);
  for (let i = 0; i < shared; i += 1) {
    const difference = (bytes[keyStart + i] as number) - (bytes[previousStart + i] as number);
    if (difference > 0) return undefined;
    if (difference < 0) return at("cbor-unsorted", keyStart, "a map key that sorts before the key in front of it");
  }
  return at("cbor-duplicate-key", keyStart, "a map key for the second time");
}

/** What begins at `start` announces `wanted` bytes or items, which are not in the window. */
function short(bytes: Uint8Array, start: number, window: number, wanted: number | bigint): Rejection {
  if (window < bytes.length) return at("cbor-too-long", start, "an item that goes beyond the limit of bytes");
  return at("cbor-truncated", start, `${wanted} bytes or items announced, ${Math.max(0, window - start)} bytes there`);
}

function at(code: string, position: number, reason: string): Rejection {
  return new Rejection(code, `at byte ${position}: ${reason}`);
}
