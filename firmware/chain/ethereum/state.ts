// The bytes of what is believed about a chain of the Ethereum family: what Clique and the BFT family write alike. In which order
// they write it, and what else, is said in clique/state.ts and bft/state.ts. Packing is ours.
//
// Promises: integers are big-endian; what is counted has the count in one byte before it. The reader is strict: what is cut off,
// beyond its bound, in no shortest form or contradicts itself is refused (trusted-malformed), and what it answers is a copy. What
// does not fit while writing is our own mistake.

import { ADDRESS_BYTES, isAscending } from "../../bytes/primitives.js";
import { copyInto, readUint, writeUint } from "../../bytes.js";
import { scalarBytes, scalarOf } from "../../codec/rlp.js";
import { assert, Rejection } from "../../rejection.js";
import { HASH_BYTES, type Trusted } from "../consensus.js";

import type { Gas } from "./gas.js";
import { VOTE_BYTES, VOTES_MAX } from "./vote-table.js";

/** Of a height or a time in seconds. */
export const UINT48_BYTES = 6;
const UINT64_BYTES = 8;
/** Of gas limit and gas used. */
export const GAS_BYTES = 2 * UINT64_BYTES;
/** Of height, hash and time. */
export const BLOCK_BYTES = UINT48_BYTES + HASH_BYTES + UINT48_BYTES;
/** Of a total difficulty or a base fee. */
export const SCALAR_BYTES_MAX = 32;

export class StateWriter {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(length: number) {
    this.#bytes = new Uint8Array(length);
  }

  uint(value: number, length: number): void {
    writeUint(this.#bytes, value, this.#at, length);
    this.#at += length;
  }

  counted(count: number, content: Uint8Array): void {
    this.uint(count, 1);
    copyInto(this.#bytes, this.#at, content);
    this.#at += content.length;
  }

  /** Height, hash, time. */
  block({ number, hash, timeS }: Pick<Trusted, "number" | "hash" | "timeS">): void {
    this.uint(number, UINT48_BYTES);
    copyInto(this.#bytes, this.#at, hash);
    this.#at += HASH_BYTES;
    this.uint(timeS, UINT48_BYTES);
  }

  /** Gas limit and gas used. */
  gas({ gasLimit, gasUsed }: Gas): void {
    this.uint64(gasLimit);
    this.uint64(gasUsed);
  }

  /** All of it. */
  end(): Uint8Array {
    assert(this.#at === this.#bytes.length, "a state as long as it was measured");
    return this.#bytes;
  }

  private uint64(value: bigint): void {
    const content = scalarBytes(value);
    assert(content.length <= UINT64_BYTES, "a value below 2^64");
    this.#at += UINT64_BYTES;
    copyInto(this.#bytes, this.#at - content.length, content);
  }
}

/**
 * Throws a `Rejection`; whoever reads catches it (`refusalOf`). Its methods call each other as little as may be: a mote that changes over to
 * another branch reads a state where a board's stack is nearly full.
 */
export class StateReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  take(length: number): Uint8Array {
    const at = this.#at;
    if (length > this.#bytes.length - at) throw malformed(`ends within ${length} bytes at ${at}`);
    this.#at += length;
    return this.#bytes.slice(at, this.#at);
  }

  uint(length = UINT48_BYTES): number {
    const at = this.#at;
    if (length > this.#bytes.length - at) throw malformed(`ends within ${length} bytes at ${at}`);
    this.#at += length;
    return readUint(this.#bytes, at, length);
  }

  uint64(): bigint {
    return scalarOf(this.take(UINT64_BYTES));
  }

  /** @param what of which there are `max` at most */
  count(max: number, what: string): number {
    const value = this.uint(1);
    if (value > max) throw malformed(`${value} ${what}, ${max} at most`);
    return value;
  }

  format(known: number): void {
    if (this.uint(1) !== known) throw malformed("another format");
  }

  block(): Pick<Trusted, "number" | "hash" | "timeS"> {
    return { number: this.uint(), hash: this.take(HASH_BYTES), timeS: this.uint() };
  }

  scalar(length: number): bigint {
    const content = this.take(length);
    if (content[0] === 0) throw malformed("a scalar with a leading zero");
    return scalarOf(content);
  }

  /** A set of addresses, `max` at most. */
  addresses(max: number, what: string): Uint8Array {
    const set = this.take(ADDRESS_BYTES * this.count(max, what));
    if (!isAscending(set)) throw malformed(`${what} out of order`);
    return set;
  }

  /**
   * Votes of those in `set`.
   * @param flags the bits of a voter's byte that are no part of the index
   */
  votes(set: Uint8Array, flags = 0): Uint8Array {
    const votes = this.take(VOTE_BYTES * this.count(VOTES_MAX, "votes"));
    for (let at = 0; at < votes.length; at += VOTE_BYTES)
      if (((votes[at] as number) & ~flags) * ADDRESS_BYTES >= set.length) throw malformed("a vote by nobody");
    return votes;
  }

  end(): void {
    if (this.#at < this.#bytes.length) throw malformed(`${this.#bytes.length - this.#at} bytes too many`);
  }
}

/** What a reader has thrown, where that is a refusal. */
export function refusalOf(error: unknown): Rejection {
  if (error instanceof Rejection) return error;
  throw error;
}

export function malformed(reason: string): Rejection {
  return new Rejection("trusted-malformed", reason);
}
