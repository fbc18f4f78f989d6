// One input, one result: what the work on bytes makes of any string of bytes, for whoever does it. On Node that is the reference
// (firmware/bytes/primitives.ts and what stands on it), on the XS engine C behind its bindings; octets.c here is the same in C
// alone, under the sanitizers. All three have to say the same.
//
// An input: what to do (1 byte), three parameters (1 byte each), the rest is the bytes to work on. A result: bytes; 0xff alone
// where it throws or refuses.

import {
  compare,
  compareAt,
  copyInto,
  copyItem,
  crc32,
  equal,
  findAddress,
  isAscending,
  isFilled,
  itemEquals,
  itemIsFilled,
  itemIsHex,
  itemUint,
  itemView,
  meetsTarget,
  packAddresses,
  readUint,
  TABLE_BYTES,
  takeBitcoin,
  writeUint,
} from "../../firmware/bytes/primitives.js";
import { concat, fromHex, fromText, toHex, toText } from "../../firmware/bytes.js";
import { itemsOf, withItem } from "../../firmware/chain/ethereum/header.js";
import { RlpCursor } from "../../firmware/codec/rlp.js";
import { Rejection } from "../../firmware/rejection.js";

const PARAMETERS = 4;
const CHECKS_BYTES = 20;

type Work = (bytes: Uint8Array, p: number, q: number, r: number) => Uint8Array;

/** By the first byte of an input, modulo their number; octets.c has them in the same order. */
const WORK: readonly Work[] = [
  (bytes, p) => flag(equal(...halves(bytes, p))),
  (bytes, p) => Uint8Array.of(compare(...halves(bytes, p)) & 255),
  (bytes, p) => flag(isFilled(bytes, p)),
  (bytes, p, q, r) => uint(crc32(bytes, q * 0x100_0000 + r, p)),
  (bytes, p, q) => uint(readUint(bytes, p, q % 8)),
  (bytes, p, q) => {
    const copy = bytes.slice();
    writeUint(copy, readUint(bytes, 0, 6), p, q % 8);
    return copy;
  },
  (bytes, p, q, r) => {
    const copy = bytes.slice();
    copyInto(copy, p, copy, q, r);
    return copy;
  },
  (bytes, p, q) => Uint8Array.of(compareAt(bytes, p, bytes, q) & 255),
  (bytes, p, q) => Uint8Array.of(findAddress(bytes.subarray(0, q), bytes, p) & 255),
  (bytes) => flag(isAscending(bytes)),
  (bytes, p, q) => {
    const packed = new Uint8Array(20 * (p % 16));
    return packAddresses(packed, bytes, q) ? packed : flag(false);
  },
  (bytes, p, q, r) => {
    const cursor = new RlpCursor(bytes, p, Math.min(bytes.length, q * 256 + r));
    cursor.next();
    return concat(uint(cursor.itemStart), uint(cursor.start), uint(cursor.end), flag(cursor.isList));
  },
  (bytes) => {
    const table = new Uint8Array(TABLE_BYTES);
    return concat(uint(itemsOf(bytes, table)), table);
  },
  (bytes, p, q) => {
    const table = new Uint8Array(TABLE_BYTES);
    const index = 1 + (p % (itemsOf(bytes, table) - 1));
    return withItem(bytes, table, index, bytes.subarray(0, q));
  },
  (bytes, p, q, r) => {
    const [table, raw] = halves(bytes, 4 * p);
    const checks = new Uint8Array(CHECKS_BYTES);
    const number = itemUint(raw, table, q);
    const item = itemView(raw, table, q);
    const copied = item.length <= CHECKS_BYTES ? copyItem(checks, CHECKS_BYTES, raw, table, q) : 0;
    const hex = toHex(item);
    const changed = `${hex.slice(0, -1)}${r % 2 === 0 ? "" : "x"}`;
    return concat(
      number === Number.POSITIVE_INFINITY ? flag(true) : uint(number),
      item,
      flag(itemIsFilled(raw, table, q, r)),
      flag(itemEquals(raw, table, q, raw.subarray(0, r))),
      flag(itemIsHex(raw, table, q, hex)),
      flag(itemIsHex(raw, table, q, changed)),
      uint(copied),
      checks,
    );
  },
  (bytes, p) => {
    const [raw, rest] = halves(bytes, p & 1 ? 75 : 80);
    const [parent, more] = halves(rest, p & 2 ? 35 : 40);
    const [limits, hash] = halves(more, p & 4 ? 11 : 12);
    const delta = new Uint8Array(40);
    return hash.length === 32 && takeBitcoin(raw, parent, limits, delta, () => hash) ? delta : flag(false);
  },
  (bytes) => fromText(toHex(bytes)),
  (bytes) => sure(fromHex(sure(toText(bytes)))),
  (bytes) => {
    const text = sure(toText(bytes));
    for (let i = 0; i < text.length; i += 1)
      if (text.charCodeAt(i) === 0 || text.charCodeAt(i) >= 128) throw new Error("not ASCII");
    return fromText(text);
  },
  (bytes) => flag(bytes.length === 36 && meetsTarget(bytes.subarray(4), readUint(bytes, 0, 4))),
];

export const WORKS = WORK.length;
/** The one in which a stand-in for SHA-256 makes the hash: C behind its bindings takes the real one, so it is left out there. */
export const BITCOIN_WORK = 15;

/** @param input 4 bytes at least */
export function resultOf(input: Uint8Array): Uint8Array {
  const [what = 0, p = 0, q = 0, r = 0] = input;
  try {
    return (WORK[what % WORKS] as Work)(input.subarray(PARAMETERS), p, q, r);
  } catch {
    return Uint8Array.of(255);
  }
}

function sure<T>(value: T | Rejection): T {
  if (value instanceof Rejection) throw value;
  return value;
}

function halves(bytes: Uint8Array, at: number): [Uint8Array, Uint8Array] {
  const cut = Math.min(at, bytes.length);
  return [bytes.subarray(0, cut), bytes.subarray(cut)];
}

function flag(value: boolean): Uint8Array {
  return Uint8Array.of(value ? 1 : 0);
}

function uint(value: number): Uint8Array {
  const bytes = new Uint8Array(6);
  writeUint(bytes, value, 0, 6);
  return bytes;
}
