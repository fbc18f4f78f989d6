// Where to jump to on the way to a distant block: bisection between what is trusted and what was announced.
//
// Promises: tries the farthest block first, halves the distance where nobody trusted vouches for it or where there is no such
// block, and leaves the last `SKIP_BLOCKS_MIN` blocks to a walk, since across a change that only exactly a quorum sealed there is
// no other way. Asks for O(changes × log distance) headers. After every ask that brought nothing a walk has its turn; after
// `TRIES_MAX` of them in a row the block is given up, and a minute has `FRUITLESS_PER_MINUTE_MAX` of them, apart from what a walk
// may spend. Those that led to a landing in the end are not counted.
// Never believes an announcement: it only bounds where to look, and a header that is refused not even that.

import { Rejection } from "../../rejection.js";
import type { Consensus, Header, Landing, Trusted } from "../consensus.js";
import { ASK_HEADERS_MAX } from "./asking.js";
import type { MinuteBudget } from "./budget.js";
import { type Outcome, tooLong, WANTING } from "./outcome.js";

/** What is nearer is walked: one answer brings it. */
export const SKIP_BLOCKS_MIN = ASK_HEADERS_MAX;
const TRIES_MAX = 4;
const FRUITLESS_PER_MINUTE_MAX = 16;
/** So many blocks a second there can be where the period binds nothing. */
const BLOCKS_PER_SECOND_MAX = 64;
/** Halvings from 2^48 down to one. */
const PIVOTS_MAX = 48;

export class Skipping {
  readonly #consensus: Consensus;
  readonly #budget: MinuteBudget;
  /** Heights to reach, the farthest first. */
  #pivots: number[] = [];
  #tries = 0;
  /** Asks without use since the last landing. */
  #spent = 0;
  /** It is a walk's turn. */
  #yields = false;

  /** @param budget of asks that lead nowhere */
  constructor(consensus: Consensus, budget: MinuteBudget) {
    this.#consensus = consensus;
    this.#budget = budget;
  }

  /** There may be a block of this height. */
  private announced(number: number, head: Trusted): void {
    const [far, ...nearer] = this.#pivots;
    // A search that is under way goes on as it is: whoever always announces more would never let it end.
    if (nearer.length > 0 || (far !== undefined && far - head.number > SKIP_BLOCKS_MIN)) return;
    this.#pivots = [number];
    this.#tries = 0;
  }

  /** The headers to ask for, or undefined where it is time to walk. */
  next(head: Trusted): Landing | undefined {
    if (this.#yields || this.#budget.left(FRUITLESS_PER_MINUTE_MAX) < 1) return undefined;
    while (this.#pivots.length > 0) {
      const target = this.#pivots[this.#pivots.length - 1] as number;
      if (target > head.number)
        return target - head.number <= SKIP_BLOCKS_MIN ? undefined : this.#consensus.landing?.(head, target);
      this.#pivots.pop();
    }
    return undefined;
  }

  /**
   * Tries an announced header: the state after it, or undefined where that is no way to it, or why it is refused.
   * @param height what there can be by now of what it claims
   */
  offered(
    head: Trusted,
    header: Header,
    height: number | undefined,
    nowS: number | undefined,
    budget: MinuteBudget,
  ): Trusted | Rejection | undefined {
    if (this.#consensus.skip === undefined || height === undefined || nowS === undefined) return undefined;
    if (height - head.number <= SKIP_BLOCKS_MIN) return undefined;
    const landing = this.#consensus.landing?.(head, height);
    const isNew = this.#pivots.length === 0;
    if (header.number !== height || landing?.from !== height || landing.count !== 1) {
      this.announced(height, head);
      return undefined;
    }
    const landed = this.land(head, [header], nowS, budget, []);
    if (landed instanceof Rejection && landed.code !== "skip-overlap" && landed.code !== "work-limit") return landed;
    if (!(landed instanceof Rejection)) return landed;
    this.announced(height, head);
    // Nobody who is trusted vouches for it; where there is a search under way, it goes on as it was.
    if (landed.code === "skip-overlap" && isNew) this.halve(head);
    return undefined;
  }

  /**
   * Takes headers that came for `next`: the settled state that they lead to, or undefined where another is to be tried.
   * @param deltas gets those from there to the last of them
   */
  answered(
    head: Trusted,
    headers: readonly Header[],
    nowS: number | undefined,
    budget: MinuteBudget,
    deltas: Uint8Array[],
  ): Trusted | Rejection | undefined {
    const landed = this.land(head, headers, nowS, budget, deltas);
    if (!(landed instanceof Rejection)) return landed;
    // Without a clock there are no jumps: the chain is walked.
    if (landed.code === "clock-unknown") this.drop();
    else if (landed.code !== "skip-overlap") this.failed();
    else {
      budget.refund(this.costOf(headers));
      this.fruitless();
      this.halve(head);
      return undefined;
    }
    return landed;
  }

  private land(
    head: Trusted,
    headers: readonly Header[],
    nowS: number | undefined,
    budget: MinuteBudget,
    deltas: Uint8Array[],
  ): Trusted | Rejection | undefined {
    const landed = budget.charge(this.costOf(headers)) ?? this.#consensus.skip?.(head, headers, nowS, deltas);
    if (landed === undefined || landed instanceof Rejection) return landed;
    budget.refund(this.costOf(headers));
    this.#budget.refund(this.#spent);
    this.#spent = 0;
    this.#tries = 0;
    return landed;
  }

  private costOf(headers: readonly Header[]): number {
    return headers.reduce((sum, header) => sum + costOf(this.#consensus, header), 0);
  }

  /** Nobody who is trusted vouches for the block that was tried. */
  private halve(head: Trusted): void {
    const target = this.#pivots[this.#pivots.length - 1];
    if (target === undefined || this.#pivots.length >= PIVOTS_MAX) this.drop();
    else this.#pivots.push(head.number + Math.floor((target - head.number) / 2));
  }

  /** Whoever was asked has no such block: it may be that nobody has. */
  absent(head: Trusted): Outcome {
    const target = this.#pivots.pop();
    if (target !== undefined) this.#pivots.push(head.number + Math.floor((target - head.number) / 2));
    this.fruitless();
    this.#yields = true;
    return WANTING;
  }

  /** No answer came, or one without use. */
  failed(): void {
    this.fruitless();
    this.#yields = true;
    this.#tries += 1;
    if (this.#tries >= TRIES_MAX) this.drop();
  }

  /** A walk has had its turn, or wants none. */
  walked(): void {
    this.#yields = false;
  }

  drop(): void {
    this.#pivots = [];
    this.#tries = 0;
  }

  private fruitless(): void {
    this.#budget.spend();
    this.#spent += 1;
  }
}

/** The height that `header` claims, as far as there can be one by now; undefined where its format has none. */
export function heightOf(
  { leastPeriodS, clockDriftS }: Consensus,
  { number }: Header,
  head: Trusted,
  nowS: number | undefined,
): number | undefined {
  if (number === undefined || nowS === undefined || leastPeriodS === undefined) return number;
  const passedS = Math.max(0, nowS + clockDriftS - head.timeS);
  const blocks = leastPeriodS > 0 ? passedS / leastPeriodS : passedS * BLOCKS_PER_SECOND_MAX;
  return Math.min(number, head.number + Math.ceil(blocks));
}

/** How many signatures there are to check. */
export function costOf(consensus: Consensus, header: Header): number {
  return consensus.signatures?.(header) ?? 1;
}

/** The headers that a jump needs, each at its height; or answer-too-long, answer-order, and what `decode` says. */
export function decodeAll(consensus: Consensus, landing: Landing, raws: readonly Uint8Array[]): Header[] | Rejection {
  const { from, count } = landing;
  if (raws.length > count) return tooLong(raws.length, count);
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
