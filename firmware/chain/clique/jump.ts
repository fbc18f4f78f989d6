// From a trusted state of a Clique chain straight to an epoch block (EIP-225, "checkpoint"), without the blocks between.
//
// Promises: lands only on an epoch block that passes every rule but those about its parent, and that is followed by blocks of
// more than half of the signers that are trusted, within the trusting period. That settles the epoch block and none behind it:
// these are deltas of the window, and can be left for others. Each block that was not seen weighs in the total difficulty as much
// as a block can, so that no branch that is walked later wins by the weight of the blocks left out; recent signers count from the
// landing. Never without a clock: keys of signers that left long ago would do otherwise.
//
// Codes: clock-unknown, checkpoint-expired, skip-backwards, skip-landing (no epoch block), skip-overlap (not enough of the
// trusted signers), and those of `Clique`.

import { findAddress, isAscending } from "../../bytes/primitives.js";
import { Rejection } from "../../rejection.js";
import type { Landing } from "../consensus.js";
import { overlapOf } from "../ethereum/address-set.js";
import type { EthereumHeader } from "../ethereum/header.js";
import type { Clique } from "./consensus.js";
import { CliqueTrusted, DIFFICULTY_IN_TURN, RECENT_BYTES } from "./state.js";

/**
 * So many headers fit one answer of a relay, and so many are asked for, since blocks of newcomers may stand between those of
 * trusted signers. With more than 9 trusted signers a landing takes more, and the chain is walked.
 */
const LANDING_HEADERS_MAX = 6;

export interface JumpRules {
  readonly epoch: number;
  readonly periodS: number;
  readonly trustingPeriodS: number | undefined;
}

/** The newest epoch block that is followed by enough blocks up to `target`, with those blocks. */
export function cliqueLanding(rules: JumpRules, trusted: CliqueTrusted, target: number): Landing | undefined {
  const needed = (trusted.signerCount >> 1) + 1;
  const { epoch } = rules;
  if (rules.trustingPeriodS === undefined || 1 + needed > LANDING_HEADERS_MAX) return undefined;
  const from = Math.floor((target - LANDING_HEADERS_MAX + 1) / epoch) * epoch;
  return from > trusted.number ? { from, count: LANDING_HEADERS_MAX } : undefined;
}

/**
 * @param headers an epoch block and those that follow it
 * @param list the signers that the first of them lists
 * @param deltas gets those of the blocks that follow it
 * @returns the state after the epoch block
 */
export function cliqueJump(
  clique: Clique,
  rules: JumpRules,
  trusted: CliqueTrusted,
  headers: readonly EthereumHeader[],
  list: Uint8Array,
  nowS: number | undefined,
  deltas: Uint8Array[],
): CliqueTrusted | Rejection {
  const refused = checkLanding(rules, trusted, headers[0], nowS);
  if (refused !== undefined) return refused;
  const landing = headers[0] as EthereumHeader;
  if (!isAscending(list)) return new Rejection("epoch-signers-wrong", `the list of block ${landing.number} is not ascending`);
  const overlap = overlapOf(list, trusted.signers);
  if (2 * overlap <= trusted.signerCount) return tooFew(overlap, trusted);
  const base = stateAfter(clique, rules, trusted, landing, list, nowS);
  if (base instanceof Rejection) return base;
  const confirmed = new Uint8Array(trusted.signerCount);
  let state = base;
  for (let i = 1; i < headers.length; i += 1) {
    const next = clique.verify(state, headers[i] as EthereumHeader, nowS);
    if (next instanceof Rejection) return next;
    state = next;
    deltas.push(state.delta);
    const at = state.recents.length - RECENT_BYTES;
    const signer = findAddress(trusted.signers, state.recents, at);
    if (signer >= 0) confirmed[signer] = 1;
  }
  const count = confirmed.reduce((sum, mark) => sum + mark, 0);
  return 2 * count > trusted.signerCount ? base : tooFew(count, trusted);
}

/** The state after the landing, as if the block before were trusted: what is known of that is what the landing says. */
function stateAfter(
  clique: Clique,
  rules: JumpRules,
  trusted: CliqueTrusted,
  landing: EthereumHeader,
  list: Uint8Array,
  nowS: number | undefined,
): CliqueTrusted | Rejection {
  const none = new Uint8Array(0);
  const unseen = landing.number - trusted.number - 1;
  const before = new CliqueTrusted({
    ...{ number: landing.number - 1, hash: landing.parentHash.slice(), timeS: landing.timeS - rules.periodS },
    ...{ totalDifficulty: trusted.totalDifficulty + BigInt(DIFFICULTY_IN_TURN * unseen) },
    ...{ settled: trusted.settled, settledTimeS: trusted.settledTimeS },
    ...{ gas: undefined, signers: list, recents: none, votes: none, forgotten: none, delta: none },
  });
  const after = clique.verify(before, landing, nowS);
  if (after instanceof Rejection) return after;
  return new CliqueTrusted({ ...after, settled: landing.number, settledTimeS: landing.timeS, delta: none });
}

function checkLanding(
  rules: JumpRules,
  trusted: CliqueTrusted,
  landing: EthereumHeader | undefined,
  nowS: number | undefined,
): Rejection | undefined {
  if (landing === undefined || landing.number <= trusted.number)
    return new Rejection("skip-backwards", `to ${landing?.number ?? "nowhere"} from ${trusted.number}`);
  if (landing.number % rules.epoch !== 0) return new Rejection("skip-landing", `block ${landing.number} is no epoch block`);
  if (nowS === undefined) return new Rejection("clock-unknown", "nobody can tell whether the trusting period is over");
  if (nowS > trusted.timeS + (rules.trustingPeriodS ?? 0))
    return new Rejection("checkpoint-expired", `block ${trusted.number} is older than ${rules.trustingPeriodS ?? 0} s`);
  if (landing.timeS < trusted.timeS + rules.periodS * (landing.number - trusted.number))
    return new Rejection(
      "time-before-period",
      `${landing.timeS}, ${landing.number - trusted.number} blocks after ${trusted.timeS}`,
    );
  return undefined;
}

function tooFew(count: number, trusted: CliqueTrusted): Rejection {
  return new Rejection("skip-overlap", `${count} of the ${trusted.signerCount} trusted signers, more than half needed`);
}
