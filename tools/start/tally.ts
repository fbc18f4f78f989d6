// Counts what the records of one run have come to, for `--records N`.
//
// Promises: a record counts once, by its digest, when the collector has stored it and called it verified, and where anchors are asked
// for, when its own mote has proven that the chain has it.

import type { SystemEvent } from "./screen.js";

/** What the boards' engines needed at most, where they said so. */
export interface EnginePeak {
  readonly heapPeakBytes: number;
  readonly memoryBytes: number;
  /** Of all boards and all their runs. */
  readonly collections: number;
}

export class Tally {
  readonly #stored = new Set<string>();
  readonly #verified = new Set<string>();
  /** Digests that a mote holds a receipt for. */
  readonly #receipted = new Set<string>();
  /** Address of each part that is a mote, whose each record is, and the runs that a mote has proven to be anchored. */
  readonly #addresses = new Map<string, string>();
  readonly #places = new Map<string, { readonly mote: string; readonly seq: number }>();
  readonly #anchored = new Map<string, { readonly from: number; readonly through: number }[]>();
  /** Whether a record is done only once its mote has proven its anchor. */
  readonly needsAnchors: boolean;
  readonly #motes = new Set<string>();
  #enginePeak: EnginePeak | undefined;
  #movedMs = performance.now();

  constructor(needsAnchors = false) {
    this.needsAnchors = needsAnchors;
  }

  /** Takes in one event; true where it moved a record on. */
  take(source: string, event: SystemEvent): boolean {
    if (source.startsWith("mote") && event.event === "engine") this.#takeEngine(event);
    if (source.startsWith("mote") && event.event === "key") this.#addresses.set(source, String(event.address).toLowerCase());
    if (source.startsWith("mote") && event.event === "anchored") return this.#takeAnchored(source, event);
    const digest = typeof event.digest === "string" ? event.digest : undefined;
    if (digest === undefined) return false;
    if (source === "collector" && event.event === "stored" && event.duplicate !== true) {
      if (typeof event.mote === "string") {
        this.#motes.add(event.mote);
        this.#places.set(digest, { mote: event.mote, seq: Number(event.seq) });
      }
      return this.#add(this.#stored, digest);
    }
    if (source === "collector" && event.event === "verified") return this.#add(this.#verified, digest);
    if (source.startsWith("mote") && event.event === "stored") return this.#add(this.#receipted, digest);
    return false;
  }

  #add(set: Set<string>, digest: string): boolean {
    if (set.has(digest)) return false;
    set.add(digest);
    this.#movedMs = performance.now();
    return true;
  }

  #takeAnchored(source: string, event: SystemEvent): boolean {
    const mote = this.#addresses.get(source) ?? "";
    const runs = this.#anchored.get(mote) ?? [];
    this.#anchored.set(mote, [...runs, { from: Number(event.from), through: Number(event.through) }]);
    this.#movedMs = performance.now();
    return true;
  }

  #isAnchored(digest: string): boolean {
    const { mote, seq } = this.#places.get(digest) ?? { mote: "", seq: 0 };
    return this.#anchored.get(mote)?.some(({ from, through }) => seq >= from && seq <= through) === true;
  }

  #takeEngine(event: SystemEvent): void {
    const { heapPeakBytes, memoryBytes, collections } = event;
    if (typeof heapPeakBytes !== "number" || typeof memoryBytes !== "number" || typeof collections !== "number") return;
    const before = this.#enginePeak;
    this.#enginePeak = {
      heapPeakBytes: Math.max(heapPeakBytes, before?.heapPeakBytes ?? 0),
      memoryBytes,
      collections: collections + (before?.collections ?? 0),
    };
  }

  /** Undefined where the boards run on Node. */
  get enginePeak(): EnginePeak | undefined {
    return this.#enginePeak;
  }

  get motes(): number {
    return this.#motes.size;
  }

  get stored(): number {
    return this.#stored.size;
  }

  /** Of those that were stored in this run. */
  get anchored(): number {
    let anchored = 0;
    for (const digest of this.#stored) if (this.#isAnchored(digest)) anchored += 1;
    return anchored;
  }

  /** Stored and verified in this run, and anchored where that is asked. */
  get done(): number {
    let done = 0;
    for (const digest of this.#stored)
      if (this.#verified.has(digest) && (!this.needsAnchors || this.#isAnchored(digest))) done += 1;
    return done;
  }

  /** Whether every stored record's mote holds its receipt. */
  get receipted(): boolean {
    for (const digest of this.#stored) if (!this.#receipted.has(digest)) return false;
    return true;
  }

  /** Milliseconds since anything moved on. */
  get stillMs(): number {
    return performance.now() - this.#movedMs;
  }
}
