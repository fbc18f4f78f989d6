// What is believed about an IBFT 1, IBFT 2.0 or QBFT chain after one block, and its bytes (packing is ours).
//
// Promises: immutable; packed byte strings, shared between states where a block changed nothing; at most 2 KiB serialised for
// 21 validators. `deserialize` takes only what `serialize` writes (trusted-malformed). Never holds a view of a raw header.

import { readUint, writeUint } from "../../bytes.js";
import { scalarBytes, scalarOf } from "../../codec/rlp.js";
import { assert, Rejection } from "../../rejection.js";
import { HASH_BYTES, type Trusted } from "../consensus.js";
import { ADDRESS_BYTES, isAscending } from "../ethereum/address-set.js";
import type { Gas } from "../ethereum/gas.js";
import { malformed, putUint64 } from "../ethereum/state.js";
import { VOTE_BYTES, VOTES_MAX } from "../ethereum/vote-table.js";
import { VALIDATORS_MAX } from "./extra.js";
import { type ValidatorSet, VOTE_FOR } from "./votes.js";

const FORMAT = 1;
const FLAG_VOTES = 1;
const FLAG_GAS = 2;
const FLAG_BASE_FEE = 4;
const FIXED_BYTES = 2 + 6 + HASH_BYTES + 6;
const GAS_BYTES = 16;
const BASE_FEE_BYTES_MAX = 32;

export interface BftFields extends ValidatorSet {
  readonly number: number;
  /** Of the block, not of the raw header. */
  readonly hash: Uint8Array;
  readonly timeS: number;
  /** Undefined after a checkpoint that does not tell. */
  readonly gas: Gas | undefined;
  readonly step: Uint8Array;
}

export class BftTrusted implements Trusted, BftFields {
  readonly number: number;
  readonly hash: Uint8Array;
  readonly timeS: number;
  readonly gas: Gas | undefined;
  /** Who seals the next block: addresses, ascending. */
  readonly validators: Uint8Array;
  /** Pending votes; undefined where they are not known: after a jump, or beyond `VOTES_MAX`, until an epoch block. */
  readonly votes: Uint8Array | undefined;
  readonly step: Uint8Array;

  constructor(fields: BftFields) {
    this.number = fields.number;
    this.hash = fields.hash;
    this.timeS = fields.timeS;
    this.gas = fields.gas;
    this.validators = fields.validators;
    this.votes = fields.votes;
    this.step = fields.step;
  }

  get validatorCount(): number {
    return this.validators.length / ADDRESS_BYTES;
  }

  /** Every block weighs 1. */
  get totalDifficulty(): bigint {
    return BigInt(this.number);
  }

  /** A sealed block is final. */
  get settled(): number {
    return this.number;
  }
  get settledTimeS(): number {
    return this.timeS;
  }
}

/**
 * Format, flags, number (6), hash (32), time (6), gas limit and gas used (8 each) where the flags say so, then counted in one
 * byte each: base fee where the flags say so, validators, votes.
 */
export function serializeBft(trusted: BftTrusted): Uint8Array {
  const { gas, validators, votes } = trusted;
  const fee = gas?.baseFee === undefined ? undefined : scalarBytes(gas.baseFee);
  const gasBytes = (gas === undefined ? 0 : GAS_BYTES) + (fee === undefined ? 0 : 1 + fee.length);
  const bytes = new Uint8Array(FIXED_BYTES + gasBytes + 1 + validators.length + (votes === undefined ? 0 : 1 + votes.length));
  bytes[0] = FORMAT;
  bytes[1] =
    (votes === undefined ? 0 : FLAG_VOTES) | (gas === undefined ? 0 : FLAG_GAS) | (fee === undefined ? 0 : FLAG_BASE_FEE);
  writeUint(bytes, trusted.number, 2, 6);
  bytes.set(trusted.hash, 8);
  writeUint(bytes, trusted.timeS, 8 + HASH_BYTES, 6);
  let at = FIXED_BYTES;
  if (gas !== undefined) {
    putUint64(bytes, gas.gasLimit, at);
    putUint64(bytes, gas.gasUsed, at + 8);
    at += GAS_BYTES;
  }
  const put = (count: number, content: Uint8Array): void => {
    bytes[at] = count;
    bytes.set(content, at + 1);
    at += 1 + content.length;
  };
  if (fee !== undefined) put(fee.length, fee);
  put(trusted.validatorCount, validators);
  if (votes !== undefined) put(votes.length / VOTE_BYTES, votes);
  assert(at === bytes.length, "a state as long as it was measured");
  return bytes;
}

/** Strict inverse of `serializeBft`, with no step. */
export function deserializeBft(bytes: Uint8Array): BftTrusted | Rejection {
  let at = 0;
  const take = (length: number): Uint8Array => {
    if (length > bytes.length - at) throw malformed(`ends within ${length} bytes at ${at}`);
    at += length;
    return bytes.slice(at - length, at);
  };
  const count = (max: number, what: string): number => {
    const value = take(1)[0] as number;
    if (value > max) throw malformed(`${value} ${what}, ${max} at most`);
    return value;
  };
  try {
    if (count(255, "") !== FORMAT) throw malformed("another format");
    const flags = count(FLAG_VOTES | FLAG_GAS | FLAG_BASE_FEE, "as flags");
    if ((flags & FLAG_BASE_FEE) !== 0 && (flags & FLAG_GAS) === 0) throw malformed("a base fee without gas");
    const number = readUint(take(6));
    const hash = take(HASH_BYTES);
    const timeS = readUint(take(6));
    let gas: Gas | undefined;
    if ((flags & FLAG_GAS) !== 0) {
      const gasLimit = scalarOf(take(8));
      const gasUsed = scalarOf(take(8));
      const fee = (flags & FLAG_BASE_FEE) === 0 ? undefined : take(count(BASE_FEE_BYTES_MAX, "bytes of base fee"));
      if (fee?.[0] === 0) throw malformed("a scalar with a leading zero");
      gas = { gasLimit, gasUsed, baseFee: fee === undefined ? undefined : scalarOf(fee) };
    }
    const validators = take(ADDRESS_BYTES * count(VALIDATORS_MAX, "validators"));
    if (!isAscending(validators)) throw malformed("validators out of order");
    const votes = (flags & FLAG_VOTES) === 0 ? undefined : take(VOTE_BYTES * count(VOTES_MAX, "votes"));
    if (at < bytes.length) throw malformed(`${bytes.length - at} bytes too many`);
    for (let vote = 0; votes !== undefined && vote < votes.length; vote += VOTE_BYTES)
      if (((votes[vote] as number) & ~VOTE_FOR) * ADDRESS_BYTES >= validators.length) throw malformed("a vote by nobody");
    return new BftTrusted({ number, hash, timeS, gas, validators, votes, step: new Uint8Array(0) });
  } catch (error) {
    if (error instanceof Rejection) return error;
    throw error;
  }
}
