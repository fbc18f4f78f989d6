// What is believed about a Bitcoin chain after one block, and its bytes (packing is ours).
//
// Promises: immutable; at most 143 bytes serialised, whatever the height. The sum of work is made when it is asked for, so
// that a header costs no arithmetic on large integers while the bits stay the same. `deserialize` takes only what `serialize`
// writes (trusted-malformed). Never holds a view of a raw header.

import { readUint, writeUint } from "../../bytes.js";
import { scalarBytes, scalarOf } from "../../codec/rlp.js";
import { assert, Rejection } from "../../rejection.js";
import { HASH_BYTES, type Trusted } from "../consensus.js";
import { type BitcoinTip, MEDIAN_TIMES, medianOf } from "./rules.js";
import { bitsFault, workOf } from "./target.js";

const FORMAT = 1;
const NUMBER_BYTES = 6;
const WORD_BYTES = 4;
const WORK_BYTES_MAX = 32;
const WORDS = 5;
const TIMES_AT = 1 + NUMBER_BYTES + HASH_BYTES + NUMBER_BYTES + WORDS * WORD_BYTES;

export interface BitcoinFields extends BitcoinTip {
  readonly hash: Uint8Array;
  readonly settled: number;
  readonly settledTimeS: number;
  /** Work of the chain, its newest `run` blocks left out, which all have the bits of the newest. */
  readonly workBefore: bigint;
  readonly run: number;
  readonly delta: Uint8Array;
}

export class BitcoinTrusted implements Trusted, BitcoinFields {
  readonly number: number;
  readonly hash: Uint8Array;
  readonly timeS: number;
  readonly bits: number;
  readonly times: readonly number[];
  readonly periodStartTimeS: number;
  readonly periodStartBits: number;
  readonly periodBits: number;
  readonly settled: number;
  readonly settledTimeS: number;
  readonly workBefore: bigint;
  readonly run: number;
  readonly delta: Uint8Array;

  constructor(fields: BitcoinFields) {
    this.number = fields.number;
    this.hash = fields.hash;
    this.timeS = fields.timeS;
    this.bits = fields.bits;
    this.times = fields.times;
    this.periodStartTimeS = fields.periodStartTimeS;
    this.periodStartBits = fields.periodStartBits;
    this.periodBits = fields.periodBits;
    this.settled = fields.settled;
    this.settledTimeS = fields.settledTimeS;
    this.workBefore = fields.workBefore;
    this.run = fields.run;
    this.delta = fields.delta;
  }

  /** The chain's work up to here, this block included. */
  get totalDifficulty(): bigint {
    return this.run === 0 ? this.workBefore : this.workBefore + workOf(this.bits) * BigInt(this.run);
  }
}

/** The newest times after a block of `timeS`. */
export function timesAfter(times: readonly number[], timeS: number): number[] {
  const after = times.slice(times.length < MEDIAN_TIMES ? 0 : 1);
  after.push(timeS);
  return after;
}

/** How many blocks are built on one that counts as settled. */
export const SETTLED_DEPTH = 6;

/** What is settled at block `number`, of which `times` are the newest: `before` at least. */
export function settledAt(
  before: Pick<BitcoinFields, "settled" | "settledTimeS">,
  number: number,
  times: readonly number[],
): { settled: number; settledTimeS: number } {
  const settled = number - SETTLED_DEPTH;
  return settled > before.settled
    ? { settled, settledTimeS: times[times.length - 1 - SETTLED_DEPTH] as number }
    : { settled: before.settled, settledTimeS: before.settledTimeS };
}

/**
 * Format, number (6), hash (32), settled (6), its time (4), bits (4), time and bits of the period's first block (4, 4), bits
 * of the period (4), then counted in one byte each: times (4 each, oldest first, the block's own last), work.
 */
export function serializeBitcoin(trusted: BitcoinTrusted): Uint8Array {
  const { times } = trusted;
  const work = scalarBytes(trusted.totalDifficulty);
  const bytes = new Uint8Array(TIMES_AT + 1 + times.length * WORD_BYTES + 1 + work.length);
  bytes[0] = FORMAT;
  writeUint(bytes, trusted.number, 1, NUMBER_BYTES);
  bytes.set(trusted.hash, 1 + NUMBER_BYTES);
  let at = 1 + NUMBER_BYTES + HASH_BYTES;
  writeUint(bytes, trusted.settled, at, NUMBER_BYTES);
  at += NUMBER_BYTES;
  const { settledTimeS, bits, periodStartTimeS, periodStartBits, periodBits } = trusted;
  for (const word of [settledTimeS, bits, periodStartTimeS, periodStartBits, periodBits]) {
    writeUint(bytes, word, at, WORD_BYTES);
    at += WORD_BYTES;
  }
  bytes[at] = times.length;
  at += 1;
  for (const time of times) {
    writeUint(bytes, time, at, WORD_BYTES);
    at += WORD_BYTES;
  }
  bytes[at] = work.length;
  bytes.set(work, at + 1);
  assert(at + 1 + work.length === bytes.length, "a state as long as it was measured");
  return bytes;
}

/** Strict inverse of `serializeBitcoin`, with no delta. */
export function deserializeBitcoin(bytes: Uint8Array): BitcoinTrusted | Rejection {
  const timesEnd = TIMES_AT + 1 + (bytes[TIMES_AT] ?? 0) * WORD_BYTES;
  if (bytes.length <= timesEnd || bytes[0] !== FORMAT) return malformed("cut off, or another format");
  const count = bytes[TIMES_AT] as number;
  if (count < 1 || count > MEDIAN_TIMES) return malformed(`${count} times, not 1 to ${MEDIAN_TIMES}`);
  const times: number[] = [];
  for (let i = 0; i < count; i += 1) times.push(readUint(bytes, TIMES_AT + 1 + i * WORD_BYTES, WORD_BYTES));
  const settledAt = 1 + NUMBER_BYTES + HASH_BYTES;
  const word = (index: number): number => readUint(bytes, settledAt + NUMBER_BYTES + index * WORD_BYTES, WORD_BYTES);
  const work = bytes.subarray(timesEnd + 1);
  if (work.length !== bytes[timesEnd] || work.length > WORK_BYTES_MAX || work[0] === 0) return malformed("a work that is none");
  const fields: BitcoinFields = {
    number: readUint(bytes, 1, NUMBER_BYTES),
    hash: bytes.slice(1 + NUMBER_BYTES, settledAt),
    settled: readUint(bytes, settledAt, NUMBER_BYTES),
    settledTimeS: word(0),
    bits: word(1),
    periodStartTimeS: word(2),
    periodStartBits: word(3),
    periodBits: word(4),
    times,
    timeS: times[count - 1] as number,
    workBefore: scalarOf(work),
    run: 0,
    delta: new Uint8Array(0),
  };
  const fault = fieldsFault(fields);
  return fault === undefined ? new BitcoinTrusted(fields) : malformed(fault);
}

/** What contradicts itself in fields that were not verified here; undefined where nothing does. */
export function fieldsFault(fields: BitcoinFields): string | undefined {
  const { bits, periodStartBits, periodBits, times, timeS } = fields;
  for (const some of [bits, periodStartBits, periodBits]) {
    const fault = bitsFault(some);
    if (fault !== undefined) return `bits 0x${some.toString(16)}: ${fault}`;
  }
  if (timeS < medianOf(times)) return "a newest time before the median: no chain has it"; // `checkClaim` rests on this
  return fields.settled > fields.number ? "settled above its head" : undefined;
}

function malformed(reason: string): Rejection {
  return new Rejection("trusted-malformed", reason);
}
