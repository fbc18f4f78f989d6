// Consecutive Bitcoin headers in one go, as a mote catches up: on XS an object, a private field or a comparison byte by byte
// adds up to more than the hash itself.
//
// Promises: takes a header only where it is plain that every rule of `checkClaim` holds: the bits of its parent where no others
// can be asked for, a time after its parent's, a version at the highest floor. At all else (the turn of a period, a block that is
// dated back, an exception of a test network, and whatever does not hold) it stops, and the consensus has to say. So what is
// taken is what `verify` takes, header by header (test/unit/chain/bitcoin-batch.test.ts).

import type { CryptoEngine } from "../crypto/engine.js";
import { BITS_AT, HEADER_BYTES, STEP_BYTES, TIME_AT } from "./bitcoin-header.js";
import { type BitcoinRules, CLOCK_DRIFT_S, MEDIAN_TIMES, versionFloor } from "./bitcoin-rules.js";
import { BitcoinTrusted, settledAt } from "./bitcoin-state.js";
import { HASH_BYTES, meetsTarget } from "./bitcoin-target.js";

const WORD_BYTES = 4;
const HASH_WORDS = HASH_BYTES / WORD_BYTES;
const BITS_WORD = BITS_AT / WORD_BYTES;

/**
 * Takes headers from `raws[from]` on, as long as they are plainly children of one another, the first of `trusted`.
 * @param steps of the headers before `raws[from]`; gets one for each that is taken
 * @returns the state after the last of them
 */
export function takePlain(
  engine: CryptoEngine,
  rules: BitcoinRules,
  trusted: BitcoinTrusted,
  raws: readonly Uint8Array[],
  from: number,
  nowS: number | undefined,
  steps: Uint8Array[],
): BitcoinTrusted {
  const { bits } = trusted;
  const end = Math.min(raws.length, from + plainBlocks(rules, trusted));
  const floor = versionFloor(rules, trusted.number + end - from);
  const timeMaxS = nowS === undefined ? Number.POSITIVE_INFINITY : nowS + CLOCK_DRIFT_S;
  const laterMaxS = rules.easyAfterS ?? Number.POSITIVE_INFINITY;
  // One buffer in three readings. Words are compared with words alone: their bytes are in the machine's own order.
  const bytes = new Uint8Array(HEADER_BYTES);
  const words = new Uint32Array(bytes.buffer);
  const view = new DataView(bytes.buffer);
  const timeAndBits = new Uint8Array(bytes.buffer, TIME_AT, STEP_BYTES - HASH_BYTES);
  let parent = wordsOf(trusted.hash);
  /** Words from here on are zero in every hash that meets the target: they are looked at whole. */
  const topMin = Math.ceil((bits >>> 24) / WORD_BYTES);
  view.setUint32(BITS_AT, bits, true);
  const bitsWord = words[BITS_WORD];
  let timeS = trusted.timeS;
  const times: number[] = [];
  let at = from;
  for (; at < end; at += 1) {
    const raw = raws[at] as Uint8Array;
    if (raw.length !== HEADER_BYTES) break;
    bytes.set(raw);
    if (words[BITS_WORD] !== bitsWord || view.getInt32(0, true) < floor) break;
    // The parent's hash, words 1 to 8: a loop over them, or a name for each place, would cost as much as the rest.
    if (words[1] !== parent[0] || words[2] !== parent[1] || words[3] !== parent[2] || words[4] !== parent[3]) break;
    if (words[5] !== parent[4] || words[6] !== parent[5] || words[7] !== parent[6] || words[8] !== parent[7]) break;
    const claimedS = view.getUint32(TIME_AT, true);
    if (claimedS <= timeS || claimedS > timeMaxS || claimedS - timeS > laterMaxS) break;
    const hash = engine.sha256(engine.sha256(bytes));
    const step = new Uint8Array(STEP_BYTES);
    step.set(hash);
    const hashWords = new Uint32Array(step.buffer, 0, HASH_WORDS);
    let top = HASH_WORDS;
    while (top > topMin && hashWords[top - 1] === 0) top -= 1;
    if (!meetsTarget(hash, bits, top * WORD_BYTES)) break;
    step.set(timeAndBits, HASH_BYTES);
    steps[at] = step;
    times[at - from] = claimedS;
    parent = hashWords;
    timeS = claimedS;
  }
  return stateAfter(rules, trusted, times, steps);
}

/** How many blocks after `trusted` can have no other bits than it has, and begin no period. */
function plainBlocks(rules: BitcoinRules, { number, bits, periodBits }: BitcoinTrusted): number {
  if (rules.easyAfterS !== undefined && periodBits !== bits) return 0;
  return rules.period - 1 - (number % rules.period);
}

function wordsOf(hash: Uint8Array): Uint32Array {
  const aligned = hash.byteOffset % WORD_BYTES === 0 ? hash : hash.slice();
  return new Uint32Array(aligned.buffer, aligned.byteOffset, HASH_WORDS);
}

/** The state after blocks of these times, the last of which left the last of `steps`. */
function stateAfter(
  rules: BitcoinRules,
  before: BitcoinTrusted,
  added: readonly number[],
  steps: readonly Uint8Array[],
): BitcoinTrusted {
  if (added.length === 0) return before;
  const step = steps[steps.length - 1] as Uint8Array;
  const number = before.number + added.length;
  const times = before.times.concat(added).slice(-MEDIAN_TIMES);
  const { bits, periodStartTimeS, periodStartBits, workBefore } = before;
  return new BitcoinTrusted({
    ...{ number, hash: step.subarray(0, HASH_BYTES), timeS: times[times.length - 1] as number, bits, times },
    ...{ periodStartTimeS, periodStartBits, periodBits: bits === rules.limitBits ? before.periodBits : bits },
    ...settledAt(before, number, times),
    ...{ workBefore, run: before.run + added.length, step },
  });
}
