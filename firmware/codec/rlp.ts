// Recursive Length Prefix: Ethereum's encoding of byte strings and lists (Yellow Paper, appendix B).
//
// Promises: reads only the one encoding that each value has, over hostile bytes: lengths in their shortest form, none
// beyond what is there, no bytes after the end. Whatever else comes gets a `Rejection` whose detail names the byte.
// Never allocates by a length that it has not got and never copies: byte strings are views of the input.
//
// Codes: rlp-truncated (a length exceeds what is left), rlp-not-canonical (a longer form than needed), rlp-trailing
// (bytes after the item), rlp-too-deep, rlp-too-long (bytes or items beyond the limits).

import { ITEM_LIST_BIT, ITEM_START_BIT, nextItem } from "../bytes/primitives.js";
import { readUint } from "../bytes.js";
import { assert, Rejection } from "../rejection.js";

/** A byte string, or a list of values. */
export type RlpValue = Uint8Array | readonly RlpValue[];

export interface RlpLimits {
  readonly bytesMax: number;
  /** Byte strings and lists, counted together. */
  readonly itemsMax: number;
  /** Lists within lists; a byte string alone has depth 0. */
  readonly depthMax: number;
}

const RLP_LIMITS: RlpLimits = Object.freeze({ bytesMax: 65_536, itemsMax: 1024, depthMax: 8 });

const ENCODE_DEPTH_MAX = 64;
const SHORT_BYTES_MAX = 55;
const OFFSET_MASK = (1 << ITEM_START_BIT) - 1;

/**
 * Walks over the items that stand one after another in `bytes` from `start` to `end`, without descending and without
 * garbage: after `next()` the fields tell of the current item.
 */
export class RlpCursor {
  /** Whether the current item is a list. */
  isList = false;
  /** Where the current item's prefix begins. */
  itemStart: number;
  /** Where its content begins, and one past where it ends. */
  start: number;
  end: number;
  readonly #bytes: Uint8Array;
  readonly #limit: number;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    assert(start <= end && end <= bytes.length, "a cursor inside its buffer");
    this.#bytes = bytes;
    this.#limit = end;
    this.itemStart = start;
    this.start = start;
    this.end = start;
  }

  get atEnd(): boolean {
    return this.end >= this.#limit;
  }

  /** Moves to the next item. Throws a `Rejection` (rlp-truncated, rlp-not-canonical). */
  next(): void {
    const at = this.end;
    const packed = nextItem(this.#bytes, at, this.#limit);
    if (packed < 0) {
      this.look(at);
      return;
    }
    this.itemStart = at;
    this.start = (packed >> ITEM_START_BIT) & OFFSET_MASK;
    this.end = packed & OFFSET_MASK;
    this.isList = packed >> ITEM_LIST_BIT !== 0;
  }

  /** The item at `at`, byte by byte, or what is wrong with it: where `nextItem` declines. */
  private look(at: number): void {
    if (at >= this.#limit) throw truncated(at, "an item was expected");
    const lead = this.#bytes[at] as number;
    this.itemStart = at;
    this.isList = lead >= 0xc0;
    if (lead < 0x80) {
      this.start = at;
      this.end = at + 1;
      return;
    }
    const short = lead - (this.isList ? 0xc0 : 0x80);
    if (short <= SHORT_BYTES_MAX) {
      this.take(at + 1, short);
      if (!this.isList && short === 1 && (this.#bytes[at + 1] as number) < 0x80)
        throw notCanonical(at, "a byte below 0x80 stands for itself");
    } else this.takeLong(at, short - SHORT_BYTES_MAX);
  }

  /** Content of the current item, a view of the input. */
  view(): Uint8Array {
    return this.#bytes.subarray(this.start, this.end);
  }

  private takeLong(at: number, lengthBytes: number): void {
    if (at + 1 + lengthBytes > this.#limit) throw truncated(at, "its length is cut off");
    if (this.#bytes[at + 1] === 0) throw notCanonical(at, "a length with a leading zero");
    // Without a leading zero, five bytes name 4 GiB or more: never there, and a number still holds the sum.
    if (lengthBytes > 4) throw truncated(at, `a length of ${lengthBytes} bytes`);
    let length = 0;
    for (let i = 1; i <= lengthBytes; i += 1) length = length * 256 + (this.#bytes[at + i] as number);
    if (length <= SHORT_BYTES_MAX) throw notCanonical(at, `a length of ${length} in the long form`);
    this.take(at + 1 + lengthBytes, length);
  }

  private take(start: number, length: number): void {
    if (length > this.#limit - start) throw truncated(start, `${length} bytes announced, ${this.#limit - start} there`);
    this.start = start;
    this.end = start + length;
  }
}

/** The one value that `bytes` is, or why not. */
export function decode(bytes: Uint8Array, limits: RlpLimits = RLP_LIMITS): RlpValue | Rejection {
  if (bytes.length > limits.bytesMax) return new Rejection("rlp-too-long", `${bytes.length} bytes, ${limits.bytesMax} at most`);
  try {
    const cursor = new RlpCursor(bytes);
    cursor.next();
    if (!cursor.atEnd)
      return new Rejection("rlp-trailing", `at byte ${cursor.end}: ${bytes.length - cursor.end} bytes after the item`);
    return valueAt(bytes, cursor, { left: limits.itemsMax }, limits.depthMax);
  } catch (error) {
    if (error instanceof Rejection) return error;
    throw error;
  }
}

function valueAt(bytes: Uint8Array, cursor: RlpCursor, items: { left: number }, depthLeft: number): RlpValue {
  if (items.left === 0) throw new Rejection("rlp-too-long", `at byte ${cursor.itemStart}: more items than are taken`);
  items.left -= 1;
  if (!cursor.isList) return cursor.view();
  if (depthLeft === 0) throw new Rejection("rlp-too-deep", `at byte ${cursor.itemStart}: lists nest deeper than is taken`);
  const values: RlpValue[] = [];
  const inner = new RlpCursor(bytes, cursor.start, cursor.end);
  while (!inner.atEnd) {
    inner.next();
    values.push(valueAt(bytes, inner, items, depthLeft - 1));
  }
  return values;
}

/** The encoding of `value`, in a buffer of its own. */
export function encode(value: RlpValue): Uint8Array {
  const bytes = new Uint8Array(lengthOf(value, ENCODE_DEPTH_MAX));
  const end = write(value, bytes, 0);
  assert(end === bytes.length, "an encoding as long as it was measured");
  return bytes;
}

/** Prefix of a list whose items take `length` bytes. */
export function listPrefix(length: number): Uint8Array {
  const prefix = new Uint8Array(prefixBytes(length));
  writePrefix(prefix, 0, length, 0xc0);
  return prefix;
}

/** Prefix of the byte string `content`: empty for one byte below 0x80. */
export function stringPrefix(content: Uint8Array): Uint8Array {
  if (isOwnEncoding(content)) return new Uint8Array(0);
  const prefix = new Uint8Array(prefixBytes(content.length));
  writePrefix(prefix, 0, content.length, 0x80);
  return prefix;
}

/** An integer of at most 256 bits as a scalar's content: big-endian without leading zeros, zero is empty. */
export function scalarBytes(value: number | bigint): Uint8Array {
  let rest = BigInt(value);
  assert(rest >= 0n && rest >> 256n === 0n, "an unsigned integer of at most 256 bits");
  let length = 0;
  for (let probe = rest; probe > 0n; probe >>= 8n) length += 1;
  const bytes = new Uint8Array(length);
  for (let i = length - 1; i >= 0; i -= 1) {
    bytes[i] = Number(rest & 255n);
    rest >>= 8n;
  }
  return bytes;
}

/** The integer that a scalar's content names, big-endian; leading zeros are the caller's affair. At most 32 bytes. */
export function scalarOf(bytes: Uint8Array): bigint {
  assert(bytes.length <= 32, "a scalar of at most 256 bits");
  // Six bytes at a time: a number holds them, and big integers are slow on the board.
  let i = Math.min(6, bytes.length);
  let value = BigInt(readUint(bytes, 0, i));
  while (i < bytes.length) {
    const take = Math.min(6, bytes.length - i);
    value = (value << BigInt(8 * take)) | BigInt(readUint(bytes, i, take));
    i += take;
  }
  return value;
}

function isOwnEncoding(content: Uint8Array): boolean {
  return content.length === 1 && (content[0] as number) < 0x80;
}

function contentLength(value: RlpValue, depthLeft: number): number {
  if (value instanceof Uint8Array) return value.length;
  assert(depthLeft > 0, "a value that nests no deeper than the encoder goes");
  let length = 0;
  for (const item of value) length += lengthOf(item, depthLeft - 1);
  return length;
}

function lengthOf(value: RlpValue, depthLeft: number): number {
  const length = contentLength(value, depthLeft);
  return value instanceof Uint8Array && isOwnEncoding(value) ? 1 : prefixBytes(length) + length;
}

export function prefixBytes(length: number): number {
  if (length <= SHORT_BYTES_MAX) return 1;
  return length < 0x100 ? 2 : length < 0x1_0000 ? 3 : length < 0x100_0000 ? 4 : 5;
}

function writePrefix(bytes: Uint8Array, at: number, length: number, base: number): number {
  if (length <= SHORT_BYTES_MAX) {
    bytes[at] = base + length;
    return at + 1;
  }
  const lengthBytes = prefixBytes(length) - 1;
  bytes[at] = base + SHORT_BYTES_MAX + lengthBytes;
  for (let i = 0; i < lengthBytes; i += 1) bytes[at + lengthBytes - i] = Math.floor(length / 256 ** i) % 256;
  return at + 1 + lengthBytes;
}

function write(value: RlpValue, bytes: Uint8Array, at: number): number {
  if (value instanceof Uint8Array) {
    const start = isOwnEncoding(value) ? at : writePrefix(bytes, at, value.length, 0x80);
    bytes.set(value, start);
    return start + value.length;
  }
  let end = writePrefix(bytes, at, contentLength(value, ENCODE_DEPTH_MAX), 0xc0);
  for (const item of value) end = write(item, bytes, end);
  return end;
}

function truncated(at: number, reason: string): Rejection {
  return new Rejection("rlp-truncated", `at byte ${at}: ${reason}`);
}

function notCanonical(at: number, reason: string): Rejection {
  return new Rejection("rlp-not-canonical", `at byte ${at}: ${reason}`);
}
