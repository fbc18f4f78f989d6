// What a genesis file states about the consensus of an IBFT or QBFT chain, whichever client's file it is.
//
// Promises: a chain that changes its consensus is two sets of rules, each with its first or last block; transitions that lie behind
// a block are what holds there. Never: a rule that was not stated.

import type { BftRulesJson, BftTransitionJson } from "../../firmware/chain/bft/checkpoint.js";

/** What a genesis file states about one consensus of its chain. */
export interface GenesisRules extends BftRulesJson {
  /** The first block under it, where the chain began with another. */
  fromBlock?: number;
  /** The last block under it, where the chain goes on with another. */
  untilBlock?: number;
  /** Who seals block 1, where the genesis header does not tell. */
  validators?: string[];
}

export const EPOCH_DEFAULT = 30_000;
export const PERIOD_S_DEFAULT = 1;

/** Without what stands outside the consensus. */
export type Part = Omit<GenesisRules, "chain" | "trustingPeriodS" | "londonBlock">;

/** The rules that hold from block `number` on: what lies behind is no transition any more. */
export function rulesFrom<T extends Pick<BftRulesJson, "periodS" | "transitions">>(rules: T, number: number): T {
  const { transitions = [], ...rest } = rules;
  const behind = transitions.filter(({ block }) => block <= number);
  const ahead = transitions.filter(({ block }) => block > number);
  const now = { ...rest };
  for (const { periodS, emptyPeriodS, validatorSelection } of behind)
    Object.assign(now, given({ periodS, emptyPeriodS, validatorSelection }));
  // This has no place but a transition; false is what holds where nothing is said.
  const said = behind.filter(({ twoFPlusOne }) => twoFPlusOne !== undefined).at(-1);
  if (said?.twoFPlusOne === true) {
    const block = Math.max(1, said.block);
    const [next] = ahead;
    if (next?.block === block) ahead[0] = { twoFPlusOne: true, ...next };
    else ahead.unshift({ block, twoFPlusOne: true });
  }
  return { ...now, ...listed(ahead) } as T;
}

/** A chain that goes from one consensus to another at block `start`. */
export function divided(before: Part, after: Part, start: number): Part[] {
  const { transitions = [], ...rest } = before;
  const { validators: _, ...later } = rulesFrom(after, start);
  return [
    { ...rest, ...listed(transitions.filter(({ block }) => block < start)), untilBlock: start - 1 },
    { ...later, fromBlock: start },
  ];
}

export function listed(transitions: BftTransitionJson[]): { transitions?: BftTransitionJson[] } {
  return transitions.length === 0 ? {} : { transitions };
}

/** Without what is undefined. */
export function given<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;
}
