// What a configuration pins about a BFT chain, transitions included, and what a block does to the set of its validators.
//
// Promises: a transition replaces the set from its block on, as Besu's `ForkingVoteTallyCache` does it: the vote of the block
// before it counts on the new set already. Where a voter stands outside the new set, or IBFT 1 keeps votes that were cast on the
// old one, the tally is unknown until the next epoch block. Never guesses.

import { ADDRESS_BYTES, findAddress } from "../../bytes/primitives.js";
import { fromText, isFilled } from "../../bytes.js";
import type { Rejection } from "../../rejection.js";
import { HASH_BYTES } from "../consensus.js";

import type { ChainRules } from "../ethereum/checkpoint-fields.js";
import type { BftVote } from "./extra.js";
import type { BftDialect } from "./header.js";
import { quorumOf } from "./seals.js";
import { castVote, type ValidatorSet } from "./votes.js";

export interface BftTransition {
  /** The first block under the new rule. */
  readonly block: number;
  readonly periodS: number | undefined;
  /** Whether the set comes from a contract, so that headers list nobody. */
  readonly contract: boolean | undefined;
  /** Ascending, 20 bytes each. */
  readonly validators: Uint8Array | undefined;
  /** GoQuorum: whether 2F + 1 seals are enough from here on, whatever `quorumBlock` says. */
  readonly twoFPlusOne: boolean | undefined;
}

export interface BftRules extends ChainRules {
  /** The block from which epochs are counted. */
  readonly epochStart: number;
  /** For how long a trusted block vouches for others, in seconds. */
  readonly trustingPeriodS: number;
  /** A jump over at most so many blocks is linked by hash. No fact of the chain: it voids nothing that is persisted. */
  readonly linkBlocks: number;
  /** GoQuorum: from here on a block needs ⌈2n/3⌉ seals; 0 elsewhere. */
  readonly quorumBlock: number;
  readonly contract: boolean;
  /** Ascending by block. */
  readonly transitions: readonly BftTransition[];
}

/** All of it as bytes, for the digest that binds persisted state to its configuration. */
export function rulesBytes({ name, client }: BftDialect, rules: BftRules): Uint8Array {
  const { chain, periodS, epoch, epochStart, londonBlock, trustingPeriodS, quorumBlock, contract, transitions } = rules;
  let line = `${name} ${chain} ${periodS} ${epoch} ${londonBlock ?? "?"} ${trustingPeriodS} ${quorumBlock} ${contract}`;
  // Only where they say something: what is persisted under a configuration stays good when rules are added.
  if (name === "qbft" && client === "goquorum") line += " goquorum";
  if (epochStart > 0) line += ` from ${epochStart}`;
  let length = 0;
  for (const change of transitions) {
    line += ` ${change.block} ${change.periodS ?? "?"} ${change.contract ?? "?"} ${change.validators?.length ?? "?"}`;
    if (change.twoFPlusOne !== undefined) line += ` ${change.twoFPlusOne}`;
    length += change.validators?.length ?? 0;
  }
  const text = fromText(`${line} `);
  const bytes = new Uint8Array(text.length + HASH_BYTES + length);
  bytes.set(text);
  bytes.set(rules.genesisHash, text.length);
  let at = text.length + HASH_BYTES;
  for (const { validators } of transitions) {
    if (validators === undefined) continue;
    bytes.set(validators, at);
    at += validators.length;
  }
  return bytes;
}

export function periodAt(rules: BftRules, number: number): number {
  let { periodS } = rules;
  for (const change of rules.transitions) if (change.block <= number) periodS = change.periodS ?? periodS;
  return periodS;
}

/** More blocks a second than any network makes; bounds how far a jump may reach where the period does not. */
const BLOCKS_PER_SECOND_MAX = 20;

/** The least time, in seconds, from block `after` to block `number`, as whole seconds in headers show it. */
export function leastSpanS(rules: BftRules, after: number, number: number): number {
  let spanS = 0;
  let quickBlocks = 0;
  let from = after;
  const count = (to: number): void => {
    const periodS = periodAt(rules, to);
    if (periodS === 0) quickBlocks += to - from;
    spanS += periodS * (to - from);
    from = to;
  };
  for (const { block } of rules.transitions) if (block > from + 1 && block <= number) count(block - 1);
  count(number);
  // Cut down to whole seconds, two times may lie one second closer than they are.
  return spanS + Math.max(0, Math.floor(quickBlocks / BLOCKS_PER_SECOND_MAX) - 1);
}

export function contractAt(rules: BftRules, number: number): boolean {
  let { contract } = rules;
  for (const change of rules.transitions) if (change.block <= number) contract = change.contract ?? contract;
  return contract;
}

/** How many seals a block of `validatorCount` validators needs. */
export function quorumAt(rules: BftRules, number: number, validatorCount: number): number {
  let twoFPlusOne = false;
  for (const change of rules.transitions) if (change.block <= number) twoFPlusOne = change.twoFPlusOne ?? twoFPlusOne;
  if (!twoFPlusOne && number >= rules.quorumBlock) return quorumOf(validatorCount);
  return 2 * (Math.ceil(validatorCount / 3) - 1) + 1;
}

/** Whether all votes fall before that of block `number`. */
export function isEpoch({ epoch, epochStart }: Pick<BftRules, "epoch" | "epochStart">, number: number): boolean {
  return number >= epochStart && (number - epochStart) % epoch === 0;
}

/** The newest set that the configuration puts in force after block `after` and up to block `number`. */
export function pinnedBetween(rules: BftRules, after: number, number: number): Uint8Array | undefined {
  let validators: Uint8Array | undefined;
  for (const change of rules.transitions)
    if (change.block > after && change.block <= number) validators = change.validators ?? validators;
  return validators;
}

/**
 * The set after block `number`.
 * @param set that sealed the block, with the votes before it
 * @param voter the proposer's index in it
 * @returns validators-too-many where a vote passes that makes too many
 */
export function setAfter(
  rules: BftRules,
  dialect: BftDialect,
  set: ValidatorSet,
  number: number,
  voter: number,
  vote: BftVote | undefined,
): ValidatorSet | Rejection {
  const { epochVoteCounts, keepsIdleVotes } = dialect;
  const clears = isEpoch(rules, number);
  const none = new Uint8Array(0);
  const counted = clears && !epochVoteCounts ? undefined : vote;
  const pinned = pinnedBetween(rules, number, number + 1);
  if (pinned !== undefined) {
    const before = clears ? none : set.votes;
    const idle = before?.length === 0 && (counted === undefined || (!counted.authorize && isFilled(counted.account, 0)));
    if (!keepsIdleVotes) return { validators: pinned, votes: idle ? none : undefined };
    if (counted === undefined) return { validators: pinned, votes: none };
    const index = findAddress(pinned, set.validators, voter * ADDRESS_BYTES);
    if (index < 0) return { validators: pinned, votes: undefined };
    return castVote({ validators: pinned, votes: none }, index, counted.account, counted.authorize, keepsIdleVotes);
  }
  const votes = clears ? none : set.votes;
  if (counted === undefined || votes === undefined) return votes === set.votes ? set : { validators: set.validators, votes };
  return castVote({ validators: set.validators, votes }, voter, counted.account, counted.authorize, keepsIdleVotes);
}
