// Follows one chain from headers that anyone may deliver: what the mote believes is its head.
//
// Promises: the head moves only to a block whose every ancestor since the checkpoint was verified here, or by a jump to one that
// those who are trusted sealed and that is linked to the head by hash as far as a mote can bear it; of
// two branches the heavier wins, of equals the one seen first; a branch is left within the window, or further back once a rival
// (rival.ts) has shown that it is heavier; what is believed survives a restart. Memory does not grow with the chain: one
// state below the window, one at the head, one at the tip of at most one side branch or at a landing that is not linked yet,
// and deltas of some tens of bytes for the blocks between; the same once more for a rival while there is one.
//
// Never trusts a relay: a header that fails is refused with its reason; cheap checks come before signatures, and signature
// checks that lead nowhere are capped per minute, apart for what was asked for and for what was not, so that a flood of the
// one cannot starve the other. Checks that move the head are not counted: a catch-up is never slowed down.

import { equal } from "../../bytes.js";
import type { CryptoEngine } from "../../crypto/engine.js";
import { type Persistent, SAVE_DUE, SAVED, UNSAVED } from "../../persistence.js";
import type { Clock, KeyValueDomain } from "../../ports.js";
import { Rejection } from "../../rejection.js";
import type { Consensus, Header, Trusted } from "../consensus.js";
import { anchorFor, keepAnchors } from "./anchors.js";
import { ASK_HEADERS_MAX, type Ask, Asking } from "./asking.js";
import { Branching } from "./branching.js";
import { MinuteBudget } from "./budget.js";
import { type Fork, ForkEvidence } from "./fork-evidence.js";
import { Linking } from "./linking.js";
import { ADVANCED, frozen, KNOWN, type Outcome, stale, tooLong, WANTING } from "./outcome.js";
import { type Rival, tooDeep } from "./rival.js";
import { costOf, decodeAll, heightOf, Skipping } from "./skipping.js";
import { configurationDigest, decodeState, encodeState, replayAll } from "./state.js";
import { WINDOW_BLOCKS_MAX, Window } from "./window.js";

/** After so many blocks the state is due to be written. */
export const PERSIST_BLOCKS = 64;
const STATE_KEY = "trusted";

export interface FollowerOptions {
  readonly consensus: Consensus;
  readonly engine: CryptoEngine;
  /** Holds the persisted state under one key of its own. */
  readonly store: KeyValueDomain;
  readonly clock: Pick<Clock, "ticksMs">;
}

export class Follower extends Branching implements Persistent {
  /** Why the persisted state was not taken up, or undefined where it was, or where there was none. */
  readonly refusedState: Rejection | undefined;
  /** Whether the head comes from the persisted state. */
  readonly restored: boolean;
  readonly #consensus: Consensus;
  readonly #store: KeyValueDomain;
  readonly #digest: Uint8Array;
  readonly #asking: Asking;
  readonly #skipping: Skipping;
  readonly #evidence: ForkEvidence;
  /** Fruitless checks of headers that were asked for, and of those that were not. */
  readonly #asked: MinuteBudget;
  readonly #unasked: MinuteBudget;
  /** A landing that is not linked yet, or that led nowhere while a walk has its share of asks; no other is tried meanwhile. */
  #linking: Linking | undefined;
  #window: Window;
  #head: Trusted;
  #timeFloorS: number;
  /** By how many blocks the head moved since it was written. */
  #unwritten = 0;
  /** Height of the window's base when anchors were last looked after. */
  #anchored: number;

  constructor(options: FollowerOptions) {
    super();
    const { consensus, clock } = options;
    this.#consensus = consensus;
    this.#store = options.store;
    this.#asking = new Asking(new MinuteBudget(clock));
    this.#asked = new MinuteBudget(clock);
    this.#unasked = new MinuteBudget(clock);
    this.#digest = configurationDigest(options.engine, consensus);
    this.#skipping = new Skipping(consensus, new MinuteBudget(clock));
    this.#evidence = new ForkEvidence(consensus, options.store, this.#digest);
    this.#window = new Window(consensus, consensus.checkpoint);
    this.#head = consensus.checkpoint;
    this.#timeFloorS = this.floorOf(consensus.checkpoint);
    const restored = this.restore();
    this.refusedState = restored instanceof Rejection ? restored : undefined;
    this.restored = restored === true;
    this.#anchored = this.#window.base.number;
  }

  /** CAIP-2. */
  get chain(): string {
    return this.#consensus.chain;
  }

  /** The newest block that is believed, and what is believed after it. */
  get head(): Trusted {
    return this.#head;
  }

  /** Height of the newest block that counts as settled. Goes back where the chain left such a block: see `revokedAt`. */
  get settled(): number {
    return this.#head.settled;
  }

  /** What proves that the chain has forked; the head is frozen then. */
  get fork(): Fork | undefined {
    return this.#evidence.fork;
  }

  /** What it follows the chain by. */
  get consensus(): Consensus {
    return this.#consensus;
  }

  /** The blocks that can still be left. */
  get window(): Window {
    return this.#window;
  }

  older(number: number, nowS: number | undefined): Trusted | undefined {
    return anchorFor(this.#consensus, this.#store, this.#digest, number, this.#head, nowS);
  }

  protected get budget(): MinuteBudget {
    return this.#asked;
  }

  /**
   * It is at least so late, in seconds since the Unix epoch: the newest settled block's time less the drift that the chain
   * allows. Never goes back, not even where settled blocks were left: whoever sealed them saw that time. Taken from the settled
   * block, since one dishonest signer can date the head as it likes.
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
    const number = heightOf(this.#consensus, header, this.#head, nowS);
    const jumps = this.fork === undefined && this.#linking === undefined;
    const landed = jumps ? this.#skipping.offered(this.#head, header, number, nowS, this.#unasked) : undefined;
    if (landed !== undefined) return landed instanceof Rejection ? landed : this.landOn([header], landed, [], this.#unasked);
    const outcome = this.offerToRival(header, nowS) ?? this.take(header, nowS, this.#unasked);
    const head = this.#head.number;
    if (outcome instanceof Rejection) {
      // Its parent is known: what nobody asked for may be too much by now, what is asked for has a budget of its own.
      if (outcome.code === "work-limit") this.#asking.announced(number, number, head);
      if (outcome.code === "stale") this.rival?.announced(number);
    } else if (outcome.kind === "wanting") {
      this.rival?.announced(number);
      // At or below the head it belongs to another branch, whose blocks before it are missing.
      this.#asking.announced(number, number === undefined || number > head + 1 ? undefined : number - 1, head);
    }
    return outcome;
  }

  /** What to ask a relay for next; the same until something changes it. */
  wanted(): Ask | undefined {
    if (this.fork !== undefined) return this.#evidence.wanted();
    this.endRivalIfOver();
    return this.rivalsAsk() ?? this.ownAsk();
  }

  protected ownAsk(): Ask | undefined {
    const head = this.#head;
    const link = this.#linking?.next(head);
    if (link !== undefined) return link;
    const walk = this.shortened(this.#asking.next(head.number, this.#window.base.number));
    if (walk === undefined) this.#skipping.walked();
    const landing = this.#skipping.next(head);
    return landing === undefined ? walk : { from: landing.from, count: landing.count, whole: true };
  }

  /**
   * Takes a relay's answer to `wanted()`: headers with rising heights from `from`. Stops at the first that does not hold.
   * @returns what came of each header that was looked at; a last `Rejection` may be about the answer as a whole
   *   (answer-unasked, answer-order, answer-too-long, reorg-too-deep)
   */
  answer(from: number, raws: readonly Uint8Array[], nowS: number | undefined): readonly (Outcome | Rejection)[] {
    const ask = this.wanted();
    if (ask === undefined || ask.from !== from) return [new Rejection("answer-unasked", `nobody asked from ${from}`)];
    if (this.fork !== undefined) return [this.#evidence.complete(raws, this.#window, nowS) ?? KNOWN];
    if (this.rivalsAsk() !== undefined) return this.rivalAnswered(raws, nowS);
    this.rivalIsNext();
    if (this.#linking?.next(this.#head) !== undefined) return [this.linkAsked(this.#linking, raws)];
    if (this.#skipping.next(this.#head) !== undefined) return [this.jumpAsked(ask, raws, nowS)];
    this.#skipping.walked();
    this.#linking = this.#linking?.walked();
    const outcomes: (Outcome | Rejection)[] = this.takeTogether(from, raws.slice(0, ask.count), nowS);
    const { target } = this.#asking;
    let reached = from - 1 + outcomes.length;
    let news = outcomes.length > 0;
    for (let i = outcomes.length; i < raws.length; i += 1) {
      const outcome = i < ask.count ? this.takeAsked(raws[i] as Uint8Array, from + i, nowS) : tooLong(raws.length, ask.count);
      outcomes.push(outcome);
      if (outcome instanceof Rejection) break;
      if (outcome.kind === "wanting") {
        if (i > 0) outcomes.push(new Rejection("answer-order", `header ${from + i} is no child of the one before`));
        else if (this.#asking.searchBack(this.#head.number, this.#window.base.number)) return outcomes;
        else if (!this.beginDeepRival(target, nowS)) outcomes.push(tooDeep(this.#window.base.number, false));
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

  /**
   * The relay did not answer `wanted()` in time.
   * @param absent whether it did, with no header at all
   */
  unanswered(absent = false): void {
    if (this.rivalUnanswered()) return;
    if (this.#linking?.next(this.#head) !== undefined) this.linkAsked(this.#linking, []);
    else if (this.#skipping.next(this.#head) === undefined) {
      this.#skipping.walked();
      this.#linking = this.#linking?.walked();
      this.#asking.unanswered();
    } else if (absent) this.#skipping.absent(this.#head);
    else this.#skipping.failed();
  }

  get written(): string {
    return "trusted state";
  }

  /** Its owner writes: what the store makes of that must not reach whoever handed over a header. */
  unsaved(): typeof SAVED | typeof UNSAVED | typeof SAVE_DUE {
    if (this.#evidence.unsaved || this.#unwritten >= PERSIST_BLOCKS) return SAVE_DUE;
    return this.#unwritten === 0 ? SAVED : UNSAVED;
  }

  /**
   * Takes headers with rising heights from `from`, which a relay was asked for though no announcement led there: what comes
   * after the head, or what the head has overtaken by now. Stops at the first that brings nothing.
   */
  polled(from: number, raws: readonly Uint8Array[], nowS: number | undefined): readonly (Outcome | Rejection)[] {
    const outcomes: (Outcome | Rejection)[] = this.fork === undefined ? this.takeTogether(from, raws, nowS) : [];
    for (let i = outcomes.length; i < raws.length; i += 1) {
      const outcome = this.takeAsked(raws[i] as Uint8Array, from + i, nowS);
      outcomes.push(outcome);
      const wanting = !(outcome instanceof Rejection) && outcome.kind === "wanting";
      // The relay's chain leaves ours further back.
      if (wanting && from <= this.#head.number + 1) this.#asking.announced(from, from - 1, this.#head.number);
      if (wanting || outcome instanceof Rejection) break;
    }
    return outcomes;
  }

  /** Writes what is believed, unless it is written already. Throws what the store throws; nothing is lost then. */
  persist(): void {
    try {
      this.persistState();
    } finally {
      // Whoever wakes up with evidence needs the blocks that it is about, so these go first.
      this.#evidence.persist();
    }
  }

  private persistState(): void {
    if (this.#unwritten === 0) return;
    const { base, deltas } = this.#window;
    this.#store.write(STATE_KEY, encodeState(this.#consensus, this.#digest, { timeFloorS: this.#timeFloorS, base, deltas }));
    this.#unwritten = 0;
    if (this.#consensus.isFinal === true) return;
    keepAnchors(this.#consensus, this.#store, this.#digest, base, this.#anchored);
    this.#anchored = base.number;
  }

  private takeAsked(raw: Uint8Array, number: number, nowS: number | undefined): Outcome | Rejection {
    const header = this.#consensus.decode(raw);
    if (header instanceof Rejection) return header;
    if (header.number !== undefined && header.number !== number)
      return new Rejection("answer-order", `header ${header.number} in the place of ${number}`);
    return this.take(header, nowS, this.#asked);
  }

  private take(header: Header, nowS: number | undefined, budget: MinuteBudget): Outcome | Rejection {
    const { number } = header;
    if (this.fork !== undefined) return frozen(this.fork.number);
    if (equal(header.parentHash, this.#head.hash)) return this.extend(header, nowS, budget);
    const { side, base } = this.#window;
    // A claimed height spares a hash where no known block can be meant, and everything else where it is too old.
    if (number !== undefined && number > Math.max(this.#head.number, side?.tip.number ?? 0) + 1) return WANTING;
    if (number !== undefined && number < base.number) return stale(number, base.number);
    if (this.#window.isKnown(header.hash)) return KNOWN;
    if (this.#consensus.isFinal === true && number !== undefined && number <= this.#head.number)
      return this.#evidence.judge(header, number, this.#window, nowS, budget);
    if (number === base.number) return stale(number, base.number);
    const parent = this.#window.find(header.parentHash);
    return parent === undefined ? WANTING : this.branch(parent, header, nowS, budget);
  }

  /** Takes as many children of the head as the consensus takes in one go; the rest is for those one by one. */
  private takeTogether(from: number, raws: readonly Uint8Array[], nowS: number | undefined): Outcome[] {
    const taken = from === this.#head.number + 1 ? this.#consensus.extend?.(this.#head, raws, nowS) : undefined;
    if (taken === undefined || taken.deltas.length === 0) return [];
    for (const delta of taken.deltas) this.#window.push(delta);
    this.moveHead(taken.trusted);
    return taken.deltas.map(() => ADVANCED);
  }

  private extend(header: Header, nowS: number | undefined, budget: MinuteBudget): Outcome | Rejection {
    const next = this.authenticate(this.#head, header, nowS, budget);
    if (next instanceof Rejection) return next;
    budget.refund(costOf(this.#consensus, header));
    // Where no delta leads there, everything begins anew from it.
    if (next.delta.length > 0) this.#window.push(next.delta);
    else this.#window.restart(next);
    this.#evidence.headIs(header);
    this.moveHead(next);
    return ADVANCED;
  }

  /**
   * The head is to be the block of the last of `headers`, `deltas` after `base` and far above what it was, once `base` is known to
   * descend from that.
   */
  private landOn(headers: readonly Header[], base: Trusted, deltas: readonly Uint8Array[], budget: MinuteBudget): Outcome {
    this.#evidence.headIs(headers[headers.length - 1] as Header);
    if (base.number - this.#head.number > (this.#consensus.linkBlocksMax ?? 0)) return this.jump(base, deltas, false);
    this.#linking = new Linking(this.#consensus, headers, base, budget);
    return WANTING;
  }

  private jump(base: Trusted, deltas: readonly Uint8Array[], linked: boolean): Outcome {
    this.#linking = undefined;
    this.#window.restart(base, deltas);
    const head = this.#window.stateAt(deltas.length);
    const blocks = head.number - this.#head.number;
    this.moveHead(head);
    return { kind: "jumped", number: head.number, blocks, linked };
  }

  private jumpAsked(ask: Ask, raws: readonly Uint8Array[], nowS: number | undefined): Outcome | Rejection {
    if (raws.length < ask.count) return this.#skipping.absent(this.#head);
    const headers = decodeAll(this.#consensus, ask, raws);
    if (headers instanceof Rejection) {
      this.#skipping.failed();
      return headers;
    }
    const deltas: Uint8Array[] = [];
    const landed = this.#skipping.answered(this.#head, headers, nowS, this.#asked, deltas);
    if (landed instanceof Rejection) return landed;
    return landed === undefined ? WANTING : this.landOn(headers, landed, deltas, this.#asked);
  }

  /** @param raws empty where no answer came */
  private linkAsked(linking: Linking, raws: readonly Uint8Array[]): Outcome | Rejection {
    const { landing } = linking;
    const outcome = linking.answered(this.#consensus, this.#head, raws);
    if (outcome === true) return this.jump(landing as Trusted, [], true);
    // A landing that led nowhere says nothing about how far there is to walk either.
    if (linking.landing === undefined) {
      this.#skipping.drop();
      this.#asking.announced(this.#head.number + ASK_HEADERS_MAX, undefined, this.#head.number);
    }
    return outcome;
  }

  protected askedUpTo(): number {
    const { target = 0 } = this.#asking;
    this.#asking.drop();
    return target;
  }

  protected leaveFor(rival: Rival, fork: number): Outcome {
    const { tip, target, window } = rival;
    this.#window = window;
    this.#skipping.drop();
    this.#asking.drop();
    const outcome = this.reorganised(fork, tip);
    // What was announced of it goes on being asked for.
    if (target > tip.number) this.#asking.announced(target, undefined, tip.number);
    return outcome;
  }

  protected moveHead(head: Trusted): void {
    this.#unwritten += Math.max(1, Math.abs(head.number - this.#head.number));
    this.#head = head;
    this.#window.trim(head.settled);
    this.#timeFloorS = Math.max(this.#timeFloorS, this.floorOf(head));
    this.#asking.headIs(head.number);
    this.#linking = this.#linking?.headIs(head);
  }

  private floorOf(trusted: Trusted): number {
    return Math.max(0, trusted.settledTimeS - this.#consensus.clockDriftS);
  }

  private restore(): boolean | Rejection {
    const value = this.#store.read(STATE_KEY);
    if (value === undefined) return false;
    const state = decodeState(this.#consensus, this.#digest, new Uint8Array(value), WINDOW_BLOCKS_MAX);
    if (state instanceof Rejection) return state;
    const head = replayAll(this.#consensus, state.base, state.deltas);
    if (head instanceof Rejection) return head;
    this.#window = new Window(this.#consensus, state.base, state.deltas);
    this.#head = head;
    this.#timeFloorS = Math.max(this.#timeFloorS, state.timeFloorS);
    return true;
  }
}
