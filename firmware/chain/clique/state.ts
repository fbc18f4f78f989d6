// What is believed about a Clique chain after one block, and its bytes (EIP-225; packing is ours).
//
// Promises: immutable; packed byte strings instead of objects, shared between states where a block changed nothing;
// at most 2 KiB serialised for 21 signers. `deserialize` takes only what `serialize` writes (trusted-malformed).
// Never holds a view of a raw header.

import { ADDRESS_BYTES } from "../../bytes/primitives.js";
import { scalarBytes } from "../../codec/rlp.js";
import type { Rejection } from "../../rejection.js";
import type { Trusted } from "../consensus.js";

import type { Gas } from "../ethereum/gas.js";
import {
  BLOCK_BYTES,
  GAS_BYTES,
  malformed,
  refusalOf,
  SCALAR_BYTES_MAX,
  StateReader,
  StateWriter,
  UINT48_BYTES,
} from "../ethereum/state.js";
import { VOTE_BYTES } from "../ethereum/vote-table.js";

/** The most signers that are followed; a vote that would add one more is refused. */
export const SIGNERS_MAX = 64;

/** The signer and the time of the block's parent, in seconds. */
export const RECENT_BYTES = ADDRESS_BYTES + 6;

// A number: XS takes a BigInt in flash for unequal to the same one on the heap (=== and !== alone; docs/design.md).
/** The most that a block weighs. */
export const DIFFICULTY_IN_TURN = 2;

const FORMAT = 1;

/** Who may sign, and the votes that are under way. */
export interface SignerSet {
  /** Addresses, ascending, 20 bytes each. */
  readonly signers: Uint8Array;
  /** Votes in the order in which they were cast, `VOTE_BYTES` each. */
  readonly votes: Uint8Array;
  /** One byte per signer, 1 where a vote of that signer had to be forgotten since the last epoch; empty where none was. */
  readonly forgotten: Uint8Array;
}

export interface CliqueFields extends SignerSet {
  readonly number: number;
  readonly hash: Uint8Array;
  readonly timeS: number;
  readonly totalDifficulty: bigint;
  readonly settled: number;
  readonly settledTimeS: number;
  /** Undefined after a checkpoint that does not tell. */
  readonly gas: Gas | undefined;
  /** The newest blocks' signers, oldest first, ⌊N/2⌋+1 at most, `RECENT_BYTES` each. */
  readonly recents: Uint8Array;
  readonly delta: Uint8Array;
}

export class CliqueTrusted implements Trusted, CliqueFields {
  readonly number: number;
  readonly hash: Uint8Array;
  readonly timeS: number;
  readonly totalDifficulty: bigint;
  readonly settled: number;
  readonly settledTimeS: number;
  readonly gas: Gas | undefined;
  readonly signers: Uint8Array;
  readonly recents: Uint8Array;
  readonly votes: Uint8Array;
  readonly forgotten: Uint8Array;
  readonly delta: Uint8Array;

  constructor(fields: CliqueFields) {
    this.number = fields.number;
    this.hash = fields.hash;
    this.timeS = fields.timeS;
    this.totalDifficulty = fields.totalDifficulty;
    this.settled = fields.settled;
    this.settledTimeS = fields.settledTimeS;
    this.gas = fields.gas;
    this.signers = fields.signers;
    this.recents = fields.recents;
    this.votes = fields.votes;
    this.forgotten = fields.forgotten;
    this.delta = fields.delta;
  }

  get signerCount(): number {
    return this.signers.length / ADDRESS_BYTES;
  }
}

/** How many of the newest blocks' signers are kept for a set of `count`: one more than may not sign next. */
export function recentsKept(count: number): number {
  return (count >> 1) + 1;
}

/**
 * Format, number (6), hash (32), time (6), settled (6), its time (6), then counted in one byte each: total difficulty, gas
 * (0, or 1, limit and used (8 each) and the base fee with 1 + its length), signers, forgotten flags (0 or as many as signers),
 * recents, votes.
 */
export function serializeClique(trusted: CliqueTrusted): Uint8Array {
  const work = scalarBytes(trusted.totalDifficulty);
  const { gas, signers, forgotten, recents, votes } = trusted;
  const fee = gas?.baseFee === undefined ? undefined : scalarBytes(gas.baseFee);
  const gasBytes = gas === undefined ? 1 : 1 + GAS_BYTES + 1 + (fee?.length ?? 0);
  const listBytes = 4 + signers.length + forgotten.length + recents.length + votes.length;
  const writer = new StateWriter(1 + BLOCK_BYTES + 2 * UINT48_BYTES + 1 + work.length + gasBytes + listBytes);
  writer.uint(FORMAT, 1);
  writer.block(trusted);
  writer.uint(trusted.settled, UINT48_BYTES);
  writer.uint(trusted.settledTimeS, UINT48_BYTES);
  writer.counted(work.length, work);
  writer.uint(gas === undefined ? 0 : 1, 1);
  if (gas !== undefined) {
    writer.gas(gas);
    if (fee === undefined) writer.uint(0, 1);
    else writer.counted(1 + fee.length, fee);
  }
  writer.counted(trusted.signerCount, signers);
  writer.counted(forgotten.length, forgotten);
  writer.counted(recents.length / RECENT_BYTES, recents);
  writer.counted(votes.length / VOTE_BYTES, votes);
  return writer.end();
}

/** Strict inverse of `serializeClique`, with no delta. */
export function deserializeClique(bytes: Uint8Array): CliqueTrusted | Rejection {
  const reader = new StateReader(bytes);
  try {
    reader.format(FORMAT);
    const { number, hash, timeS } = reader.block();
    const settled = reader.uint();
    const settledTimeS = reader.uint();
    if (settled > number) throw malformed("settled above its head");
    const totalDifficulty = reader.scalar(reader.count(SCALAR_BYTES_MAX, "bytes of difficulty"));
    let gas: Gas | undefined;
    if (reader.count(1, "as a flag") === 1) {
      const gasLimit = reader.uint64();
      const gasUsed = reader.uint64();
      const count = reader.count(1 + SCALAR_BYTES_MAX, "bytes of base fee");
      gas = { gasLimit, gasUsed, baseFee: count === 0 ? undefined : reader.scalar(count - 1) };
    }
    const signers = reader.addresses(SIGNERS_MAX, "signers");
    const signerCount = signers.length / ADDRESS_BYTES;
    const forgotten = reader.take(reader.count(signerCount, "flags"));
    if (
      forgotten.length > 0 &&
      (forgotten.length !== signerCount || !forgotten.includes(1) || forgotten.some((flag) => flag > 1))
    )
      throw malformed("flags that are none");
    const recents = reader.take(RECENT_BYTES * reader.count(recentsKept(signerCount), "recent signers"));
    const votes = reader.votes(signers);
    const delta = new Uint8Array(0);
    reader.end();
    return new CliqueTrusted({
      ...{ number, hash, timeS, totalDifficulty, settled, settledTimeS },
      ...{ gas, signers, recents, votes, forgotten, delta },
    });
  } catch (error) {
    return refusalOf(error);
  }
}
