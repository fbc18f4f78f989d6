// Links a block that the trusted validators sealed far above the head to the head, by the hashes between: without that, a block of
// another chain which the same validators seal would do as well.
//
// Promises: asks backwards from the landing, in bounded answers, and takes each header by its hash alone, which costs no signature;
// keeps the next hash and height and the state after the landing, nothing else. Gives up after `TRIES_MAX` answers in a row without
// use, and after any landing that led nowhere owes the walk as many asks as it took: whoever brings one foreign landing after the
// other halves the pace of a walk, and no more. Silence, and headers that are not of the landing's chain, are no verdict on anyone:
// the landing may have come from somebody else. Only whoever led all the way down to another block than the head has shown a
// foreign chain (skip-unlinked).

import { equal } from "../../bytes.js";
import { Rejection } from "../../rejection.js";
import { type Consensus, HEADER_BYTES_MAX, type Header, type Trusted } from "../consensus.js";
import { ASK_HEADERS_MAX, type Ask } from "./asking.js";
import type { MinuteBudget } from "./budget.js";
import { LINKING, type Outcome, tooLong, WANTING } from "./outcome.js";
import { costOf } from "./skipping.js";

const TRIES_MAX = 4;
/** What an answer takes for each header besides the header itself, in bytes, at most. */
const ANSWER_OVERHEAD_BYTES = 8;

export class Linking {
  /** The state after the landing; undefined once it led nowhere. */
  #landing: Trusted | undefined;
  /** Hash and height of the next block below. */
  #hash: Uint8Array;
  #number: number;
  /** How many headers an answer holds: it is cut off at its upper end, where the next hash is known. */
  #fit: number;
  #tries = 0;
  /** Asks that this landing took; those that a walk is due, once it led nowhere. */
  #asks = 0;
  readonly #budget: MinuteBudget;
  readonly #cost: number;

  /**
   * @param headers the landing's
   * @param landing the state after the last of them
   * @param budget what their signature checks are charged to unless the head moves there
   */
  constructor(consensus: Consensus, headers: readonly Header[], landing: Trusted, budget: MinuteBudget) {
    const lowest = headers[0] as Header;
    this.#cost = headers.reduce((sum, header) => sum + costOf(consensus, header), 0);
    budget.spend(this.#cost);
    this.#budget = budget;
    this.#landing = landing;
    this.#hash = lowest.parentHash.slice();
    this.#number = (lowest.number as number) - 1;
    this.#fit = Math.max(
      1,
      Math.min(ASK_HEADERS_MAX, Math.floor(HEADER_BYTES_MAX / (lowest.raw.length + ANSWER_OVERHEAD_BYTES))),
    );
  }

  get landing(): Trusted | undefined {
    return this.#landing;
  }

  /** What is left of it once the head moved on: nothing, where that came to the next block by other means. */
  headIs(head: Trusted): Linking | undefined {
    return this.#landing !== undefined && this.#number <= head.number ? undefined : this;
  }

  /** What is left of it after one more ask of a walk: nothing, where the landing led nowhere and the walk has had its share. */
  walked(): Linking | undefined {
    if (this.#landing !== undefined) return this;
    this.#asks -= 1;
    return this.#asks <= 0 ? undefined : this;
  }

  /** What to ask for; undefined where the landing led nowhere. */
  next(head: Trusted): Ask | undefined {
    if (this.#landing === undefined) return undefined;
    const from = Math.max(head.number + 1, this.#number - this.#fit + 1);
    return { from, count: this.#number - from + 1, whole: true };
  }

  /**
   * Takes an answer to `next`: true where the landing is linked to `head`, otherwise what came of it.
   * @param raws empty where none came
   */
  answered(consensus: Consensus, head: Trusted, raws: readonly Uint8Array[]): true | Outcome | Rejection {
    const { count = 0 } = this.next(head) ?? {};
    this.#asks += 1;
    if (raws.length > count) return this.failed() ?? tooLong(raws.length, count);
    if (raws.length < count) {
      if (raws.length > 0) this.#fit = raws.length;
      return this.failed() ?? WANTING;
    }
    for (let i = raws.length - 1; i >= 0; i -= 1) {
      const header = consensus.decode(raws[i] as Uint8Array);
      if (header instanceof Rejection) return this.failed() ?? header;
      if (!equal(header.hash, this.#hash)) return this.failed() ?? WANTING;
      this.#hash = header.parentHash.slice();
      this.#number -= 1;
    }
    this.#tries = 0;
    if (this.#number > head.number) return LINKING;
    if (equal(this.#hash, head.hash)) {
      this.#budget.refund(this.#cost);
      return true;
    }
    const number = (this.#landing as Trusted).number;
    this.#landing = undefined;
    return new Rejection(
      "skip-unlinked",
      `block ${number}, which trusted validators sealed, does not descend from ${head.number}`,
    );
  }

  /** The answer was of no use. Says so where that was the last try. */
  private failed(): Rejection | undefined {
    this.#tries += 1;
    if (this.#tries < TRIES_MAX) return undefined;
    const number = this.#landing?.number;
    this.#landing = undefined;
    return new Rejection("link-absent", `nobody brings the headers below block ${number}`);
  }
}
