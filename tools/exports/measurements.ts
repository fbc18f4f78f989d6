// Writes the values of records into a table of the store, for those who ask it in SQL (docs/schema.md).
//
// Promises: the values of every record get there once, those of before as well, in bounded steps, each whole or not at all; numbers keep the digits
// that were signed. Never: holds the storing of records up, or is where anything else of ours reads values.

import type { CollectorEvent } from "../collector/events.js";
import type { ShownRecords } from "../collector/shown.js";
import { Backoff, type BackoffLimits, pause } from "../processes/backoff.js";
import { Bell } from "../processes/bell.js";
import { valuesOf } from "./values.js";

const RECORDS_PER_STEP = 200;
const IDLE_MS = 60_000;
const STORE_RETRY: BackoffLimits = { firstMs: 500, maxMs: 30_000 };

export class Measurements {
  readonly #shown: ShownRecords;
  readonly #stop = new AbortController();
  readonly #bell = new Bell();
  readonly #running: Promise<void>;

  constructor(shown: ShownRecords) {
    this.#shown = shown;
    this.#running = this.#run();
  }

  take(event: CollectorEvent): void {
    if (event.event === "stored" && !event.duplicate) this.#bell.ring();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#bell.ring();
    await this.#running;
  }

  async #run(): Promise<void> {
    const backoff = new Backoff(STORE_RETRY);
    while (!this.#stop.signal.aborted)
      try {
        const count = await this.#shown.measure(RECORDS_PER_STEP, valuesOf);
        backoff.succeeded();
        if (count < RECORDS_PER_STEP) await this.#bell.wait(IDLE_MS);
      } catch {
        await pause(backoff.next(), this.#stop.signal); // the collector itself tells of its store
      }
  }
}
