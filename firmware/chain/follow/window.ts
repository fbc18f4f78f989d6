// The blocks that can still change: one whole state below them, and for each a delta from which its state follows.
//
// Promises: once trimmed it reaches back over `REORG_DEPTH` blocks, and over those that are not settled yet, `WINDOW_BLOCKS_MAX` at
// most; a state is made from deltas that were verified, so that replaying them cannot fail. Beside the main branch it keeps at most
// one other.
//
// Why as far back as what is unsettled: half of Clique's N signers, cut off from the rest, can seal ⌊N/2⌋ blocks and no more, each
// of them one, and the block before these is settled by none of them. With N at most 64 that is 33 blocks.

import { equal } from "../../bytes.js";
import { assert, Rejection } from "../../rejection.js";
import { type Consensus, HASH_BYTES, type Trusted } from "../consensus.js";
import { DeltaList } from "./delta-list.js";
import { replayAll } from "./state.js";

/** How far back a branch can be left at least, in blocks; and how long another may be that is not heavier. */
export const REORG_DEPTH = 16;
/** The most blocks that can be left: as many as 64 signers of a Clique chain may leave unsettled. */
export const WINDOW_BLOCKS_MAX = 33;

/** A branch beside the main one: `deltas` follow the block `offset` blocks above the base. */
export interface Side {
  offset: number;
  readonly deltas: readonly Uint8Array[];
  readonly tip: Trusted;
}

/** A block of either branch: `deltas` lead to it from where that branch leaves the main one, `offset` blocks above the base. */
export interface KnownBlock {
  readonly offset: number;
  readonly deltas: readonly Uint8Array[];
  readonly state: Trusted;
}

export class Window {
  side: Side | undefined;
  readonly #consensus: Consensus;
  #base: Trusted;
  /** From the base (left out) to the head. */
  #deltas: DeltaList;

  constructor(consensus: Consensus, base: Trusted, deltas: readonly Uint8Array[] = []) {
    this.#consensus = consensus;
    this.#base = base;
    this.#deltas = new DeltaList(deltas);
  }

  get base(): Trusted {
    return this.#base;
  }

  get deltas(): Pick<DeltaList, "length" | "slice" | "packed"> {
    return this.#deltas;
  }

  push(delta: Uint8Array): void {
    this.#deltas.push(delta);
  }

  /** Everything begins anew: `base`, to which no delta leads, and `deltas` from there on. */
  restart(base: Trusted, deltas: readonly Uint8Array[] = []): void {
    this.#base = base;
    this.#deltas = new DeltaList(deltas);
    this.side = undefined;
  }

  /** Forgets all but the first `count` deltas. */
  cut(count: number): void {
    this.#deltas.cut(count);
  }

  /** Leaves the main branch `offset` blocks above the base for `deltas`; `head` is what was there. Answers how many were left. */
  turn(offset: number, deltas: readonly Uint8Array[], head: Trusted): number {
    const left = this.#deltas.slice(offset);
    this.side = { offset, deltas: left, tip: head };
    this.#deltas.cut(offset);
    for (const delta of deltas) this.#deltas.push(delta);
    return left.length;
  }

  /** Moves the base up until no more than `depth` blocks stand above it, at most to the block `settled`. */
  trim(settled: number, depth = REORG_DEPTH): void {
    while (this.#deltas.length > depth && (this.#base.number < settled || this.#deltas.length > WINDOW_BLOCKS_MAX)) {
      this.#base = this.replay([this.#deltas.shift()]);
      if (this.side !== undefined) this.side.offset -= 1;
      if (this.side !== undefined && this.side.offset < 0) this.side = undefined;
    }
  }

  isKnown(hash: Uint8Array): boolean {
    return this.offsetOf(hash) >= 0 || this.placeInSide(hash) > 0;
  }

  /** How many blocks above the base the main branch's block of this hash stands; below 0 where it is none. */
  offsetOf(hash: Uint8Array): number {
    const place = this.#deltas.placeOf(hash);
    if (place > 0) return place;
    return equal(this.#base.hash, hash) ? 0 : -1;
  }

  /** How many deltas of the side branch lead to the block of this hash; 0 where none does. */
  placeInSide(hash: Uint8Array): number {
    return (this.side?.deltas.findIndex((delta) => hashIs(delta, hash)) ?? -1) + 1;
  }

  /** The block of this hash with its state, or undefined where neither branch has it. */
  find(hash: Uint8Array): KnownBlock | undefined {
    const offset = this.offsetOf(hash);
    if (offset >= 0) return { offset, deltas: [], state: this.stateAt(offset) };
    const shared = this.placeInSide(hash);
    const side = this.side;
    if (side === undefined || shared === 0) return undefined;
    const deltas = side.deltas.slice(0, shared);
    const state = shared === side.deltas.length ? side.tip : this.stateAt(side.offset, deltas);
    return { offset: side.offset, deltas, state };
  }

  /** Hash of the main branch's block `offset` blocks above the base. */
  hashAt(offset: number): Uint8Array {
    return offset === 0 ? this.#base.hash : this.#deltas.hashAt(offset);
  }

  /** The state `offset` blocks above the base, and `further` deltas on. */
  stateAt(offset: number, further: readonly Uint8Array[] = []): Trusted {
    return this.replay([...this.#deltas.slice(0, offset), ...further]);
  }

  private replay(deltas: readonly Uint8Array[]): Trusted {
    const trusted = replayAll(this.#consensus, this.#base, deltas);
    assert(!(trusted instanceof Rejection), "deltas that were verified can be replayed");
    return trusted;
  }
}

function hashIs(delta: Uint8Array, hash: Uint8Array): boolean {
  for (let i = 0; i < HASH_BYTES; i += 1) if (delta[i] !== hash[i]) return false;
  return true;
}
