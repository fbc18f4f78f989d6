// The parameters of the Bitcoin networks (bitcoin/bitcoin `src/kernel/chainparams.cpp`, consensus part), and what a header
// must have by them (`src/pow.cpp`, `src/validation.cpp` ContextualCheckBlockHeader; BIPs 34, 65, 66, 94, 113).
//
// Promises: pure functions over the newest block's fields; a chain that is not listed here is unknown. Signet's block
// script is not among the rules: it signs the block, which a header does not hold.

import { Rejection } from "../../rejection.js";
import { retarget } from "./target.js";

/** Blocks whose times the median is taken of (BIP 113). */
export const MEDIAN_TIMES = 11;
/** By how much a header may be ahead of the clock, in seconds. */
export const CLOCK_DRIFT_S = 7200;
/** BIP 94: by how much a period's first block may be dated before the last of the period before, in seconds. */
const TIMEWARP_S = 600;

export interface BitcoinRules {
  /** CAIP-2 (bip122): the first 32 digits of the genesis hash. */
  readonly chain: string;
  readonly network: string;
  /** The easiest target. */
  readonly limitBits: number;
  /** Blocks of one difficulty. */
  readonly period: number;
  /** How long they should take, in seconds. */
  readonly timespanS: number;
  /** Bits never change (regtest). */
  readonly noRetarget: boolean;
  /** Test networks: a block that comes later than this after its parent, in seconds, has the easiest target. */
  readonly easyAfterS: number | undefined;
  /** Retarget from the first block of the period, and bound the time of the next one. */
  readonly bip94: boolean;
  /** From which height on a header's version is at least 2, 3, 4. */
  readonly versionHeights: readonly [number, number, number];
}

/** What the rules ask of the newest block; of `times` the last is its own. */
export interface BitcoinTip {
  readonly number: number;
  /** Seconds since the Unix epoch, as all times here. */
  readonly timeS: number;
  readonly bits: number;
  /** Of the newest blocks, 11 at most, oldest first. */
  readonly times: readonly number[];
  readonly periodStartTimeS: number;
  readonly periodStartBits: number;
  /** Those of the newest block of the period that is no exception of a test network; of its first block where all are. */
  readonly periodBits: number;
}

/** What a header has that the rules bind. */
export interface BitcoinClaim {
  readonly version: number;
  readonly timeS: number;
  readonly bits: number;
}

const VERSION_MIN = -(2 ** 31);
const TWO_WEEKS_S = 1_209_600;
const PERIOD_BLOCKS = 2016;
const TWENTY_MINUTES_S = 1200;
const COMMON = Object.freeze({ period: PERIOD_BLOCKS, timespanS: TWO_WEEKS_S, noRetarget: false, bip94: false });

const NETWORKS: readonly BitcoinRules[] = Object.freeze([
  Object.freeze({
    ...COMMON,
    ...{ network: "mainnet", chain: "bip122:000000000019d6689c085ae165831e93", limitBits: 0x1d00ffff, easyAfterS: undefined },
    versionHeights: Object.freeze([227_931, 363_725, 388_381] as const),
  }),
  Object.freeze({
    ...COMMON,
    ...{
      network: "testnet3",
      chain: "bip122:000000000933ea01ad0ee984209779ba",
      limitBits: 0x1d00ffff,
      easyAfterS: TWENTY_MINUTES_S,
    },
    versionHeights: Object.freeze([21_111, 330_776, 581_885] as const),
  }),
  Object.freeze({
    ...COMMON,
    ...{
      network: "testnet4",
      chain: "bip122:00000000da84f2bafbbc53dee25a72ae",
      limitBits: 0x1d00ffff,
      easyAfterS: TWENTY_MINUTES_S,
    },
    ...{ bip94: true, versionHeights: Object.freeze([1, 1, 1] as const) },
  }),
  Object.freeze({
    ...COMMON,
    ...{ network: "signet", chain: "bip122:00000008819873e925422c1ff0f99f7c", limitBits: 0x1e0377ae, easyAfterS: undefined },
    versionHeights: Object.freeze([1, 1, 1] as const),
  }),
  Object.freeze({
    ...COMMON,
    ...{ network: "regtest", chain: "bip122:0f9188f13cb7b2c71f2a335e3a4fc328", limitBits: 0x207fffff, easyAfterS: undefined },
    ...{ noRetarget: true, versionHeights: Object.freeze([1, 1, 1] as const) },
  }),
]);

/** The network of this CAIP-2 name, or of this own name (`mainnet`); undefined where it is none of Bitcoin's. */
export function bitcoinNetwork(name: string): BitcoinRules | undefined {
  return NETWORKS.find((rules) => rules.chain === name || rules.network === name);
}

/** The bits that the block after `tip` must have, if it is dated `timeS`. */
export function requiredBits(rules: BitcoinRules, tip: BitcoinTip, timeS: number): number {
  if (rules.noRetarget) return tip.bits;
  if ((tip.number + 1) % rules.period !== 0) {
    if (rules.easyAfterS === undefined) return tip.bits;
    return timeS > tip.timeS + rules.easyAfterS ? rules.limitBits : tip.periodBits;
  }
  const bits = rules.bip94 ? tip.periodStartBits : tip.bits;
  return retarget(bits, tip.timeS - tip.periodStartTimeS, rules.timespanS, rules.limitBits);
}

/** The lowest version that a header of this height may have. */
export function versionFloor(rules: BitcoinRules, number: number): number {
  const heights = rules.versionHeights;
  if (number >= heights[2]) return 4;
  if (number >= heights[1]) return 3;
  return number >= heights[0] ? 2 : VERSION_MIN;
}

/** The median of the times of the newest blocks; of an even number the later of the two in the middle. */
export function medianOf(times: readonly number[]): number {
  const sorted = [...times].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] as number;
}

/** The rules that bind a header to the block before it, its link apart. Cheapest first. */
export function checkClaim(
  rules: BitcoinRules,
  tip: BitcoinTip,
  claim: BitcoinClaim,
  nowS: number | undefined,
): Rejection | undefined {
  const { timeS } = claim;
  const number = tip.number + 1;
  const required = requiredBits(rules, tip, timeS);
  if (claim.bits !== required)
    return new Rejection("bits-wrong", `${hex(claim.bits)} at ${number}, where ${hex(required)} is required`);
  // Past the newest block is past the median: that block was itself past the median before it, so that the median after it is
  // at most its time. Only a header that is dated back costs the sorting.
  if (timeS <= tip.timeS && timeS <= medianOf(tip.times))
    return new Rejection("time-before-median", `${timeS}, not after the median of the last ${tip.times.length} blocks`);
  if (rules.bip94 && number % rules.period === 0 && timeS < tip.timeS - TIMEWARP_S)
    return new Rejection("time-warp", `${timeS}, more than ${TIMEWARP_S} s before the last block of the period`);
  if (nowS !== undefined && timeS > nowS + CLOCK_DRIFT_S) return new Rejection("time-in-future", `${timeS}, and it is ${nowS}`);
  const floor = versionFloor(rules, number);
  return claim.version < floor
    ? new Rejection("version-outdated", `version ${claim.version} at ${number}, ${floor} at least`)
    : undefined;
}

function hex(bits: number): string {
  return `0x${bits.toString(16)}`;
}
