// Links what was stored, beside the storing: a chain of many records takes as long as it takes, and nobody waits for it.
//
// Promises: one bounded statement after the other; what a collector left unlinked that ended or was overtaken by another is
// found, a bounded piece of the store at a time; a record whose predecessor nobody has is linked after a while, and the gap
// said. Remembers at most `DIGESTS_MAX` records to begin from; more are found by looking. Never: deletes, or judges a head.

import { Backoff, type BackoffLimits, pause } from "../processes/backoff.js";
import { Bell } from "../processes/bell.js";
import { type CollectorEvent, placeText } from "./events.js";
import type { Linked } from "./linking.js";
import { BATCH_RECORDS_MAX, type RecordStore } from "./store.js";

const DIGESTS_MAX = 16_384;
const STORE_RETRY: BackoffLimits = { firstMs: 200, maxMs: 10_000 };
/** How often another piece of what waits is looked at. */
const REPAIR_MS = 1000;
/** How long a record waits for the one before it: motes send in order, and again what has no receipt. */
const GAP_AFTER_MS = 10_000;
const FIRST_DIGEST = new Uint8Array(0);

export interface LinkerOptions {
  readonly store: RecordStore;
  readonly onEvent: (event: CollectorEvent) => void;
  /** In milliseconds. */
  readonly gapAfterMs?: number | undefined;
}

export class Linker {
  readonly #options: LinkerOptions;
  readonly #stop = new AbortController();
  #from: Uint8Array[] = [];
  /** Chains under way: one step of each in turn, so that a long one holds up no other. */
  readonly #chains: AsyncGenerator<Linked>[] = [];
  #after: Uint8Array = FIRST_DIGEST;
  #repairAtMs = 0;
  /** Rings when there is something to link, and at the end. */
  readonly #bell = new Bell();
  readonly #running: Promise<void>;

  constructor(options: LinkerOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  /** Records that are stored and not linked yet. */
  take(digests: readonly Uint8Array[]): void {
    const room = DIGESTS_MAX - this.#from.length;
    this.#from.push(...digests.slice(0, Math.max(0, room)));
    this.#bell.ring();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#bell.ring();
    await this.#running;
  }

  async #run(): Promise<void> {
    const backoff = new Backoff(STORE_RETRY);
    // Told to end, it links what it was given: nothing of that is lost either way, but it would be found late.
    while (!this.#stop.signal.aborted || this.#from.length > 0 || this.#chains.length > 0) {
      try {
        if (this.#from.length > 0) this.#chains.push(this.#options.store.link(this.#from.splice(0, BATCH_RECORDS_MAX)));
        await this.#step();
        if (performance.now() >= this.#repairAtMs && !this.#stop.signal.aborted) await this.#repair();
        backoff.succeeded();
        if (this.#from.length + this.#chains.length === 0) await this.#bell.wait(this.#repairAtMs - performance.now());
      } catch (error) {
        // The chain that failed is found again by looking.
        const retryMs = backoff.next();
        const reason = error instanceof Error ? error.message : String(error);
        this.#options.onEvent({ event: "lost", to: "store", reason, retryMs });
        if (this.#stop.signal.aborted) return;
        await pause(retryMs, this.#stop.signal);
      }
    }
  }

  /** One step of the chain whose turn it is. */
  async #step(): Promise<void> {
    const chain = this.#chains.shift();
    const step = await chain?.next();
    if (chain === undefined || step === undefined || step.done === true) return;
    this.#chains.push(chain);
    for (const place of step.value.verified) this.#options.onEvent({ event: "verified", ...placeText(place) });
    for (const place of step.value.closed) this.#options.onEvent({ event: "gap-closed", ...placeText(place) });
  }

  async #repair(): Promise<void> {
    const { store, onEvent, gapAfterMs } = this.#options;
    const { next, linkable, gaps } = await store.repair(this.#after, gapAfterMs ?? GAP_AFTER_MS);
    this.#after = next ?? FIRST_DIGEST;
    this.#repairAtMs = performance.now() + REPAIR_MS;
    for (const place of gaps) onEvent({ event: "gap", ...placeText(place) });
    const digests = gaps.map((place) => place.digest);
    for (const place of await store.confirmed(digests)) onEvent({ event: "verified", ...placeText(place) });
    this.take([...linkable, ...digests]);
  }
}
