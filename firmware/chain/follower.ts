// Follows one chain from headers that anyone may deliver: what the mote believes is its head.
//
// Promises: the head moves only to a block whose every ancestor since the checkpoint was verified here; of two branches the
// heavier wins, of equals the one seen first; a branch is left at most `REORG_DEPTH_MAX` blocks back; what is believed
// survives a restart. Memory does not grow with the chain: one state below the window, one at the head, one at the tip of
// at most one side branch, and steps of some tens of bytes for the blocks between.
//
// Never trusts a relay: a header that fails is refused with its reason; cheap checks come before signatures, and signature
// checks that lead nowhere are capped per minute, apart for what was asked for and for what was not, so that a flood of the
// one cannot starve the other. Checks that move the head are not counted: a catch-up is never slowed down.

import { equal } from "../bytes.js";
import type { CryptoEngine } from "../crypto/engine.js";
import type { Clock, KeyValueDomain } from "../ports.js";
import { assert, Rejection } from "../rejection.js";
import { type Ask, Asking } from "./asking.js";
import { MinuteBudget } from "./budget.js";
import type { Consensus, Header, Trusted } from "./consensus.js";
import { configurationDigest, decodeState, encodeState } from "./follower-state.js";

/** How far back a branch can be left, in blocks. */
export const REORG_DEPTH_MAX = 16;
/** Signature checks a minute that may fail, or end on a branch that does not win. */
export const FRUITLESS_CHECKS_PER_MINUTE_MAX = 120;
/** The state is written after so many blocks, and when `persist` is called: flash wears. */
export const PERSIST_BLOCKS = 64;
const STATE_KEY = "trusted";
const HASH_BYTES = 32;

export type Outcome =
  /** The head is the child of what it was. */
  | { readonly kind: "advanced"; readonly head: Trusted }
  /** The head moved to another branch; `depth` blocks were left. */
  | { readonly kind: "reorg"; readonly head: Trusted; readonly depth: number }
  /** Verified, on a branch that is not heavier. */
  | { readonly kind: "side"; readonly number: number }
  /** Verified earlier. */
  | { readonly kind: "known" }
  /** Its parent is not known: see `wanted`. Nothing about it is verified. */
  | { readonly kind: "wanting" };

export interface FollowerOptions {
  readonly consensus: Consensus;
  readonly engine: CryptoEngine;
  /** Holds the persisted state under one key of its own. */
  readonly store: KeyValueDomain;
  readonly clock: Pick<Clock, "ticksMs">;
}

/** A branch beside the main one: `steps` follow the block `at` steps above the window's base. */
interface Side {
  at: number;
  readonly steps: Uint8Array[];
  readonly tip: Trusted;
}

export class Follower {
  /** Why the persisted state was not taken up, or undefined where it was, or where there was none. */
  readonly refusedState: Rejection | undefined;
  /** Whether the head comes from the persisted state. */
  readonly restored: boolean;
  readonly #consensus: Consensus;
  readonly #store: KeyValueDomain;
  readonly #digest: Uint8Array;
  readonly #asking: Asking;
  /** Fruitless checks of headers that were asked for, and of those that were not. */
  readonly #asked: MinuteBudget;
  readonly #unasked: MinuteBudget;
  #base: Trusted;
  #head: Trusted;
  /** From the base (left out) to the head. */
  #steps: Uint8Array[] = [];
  #side: Side | undefined;
  #timeFloorS: number;
  #persisted: Trusted | undefined;

  constructor(options: FollowerOptions) {
    const { consensus, clock } = options;
    this.#consensus = consensus;
    this.#store = options.store;
    this.#asking = new Asking(new MinuteBudget(clock));
    this.#asked = new MinuteBudget(clock);
    this.#unasked = new MinuteBudget(clock);
    this.#digest = configurationDigest(options.engine, consensus);
    this.#base = consensus.checkpoint;
    this.#head = consensus.checkpoint;
    this.#timeFloorS = this.#floorOf(consensus.checkpoint);
    const restored = this.#restore();
    this.refusedState = restored instanceof Rejection ? restored : undefined;
    this.restored = restored === true;
  }

  /** CAIP-2. */
  get chain(): string {
    return this.#consensus.chain;
  }

  /** The newest block that is believed, and what is believed after it. */
  get head(): Trusted {
    return this.#head;
  }

  /** Height of the newest block that counts as settled. */
  get settled(): number {
    return this.#head.settled;
  }

  /** Height of the oldest block that a branch may begin after. */
  get baseNumber(): number {
    return this.#base.number;
  }

  /**
   * It is at least so late, in seconds since the Unix epoch: the newest settled block's time less the drift that the chain
   * allows. Never goes back. Taken from the settled block, since one dishonest signer can date the head as it likes.
   */
  get timeFloorS(): number {
    return this.#timeFloorS;
  }

  /**
   * Takes a header that someone published.
   * @param raw is not kept
   * @param nowS the clock, or undefined where it is not known
   */
  offer(raw: Uint8Array, nowS: number | undefined): Outcome | Rejection {
    const header = this.#consensus.decode(raw);
    if (header instanceof Rejection) return header;
    const outcome = this.#take(header, nowS, this.#unasked);
    const { number } = header;
    const head = this.#head.number;
    if (outcome instanceof Rejection) {
      // Its parent is known: what nobody asked for may be too much by now, what is asked for has a budget of its own.
      if (outcome.code === "work-limit") this.#asking.announced(number, number, head);
    } else if (outcome.kind === "wanting")
      // At or below the head it belongs to another branch, whose blocks before it are missing.
      this.#asking.announced(number, number === undefined || number > head + 1 ? undefined : number - 1, head);
    return outcome;
  }

  /** What to ask a relay for next; the same until something changes it. */
  wanted(): Ask | undefined {
    return this.#asking.next(this.#head.number, this.#base.number);
  }

  /**
   * Takes a relay's answer to `wanted()`: headers with rising heights from `from`. Stops at the first that does not hold.
   * @returns what came of each header that was looked at; a last `Rejection` may be about the answer as a whole
   *   (answer-unasked, answer-order, answer-too-long, reorg-too-deep)
   */
  answer(from: number, raws: readonly Uint8Array[], nowS: number | undefined): readonly (Outcome | Rejection)[] {
    const ask = this.wanted();
    if (ask === undefined || ask.from !== from) return [new Rejection("answer-unasked", `nobody asked from ${from}`)];
    const outcomes: (Outcome | Rejection)[] = this.#takeTogether(from, raws.slice(0, ask.count), nowS);
    let reached = from - 1 + outcomes.length;
    let news = outcomes.length > 0;
    for (let i = outcomes.length; i < raws.length; i += 1) {
      const outcome = i < ask.count ? this.#takeAsked(raws[i] as Uint8Array, from + i, nowS) : tooLong(raws.length, ask.count);
      outcomes.push(outcome);
      if (outcome instanceof Rejection) break;
      if (outcome.kind === "wanting") {
        if (i > 0) outcomes.push(new Rejection("answer-order", `header ${from + i} is no child of the one before`));
        else if (!this.#asking.stepBack(this.#head.number, this.#base.number))
          outcomes.push(new Rejection("reorg-too-deep", `the relay's chain leaves ours before block ${from}`));
        else return outcomes;
        break;
      }
      reached = from + i;
      if (outcome.kind !== "known") news = true;
    }
    if (reached >= from) this.#asking.reached(reached, news, this.#head.number);
    else this.#asking.unanswered();
    if (raws.length < ask.count) this.#asking.ended();
    return outcomes;
  }

  /** The relay did not answer in time. */
  unanswered(): void {
    this.#asking.unanswered();
  }

  /** Writes what is believed, unless it is written already. Throws what the store throws; nothing is lost then. */
  persist(): void {
    if (this.#persisted === this.#head) return;
    const state = { timeFloorS: this.#timeFloorS, base: this.#base, steps: this.#steps };
    this.#store.write(STATE_KEY, encodeState(this.#consensus, this.#digest, state));
    this.#persisted = this.#head;
  }

  #takeAsked(raw: Uint8Array, number: number, nowS: number | undefined): Outcome | Rejection {
    const header = this.#consensus.decode(raw);
    if (header instanceof Rejection) return header;
    if (header.number !== undefined && header.number !== number)
      return new Rejection("answer-order", `header ${header.number} in the place of ${number}`);
    return this.#take(header, nowS, this.#asked);
  }

  #take(header: Header, nowS: number | undefined, budget: MinuteBudget): Outcome | Rejection {
    const { number } = header;
    if (equal(header.parentHash, this.#head.hash)) return this.#extend(header, nowS, budget);
    const side = this.#side;
    // A claimed height spares a hash where no known block can be meant, and everything else where it is too old.
    if (number !== undefined && number > Math.max(this.#head.number, side?.tip.number ?? 0) + 1) return { kind: "wanting" };
    if (number !== undefined && number < this.#base.number) return stale(number, this.#base.number);
    if (this.#isKnown(header.hash)) return { kind: "known" };
    if (number === this.#base.number) return stale(number, this.#base.number);
    const at = this.#heightOf(header.parentHash);
    if (at >= 0) return this.#branch(at, [], this.#stateAt(at, []), header, nowS, budget);
    if (side === undefined) return { kind: "wanting" };
    const shared = side.steps.findIndex((step) => hashIs(step, header.parentHash)) + 1;
    if (shared === 0) return { kind: "wanting" };
    const steps = side.steps.slice(0, shared);
    const parent = shared === side.steps.length ? side.tip : this.#stateAt(side.at, steps);
    return this.#branch(side.at, steps, parent, header, nowS, budget);
  }

  /** Takes as many children of the head as the consensus takes in one go; the rest is for those one by one. */
  #takeTogether(from: number, raws: readonly Uint8Array[], nowS: number | undefined): Outcome[] {
    const taken = from === this.#head.number + 1 ? this.#consensus.extend?.(this.#head, raws, nowS) : undefined;
    if (taken === undefined || taken.steps.length === 0) return [];
    for (const step of taken.steps) this.#steps.push(step);
    this.#moveHead(taken.trusted);
    return taken.steps.map(() => ({ kind: "advanced", head: taken.trusted }));
  }

  #extend(header: Header, nowS: number | undefined, budget: MinuteBudget): Outcome | Rejection {
    const next = this.#authenticate(this.#head, header, nowS, budget);
    if (next instanceof Rejection) return next;
    budget.refund(1);
    this.#steps.push(next.step);
    this.#moveHead(next);
    return { kind: "advanced", head: next };
  }

  /** Takes the child of `parent`, which stands `before` steps along a branch that leaves the main one at `at`. */
  #branch(
    at: number,
    before: readonly Uint8Array[],
    parent: Trusted,
    header: Header,
    nowS: number | undefined,
    budget: MinuteBudget,
  ): Outcome | Rejection {
    if (before.length > REORG_DEPTH_MAX)
      return new Rejection("side-too-long", `a branch of ${before.length} blocks that is not heavier`);
    const tip = this.#authenticate(parent, header, nowS, budget);
    if (tip instanceof Rejection) return tip;
    const steps = [...before, tip.step];
    if (tip.totalDifficulty <= this.#head.totalDifficulty) {
      // The newest branch takes the place of an older one: a branch that is to win is delivered in one go.
      this.#side = { at, steps, tip };
      return { kind: "side", number: tip.number };
    }
    budget.refund(steps.length);
    const left = this.#steps.slice(at);
    this.#side = { at, steps: left, tip: this.#head };
    this.#steps = [...this.#steps.slice(0, at), ...steps];
    this.#moveHead(tip);
    return { kind: "reorg", head: tip, depth: left.length };
  }

  #authenticate(parent: Trusted, header: Header, nowS: number | undefined, budget: MinuteBudget): Trusted | Rejection {
    const cheap = this.#consensus.check(parent, header, nowS);
    if (cheap !== undefined) return cheap;
    if (budget.spent >= FRUITLESS_CHECKS_PER_MINUTE_MAX)
      return new Rejection("work-limit", `${FRUITLESS_CHECKS_PER_MINUTE_MAX} signature checks within a minute led nowhere`);
    budget.spend();
    return this.#consensus.authenticate(parent, header);
  }

  #moveHead(head: Trusted): void {
    this.#head = head;
    while (this.#steps.length > REORG_DEPTH_MAX) {
      const side = this.#side;
      const next = this.#consensus.replay(this.#base, this.#steps.shift() as Uint8Array);
      assert(!(next instanceof Rejection), "a step that was verified can be replayed");
      this.#base = next;
      if (side !== undefined) side.at -= 1;
      if (side !== undefined && side.at < 0) this.#side = undefined;
    }
    this.#timeFloorS = Math.max(this.#timeFloorS, this.#floorOf(head));
    this.#asking.headIs(head.number);
    if (head.number - (this.#persisted ?? this.#consensus.checkpoint).number >= PERSIST_BLOCKS) this.persist();
  }

  #floorOf(trusted: Trusted): number {
    return Math.max(0, trusted.settledTimeS - this.#consensus.clockDriftS);
  }

  #isKnown(hash: Uint8Array): boolean {
    return this.#heightOf(hash) >= 0 || (this.#side?.steps.some((step) => hashIs(step, hash)) ?? false);
  }

  /** How many steps above the base the main branch's block of this hash stands; below 0 where it is none. */
  #heightOf(hash: Uint8Array): number {
    for (let i = this.#steps.length; i > 0; i -= 1) if (hashIs(this.#steps[i - 1] as Uint8Array, hash)) return i;
    return equal(this.#base.hash, hash) ? 0 : -1;
  }

  /** The state `height` steps above the base, and `further` steps on. */
  #stateAt(height: number, further: readonly Uint8Array[]): Trusted {
    let trusted = this.#base;
    for (const step of [...this.#steps.slice(0, height), ...further]) {
      const next = this.#consensus.replay(trusted, step);
      assert(!(next instanceof Rejection), "a step that was verified can be replayed");
      trusted = next;
    }
    return trusted;
  }

  #restore(): boolean | Rejection {
    const value = this.#store.read(STATE_KEY);
    if (value === undefined) return false;
    const state = decodeState(this.#consensus, this.#digest, new Uint8Array(value), REORG_DEPTH_MAX);
    if (state instanceof Rejection) return state;
    let head = state.base;
    for (const step of state.steps) {
      const next = this.#consensus.replay(head, step);
      if (next instanceof Rejection) return next;
      head = next;
    }
    this.#base = state.base;
    this.#steps = [...state.steps];
    this.#head = head;
    this.#persisted = head;
    this.#timeFloorS = Math.max(this.#timeFloorS, state.timeFloorS);
    return true;
  }
}

function hashIs(step: Uint8Array, hash: Uint8Array): boolean {
  for (let i = 0; i < HASH_BYTES; i += 1) if (step[i] !== hash[i]) return false;
  return true;
}

function stale(number: number, base: number): Rejection {
  return new Rejection("stale", `block ${number} is below ${base}, where nothing changes any more`);
}

function tooLong(count: number, asked: number): Rejection {
  return new Rejection("answer-too-long", `${count} headers, where ${asked} were asked for`);
}
