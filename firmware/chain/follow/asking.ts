// Which headers to ask a relay for: a small machine without clock or network, driven by the follower.
//
// Promises: asks forward from the head; where an answer does not join what is known, from 1, 2, 4 … blocks further back,
// down to the oldest block that can still be left; gives up after `TRIES_MAX` fruitless asks in a row, and after
// `FRUITLESS_PER_MINUTE_MAX` within a minute until some of them are forgotten, so that nobody who announces absurd heights
// keeps it busy.
// Never believes an announcement: it only bounds where to ask.

import type { MinuteBudget } from "./budget.js";

/** The most headers that one ask may bring. */
export const ASK_HEADERS_MAX = 16;
const TRIES_MAX = 4;
const FRUITLESS_PER_MINUTE_MAX = 16;
/** Somewhere above the head: Bitcoin's headers do not say how high. */
const SOMEWHERE = Number.POSITIVE_INFINITY;

export interface Ask {
  readonly from: number;
  readonly count: number;
  /** Of no use but all in one answer. */
  readonly whole?: boolean;
}

export class Asking {
  readonly #budget: MinuteBudget;
  /** The highest block that was announced, or undefined where nothing is wanted. */
  #target: number | undefined;
  /** Where to ask next; undefined means right after the head. */
  #from: number | undefined;
  #back = 0;
  #tries = 0;

  constructor(budget: MinuteBudget) {
    this.#budget = budget;
  }

  /** The highest block that was announced, infinite where it did not say; undefined where nothing is wanted. */
  get target(): number | undefined {
    return this.#target;
  }

  /**
   * There is a block of this height; undefined where it does not say: asks then go on until an answer ends early (`ended`).
   * @param from where the blocks that lead to it may begin; undefined for right after the head
   */
  announced(number: number | undefined, from: number | undefined, head: number): void {
    const height = number ?? SOMEWHERE;
    if (this.#target !== undefined) {
      this.#target = Math.max(this.#target, height);
      return;
    }
    this.#target = height;
    this.#tries = 0;
    this.#from = from;
    this.#back = from === undefined ? 0 : Math.max(0, head + 1 - from);
  }

  /** The relay had less than it was asked for: where no height was announced, that was all. */
  ended(): void {
    if (this.#target === SOMEWHERE) this.drop();
  }

  /** The head moved on by other means. */
  headIs(number: number): void {
    if (this.#target !== undefined && this.#target <= number) this.drop();
  }

  next(head: number, base: number): Ask | undefined {
    if (this.#target === undefined || this.#budget.left(FRUITLESS_PER_MINUTE_MAX) < 1) return undefined;
    const from = Math.max(base + 1, this.#from ?? head + 1);
    // As many as there are: whoever announces less than that is not to hold the rest back.
    return { from, count: ASK_HEADERS_MAX };
  }

  /** The answer to an ask joined what is known and reached up to `number`; `news` where it held something new. */
  reached(number: number, news: boolean, head: number): void {
    this.#back = 0;
    if (news) this.#tries = 0;
    else this.fruitless();
    if (this.#target === undefined) return;
    if (number >= this.#target) this.drop();
    else this.#from = number === head ? undefined : number + 1;
  }

  /** The answer did not join. False where there is nothing further back that could be left. */
  searchBack(head: number, base: number): boolean {
    this.#budget.spend();
    const from = Math.max(base + 1, this.#from ?? head + 1);
    if (from === base + 1) {
      this.drop();
      return false;
    }
    this.#back = this.#back === 0 ? 1 : 2 * this.#back;
    this.#from = Math.max(base + 1, head + 1 - this.#back);
    return true;
  }

  /** No answer came, or one without use. */
  unanswered(): void {
    if (this.#target !== undefined) this.fruitless();
  }

  drop(): void {
    this.#target = undefined;
    this.#from = undefined;
    this.#back = 0;
    this.#tries = 0;
  }

  private fruitless(): void {
    this.#budget.spend();
    this.#tries += 1;
    if (this.#tries >= TRIES_MAX) this.drop();
  }
}
