// The header of an Ethereum-family block, read from its RLP (Yellow Paper §4.4.3, EIPs 1559, 4895, 4844, 4788, 7685).
//
// Promises: 15 fields of fixed widths and an ordered tail, where presence decides and not value, scalars in their shortest
// form, no byte unaccounted for. Tail items beyond those named are kept as they are, since they enter the hash. Fields are
// views of the raw bytes. Never judges whether the chain allows what it reads: that is for the consensus (`checkNoOmmers` is what
// all have in common).
//
// Codes: header-too-long, header-malformed (not a list of such items), header-width (a field of another width),
// header-scalar (a scalar with a leading zero or beyond its range), and those of the RLP decoder.

import {
  copyItem,
  itemEquals,
  itemIsFilled,
  itemIsHex,
  itemUint,
  itemView,
  scanHeader,
  spliceItem,
  TABLE_BYTES,
} from "../../bytes/primitives.js";
import { concat, readUint, writeUint } from "../../bytes.js";
import { listPrefix, prefixBytes, RlpCursor, scalarOf, stringPrefix } from "../../codec/rlp.js";
import type { CryptoEngine } from "../../crypto/engine.js";
import { assert, Rejection } from "../../rejection.js";
import { HEADER_BYTES_MAX, type Header } from "../consensus.js";
import type { Gas } from "./gas.js";

/** Items after the nonce. Prague has 6. */
const TAIL_ITEMS_MAX = 16;

export const PARENT_HASH = 0;
export const OMMERS_HASH = 1;
export const COINBASE = 2;
const STATE_ROOT = 3;
const TRANSACTIONS_ROOT = 4;
const RECEIPTS_ROOT = 5;
const DIFFICULTY = 7;
const NUMBER = 8;
const GAS_LIMIT = 9;
const GAS_USED = 10;
const TIMESTAMP = 11;
const EXTRA_DATA = 12;
export const MIX_HASH = 13;
export const NONCE = 14;
const FIXED_FIELDS = 15;
const BASE_FEE = FIXED_FIELDS;

/** Of the vanity that `extraData` begins with. */
export const VANITY_BYTES = 32;
/** r ‖ s ‖ v. */
export const SEAL_BYTES = 65;

/** keccak256(RLP([])): of `OMMERS_HASH`. */
export const NO_OMMERS = "1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347";

const ANY = 1000;
/** Width of each field in bytes; below zero: a scalar of at most that many bytes. Number and time stay below 2^48. */
const WIDTHS: readonly number[] = Object.freeze([
  ...[32, 32, 20, 32, 32, 32, 256, -32, -6, -8, -8, -6, ANY, 32, 8],
  ...[-32, 32, -8, -8, 32, 32], // the tail up to Prague
]);
/** The widest header up to Prague in bytes, but for what its extra data holds. */
export const WITHOUT_EXTRA_BYTES_MAX = WIDTHS.reduce(
  (sum, width) => sum + (width === ANY ? 0 : Math.abs(width)) + prefixBytes(width),
  prefixBytes(HEADER_BYTES_MAX),
);
const NAMES: readonly string[] = Object.freeze(
  (
    "parentHash ommersHash coinbase stateRoot transactionsRoot receiptsRoot logsBloom difficulty number gasLimit gasUsed " +
    "timestamp extraData mixHash nonce baseFeePerGas withdrawalsRoot blobGasUsed excessBlobGas parentBeaconBlockRoot requestsHash"
  ).split(" "),
);

/** One decoded header. Every `Uint8Array` that it answers is a view of `raw`, except the hashes. */
export class EthereumHeader implements Header {
  readonly raw: Uint8Array;
  readonly number: number;
  readonly timeS: number;
  /** How many items follow the nonce. */
  readonly tailItems: number;
  /** A view that is made once, since everything asks for it. */
  readonly extraData: Uint8Array;
  readonly #engine: CryptoEngine;
  /** Where the content of each item begins and ends (bytes/primitives.ts). */
  readonly #table: Uint8Array;
  #hash: Uint8Array | undefined;
  #gas: Gas | undefined;

  /** For `decodeHeader` alone. */
  constructor(engine: CryptoEngine, raw: Uint8Array, table: Uint8Array, items: number) {
    this.#engine = engine;
    this.raw = raw;
    this.#table = table;
    this.tailItems = items - FIXED_FIELDS;
    this.number = itemUint(raw, table, NUMBER);
    this.timeS = itemUint(raw, table, TIMESTAMP);
    this.extraData = itemView(raw, table, EXTRA_DATA);
  }

  /** keccak256 of the raw header. */
  get hash(): Uint8Array {
    this.#hash ??= this.#engine.keccak256(this.raw);
    return this.#hash;
  }

  get parentHash(): Uint8Array {
    return this.item(PARENT_HASH);
  }
  get ommersHash(): Uint8Array {
    return this.item(OMMERS_HASH);
  }
  get coinbase(): Uint8Array {
    return this.item(COINBASE);
  }
  get stateRoot(): Uint8Array {
    return this.item(STATE_ROOT);
  }
  get transactionsRoot(): Uint8Array {
    return this.item(TRANSACTIONS_ROOT);
  }
  get receiptsRoot(): Uint8Array {
    return this.item(RECEIPTS_ROOT);
  }
  get difficulty(): bigint {
    return scalarOf(this.item(DIFFICULTY));
  }
  /** The difficulty as a number; Infinity from 2^48 on. */
  get weight(): number {
    return itemUint(this.raw, this.#table, DIFFICULTY);
  }
  get gas(): Gas {
    this.#gas ??= {
      gasLimit: this.scalar(GAS_LIMIT),
      gasUsed: this.scalar(GAS_USED),
      baseFee: this.tailItems > 0 ? this.scalar(BASE_FEE) : undefined,
    };
    return this.#gas;
  }
  get mixHash(): Uint8Array {
    return this.item(MIX_HASH);
  }
  /** 8 bytes. */
  get nonce(): Uint8Array {
    return this.item(NONCE);
  }

  /** Whether field `index` (`PARENT_HASH`, …) is `bytes`. */
  has(index: number, bytes: Uint8Array): boolean {
    return itemEquals(this.raw, this.#table, index, bytes);
  }

  /** Whether field `index` is what `hex` says. */
  hasHex(index: number, hex: string): boolean {
    return itemIsHex(this.raw, this.#table, index, hex);
  }

  /** Whether every byte of field `index` is `value`. */
  isFilled(index: number, value: number): boolean {
    return itemIsFilled(this.raw, this.#table, index, value);
  }

  /** Writes gas limit and gas used, 8 bytes each, at `at`. */
  putGas(into: Uint8Array, at: number): void {
    copyItem(into, at + 8, this.raw, this.#table, GAS_LIMIT);
    copyItem(into, at + 16, this.raw, this.#table, GAS_USED);
  }

  /** The base fee as a scalar's content; empty where it is zero, or the header has none. */
  get baseFeeBytes(): Uint8Array {
    return this.tailItems > 0 ? this.item(BASE_FEE) : new Uint8Array(0);
  }

  /** keccak256 of this header with `extraData` in the place of its own: what seals are over. */
  hashWithExtraData(extraData: Uint8Array): Uint8Array {
    return this.#engine.keccak256(withItem(this.raw, this.#table, EXTRA_DATA, extraData));
  }

  private item(index: number): Uint8Array {
    assert(index < FIXED_FIELDS + this.tailItems, "a field that the header has");
    return itemView(this.raw, this.#table, index);
  }

  private scalar(index: number): bigint {
    const value = itemUint(this.raw, this.#table, index);
    return value === Number.POSITIVE_INFINITY ? scalarOf(this.item(index)) : BigInt(value);
  }
}

/** Reads `raw`; it stays in use by the header that is answered. */
export function decodeHeader(engine: CryptoEngine, raw: Uint8Array): EthereumHeader | Rejection {
  const table = new Uint8Array(TABLE_BYTES);
  try {
    return new EthereumHeader(engine, raw, table, itemsOf(raw, table));
  } catch (error) {
    if (error instanceof Rejection) return error;
    throw error;
  }
}

/** Fills `table` (bytes/primitives.ts) for a header, and answers how many items it has; throws a `Rejection`. */
export function itemsOf(raw: Uint8Array, table: Uint8Array): number {
  return scanHeader(raw, table) || lookAtItems(raw, table);
}

/** The header that `table` is of, with `content` as its item `index`, which is not the first. */
export function withItem(raw: Uint8Array, table: Uint8Array, index: number, content: Uint8Array): Uint8Array {
  const spliced = spliceItem(raw, table, index, content);
  if (spliced !== undefined) return spliced;
  // An item begins where the one before it ends; the first has one byte of prefix.
  const before = raw.subarray(readUint(table, 0, 2) - 1, readUint(table, 4 * index - 2, 2));
  const after = raw.subarray(readUint(table, 4 * index + 2, 2));
  const prefix = stringPrefix(content);
  const list = listPrefix(before.length + prefix.length + content.length + after.length);
  return concat(list, before, prefix, content, after);
}

/** Fills `table` item by item, and answers how many there are; throws the `Rejection` that says what is wrong. */
function lookAtItems(raw: Uint8Array, table: Uint8Array): number {
  if (raw.length > HEADER_BYTES_MAX) throw new Rejection("header-too-long", `${raw.length} bytes, ${HEADER_BYTES_MAX} at most`);
  const list = new RlpCursor(raw);
  list.next();
  if (!list.isList) throw new Rejection("header-malformed", "no list");
  if (!list.atEnd) throw new Rejection("rlp-trailing", `${raw.length - list.end} bytes after the header`);
  const cursor = new RlpCursor(raw, list.start, list.end);
  let items = 0;
  for (; !cursor.atEnd; items += 1) {
    if (items === FIXED_FIELDS + TAIL_ITEMS_MAX) throw new Rejection("header-malformed", `more than ${items} items`);
    cursor.next();
    if (items < WIDTHS.length) checkField(raw, cursor, items);
    writeUint(table, cursor.start, 4 * items, 2);
    writeUint(table, cursor.end, 4 * items + 2, 2);
  }
  if (items < FIXED_FIELDS) throw new Rejection("header-malformed", `${items} items of ${FIXED_FIELDS}`);
  return items;
}

function checkField(raw: Uint8Array, cursor: RlpCursor, index: number): void {
  const width = WIDTHS[index] as number;
  const length = cursor.end - cursor.start;
  if (cursor.isList) throw new Rejection("header-malformed", `${NAMES[index]} is a list`);
  if (width === ANY) return;
  if (width > 0) {
    if (length !== width) throw new Rejection("header-width", `${NAMES[index]} has ${length} bytes, not ${width}`);
  } else if (length > -width || (length > 0 && raw[cursor.start] === 0))
    throw new Rejection("header-scalar", `${NAMES[index]} is not a scalar of at most ${-width} bytes in its shortest form`);
}

/** ommers-wrong: nobody mines these chains. */
export function checkNoOmmers(header: EthereumHeader): Rejection | undefined {
  return header.hasHex(OMMERS_HASH, NO_OMMERS) ? undefined : new Rejection("ommers-wrong", "not the hash of an empty list");
}
