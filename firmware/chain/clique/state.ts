// What is believed about a Clique chain after one block, and its bytes (EIP-225; packing is ours).
//
// Promises: immutable; packed byte strings instead of objects, shared between states where a block changed nothing;
// at most 2 KiB serialised for 21 signers. `deserialize` takes only what `serialize` writes (trusted-malformed).
// Never holds a view of a raw header.

import { readUint, writeUint } from "../../bytes.js";
import { scalarBytes, scalarOf } from "../../codec/rlp.js";
import { assert, Rejection } from "../../rejection.js";
import type { Trusted } from "../consensus.js";
import { HASH_BYTES } from "../consensus.js";
import { ADDRESS_BYTES, isAscending } from "../ethereum/address-set.js";
import type { Gas } from "../ethereum/gas.js";
import { malformed, putUint64 } from "../ethereum/state.js";
import { VOTE_BYTES, VOTES_MAX } from "../ethereum/vote-table.js";

/** The most signers that are followed; a vote that would add one more is refused. */
export const SIGNERS_MAX = 64;

/** The signer and the time of the block's parent, in seconds. */
export const RECENT_BYTES = ADDRESS_BYTES + 6;

// A number: XS takes a BigInt in flash for unequal to the same one on the heap (=== and !== alone; docs/design.md).
/** The most that a block weighs. */
export const DIFFICULTY_IN_TURN = 2;

const FORMAT = 1;
const DIFFICULTY_BYTES_MAX = 32;

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
  readonly step: Uint8Array;
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
  readonly step: Uint8Array;

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
    this.step = fields.step;
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
 * (0, or 16 and the base fee with 1 + its length), signers, forgotten flags (0 or as many as signers), recents, votes.
 */
export function serializeClique(trusted: CliqueTrusted): Uint8Array {
  const work = scalarBytes(trusted.totalDifficulty);
  const { gas, signers, forgotten, recents, votes } = trusted;
  const fee = gas?.baseFee === undefined ? undefined : scalarBytes(gas.baseFee);
  const gasBytes = gas === undefined ? 1 : 18 + (fee === undefined ? 0 : fee.length);
  const fixed = 1 + 6 + HASH_BYTES + 6 + 6 + 6;
  const bytes = new Uint8Array(
    fixed + 1 + work.length + gasBytes + 4 + signers.length + forgotten.length + recents.length + votes.length,
  );
  bytes[0] = FORMAT;
  writeUint(bytes, trusted.number, 1, 6);
  bytes.set(trusted.hash, 7);
  writeUint(bytes, trusted.timeS, 39, 6);
  writeUint(bytes, trusted.settled, 45, 6);
  writeUint(bytes, trusted.settledTimeS, 51, 6);
  let at = fixed;
  const put = (count: number, content: Uint8Array): void => {
    bytes[at] = count;
    bytes.set(content, at + 1);
    at += 1 + content.length;
  };
  put(work.length, work);
  if (gas === undefined) at += 1;
  else {
    bytes[at] = 1;
    putUint64(bytes, gas.gasLimit, at + 1);
    putUint64(bytes, gas.gasUsed, at + 9);
    at += 17;
    if (fee === undefined) at += 1;
    else put(1 + fee.length, fee);
  }
  put(trusted.signerCount, signers);
  put(forgotten.length, forgotten);
  put(recents.length / RECENT_BYTES, recents);
  put(votes.length / VOTE_BYTES, votes);
  assert(at === bytes.length, "a state as long as it was measured");
  return bytes;
}

/** Strict inverse of `serializeClique`, with no step. */
export function deserializeClique(bytes: Uint8Array): CliqueTrusted | Rejection {
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
    const number = readUint(take(6));
    const hash = take(HASH_BYTES);
    const timeS = readUint(take(6));
    const settled = readUint(take(6));
    const settledTimeS = readUint(take(6));
    const totalDifficulty = scalar(take(count(DIFFICULTY_BYTES_MAX, "bytes of difficulty")));
    const gas = count(1, "as a flag") === 0 ? undefined : takeGas(take, count);
    const signers = take(ADDRESS_BYTES * count(SIGNERS_MAX, "signers"));
    const signerCount = signers.length / ADDRESS_BYTES;
    const forgotten = take(count(signerCount, "flags"));
    const recents = take(RECENT_BYTES * count(recentsKept(signerCount), "recent signers"));
    const votes = take(VOTE_BYTES * count(VOTES_MAX, "votes"));
    if (at < bytes.length) throw malformed(`${bytes.length - at} bytes too many`);
    if (!isAscending(signers)) throw malformed("signers out of order");
    if (
      forgotten.length > 0 &&
      (forgotten.length !== signerCount || !forgotten.includes(1) || forgotten.some((flag) => flag > 1))
    )
      throw malformed("flags that are none");
    for (let vote = 0; vote < votes.length; vote += VOTE_BYTES)
      if ((votes[vote] as number) >= signerCount) throw malformed("a vote by nobody");
    if (settled > number) throw malformed("settled above its head");
    const step = new Uint8Array(0);
    const fields = { number, hash, timeS, totalDifficulty, settled, settledTimeS, gas, signers, recents, votes, forgotten, step };
    return new CliqueTrusted(fields);
  } catch (error) {
    if (error instanceof Rejection) return error;
    throw error;
  }
}

function takeGas(take: (length: number) => Uint8Array, count: (max: number, what: string) => number): Gas {
  const gasLimit = scalarOf(take(8));
  const gasUsed = scalarOf(take(8));
  const feeBytes = count(33, "bytes of base fee");
  return { gasLimit, gasUsed, baseFee: feeBytes === 0 ? undefined : scalar(take(feeBytes - 1)) };
}

function scalar(content: Uint8Array): bigint {
  if (content[0] === 0) throw malformed("a scalar with a leading zero");
  return scalarOf(content);
}
