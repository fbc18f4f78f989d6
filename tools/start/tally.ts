// Counts what the records of one run have come to, for `--records N`.
//
// Promises: a record counts once, by its digest, when the collector has stored it and called it verified.

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
  readonly #motes = new Set<string>();
  #enginePeak: EnginePeak | undefined;
  #movedMs = performance.now();

  /** Takes in one event; true where it moved a record on. */
  take(source: string, event: SystemEvent): boolean {
    if (source.startsWith("mote") && event.event === "engine") this.#takeEngine(event);
    const digest = typeof event.digest === "string" ? event.digest : undefined;
    if (digest === undefined) return false;
    if (source === "collector" && event.event === "stored" && event.duplicate !== true) {
      if (typeof event.mote === "string") this.#motes.add(event.mote);
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

  /** Stored and verified in this run. */
  get done(): number {
    let done = 0;
    for (const digest of this.#stored) if (this.#verified.has(digest)) done += 1;
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
