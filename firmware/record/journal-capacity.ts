// How much room the journal has, and which samples it refuses while room runs out: docs/journal-format.md, "Full".
//
// Promises: what `thinsOut` refuses is refused aloud, by the caller. Never: a write, or a record dropped.

import type { JournalRing } from "./journal-ring.js";

/** What a record is taken to need before the first is appended: 200 bytes of payload. */
export const TYPICAL_RECORD_UNITS = 11;

export class JournalCapacity {
  readonly #ring: JournalRing;
  #offered = 0;
  /** Free sectors, and what that number depends on. */
  #sectors = 0;
  #sectorsEpoch = -1;
  #sectorsSafe = -1;

  constructor(ring: JournalRing) {
    this.#ring = ring;
  }

  /** Sectors that could be opened now, one after the other, if records up to `safe` may go. */
  openable(safe: number): number {
    const ring = this.#ring;
    if (this.#sectorsEpoch !== ring.activeEpoch || this.#sectorsSafe !== safe) {
      const oldest = safe >= ring.lastSeq ? ring.active : ring.home(safe + 1);
      const held = ring.active < 0 ? 0 : ring.distance(oldest < 0 ? ring.tail : oldest, ring.active) + 1;
      // One is always kept declared dead, so that the next can be erased without doubt.
      this.#sectors = Math.max(0, ring.usable - held - 1);
      this.#sectorsEpoch = ring.activeEpoch;
      this.#sectorsSafe = safe;
    }
    return this.#sectors;
  }

  /** Counts a record offered. From half full on every second stays, from three quarters every fourth, from seven eighths every eighth. */
  thinsOut(safe: number): boolean {
    const free = this.openable(safe) / Math.max(1, this.#ring.usable - 2);
    const keepOneIn = free > 1 / 2 ? 1 : free > 1 / 4 ? 2 : free > 1 / 8 ? 4 : 8;
    this.#offered += 1;
    return this.#offered % keepOneIn !== 0;
  }
}
