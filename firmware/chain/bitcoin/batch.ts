// Consecutive Bitcoin headers in one go, as a mote catches up: on XS an object, a private field or a comparison byte by byte
// adds up to more than the hash itself.
//
// Promises: takes a header only where it is plain that every rule of `checkClaim` holds: the bits of its parent where no others
// can be asked for, a time after its parent's, a version at the highest floor. At all else (the turn of a period, a block that is
// dated back, an exception of a test network, and whatever does not hold) it stops, and the consensus has to say. So what is
// taken is what `verify` takes, header by header (test/unit/chain/bitcoin/batch.test.ts).

import { BITCOIN_LIMITS_BYTES, takeBitcoin } from "../../bytes/primitives.js";
import { copyInto } from "../../bytes.js";
import type { CryptoEngine } from "../../crypto/engine.js";
import { HASH_BYTES } from "../consensus.js";
import { DELTA_BYTES } from "./header.js";
import { type BitcoinRules, CLOCK_DRIFT_S, MEDIAN_TIMES, versionFloor } from "./rules.js";
import { BitcoinTrusted, settledAt } from "./state.js";

const TIME_MAX_S = 0xffff_ffff;

/**
 * Takes headers from `raws[from]` on, as long as they are plainly children of one another, the first of `trusted`.
 * @param deltas of the headers before `raws[from]`; gets one for each that is taken
 * @returns the state after the last of them
 */
export function takePlain(
  engine: CryptoEngine,
  rules: BitcoinRules,
  trusted: BitcoinTrusted,
  raws: readonly Uint8Array[],
  from: number,
  nowS: number | undefined,
  deltas: Uint8Array[],
): BitcoinTrusted {
  const end = Math.min(raws.length, from + plainBlocks(rules, trusted));
  if (end <= from) return trusted;
  const limits = limitsOf(rules, versionFloor(rules, trusted.number + end - from), nowS);
  let parent = deltaOf(trusted);
  let at = from;
  for (; at < end; at += 1) {
    const delta = new Uint8Array(DELTA_BYTES);
    if (!takeBitcoin(raws[at] as Uint8Array, parent, limits, delta, engine.sha256)) break;
    deltas[at] = delta;
    parent = delta;
  }
  return stateAfter(rules, trusted, deltas, from, at);
}

/** What a header may claim, as `takeBitcoin` reads it. */
function limitsOf(rules: BitcoinRules, floor: number, nowS: number | undefined): Uint8Array {
  const limits = new Uint8Array(BITCOIN_LIMITS_BYTES);
  const view = new DataView(limits.buffer);
  view.setInt32(0, floor, true);
  view.setUint32(4, nowS === undefined ? TIME_MAX_S : Math.min(nowS + CLOCK_DRIFT_S, TIME_MAX_S), true);
  view.setUint32(8, rules.easyAfterS ?? TIME_MAX_S, true);
  return limits;
}

/** The delta that led to `trusted`, whether or not that is known. */
function deltaOf({ hash, timeS, bits }: BitcoinTrusted): Uint8Array {
  const delta = new Uint8Array(DELTA_BYTES);
  const view = new DataView(delta.buffer);
  copyInto(delta, 0, hash);
  view.setUint32(HASH_BYTES, timeS, true);
  view.setUint32(HASH_BYTES + 4, bits, true);
  return delta;
}

/** How many blocks after `trusted` can have no other bits than it has, and begin no period. */
function plainBlocks(rules: BitcoinRules, { number, bits, periodBits }: BitcoinTrusted): number {
  if (rules.easyAfterS !== undefined && periodBits !== bits) return 0;
  return rules.period - 1 - (number % rules.period);
}

/** The state after the blocks that left the deltas from `from` up to `end`. */
function stateAfter(
  rules: BitcoinRules,
  before: BitcoinTrusted,
  deltas: readonly Uint8Array[],
  from: number,
  end: number,
): BitcoinTrusted {
  if (end === from) return before;
  const delta = deltas[end - 1] as Uint8Array;
  const number = before.number + end - from;
  const times = before.times.slice(Math.max(0, before.times.length + end - from - MEDIAN_TIMES));
  for (let at = Math.max(from, end - MEDIAN_TIMES); at < end; at += 1) times.push(timeOf(deltas[at] as Uint8Array));
  const { bits, periodStartTimeS, periodStartBits, workBefore } = before;
  return new BitcoinTrusted({
    ...{ number, hash: delta.subarray(0, HASH_BYTES), timeS: times[times.length - 1] as number, bits, times },
    ...{ periodStartTimeS, periodStartBits, periodBits: bits === rules.limitBits ? before.periodBits : bits },
    ...settledAt(before, number, times),
    ...{ workBefore, run: before.run + end - from, delta },
  });
}

function timeOf(delta: Uint8Array): number {
  return new DataView(delta.buffer, delta.byteOffset).getUint32(HASH_BYTES, true);
}
