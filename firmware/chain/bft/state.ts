// What is believed about an IBFT 1, IBFT 2.0 or QBFT chain after one block, and its bytes (packing is ours).
//
// Promises: immutable; packed byte strings, shared between states where a block changed nothing; at most 2 KiB serialised for
// 21 validators. `deserialize` takes only what `serialize` writes (trusted-malformed). Never holds a view of a raw header.

import { ADDRESS_BYTES } from "../../bytes/primitives.js";
import { scalarBytes } from "../../codec/rlp.js";
import type { Rejection } from "../../rejection.js";
import type { Trusted } from "../consensus.js";

import type { Gas } from "../ethereum/gas.js";
import { BLOCK_BYTES, GAS_BYTES, malformed, refusalOf, SCALAR_BYTES_MAX, StateReader, StateWriter } from "../ethereum/state.js";
import { VOTE_BYTES } from "../ethereum/vote-table.js";
import { VALIDATORS_MAX } from "./extra.js";
import { type ValidatorSet, VOTE_FOR } from "./votes.js";

const FORMAT = 1;
const FLAG_VOTES = 1;
const FLAG_GAS = 2;
const FLAG_BASE_FEE = 4;

export interface BftFields extends ValidatorSet {
  readonly number: number;
  /** Of the block, not of the raw header. */
  readonly hash: Uint8Array;
  readonly timeS: number;
  /** Undefined after a checkpoint that does not tell. */
  readonly gas: Gas | undefined;
  readonly delta: Uint8Array;
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
  readonly delta: Uint8Array;

  constructor(fields: BftFields) {
    this.number = fields.number;
    this.hash = fields.hash;
    this.timeS = fields.timeS;
    this.gas = fields.gas;
    this.validators = fields.validators;
    this.votes = fields.votes;
    this.delta = fields.delta;
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
  const listBytes = 1 + validators.length + (votes === undefined ? 0 : 1 + votes.length);
  const writer = new StateWriter(2 + BLOCK_BYTES + gasBytes + listBytes);
  writer.uint(FORMAT, 1);
  writer.uint(
    (votes === undefined ? 0 : FLAG_VOTES) | (gas === undefined ? 0 : FLAG_GAS) | (fee === undefined ? 0 : FLAG_BASE_FEE),
    1,
  );
  writer.block(trusted);
  if (gas !== undefined) writer.gas(gas);
  if (fee !== undefined) writer.counted(fee.length, fee);
  writer.counted(trusted.validatorCount, validators);
  if (votes !== undefined) writer.counted(votes.length / VOTE_BYTES, votes);
  return writer.end();
}

/** Strict inverse of `serializeBft`, with no delta. */
export function deserializeBft(bytes: Uint8Array): BftTrusted | Rejection {
  const reader = new StateReader(bytes);
  try {
    reader.format(FORMAT);
    const flags = reader.count(FLAG_VOTES | FLAG_GAS | FLAG_BASE_FEE, "as flags");
    const hasFee = (flags & FLAG_BASE_FEE) !== 0;
    if (hasFee && (flags & FLAG_GAS) === 0) throw malformed("a base fee without gas");
    const { number, hash, timeS } = reader.block();
    let gas: Gas | undefined;
    if ((flags & FLAG_GAS) !== 0) {
      const gasLimit = reader.uint64();
      const gasUsed = reader.uint64();
      gas = { gasLimit, gasUsed, baseFee: undefined };
      if (hasFee) gas = { gasLimit, gasUsed, baseFee: reader.scalar(reader.count(SCALAR_BYTES_MAX, "bytes of base fee")) };
    }
    const validators = reader.addresses(VALIDATORS_MAX, "validators");
    const votes = (flags & FLAG_VOTES) === 0 ? undefined : reader.votes(validators, VOTE_FOR);
    reader.end();
    return new BftTrusted({ number, hash, timeS, gas, validators, votes, delta: new Uint8Array(0) });
  } catch (error) {
    return refusalOf(error);
  }
}
