// The header of an Ethereum-family block, read from its RLP (Yellow Paper §4.4.3, EIPs 1559, 4895, 4844, 4788, 7685).
//
// Promises: 15 fields of fixed widths and an ordered tail, where presence decides and not value, scalars in their shortest
// form, no byte unaccounted for. Tail items beyond those named are kept as they are, since they enter the hash. Fields are
// views of the raw bytes. Never judges whether the chain allows what it reads: that is for the consensus.
//
// Codes: header-too-long, header-malformed (not a list of such items), header-width (a field of another width),
// header-scalar (a scalar with a leading zero or beyond its range), and those of the RLP decoder.

import { readUint } from "../bytes.js";
import { listPrefix, prefixBytes, RlpCursor, scalarOf, stringPrefix } from "../codec/rlp.js";
import type { CryptoEngine } from "../crypto/engine.js";
import { assert, Rejection } from "../rejection.js";
import type { Header } from "./consensus.js";

/**
 * The longest header that is taken in, so that a message of 4,096 bytes holds it. How many signers or validators are followed
 * is derived from it, so that the widest header of as many still fits.
 */
export const HEADER_BYTES_MAX = 4032;
/** Items after the nonce. Prague has 6. */
const TAIL_ITEMS_MAX = 16;

const PARENT_HASH = 0;
const OMMERS_HASH = 1;
const COINBASE = 2;
const STATE_ROOT = 3;
const TRANSACTIONS_ROOT = 4;
const RECEIPTS_ROOT = 5;
const DIFFICULTY = 7;
const NUMBER = 8;
const GAS_LIMIT = 9;
const GAS_USED = 10;
const TIMESTAMP = 11;
const EXTRA_DATA = 12;
const MIX_HASH = 13;
const NONCE = 14;
const FIXED_FIELDS = 15;
const BASE_FEE = FIXED_FIELDS;

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
  readonly #engine: CryptoEngine;
  /** Where the content of item i begins and ends: at 2i and 2i + 1. */
  readonly #bounds: readonly number[];
  readonly #listStart: number;
  readonly #extraItemStart: number;
  #hash: Uint8Array | undefined;

  /** For `decodeHeader` alone. */
  constructor(engine: CryptoEngine, raw: Uint8Array, bounds: readonly number[], listStart: number, extraItemStart: number) {
    this.#engine = engine;
    this.raw = raw;
    this.#bounds = bounds;
    this.#listStart = listStart;
    this.#extraItemStart = extraItemStart;
    this.tailItems = bounds.length / 2 - FIXED_FIELDS;
    this.number = readUint(this.item(NUMBER));
    this.timeS = readUint(this.item(TIMESTAMP));
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
  /** Below 2^64. */
  get gasLimit(): bigint {
    return scalarOf(this.item(GAS_LIMIT));
  }
  /** Below 2^64. */
  get gasUsed(): bigint {
    return scalarOf(this.item(GAS_USED));
  }
  get extraData(): Uint8Array {
    return this.item(EXTRA_DATA);
  }
  get mixHash(): Uint8Array {
    return this.item(MIX_HASH);
  }
  /** 8 bytes. */
  get nonce(): Uint8Array {
    return this.item(NONCE);
  }
  /** Undefined before London. */
  get baseFee(): bigint | undefined {
    return this.tailItems > 0 ? scalarOf(this.item(BASE_FEE)) : undefined;
  }

  /** keccak256 of this header with `extraData` in the place of its own: what seals are over. */
  hashWithExtraData(extraData: Uint8Array): Uint8Array {
    const { raw } = this;
    const before = raw.subarray(this.#listStart, this.#extraItemStart);
    const after = raw.subarray(this.#bounds[2 * EXTRA_DATA + 1] as number);
    const prefix = stringPrefix(extraData);
    const list = listPrefix(before.length + prefix.length + extraData.length + after.length);
    return this.#engine.keccak256(list, before, prefix, extraData, after);
  }

  private item(index: number): Uint8Array {
    const start = this.#bounds[2 * index];
    const end = this.#bounds[2 * index + 1];
    assert(start !== undefined && end !== undefined, "a field that the header has");
    return this.raw.subarray(start, end);
  }
}

/** Reads `raw`; it stays in use by the header that is answered. */
export function decodeHeader(engine: CryptoEngine, raw: Uint8Array): EthereumHeader | Rejection {
  if (raw.length > HEADER_BYTES_MAX) return new Rejection("header-too-long", `${raw.length} bytes, ${HEADER_BYTES_MAX} at most`);
  try {
    const list = new RlpCursor(raw);
    list.next();
    if (!list.isList) return new Rejection("header-malformed", "no list");
    if (!list.atEnd) return new Rejection("rlp-trailing", `${raw.length - list.end} bytes after the header`);
    const bounds: number[] = [];
    const cursor = new RlpCursor(raw, list.start, list.end);
    let extraItemStart = 0;
    for (let i = 0; !cursor.atEnd; i += 1) {
      if (i === FIXED_FIELDS + TAIL_ITEMS_MAX) return new Rejection("header-malformed", `more than ${i} items`);
      cursor.next();
      if (i < WIDTHS.length) checkField(raw, cursor, i);
      if (i === EXTRA_DATA) extraItemStart = cursor.itemStart;
      bounds.push(cursor.start, cursor.end);
    }
    if (bounds.length < 2 * FIXED_FIELDS)
      return new Rejection("header-malformed", `${bounds.length / 2} items of ${FIXED_FIELDS}`);
    return new EthereumHeader(engine, raw, bounds, list.start, extraItemStart);
  } catch (error) {
    if (error instanceof Rejection) return error;
    throw error;
  }
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
