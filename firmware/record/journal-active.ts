// The sector under way: where the next frame goes, and when another sector is opened for it. docs/journal-format.md, "Ring",
// "Sealing".
//
// Promises: room for the seals that are waited for, and for one mark, is kept free; a sector in which a frame did not read
// back gets no other; the numbers of records that are erased without being stored are counted. Never: a seq chosen, a
// record read.

import { writeUint } from "../bytes.js";
import type { Rejection } from "../rejection.js";
import {
  CLEAN_BODY_BYTES,
  CLEAN_UNITS,
  FRAME,
  FRAME_HEAD_BYTES,
  frameUnits,
  MARK_UNITS,
  PASSED_AHEAD_MAX,
  PASSED_BODY_BYTES,
  SEAL_UNITS,
  SECTOR_UNITS,
} from "./journal-format.js";
import type { Recovered } from "./journal-mount.js";
import type { JournalRing } from "./journal-ring.js";
import type { Unsealed } from "./journal-unsealed.js";
import type { Watermarks } from "./journal-watermarks.js";

export class ActiveSector {
  writable = false;
  /** Stream of the newest record. */
  stream = 0;
  /** Numbers of records erased without being stored. */
  overwritten = 0;
  readonly #ring: JournalRing;
  readonly #unsealed: Unsealed;
  readonly #marks: Watermarks;
  readonly #safe: "stored" | "anchored";
  /** Whether it holds a frame of a record: if not, it can be opened again. */
  #hasRecords = false;
  /** Whether the newest frame is the clean end. */
  #clean = false;

  constructor(ring: JournalRing, unsealed: Unsealed, marks: Watermarks, safe: "stored" | "anchored") {
    this.#ring = ring;
    this.#unsealed = unsealed;
    this.#marks = marks;
    this.#safe = safe;
  }

  /** As a mount found it. */
  begin(recovered: Recovered): void {
    this.stream = recovered.stream;
    this.#hasRecords = recovered.hasRecords;
    this.writable = this.#clean = recovered.writableFrom !== undefined;
    if (recovered.writableFrom !== undefined) this.#ring.endUnit = recovered.writableFrom;
  }

  /** Units left besides those that waiting signatures, and one last mark, will take; 0 where nothing may be written. */
  get room(): number {
    if (!this.writable) return 0;
    const seals = SEAL_UNITS * this.#unsealed.countIn(this.#ring.activeEpoch);
    return Math.max(0, SECTOR_UNITS - this.#ring.endUnit - seals - MARK_UNITS);
  }

  /** Up to this seq a sector may be erased; beyond the stored watermark that is counted. */
  get spentThrough(): number {
    const { stored, anchored, passed } = this.#marks;
    return this.#safe === "stored" ? passed : Math.min(stored, anchored);
  }

  /** Sees to it that `units` can be written, by opening another sector where need be; a refusal of `JournalRing.open`. */
  makeRoom(units: number): Rejection | undefined {
    if (this.writable && this.room >= units) return undefined;
    const ring = this.#ring;
    // What is left must not look as if one could go on there: while the next sector is erased anew, its header comes and goes.
    if (this.#clean) this.mark(ring.tailEpoch);
    const { records, stored, anchored, passed } = this.#marks;
    const floor = Math.max(stored, ring.missing ? 0 : ring.tailFloor);
    const refusal = ring.open(
      {
        epoch: 0,
        tailEpoch: 0,
        records,
        lastSeq: 0,
        stream: this.stream,
        storedThrough: stored,
        anchoredThrough: anchored,
        oldestUnsealed: this.#unsealed.oldest,
        passedAhead: Math.min(passed - stored, PASSED_AHEAD_MAX),
      },
      this.spentThrough,
      ring.active >= 0 && !this.#hasRecords,
      (tailEpoch) => this.writable && this.mark(tailEpoch),
    );
    if (refusal !== undefined) return refusal;
    this.writable = true;
    this.#clean = false;
    this.#hasRecords = false;
    this.#marks.marked();
    if (ring.tailFloor > floor) {
      this.overwritten += ring.tailFloor - floor;
      this.#marks.count();
    }
    return undefined;
  }

  /** Appends a frame whose body lies in the buffer; where the flash fails, the sector is retired and false is the answer. */
  write(type: number, bodyBytes: number, seq: number, previous: number, stream: number): boolean {
    const ring = this.#ring;
    const unit = ring.endUnit;
    ring.endUnit = unit + frameUnits(bodyBytes);
    ring.written = true;
    this.#clean = type === FRAME.CLEAN;
    if (ring.media.write(ring.active, unit, ring.activeEpoch, type, bodyBytes, seq, previous, stream)) {
      if (type <= FRAME.WHOLE) this.#hasRecords = true;
      return true;
    }
    ring.retire(ring.active);
    this.writable = false;
    return false;
  }

  /** Writes the watermarks, where there is room. */
  markIfRoom(): void {
    if (this.room >= MARK_UNITS) this.mark(this.#ring.tailEpoch);
  }

  close(): void {
    const { media, active, endUnit, tailEpoch } = this.#ring;
    // Who leaves this sector writes a mark behind the clean end.
    if (this.#clean || this.room < CLEAN_UNITS + MARK_UNITS) return;
    media.frame.set(media.restDigest(active, endUnit + CLEAN_UNITS), FRAME_HEAD_BYTES);
    const { stored, anchored } = this.#marks;
    this.write(FRAME.CLEAN, this.withPassed(CLEAN_BODY_BYTES), stored, anchored, tailEpoch);
    this.writable = false;
  }

  /** Room for one is kept free. */
  private mark(tailEpoch: number): void {
    if (this.#ring.endUnit === SECTOR_UNITS) return;
    const { stored, anchored } = this.#marks;
    if (this.write(FRAME.MARK, this.withPassed(0), stored, anchored, tailEpoch)) this.#marks.marked();
  }

  /** Lays passedThrough behind `bodyBytes` of a body, where it says more than the stored watermark; the body's length then. */
  private withPassed(bodyBytes: number): number {
    const { passed, stored } = this.#marks;
    if (passed === stored) return bodyBytes;
    writeUint(this.#ring.media.frame, passed, FRAME_HEAD_BYTES + bodyBytes, PASSED_BODY_BYTES);
    return bodyBytes + PASSED_BODY_BYTES;
  }
}
