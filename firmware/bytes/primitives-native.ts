// The functions of primitives.ts in C (native/octets.c): what a board has under the module's name `firmware/bytes/primitives`.
//
// Promises: the results of primitives.ts, for any bytes; nothing of it stays on the heap. Where the reference throws this throws.
// `scanHeader`, `nextItem`, `spliceItem` and those about text decline what is not plainly right.
// Never: remembers anything from one call to the next, or changes a byte but where the reference does.
//
// Each body is nothing but the native call, so that the compiler replaces the function by the one of C.

export const ADDRESS_BYTES = 20;
export const TABLE_BYTES = 124;
export const ITEM_START_BIT = 15;
export const ITEM_LIST_BIT = 30;
export const BITCOIN_LIMITS_BYTES = 12;

export function equal(this: unknown, a: Uint8Array, b: Uint8Array): boolean {
  return native<boolean>("xs_octets_equal").call(this, a, b);
}

export function compare(this: unknown, a: Uint8Array, b: Uint8Array): number {
  return native<number>("xs_octets_compare").call(this, a, b);
}

export function isFilled(this: unknown, bytes: Uint8Array, value: number): boolean {
  return native<boolean>("xs_octets_are").call(this, bytes, value);
}

export function copyInto(this: unknown, into: Uint8Array, at: number, from: Uint8Array, start?: number, end?: number): undefined {
  return native<undefined>("xs_octets_copy").call(this, into, at, from, start, end);
}

export function concat(this: unknown, ...parts: readonly Uint8Array[]): Uint8Array {
  return native<Uint8Array>("xs_octets_concat").call(this, ...parts);
}

export function toHex(this: unknown, bytes: Uint8Array): string {
  return native<string>("xs_octets_to_hex").call(this, bytes);
}

export function bytesOfHex(this: unknown, text: string): Uint8Array | undefined {
  return native<Uint8Array | undefined>("xs_octets_of_hex").call(this, text);
}

export function bytesOfAscii(this: unknown, text: string): Uint8Array | undefined {
  return native<Uint8Array | undefined>("xs_octets_of_ascii").call(this, text);
}

export function textOfAscii(this: unknown, bytes: Uint8Array): string | undefined {
  return native<string | undefined>("xs_octets_to_ascii").call(this, bytes);
}

export function readUint(this: unknown, bytes: Uint8Array, offset?: number, length?: number): number {
  return native<number>("xs_octets_read_uint").call(this, bytes, offset, length);
}

export function writeUint(this: unknown, bytes: Uint8Array, value: number, offset: number, length: number): undefined {
  return native<undefined>("xs_octets_write_uint").call(this, bytes, value, offset, length);
}

export function crc32(this: unknown, bytes: Uint8Array, seed?: number, length?: number): number {
  return native<number>("xs_octets_crc32").call(this, bytes, seed, length);
}

export function compareAt(this: unknown, bytes: Uint8Array, offset: number, other: Uint8Array, otherOffset?: number): number {
  return native<number>("xs_octets_compare_at").call(this, bytes, offset, other, otherOffset);
}

export function findAddress(this: unknown, addresses: Uint8Array, other: Uint8Array, offset?: number): number {
  return native<number>("xs_octets_find_address").call(this, addresses, other, offset);
}

export function isAscending(this: unknown, addresses: Uint8Array): boolean {
  return native<boolean>("xs_octets_ascend").call(this, addresses);
}

export function packAddresses(this: unknown, packed: Uint8Array, bytes: Uint8Array, at: number): boolean {
  return native<boolean>("xs_rlp_pack_addresses").call(this, packed, bytes, at);
}

export function nextItem(this: unknown, bytes: Uint8Array, at: number, limit: number): number {
  return native<number>("xs_rlp_next").call(this, bytes, at, limit);
}

export function scanHeader(this: unknown, raw: Uint8Array, table: Uint8Array): number {
  return native<number>("xs_header_scan").call(this, raw, table);
}

export function itemView(this: unknown, raw: Uint8Array, table: Uint8Array, index: number): Uint8Array {
  return native<Uint8Array>("xs_header_view").call(this, raw, table, index);
}

export function itemUint(this: unknown, raw: Uint8Array, table: Uint8Array, index: number): number {
  return native<number>("xs_header_uint").call(this, raw, table, index);
}

export function itemIsFilled(this: unknown, raw: Uint8Array, table: Uint8Array, index: number, value: number): boolean {
  return native<boolean>("xs_header_filled").call(this, raw, table, index, value);
}

export function itemEquals(this: unknown, raw: Uint8Array, table: Uint8Array, index: number, bytes: Uint8Array): boolean {
  return native<boolean>("xs_header_equals").call(this, raw, table, index, bytes);
}

export function itemIsHex(this: unknown, raw: Uint8Array, table: Uint8Array, index: number, hex: string): boolean {
  return native<boolean>("xs_header_hex").call(this, raw, table, index, hex);
}

export function copyItem(
  this: unknown,
  into: Uint8Array,
  end: number,
  raw: Uint8Array,
  table: Uint8Array,
  index: number,
): number {
  return native<number>("xs_header_copy").call(this, into, end, raw, table, index);
}

export function spliceItem(
  this: unknown,
  raw: Uint8Array,
  table: Uint8Array,
  index: number,
  content: Uint8Array,
): Uint8Array | undefined {
  return native<Uint8Array | undefined>("xs_header_splice").call(this, raw, table, index, content);
}

export function takeBitcoin(
  this: unknown,
  raw: Uint8Array,
  parent: Uint8Array,
  limits: Uint8Array,
  delta: Uint8Array,
  sha256: (bytes: Uint8Array) => Uint8Array,
): boolean {
  return native<boolean>("xs_bitcoin_take").call(this, raw, parent, limits, delta, sha256);
}

export function meetsTarget(this: unknown, hash: Uint8Array, bits: number): boolean {
  return native<boolean>("xs_bitcoin_meets").call(this, hash, bits);
}
