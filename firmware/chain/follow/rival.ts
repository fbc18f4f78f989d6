// Another branch that leaves ours further back than the window reaches, or that grew longer than a side branch may: walked beside
// ours, from the newest state that both have in common, until it is heavier or leads nowhere.
//
// Promises: exists only while there is such a branch; one state below its own window, one at its tip and deltas for the blocks
// between. Every header is verified in full, as on our own branch, and its signature checks are counted apart, so many a minute:
// a branch that leads nowhere takes nothing from the walk of ours. Whoever announces it is not believed: a relay can make the mote
// walk, and only blocks with more total difficulty can make it leave. Over after `FRUITLESS_MAX` answers without a new
// height, after `IDLE_MS`, or when it turns out to be our own branch. Never for chains that are final.

import { equal } from "../../bytes.js";
import { Rejection } from "../../rejection.js";
import type { Consensus, Header, Trusted } from "../consensus.js";
import type { Ask } from "./asking.js";
import { FRUITLESS_CHECKS_PER_MINUTE_MAX, type MinuteBudget } from "./budget.js";
import { KNOWN, type Outcome, tooLong, WANTING } from "./outcome.js";
import { costOf } from "./skipping.js";
import { Window } from "./window.js";

/** How far its own branch may change near the tip while it is walked, in blocks: each takes some 190 bytes of the heap. */
export const RIVAL_WINDOW_BLOCKS_MAX = 4;
/** So many headers are asked for at once: half an answer, since there are two branches in memory. */
export const RIVAL_HEADERS_MAX = 3;
const FRUITLESS_MAX = 8;
/** Without a new height for so long it is given up. */
const IDLE_MS = 600_000;
/** After one that led nowhere the next is begun so much later. */
export const RIVAL_PAUSE_MS = 600_000;

/** Whose branch it is a rival of. */
export interface RivalOwner {
  readonly consensus: Consensus;
  /** The owner's branch, which goes on meanwhile. */
  readonly window: Window;
  /** The newest state to begin at that is below block `number`; undefined where there is none. */
  older(number: number, nowS: number | undefined): Trusted | undefined;
}

export class Rival {
  /** Whether it is this one's turn to ask, where our own branch wants something, too. */
  isNext = true;
  /** Height of the newest block of both branches; undefined where that is below our window. */
  readonly fork: number | undefined;
  readonly #owner: RivalOwner;
  readonly #budget: MinuteBudget;
  #window: Window;
  #tip: Trusted;
  #target: number;
  /** How many blocks below the next to ask from, where answers did not join. */
  #back = 0;
  /** The highest block that it had, and when that came. */
  #highest: number;
  #movedMs: number;
  #fruitless = 0;

  /**
   * @param budget of its own
   * @param window the branch as far as it is known, and `tip` its newest block
   * @param target the highest block that was announced of it; infinite where nothing is known of that
   */
  constructor(owner: RivalOwner, budget: MinuteBudget, window: Window, tip: Trusted, fork: number | undefined, target: number) {
    this.fork = fork;
    this.#owner = owner;
    this.#budget = budget;
    this.#window = window;
    this.#tip = tip;
    this.#target = target;
    this.#highest = tip.number;
    this.#movedMs = budget.nowMs;
  }

  get window(): Window {
    return this.#window;
  }

  get tip(): Trusted {
    return this.#tip;
  }

  /** The highest block that was announced; infinite where nothing is known of it. */
  get target(): number {
    return this.#target;
  }

  /** Whether it has led nowhere. */
  get isOver(): boolean {
    return this.#fruitless >= FRUITLESS_MAX || this.#budget.nowMs - this.#movedMs > IDLE_MS;
  }

  next(): Ask | undefined {
    if (this.isOver || this.#target <= this.#tip.number || this.#budget.left(FRUITLESS_CHECKS_PER_MINUTE_MAX) < RIVAL_HEADERS_MAX)
      return undefined;
    return { from: this.from, count: RIVAL_HEADERS_MAX };
  }

  /** There is a block of this height, which does not join ours; undefined where it does not say. */
  announced(number: number | undefined): void {
    const height = number ?? Number.POSITIVE_INFINITY;
    if (height > this.#tip.number) this.#target = this.#target <= this.#tip.number ? height : Math.max(height, this.#target);
  }

  /** Takes a header that nobody asked for, where it is the child of the tip; undefined where it is not. */
  offered(header: Header, nowS: number | undefined): Outcome | Rejection | undefined {
    return equal(header.parentHash, this.#tip.hash) ? this.take(header, nowS) : undefined;
  }

  /** Takes an answer to `next`. */
  answered(raws: readonly Uint8Array[], nowS: number | undefined): (Outcome | Rejection)[] {
    const outcomes: (Outcome | Rejection)[] = [];
    const { from } = this;
    const highest = this.#highest;
    for (let i = 0; i < raws.length && this.#fruitless < FRUITLESS_MAX; i += 1) {
      const outcome = i < RIVAL_HEADERS_MAX ? this.takeAsked(raws[i] as Uint8Array, from + i, nowS) : tooLong(raws.length, i);
      outcomes.push(outcome);
      if (outcome instanceof Rejection) break;
      if (outcome.kind !== "wanting") this.#back = 0;
      else if (i > 0) outcomes.push(new Rejection("answer-order", `header ${from + i} is no child of the one before`));
      else this.searchBack(outcomes, nowS);
      if (outcome.kind === "wanting") break;
    }
    if (this.#highest === highest) this.#fruitless += 1;
    return outcomes;
  }

  /** No answer came, or an empty one: until more is announced that was all. */
  unanswered(): void {
    this.#target = this.#tip.number;
    this.#fruitless += 1;
  }

  private get from(): number {
    return Math.max(this.#window.base.number + 1, this.#tip.number + 1 - this.#back);
  }

  private takeAsked(raw: Uint8Array, number: number, nowS: number | undefined): Outcome | Rejection {
    const header = this.#owner.consensus.decode(raw);
    if (header instanceof Rejection) return header;
    if (header.number !== undefined && header.number !== number)
      return new Rejection("answer-order", `header ${header.number} in the place of ${number}`);
    return this.take(header, nowS);
  }

  /** Takes a header that joins anywhere in the window: what was behind there is left, whatever it weighed. */
  private take(header: Header, nowS: number | undefined): Outcome | Rejection {
    const { consensus } = this.#owner;
    const window = this.#window;
    if (window.offsetOf(header.hash) >= 0) return KNOWN;
    const offset = window.offsetOf(header.parentHash);
    if (offset < 0) return WANTING;
    const parent = offset === window.deltas.length ? this.#tip : window.stateAt(offset);
    const refused = consensus.check(parent, header, nowS) ?? this.#budget.charge(costOf(consensus, header));
    const tip = refused ?? consensus.authenticate(parent, header);
    if (tip instanceof Rejection) return tip;
    window.cut(offset);
    window.push(tip.delta);
    window.trim(tip.number, RIVAL_WINDOW_BLOCKS_MAX);
    this.#tip = tip;
    if (tip.number > this.#highest) {
      this.#highest = tip.number;
      this.#movedMs = this.#budget.nowMs;
      this.#fruitless = 0;
    }
    return this.isOurs() ? this.lostIn(tip) : { kind: "rival", number: tip.number };
  }

  private isOurs(): boolean {
    const ours = this.#owner.window;
    const offset = this.#tip.number - ours.base.number;
    return offset >= 0 && offset <= ours.deltas.length && equal(ours.hashAt(offset), this.#tip.hash);
  }

  private lostIn(tip: Trusted): Rejection {
    this.#fruitless = FRUITLESS_MAX;
    return new Rejection("rival-ours", `what was to be another branch is ours at block ${tip.number}`);
  }

  /** The answer did not join: from further back, at last from an older state, where nothing has joined this one yet. */
  private searchBack(outcomes: (Outcome | Rejection)[], nowS: number | undefined): void {
    const { base, deltas } = this.#window;
    if (this.from > base.number + 1) this.#back = this.#back === 0 ? 1 : 2 * this.#back;
    else if (deltas.length > 0) this.#back = 0;
    else {
      const older = this.#owner.older(base.number, nowS);
      if (older === undefined) {
        this.#fruitless = FRUITLESS_MAX;
        outcomes.push(tooDeep(base.number, true));
        return;
      }
      this.#window = new Window(this.#owner.consensus, older);
      this.#tip = older;
      this.#highest = older.number;
    }
  }
}

/** @param last whether nothing older is kept */
export function tooDeep(number: number, last: boolean): Rejection {
  const then = last ? ", the oldest that can be walked from: if it is the right one, a new checkpoint is needed" : "";
  return new Rejection("reorg-too-deep", `the relay's chain leaves ours before block ${number + 1}${then}`);
}
