// A follower's part in branches other than its own: one beside it within the window, and a rival (rival.ts) that leaves it further
// back or is too long for that: when it is begun, whose turn it is to ask, and when it has won or is over.
//
// Promises: our own branch is left only for one with more total difficulty; blocks that had counted as settled are not left
// without a word (`revokedAt`). One rival at a time, none for chains that are final, none within `RIVAL_PAUSE_MS` of one that led
// nowhere. It is the follower's base class, and not an object beside it, for the sake of the heap.

import { Rejection } from "../../rejection.js";
import type { Consensus, Header, Trusted } from "../consensus.js";
import type { Ask } from "./asking.js";
import type { MinuteBudget } from "./budget.js";
import type { Outcome } from "./outcome.js";
import { RIVAL_HEADERS_MAX, RIVAL_PAUSE_MS, RIVAL_WINDOW_BLOCKS_MAX, Rival, type RivalOwner } from "./rival.js";
import { costOf } from "./skipping.js";
import { type KnownBlock, REORG_DEPTH, Window } from "./window.js";

export abstract class Branching implements RivalOwner {
  /** Another branch that is walked beside ours; or when the next may begin. */
  #rival: Rival | number = 0;
  #revokedAt: number | undefined;

  abstract get consensus(): Consensus;
  abstract get head(): Trusted;
  abstract get window(): Window;
  abstract older(number: number, nowS: number | undefined): Trusted | undefined;
  protected abstract moveHead(head: Trusted): void;
  /** Ends what our own branch asks for; answers the highest block that was announced, 0 where none was. */
  protected abstract askedUpTo(): number;
  /** Any of the follower's, for its clock. */
  protected abstract get budget(): MinuteBudget;
  /** What our own branch asks for. */
  protected abstract ownAsk(): Ask | undefined;
  /** The head moves to the tip of `rival`, and all blocks of our branch above `fork` are left. */
  protected abstract leaveFor(rival: Rival, fork: number): Outcome;

  /** Height of the head when the newest reorganisation left blocks that had counted as settled; undefined where none did. */
  get revokedAt(): number | undefined {
    return this.#revokedAt;
  }

  /** `check`, then the signatures, as far as `budget` allows. */
  protected authenticate(parent: Trusted, header: Header, nowS: number | undefined, budget: MinuteBudget): Trusted | Rejection {
    const cheap = this.consensus.check(parent, header, nowS);
    if (cheap !== undefined) return cheap;
    return budget.charge(costOf(this.consensus, header)) ?? this.consensus.authenticate(parent, header);
  }

  /** Takes a child of `parent`, off the main branch. */
  protected branch(parent: KnownBlock, header: Header, nowS: number | undefined, budget: MinuteBudget): Outcome | Rejection {
    const { offset, state } = parent;
    if (parent.deltas.length > REORG_DEPTH) return this.outgrown(parent, header, nowS);
    const tip = this.authenticate(state, header, nowS, budget);
    if (tip instanceof Rejection) return tip;
    const deltas = [...parent.deltas, tip.delta];
    if (tip.totalDifficulty <= this.head.totalDifficulty) {
      // The newest branch takes the place of an older one: a branch that is to win is delivered in one go.
      this.window.side = { offset, deltas, tip };
      return { kind: "side", number: tip.number };
    }
    budget.refund(deltas.length);
    const fork = this.window.base.number + offset;
    this.window.turn(offset, deltas, this.head);
    return this.reorganised(fork, tip);
  }

  /** The head moves to `tip`, and all blocks of our branch above `fork` are left. */
  protected reorganised(fork: number, tip: Trusted): Outcome {
    const { number, settled } = this.head;
    if (settled > fork) this.#revokedAt = tip.number;
    this.moveHead(tip);
    return { kind: "reorg", number: tip.number, depth: number - fork, revoked: Math.max(0, settled - fork) };
  }

  protected get rival(): Rival | undefined {
    return typeof this.#rival === "number" ? undefined : this.#rival;
  }

  /** Another branch leaves ours below the window. False where there is nothing to walk it from, or not so soon. */
  protected beginDeepRival(target: number | undefined, nowS: number | undefined): boolean {
    if (!this.mayBeginRival()) return this.rival !== undefined;
    const start = this.older(this.window.base.number, nowS);
    if (start !== undefined) this.beginRival(new Window(this.consensus, start), start, undefined, target);
    return start !== undefined;
  }

  /** Takes a child of `parent`, on a side branch that is too long for one: from here on it is a rival. */
  private outgrown(parent: KnownBlock, header: Header, nowS: number | undefined): Outcome | Rejection {
    const tooLongToKeep = new Rejection("side-too-long", `a branch of ${parent.deltas.length} blocks that is not heavier`);
    // Whatever more there is of it is for the rival to ask for.
    const target = Math.max(header.number ?? Number.POSITIVE_INFINITY, this.askedUpTo());
    if (!this.mayBeginRival()) return tooLongToKeep;
    const { base, deltas } = this.window;
    const window = new Window(this.consensus, base, [...deltas.slice(0, parent.offset), ...parent.deltas]);
    window.trim(parent.state.number, RIVAL_WINDOW_BLOCKS_MAX);
    this.beginRival(window, parent.state, base.number + parent.offset, target);
    return this.offerToRival(header, nowS) ?? tooLongToKeep;
  }

  /** Takes a header for the rival: what came of it, or undefined where it is no child of the rival's tip. */
  protected offerToRival(header: Header, nowS: number | undefined): Outcome | Rejection | undefined {
    this.endRivalIfOver();
    const outcome = this.rival?.offered(header, nowS);
    return outcome === undefined ? undefined : (this.turnToRival() ?? outcome);
  }

  /** What the rival asks for where it is its turn: it takes turns with our own branch. */
  protected rivalsAsk(): Ask | undefined {
    const { rival } = this;
    const ask = rival?.next();
    return ask === undefined || rival?.isNext === true || this.ownAsk() === undefined ? ask : undefined;
  }

  /** What our own branch asks for, no more at once than the rival does while there is one. */
  protected shortened(ask: Ask | undefined): Ask | undefined {
    if (ask === undefined || this.rival === undefined) return ask;
    return { from: ask.from, count: Math.min(ask.count, RIVAL_HEADERS_MAX) };
  }

  /** Our own branch has had its turn. */
  protected rivalIsNext(): void {
    if (this.rival !== undefined) this.rival.isNext = true;
  }

  /** Takes an answer to `rivalsAsk`. */
  protected rivalAnswered(raws: readonly Uint8Array[], nowS: number | undefined): readonly (Outcome | Rejection)[] {
    const rival = this.rival as Rival;
    rival.isNext = false;
    const outcomes = rival.answered(raws, nowS);
    const turned = this.turnToRival();
    if (turned !== undefined) outcomes.push(turned);
    return outcomes;
  }

  /** No answer came: whether the rival had asked. */
  protected rivalUnanswered(): boolean {
    const { rival } = this;
    if (rival === undefined) return false;
    const isRivals = this.rivalsAsk() !== undefined;
    rival.isNext = !isRivals;
    if (isRivals) rival.unanswered();
    this.endRivalIfOver();
    return isRivals;
  }

  protected endRivalIfOver(): void {
    if (this.rival?.isOver === true) this.#rival = this.budget.nowMs + RIVAL_PAUSE_MS;
  }

  private mayBeginRival(): boolean {
    this.endRivalIfOver();
    return this.consensus.isFinal !== true && typeof this.#rival === "number" && this.budget.nowMs >= this.#rival;
  }

  private beginRival(window: Window, tip: Trusted, fork: number | undefined, target = Number.POSITIVE_INFINITY): void {
    // For memory's sake there is one other branch at the most.
    this.window.side = undefined;
    this.#rival = new Rival(this, this.budget.another(), window, tip, fork, target);
  }

  /** Leaves our branch for the rival where that is heavier. */
  private turnToRival(): Outcome | undefined {
    this.endRivalIfOver();
    const { rival } = this;
    if (rival === undefined || rival.tip.totalDifficulty <= this.head.totalDifficulty) return undefined;
    this.#rival = 0;
    return this.leaveFor(rival, rival.fork ?? this.window.base.number - 1);
  }
}
