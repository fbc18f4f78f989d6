// Work on bytes of which an interpreter has a lot to do: the reference, and what runs wherever no C is (Node, `--crypto noble`).
// primitives-native.ts has the same functions in C; which of the two the firmware gets is decided where it is put together, with
// the engine: the manifest (bytes/native/manifest.json) and the XS host put the other file under this module's name.
//
// Promises: both give the same results for the same arguments (test/xs/octets.test.ts, test/fuzz). What is not inside its buffer
// is our own mistake and throws. `scanHeader`, `nextItem`, `spliceItem` and those about text may decline: then the caller does the
// work in its own way, finds what is wrong and has the words for it; here they always do. Not constant-time: for public values only.

import { assert } from "../rejection.js";

export const ADDRESS_BYTES = 20;
/** Entries of a table of a header's items, 4 bytes each: where the content begins and ends, 2 bytes each, big-endian. */
export const TABLE_BYTES = 4 * 31;
/** `nextItem` packs two offsets and a flag: end, start from this bit on, and above that whether it is a list. */
export const ITEM_START_BIT = 15;
export const ITEM_LIST_BIT = 30;

const UINT_BYTES_MAX = 6;
const HEX = "0123456789abcdef";

/** Byte equality. */
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

/** Whether every byte is `value`, 0 to 255; of none all are. */
export function isFilled(bytes: Uint8Array, value: number): boolean {
  for (let i = 0; i < bytes.length; i += 1) if (bytes[i] !== value) return false;
  return true;
}

/** Copies `from`, from `start` to `end`, to where `at` is in `into`. */
export function copyInto(into: Uint8Array, at: number, from: Uint8Array, start = 0, end = from.length): void {
  assert(
    start >= 0 && start <= end && end <= from.length && at >= 0 && end - start <= into.length - at,
    "a copy inside its buffer",
  );
  into.set(from.subarray(start, end), at);
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

/** Lower-case hexadecimal without prefix. */
export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 1) {
    const byte = bytes[i] as number;
    text += HEX.charAt(byte >> 4) + HEX.charAt(byte & 15);
  }
  return text;
}

/** Bytes of a hexadecimal text, with or without 0x; undefined where `fromHex` has to look. */
export function bytesOfHex(_text: string): Uint8Array | undefined {
  return undefined;
}

/** Bytes of a text of ASCII without NUL; undefined where `fromText` has to look. */
export function bytesOfAscii(_text: string): Uint8Array | undefined {
  return undefined;
}

/** The text that bytes of ASCII without NUL are; undefined where `toText` has to look. */
export function textOfAscii(_bytes: Uint8Array): string | undefined {
  return undefined;
}

/** A big-endian unsigned integer of at most 6 bytes, so that a number holds it exactly. */
export function readUint(bytes: Uint8Array, offset = 0, length = bytes.length - offset): number {
  if (!(offset >= 0 && length >= 0 && length <= UINT_BYTES_MAX && length <= bytes.length - offset))
    assert(false, "an integer of at most 6 bytes inside its buffer");
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
  const fits = value % 1 === 0 && value >= 0 && length >= 0 && length <= UINT_BYTES_MAX && value < 2 ** (8 * length);
  assert(fits && offset >= 0 && length <= bytes.length - offset, "an unsigned integer that fits its field");
  let rest = value;
  for (let at = offset + length - 1; at >= offset; at -= 1) {
    bytes[at] = rest % 256;
    rest = Math.floor(rest / 256);
  }
}

/** CRC-32 of the first `length` bytes. Its table is made from the polynomial, so no typed array sits at module level. */
export function crc32(bytes: Uint8Array, seed = 0, length = bytes.length): number {
  const table = CRC_TABLE;
  const end = Math.min(length, bytes.length);
  let crc = ~seed;
  for (let i = 0; i < end; i += 1) crc = (table[(crc ^ (bytes[i] as number)) & 255] as number) ^ (crc >>> 8);
  return ~crc >>> 0;
}

const CRC_TABLE: readonly number[] = /* @__PURE__ */ crcTable(0xedb88320);

/** Signed, as XS has small integers: half of the unsigned ones would be floats there. */
function crcTable(polynomial: number): readonly number[] {
  const table: number[] = [];
  for (let i = 0; i < 256; i += 1) {
    let crc = i;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
    table.push(crc | 0);
  }
  return Object.freeze(table);
}

/** Orders the 20 bytes of `bytes` at `offset` against those of `other` at `otherOffset`: −1, 0 or 1. */
export function compareAt(bytes: Uint8Array, offset: number, other: Uint8Array, otherOffset = 0): number {
  assert(hasAddress(bytes, offset) && hasAddress(other, otherOffset), "an address inside its buffer");
  for (let i = 0; i < ADDRESS_BYTES; i += 1) {
    const difference = (bytes[offset + i] as number) - (other[otherOffset + i] as number);
    if (difference !== 0) return difference < 0 ? -1 : 1;
  }
  return 0;
}

/** Index among packed ascending `addresses` of that in `other` at `offset`; where it is absent: −1 − the index of its place. */
export function findAddress(addresses: Uint8Array, other: Uint8Array, offset = 0): number {
  assert(hasAddress(other, offset), "an address inside its buffer");
  const count = Math.floor(addresses.length / ADDRESS_BYTES);
  for (let i = 0; i < count; i += 1) {
    const order = compareAt(addresses, i * ADDRESS_BYTES, other, offset);
    if (order === 0) return i;
    if (order > 0) return -1 - i;
  }
  return -1 - count;
}

function hasAddress(bytes: Uint8Array, offset: number): boolean {
  return offset >= 0 && ADDRESS_BYTES <= bytes.length - offset;
}

/** Whether packed addresses ascend, each of them once. */
export function isAscending(addresses: Uint8Array): boolean {
  const count = Math.floor(addresses.length / ADDRESS_BYTES);
  for (let i = 1; i < count; i += 1)
    if (compareAt(addresses, (i - 1) * ADDRESS_BYTES, addresses, i * ADDRESS_BYTES) >= 0) return false;
  return true;
}

/** Packs as many RLP items of 20 bytes, from `at` on, as `packed` has room for; false where one is none: then `packed` is anything. */
export function packAddresses(packed: Uint8Array, bytes: Uint8Array, at: number): boolean {
  const count = Math.floor(packed.length / ADDRESS_BYTES);
  if (at < 0 || count * (1 + ADDRESS_BYTES) > bytes.length - at) return false;
  for (let i = 0, from = at; i < count; i += 1, from += 1 + ADDRESS_BYTES) {
    if (bytes[from] !== 0x80 + ADDRESS_BYTES) return false;
    packed.set(bytes.subarray(from + 1, from + 1 + ADDRESS_BYTES), i * ADDRESS_BYTES);
  }
  return true;
}

/** The RLP item at `at` in front of `limit`, packed; −1 where it has to be looked at by `RlpCursor`, which always can. */
export function nextItem(_bytes: Uint8Array, _at: number, _limit: number): number {
  return -1;
}

/** Fills `table` for a header whose known fields have their widths, and answers its items; 0 where `decodeHeader` has to look. */
export function scanHeader(_raw: Uint8Array, _table: Uint8Array): number {
  return 0;
}

/** Content of item `index` of a scanned header, a view. */
export function itemView(raw: Uint8Array, table: Uint8Array, index: number): Uint8Array {
  assert(index < TABLE_BYTES / 4, "an item inside its header");
  const start = readUint(table, 4 * index, 2);
  const end = readUint(table, 4 * index + 2, 2);
  assert(start <= end && end <= raw.length, "an item inside its header");
  return raw.subarray(start, end);
}

/** The integer that item `index` is, big-endian; Infinity where it has more than 6 bytes. */
export function itemUint(raw: Uint8Array, table: Uint8Array, index: number): number {
  const item = itemView(raw, table, index);
  return item.length > UINT_BYTES_MAX ? Number.POSITIVE_INFINITY : readUint(item);
}

/** Whether every byte of item `index` is `value`. */
export function itemIsFilled(raw: Uint8Array, table: Uint8Array, index: number, value: number): boolean {
  return isFilled(itemView(raw, table, index), value);
}

/** Whether item `index` is `bytes`. */
export function itemEquals(raw: Uint8Array, table: Uint8Array, index: number, bytes: Uint8Array): boolean {
  return equal(itemView(raw, table, index), bytes);
}

/** Whether item `index` is what `hex` says, in small letters: a constant that may lie in flash. */
export function itemIsHex(raw: Uint8Array, table: Uint8Array, index: number, hex: string): boolean {
  const item = itemView(raw, table, index);
  if (hex.length !== 2 * item.length) return false;
  for (let i = 0; i < item.length; i += 1) if (item[i] !== Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16)) return false;
  return true;
}

/** Copies item `index` so that it ends where `end` is in `into`; answers its length. */
export function copyItem(into: Uint8Array, end: number, raw: Uint8Array, table: Uint8Array, index: number): number {
  const item = itemView(raw, table, index);
  copyInto(into, end - item.length, item);
  return item.length;
}

/** The header with `content` as item `index`, in a buffer of its own; undefined where the caller has to join the pieces. */
export function spliceItem(_raw: Uint8Array, _table: Uint8Array, _index: number, _content: Uint8Array): Uint8Array | undefined {
  return undefined;
}

const HEADER_BYTES = 80;
const DELTA_BYTES = 40;
export const BITCOIN_LIMITS_BYTES = 12;
const HASH_BYTES = 32;
const PARENT_AT = 4;
const TIME_AT = 68;
const BITS_AT = 72;

/**
 * Whether a Bitcoin header is plainly the child of the block that left the delta `parent` (hash 32, time 4, bits 4, the integers
 * little-endian): the same bits, met by its hash; a version at the floor; a time after the parent's, within the limits.
 * @param limits lowest version (4, signed), latest time (4), most seconds after the parent (4), little-endian
 * @param delta 40 bytes, gets the header's own; it is anything where the answer is false
 * @param sha256 of an engine; C takes its own
 */
export function takeBitcoin(
  raw: Uint8Array,
  parent: Uint8Array,
  limits: Uint8Array,
  delta: Uint8Array,
  sha256: (bytes: Uint8Array) => Uint8Array,
): boolean {
  if (raw.length !== HEADER_BYTES || parent.length !== DELTA_BYTES) return false;
  if (limits.length !== BITCOIN_LIMITS_BYTES || delta.length !== DELTA_BYTES) return false;
  const view = new DataView(raw.buffer, raw.byteOffset, HEADER_BYTES);
  const before = new DataView(parent.buffer, parent.byteOffset, DELTA_BYTES);
  const bounds = new DataView(limits.buffer, limits.byteOffset, BITCOIN_LIMITS_BYTES);
  const bits = view.getUint32(BITS_AT, true);
  const timeS = view.getUint32(TIME_AT, true);
  const parentS = before.getUint32(HASH_BYTES, true);
  if (bits !== before.getUint32(HASH_BYTES + 4, true) || view.getInt32(0, true) < bounds.getInt32(0, true)) return false;
  if (!equal(raw.subarray(PARENT_AT, PARENT_AT + HASH_BYTES), parent.subarray(0, HASH_BYTES))) return false;
  if (timeS <= parentS || timeS > bounds.getUint32(4, true) || timeS - parentS > bounds.getUint32(8, true)) return false;
  const hash = sha256(sha256(raw));
  if (!meetsTarget(hash, bits)) return false;
  delta.set(hash);
  delta.set(raw.subarray(TIME_AT, TIME_AT + DELTA_BYTES - HASH_BYTES), HASH_BYTES);
  return true;
}

/** Whether `hash` (32 bytes, little-endian) is at most the target of compact `bits`, which are without fault. */
export function meetsTarget(hash: Uint8Array, bits: number): boolean {
  const size = bits >>> 24;
  if (size > HASH_BYTES) return false;
  for (let i = HASH_BYTES - 1; i >= size; i -= 1) if (hash[i] !== 0) return false;
  let at = size - 1;
  for (let shift = 16; shift >= 0 && at >= 0; shift -= 8, at -= 1) {
    const byte = hash[at] as number;
    const most = (bits >> shift) & 255;
    if (byte !== most) return byte < most;
  }
  for (; at >= 0; at -= 1) if (hash[at] !== 0) return false;
  return true;
}
