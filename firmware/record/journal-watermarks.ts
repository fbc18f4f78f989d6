// How far the records of a journal have come: kept, stored elsewhere, anchored, waited for no more. docs/journal-format.md,
// "Watermarks".
//
// Promises: no watermark goes back, but for `anchored` where the chain itself did, or beyond the newest record; `stored` names no record that the caller has not called
// stored; `passed` is never below it. Never: a write.

import type { Recovered } from "./journal-mount.js";
import type { JournalReader } from "./journal-reader.js";
import type { JournalRing } from "./journal-ring.js";

/** The watermarks are written once this many records have been passed since they were. */
const MARK_RECORDS = 8;

export class Watermarks {
  /** Records appended since the journal began. */
  records = 0;
  /** Every record up to this seq is stored elsewhere. */
  stored = 0;
  storedRecords = 0;
  /** Every record up to this seq is waited for no more: stored, refused, set aside or given up. */
  passed = 0;
  passedRecords = 0;
  /** Every record up to this seq is held by the chain. */
  anchored = 0;
  readonly #ring: JournalRing;
  readonly #reader: JournalReader;
  /** Of `passedRecords`, those that the flash knows of. */
  #markedRecords = 0;

  constructor(ring: JournalRing, reader: JournalReader) {
    this.#ring = ring;
    this.#reader = reader;
  }

  /** As a mount found them. */
  begin(recovered: Recovered): void {
    this.records = recovered.records;
    this.anchored = recovered.anchoredThrough;
    this.stored = recovered.storedThrough;
    this.passed = recovered.passedThrough;
    this.count();
    this.marked();
  }

  /** As a clean end and whoever closed the journal have them. */
  resume(recovered: Recovered, storedRecords: number, passedRecords: number): void {
    this.records = recovered.records;
    this.anchored = recovered.anchoredThrough;
    this.stored = recovered.storedThrough;
    this.passed = recovered.passedThrough;
    this.storedRecords = storedRecords;
    this.passedRecords = passedRecords;
    this.marked();
  }

  /** Counts anew what the watermarks have behind them. */
  count(): void {
    this.storedRecords = this.ordinal(this.stored);
    this.passedRecords = this.passed === this.stored ? this.storedRecords : this.ordinal(this.passed);
  }

  /** True if they have come so far that they should be written. */
  markStored(through: number): boolean {
    const seq = Math.min(through, this.#ring.lastSeq);
    if (seq <= this.stored) return false;
    this.storedRecords = this.stepped(this.stored, this.storedRecords, seq);
    this.stored = seq;
    return this.markPassed(seq);
  }

  markPassed(through: number): boolean {
    const seq = Math.min(through, this.#ring.lastSeq);
    if (seq <= this.passed) return false;
    this.passedRecords = seq === this.stored ? this.storedRecords : this.stepped(this.passed, this.passedRecords, seq);
    this.passed = seq;
    return this.passedRecords - this.#markedRecords >= MARK_RECORDS;
  }

  markAnchored(through: number): void {
    this.anchored = Math.max(this.anchored, Math.min(through, this.#ring.lastSeq));
  }

  /**
   * Takes back what is said of records that are still kept; true if that was anything.
   * @param floor seq of the last record that is gone
   */
  voidAnchored(floor: number): boolean {
    if (this.anchored <= floor) return false;
    this.anchored = floor;
    return true;
  }

  /** They have been written. */
  marked(): void {
    this.#markedRecords = this.passedRecords;
  }

  /** As `ordinal(seq)`, from what is known of `before`, so that going from record to record reads nothing. */
  private stepped(before: number, records: number, seq: number): number {
    return seq === before + 1 && seq < this.#ring.lastSeq ? records + 1 : this.ordinal(seq);
  }

  /** How many records up to `seq` were appended, as far as it is still kept. */
  private ordinal(seq: number): number {
    return seq >= this.#ring.lastSeq ? this.records : this.#reader.ordinal(seq);
  }
}
