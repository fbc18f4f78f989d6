// Where to jump to on the way to a distant block: bisection between what is trusted and what was announced.
//
// Promises: tries the farthest block first, halves the distance where nobody trusted vouches for it, and leaves the last
// `SKIP_BLOCKS_MIN` blocks to a walk, since across a change that only exactly a quorum sealed there is no other way. Asks for
// O(changes × log distance) headers. Gives up after `TRIES_MAX` answers without use: a walk goes on then.
// Never believes an announcement: it only bounds where to look.

import { Rejection } from "../rejection.js";
import { ASK_HEADERS_MAX } from "./asking.js";
import type { MinuteBudget } from "./budget.js";
import type { Consensus, Header, Landing, Trusted } from "./consensus.js";
import { tooLong } from "./outcome.js";

/** What is nearer is walked: one answer brings it. */
export const SKIP_BLOCKS_MIN = ASK_HEADERS_MAX;
const TRIES_MAX = 4;
/** Halvings from 2^48 down to one. */
const PIVOTS_MAX = 48;

export class Skipping {
  readonly #consensus: Consensus;
  /** Heights to reach, the farthest first. */
  #pivots: number[] = [];
  #tries = 0;

  constructor(consensus: Consensus) {
    this.#consensus = consensus;
  }

  /** There is a block of this height. */
  private announced(number: number, head: Trusted): void {
    if (this.#consensus.skip === undefined || number - head.number <= SKIP_BLOCKS_MIN) return;
    if (this.#pivots.length === 0) this.#tries = 0;
    this.#pivots[0] = Math.max(number, this.#pivots[0] ?? 0);
  }

  /** The headers to ask for, or undefined where it is time to walk. */
  next(head: Trusted): Landing | undefined {
    while (this.#pivots.length > 0) {
      const target = this.#pivots[this.#pivots.length - 1] as number;
      if (target > head.number)
        return target - head.number <= SKIP_BLOCKS_MIN ? undefined : this.#consensus.landing?.(head, target);
      this.#pivots.pop();
    }
    return undefined;
  }

  /** Tries an announced header: the state after it, or undefined where that is no way to it, or why it is refused. */
  offered(head: Trusted, header: Header, nowS: number | undefined, budget: MinuteBudget): Trusted | Rejection | undefined {
    const { number } = header;
    if (number === undefined || nowS === undefined) return undefined;
    const busy = this.next(head) !== undefined;
    this.announced(number, head);
    const landing = this.next(head);
    if (busy || landing?.from !== number || landing.count !== 1) return undefined;
    const landed = this.land(head, [header], nowS, budget, []);
    if (landed instanceof Rejection) this.drop();
    return landed instanceof Rejection && landed.code === "work-limit" ? undefined : landed;
  }

  /**
   * Takes headers that came for `next`: the settled state that they lead to, or undefined where another is to be tried.
   * @param steps gets those from there to the last of them
   */
  answered(
    head: Trusted,
    headers: readonly Header[],
    nowS: number | undefined,
    budget: MinuteBudget,
    steps: Uint8Array[],
  ): Trusted | Rejection | undefined {
    const landed = this.land(head, headers, nowS, budget, steps);
    // Without a clock there are no jumps: the chain is walked.
    if (landed instanceof Rejection && landed.code === "clock-unknown") this.drop();
    else if (landed instanceof Rejection) this.failed();
    return landed;
  }

  private land(
    head: Trusted,
    headers: readonly Header[],
    nowS: number | undefined,
    budget: MinuteBudget,
    steps: Uint8Array[],
  ): Trusted | Rejection | undefined {
    const cost = headers.reduce((sum, header) => sum + costOf(this.#consensus, header), 0);
    const landed = budget.charge(cost) ?? this.#consensus.skip?.(head, headers, nowS, steps);
    if (landed instanceof Rejection && landed.code !== "skip-overlap") return landed;
    budget.refund(cost);
    if (landed instanceof Rejection) this.halve(head);
    else this.#tries = 0;
    return landed instanceof Rejection ? undefined : landed;
  }

  /** Nobody who is trusted vouches for the block that was tried. */
  private halve(head: Trusted): void {
    const target = this.#pivots[this.#pivots.length - 1];
    if (target === undefined || this.#pivots.length >= PIVOTS_MAX) this.drop();
    else this.#pivots.push(head.number + Math.floor((target - head.number) / 2));
  }

  /** No answer came, or one without use. */
  failed(): void {
    this.#tries += 1;
    if (this.#tries >= TRIES_MAX) this.drop();
  }

  drop(): void {
    this.#pivots = [];
    this.#tries = 0;
  }
}

/** How many signatures there are to check. */
export function costOf(consensus: Consensus, header: Header): number {
  return consensus.signatures?.(header) ?? 1;
}

/** The headers that a jump needs, each at its height; or answer-too-long, answer-order, and what `decode` says. */
export function decodeAll(consensus: Consensus, landing: Landing, raws: readonly Uint8Array[]): Header[] | Rejection {
  const { from, count } = landing;
  if (raws.length > count) return tooLong(raws.length, count);
  if (raws.length < count) return new Rejection("answer-order", `${raws.length} headers of ${count}`);
  const headers: Header[] = [];
  for (const raw of raws) {
    const header = consensus.decode(raw);
    if (header instanceof Rejection) return header;
    const number = from + headers.length;
    if (header.number !== number) return new Rejection("answer-order", `header ${header.number} in the place of ${number}`);
    headers.push(header);
  }
  return headers;
}
