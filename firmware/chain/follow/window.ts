// The blocks that can still change: one whole state below them, and for each a step from which its state follows.
//
// Promises: once trimmed it reaches back over `REORG_DEPTH` blocks, and over those that are not settled yet, `WINDOW_STEPS_MAX` at
// most; a state is made from steps that were verified, so that replaying them cannot fail. Beside the main branch it keeps at most
// one other.
//
// Why as far back as what is unsettled: half of Clique's N signers, cut off from the rest, can seal ⌊N/2⌋ blocks and no more, each
// of them one, and the block before these is settled by none of them. With N at most 64 that is 33 blocks.

import { equal } from "../../bytes.js";
import { assert, Rejection } from "../../rejection.js";
import { type Consensus, HASH_BYTES, type Trusted } from "../consensus.js";
import { replayAll } from "./state.js";
import { StepList } from "./step-list.js";

/** How far back a branch can be left at least, in blocks; and how long another may be that is not heavier. */
export const REORG_DEPTH = 16;
/** The most blocks that can be left: as many as 64 signers of a Clique chain may leave unsettled. */
export const WINDOW_STEPS_MAX = 33;

/** A branch beside the main one: `steps` follow the block `at` steps above the base. */
export interface Side {
  at: number;
  readonly steps: readonly Uint8Array[];
  readonly tip: Trusted;
}

/** A block of either branch: `steps` lead to it from where that branch leaves the main one, `at` steps above the base. */
export interface Place {
  readonly at: number;
  readonly steps: readonly Uint8Array[];
  readonly state: Trusted;
}

export class Window {
  side: Side | undefined;
  readonly #consensus: Consensus;
  #base: Trusted;
  /** From the base (left out) to the head. */
  #steps: StepList;

  constructor(consensus: Consensus, base: Trusted, steps: readonly Uint8Array[] = []) {
    this.#consensus = consensus;
    this.#base = base;
    this.#steps = new StepList(steps);
  }

  get base(): Trusted {
    return this.#base;
  }

  get steps(): Pick<StepList, "length" | "slice" | "packed"> {
    return this.#steps;
  }

  push(step: Uint8Array): void {
    this.#steps.push(step);
  }

  /** Everything begins anew: `base`, to which no step leads, and `steps` from there on. */
  restart(base: Trusted, steps: readonly Uint8Array[] = []): void {
    this.#base = base;
    this.#steps = new StepList(steps);
    this.side = undefined;
  }

  /** Forgets all but the first `count` steps. */
  cut(count: number): void {
    this.#steps.cut(count);
  }

  /** Leaves the main branch `at` steps above the base for `steps`; `head` is what was there. Answers how many were left. */
  turn(at: number, steps: readonly Uint8Array[], head: Trusted): number {
    const left = this.#steps.slice(at);
    this.side = { at, steps: left, tip: head };
    this.#steps.cut(at);
    for (const step of steps) this.#steps.push(step);
    return left.length;
  }

  /** Moves the base up until no more than `depth` steps are left, at most to the block `settled`. */
  trim(settled: number, depth = REORG_DEPTH): void {
    while (this.#steps.length > depth && (this.#base.number < settled || this.#steps.length > WINDOW_STEPS_MAX)) {
      this.#base = this.replay([this.#steps.shift()]);
      if (this.side !== undefined) this.side.at -= 1;
      if (this.side !== undefined && this.side.at < 0) this.side = undefined;
    }
  }

  isKnown(hash: Uint8Array): boolean {
    return this.heightOf(hash) >= 0 || this.placeInSide(hash) > 0;
  }

  /** How many steps above the base the main branch's block of this hash stands; below 0 where it is none. */
  heightOf(hash: Uint8Array): number {
    const place = this.#steps.placeOf(hash);
    if (place > 0) return place;
    return equal(this.#base.hash, hash) ? 0 : -1;
  }

  /** How many steps of the side branch lead to the block of this hash; 0 where none does. */
  placeInSide(hash: Uint8Array): number {
    return (this.side?.steps.findIndex((step) => hashIs(step, hash)) ?? -1) + 1;
  }

  /** The block of this hash with its state, or undefined where neither branch has it. */
  find(hash: Uint8Array): Place | undefined {
    const at = this.heightOf(hash);
    if (at >= 0) return { at, steps: [], state: this.stateAt(at) };
    const shared = this.placeInSide(hash);
    const side = this.side;
    if (side === undefined || shared === 0) return undefined;
    const steps = side.steps.slice(0, shared);
    return { at: side.at, steps, state: shared === side.steps.length ? side.tip : this.stateAt(side.at, steps) };
  }

  /** Hash of the main branch's block `height` steps above the base. */
  hashAt(height: number): Uint8Array {
    return height === 0 ? this.#base.hash : this.#steps.hashAt(height);
  }

  /** The state `height` steps above the base, and `further` steps on. */
  stateAt(height: number, further: readonly Uint8Array[] = []): Trusted {
    return this.replay([...this.#steps.slice(0, height), ...further]);
  }

  private replay(steps: readonly Uint8Array[]): Trusted {
    const trusted = replayAll(this.#consensus, this.#base, steps);
    assert(!(trusted instanceof Rejection), "steps that were verified can be replayed");
    return trusted;
  }
}

function hashIs(step: Uint8Array, hash: Uint8Array): boolean {
  for (let i = 0; i < HASH_BYTES; i += 1) if (step[i] !== hash[i]) return false;
  return true;
}
