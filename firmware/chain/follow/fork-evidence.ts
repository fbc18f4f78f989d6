// What proves that a chain of final blocks has forked: two different blocks of one height on one parent, each with a quorum of
// seals by the set that is known to seal there.
//
// Promises: once there is evidence nothing moves the head any more, across restarts, until the configuration brings a new
// checkpoint; both headers are kept as they came. Where ours was not kept, the relay is asked for it once more, and what it
// says counts only if it is that block, sealed. Other rounds and other seals of one block are no evidence: they have its hash.
// Never counts a header that nobody can date: keys of validators that left long ago prove nothing. Never counts one on a parent
// that is not believed here: the same validators may seal another chain, and nobody is at fault there.
//
// Format under its key: version (1), digest of the configuration (32), height (6), hash of ours (32), length of theirs (2) and
// theirs, length of ours (2, 0 where it is still to come) and ours, CRC-32 (4).

import { concat, crc32, equal, readUint, writeUint } from "../../bytes.js";
import type { KeyValueDomain } from "../../ports.js";
import { Rejection } from "../../rejection.js";
import { type Consensus, HASH_BYTES, type Header } from "../consensus.js";
import type { Ask } from "./asking.js";
import type { MinuteBudget } from "./budget.js";
import { type Outcome, stale, WANTING } from "./outcome.js";
import { costOf } from "./skipping.js";
import type { Window } from "./window.js";

/** So often our header is asked for; the alarm stands without it, too. */
const TRIES_MAX = 8;
const KEY = "fork";
/** Version 1 took headers on any parent, sealed by too few: what it froze is free again. */
const VERSION = 2;
const FIXED_BYTES = 1 + HASH_BYTES + 6 + HASH_BYTES + 2;
const CRC_BYTES = 4;

export interface Fork {
  readonly number: number;
  /** Hash of the block that was believed. */
  readonly hash: Uint8Array;
  /** Raw header of the block that contradicts it. */
  readonly theirs: Uint8Array;
  /** Raw header of the block that was believed, once it is at hand. */
  readonly ours: Uint8Array | undefined;
}

export class ForkEvidence {
  readonly #consensus: Consensus;
  readonly #store: KeyValueDomain;
  readonly #digest: Uint8Array;
  #fork: Fork | undefined;
  #unsaved = false;
  #tries = 0;
  /** Raw header and hash of the block that moved the head last: the one that a contradiction will mostly be about. */
  #newestRaw: Uint8Array | undefined;
  #newestHash: Uint8Array | undefined;

  /** @param digest of the configuration: evidence about another one is not taken up */
  constructor(consensus: Consensus, store: KeyValueDomain, digest: Uint8Array) {
    this.#consensus = consensus;
    this.#store = store;
    this.#digest = digest;
    const value = store.read(KEY);
    if (value !== undefined) this.#fork = this.decode(new Uint8Array(value));
  }

  get fork(): Fork | undefined {
    return this.#fork;
  }

  /** The head is now the block of `header`, or may become it; its bytes are copied. */
  headIs(header: Header): void {
    if (this.#consensus.isFinal !== true) return;
    // The old one goes first: for a moment there would be three copies of a header on the heap, at its fullest moment.
    this.#newestRaw = undefined;
    this.#newestRaw = header.raw.slice();
    this.#newestHash = header.hash;
  }

  /**
   * Judges a header of height `number`, where the window has another block: a fork where it is evidence, which is kept. On a parent
   * that is not believed it is none (wanting): the search for where its chain leaves ours goes on.
   */
  judge(header: Header, number: number, window: Window, nowS: number | undefined, budget: MinuteBudget): Outcome | Rejection {
    const { base } = window;
    const offset = number - base.number;
    const hash = window.hashAt(offset);
    const ours = this.newestOf(hash);
    const sibling = offset === 0 ? this.siblingOf(header, ours) : undefined;
    if (offset === 0 && sibling === undefined) return stale(number, base.number);
    if (offset > 0 && !equal(header.parentHash, window.hashAt(offset - 1))) return WANTING;
    const tooMuch = budget.charge(costOf(this.#consensus, header));
    if (tooMuch !== undefined) return tooMuch;
    const refused = this.#consensus.contradicts?.(window.stateAt(Math.max(0, offset - 1)), header, nowS, sibling);
    if (refused !== undefined) return refused;
    this.keep({ number, hash, theirs: header.raw.slice(), ours });
    return { kind: "fork", number };
  }

  /**
   * Beside the oldest block that is known a header counts only as long as that is the newest, too: its raw header tells the parent
   * and who sealed.
   */
  private siblingOf(header: Header, raw: Uint8Array | undefined): Header | undefined {
    const ours = raw === undefined ? undefined : this.#consensus.decode(raw);
    return ours === undefined || ours instanceof Rejection || !equal(ours.parentHash, header.parentHash) ? undefined : ours;
  }

  /** What to ask for so that both headers are kept. */
  wanted(): Ask | undefined {
    const fork = this.#fork;
    if (fork === undefined || fork.ours !== undefined || this.#tries >= TRIES_MAX) return undefined;
    return { from: fork.number, count: 1 };
  }

  /** Takes what came for `wanted`. */
  complete(raws: readonly Uint8Array[], window: Window, nowS: number | undefined): undefined | Rejection {
    const fork = this.#fork;
    this.#tries += 1;
    const header = this.#consensus.decode(raws[0] ?? new Uint8Array(0));
    if (header instanceof Rejection) return header;
    if (fork === undefined || !equal(header.hash, fork.hash))
      return new Rejection("fork-other", "it is not the block that was believed");
    const state = window.stateAt(Math.max(0, fork.number - 1 - window.base.number));
    const refused = this.#consensus.contradicts?.(state, header, nowS);
    if (refused === undefined) this.keep({ ...fork, ours: header.raw.slice() });
    return refused;
  }

  private newestOf(hash: Uint8Array): Uint8Array | undefined {
    const newest = this.#newestHash;
    return newest !== undefined && equal(newest, hash) ? this.#newestRaw : undefined;
  }

  /** Evidence counts at once; a store that refuses it delays what the next boot knows, and no more. */
  private keep(fork: Fork): void {
    this.#fork = fork;
    this.#unsaved = true;
  }

  get unsaved(): boolean {
    return this.#unsaved;
  }

  /** Writes the evidence, unless it is written already. Throws what the store throws; nothing is lost then. */
  persist(): void {
    const fork = this.#fork;
    if (fork === undefined || !this.#unsaved) return;
    const { theirs, ours = new Uint8Array(0) } = fork;
    const head = new Uint8Array(FIXED_BYTES);
    head[0] = VERSION;
    head.set(this.#digest, 1);
    writeUint(head, fork.number, 1 + HASH_BYTES, 6);
    head.set(fork.hash, 7 + HASH_BYTES);
    writeUint(head, theirs.length, 7 + 2 * HASH_BYTES, 2);
    const middle = new Uint8Array(2);
    writeUint(middle, ours.length, 0, 2);
    const body = concat(head, theirs, middle, ours);
    const check = new Uint8Array(CRC_BYTES);
    writeUint(check, crc32(body), 0, CRC_BYTES);
    this.#store.write(KEY, concat(body, check));
    this.#unsaved = false;
  }

  /** Undefined where it is not whole, of another version, or about another configuration. */
  private decode(bytes: Uint8Array): Fork | undefined {
    const end = bytes.length - CRC_BYTES;
    if (end < FIXED_BYTES + 2 || readUint(bytes, end, CRC_BYTES) !== crc32(bytes.subarray(0, end))) return undefined;
    if (bytes[0] !== VERSION || !equal(bytes.subarray(1, 1 + HASH_BYTES), this.#digest)) return undefined;
    const theirsEnd = FIXED_BYTES + readUint(bytes, FIXED_BYTES - 2, 2);
    if (theirsEnd + 2 > end) return undefined;
    const ours = bytes.slice(theirsEnd + 2, end);
    return {
      number: readUint(bytes, 1 + HASH_BYTES, 6),
      hash: bytes.slice(7 + HASH_BYTES, 7 + 2 * HASH_BYTES),
      theirs: bytes.slice(FIXED_BYTES, theirsEnd),
      ours: ours.length === 0 ? undefined : ours,
    };
  }
}
