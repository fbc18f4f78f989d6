// Each mote's newest record, as soon as it is verified, for who shows what is now.
//
// Promises: what is told is the newest that the store has of its mote, and verified; while records come faster than they are looked at,
// the ones in between are passed over; the collector never waits for it. Memory for the addresses of at most `MOTES_MAX` motes. Never: tells a record
// that a newer one of its mote has overtaken in the store, verified or not.

import { fromHex, toHex } from "../../firmware/bytes.js";
import type { CollectorEvent } from "../collector/events.js";
import type { ShownRecord } from "../collector/shown.js";
import type { RecordStore } from "../collector/store.js";
import { Backoff, type BackoffLimits, pause } from "../processes/backoff.js";
import { Bell } from "../processes/bell.js";

const MOTES_MAX = 10_000;
const STORE_RETRY: BackoffLimits = { firstMs: 500, maxMs: 30_000 };
const LOOK_AGAIN_MS = 60_000;

export interface NewestOptions {
  readonly store: RecordStore;
  readonly onNewest: (record: ShownRecord) => void;
  readonly onFault: (reason: string) => void;
}

export class Newest {
  readonly #options: NewestOptions;
  readonly #due = new Set<string>();
  readonly #bell = new Bell();
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  constructor(options: NewestOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  take(event: CollectorEvent): void {
    if (event.event === "verified") this.look(event.mote);
  }

  /** The newest of this mote, 0x…, is looked at again. */
  look(mote: string): void {
    if (this.#due.size < MOTES_MAX) this.#due.add(mote);
    this.#bell.ring();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#bell.ring();
    await this.#running;
  }

  async #run(): Promise<void> {
    const backoff = new Backoff(STORE_RETRY);
    let begun = false;
    while (!this.#stop.signal.aborted)
      try {
        if (!begun) await this.#readAll();
        begun = true;
        for (const mote of this.#due) {
          if (this.#stop.signal.aborted) return;
          await this.#tell(mote);
        }
        backoff.succeeded();
        if (this.#due.size === 0) await this.#bell.wait(LOOK_AGAIN_MS);
      } catch (error) {
        this.#options.onFault(error instanceof Error ? error.message : String(error));
        await pause(backoff.next(), this.#stop.signal);
      }
  }

  /** Motes of before this run. */
  async #readAll(): Promise<void> {
    for await (const { address } of this.#options.store.newest()) {
      if (this.#due.size >= MOTES_MAX || this.#stop.signal.aborted) return;
      this.#due.add(`0x${toHex(address)}`);
    }
  }

  async #tell(mote: string): Promise<void> {
    // First: what is verified while the store is read comes to be looked at again.
    this.#due.delete(mote);
    try {
      const record = await this.#options.store.shown.newestOf(fromHex(mote) as Uint8Array);
      if (record?.verified === true) this.#options.onNewest(record);
    } catch (error) {
      this.#due.add(mote);
      throw error;
    }
  }
}
