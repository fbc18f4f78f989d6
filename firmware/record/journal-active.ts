// The sector under way: where the next frame goes, when another sector is opened for it, how much room there is, and which
// samples are refused while room runs out. docs/journal-format.md, "Ring", "Sealing", "Full".
//
// Promises: room for the seals that are waited for, and for one mark, is kept free; a sector in which a frame did not read
// back gets no other; the numbers of records that are erased without being stored are counted; what `thinsOut` refuses is
// refused aloud, by the caller. Never: a seq chosen, a record read.

import { writeUint } from "../bytes.js";
import type { Rejection } from "../rejection.js";
import {
  CLEAN_BODY_BYTES,
  CLEAN_UNITS,
  FRAME,
  FRAME_HEAD_BYTES,
  frameUnits,
  HEADER_UNITS,
  MARK_UNITS,
  PASSED_AHEAD_MAX,
  PASSED_BODY_BYTES,
  SEAL_UNITS,
  SECTOR_UNITS,
  SIGNATURE_BYTES,
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
  /** Of the frame that is written: one for all, since a record takes two. */
  readonly #head = { kind: 0, bodyBytes: 0, seq: 0, previous: 0, stream: 0 };
  #offered = 0;
  /** Free sectors, and what that number depends on. */
  #free = 0;
  #freeEpoch = -1;
  #freeSpent = -1;

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

  /** The unit of the clean end, where that is the newest frame. */
  get cleanUnit(): number | undefined {
    return this.#clean ? this.#ring.endUnit - CLEAN_UNITS : undefined;
  }

  get hasRecords(): boolean {
    return this.#hasRecords;
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

  /** How many records of so many units, the seal included, still find room, about. */
  freeRecords(recordUnits: number): number {
    return Math.floor(this.room / recordUnits) + this.openable() * Math.floor((SECTOR_UNITS - HEADER_UNITS) / recordUnits);
  }

  /** Counts a record offered. From half full on every second stays, from three quarters every fourth, from seven eighths every eighth. */
  thinsOut(): boolean {
    const free = this.openable() / Math.max(1, this.#ring.usable - 2);
    const keepOneIn = free > 1 / 2 ? 1 : free > 1 / 4 ? 2 : free > 1 / 8 ? 4 : 8;
    this.#offered += 1;
    return this.#offered % keepOneIn !== 0;
  }

  /** Sees to it that `units` can be written, by opening another sector where need be; a refusal of `JournalRing.open`. */
  makeRoom(units: number): Rejection | undefined {
    if (this.writable && this.room >= units) return undefined;
    const ring = this.#ring;
    // What is left must not look as if one could go on there: while the next sector is erased anew, its header comes and goes.
    if (this.#clean) this.mark(ring.tailEpoch);
    const { records, stored, anchored, passed } = this.#marks;
    const floor = Math.max(stored, ring.missing ? 0 : ring.tailFloor);
    const state = {
      records,
      stream: this.stream,
      storedThrough: stored,
      anchoredThrough: anchored,
      oldestUnsealed: this.#unsealed.oldest,
      passedAhead: Math.min(passed - stored, PASSED_AHEAD_MAX),
    };
    const again = ring.active >= 0 && !this.#hasRecords;
    const refusal = ring.open(state, this.spentThrough, again, (tailEpoch) => this.writable && this.mark(tailEpoch));
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

  /** Appends a payload; where the flash fails, the sector is retired and false is the answer, as of all that write. */
  writePayload(seq: number, previous: number, stream: number, payload: Uint8Array): boolean {
    this.#ring.media.frame.set(payload, FRAME_HEAD_BYTES);
    const head = this.#head;
    head.seq = seq;
    head.previous = previous;
    head.stream = stream;
    return this.write(FRAME.PAYLOAD, payload.length);
  }

  /** Appends the signature of a record whose payload lies in this sector. */
  writeSeal(seq: number, signature: Uint8Array): boolean {
    this.#ring.media.frame.set(signature, FRAME_HEAD_BYTES);
    const head = this.#head;
    head.seq = seq;
    head.previous = 0;
    head.stream = 0;
    return this.write(FRAME.SEAL, SIGNATURE_BYTES);
  }

  /** Appends a record whose payload lies in an earlier sector once more, with its signature. */
  writeWhole(seq: number, stream: number, payload: Uint8Array, signature: Uint8Array): boolean {
    const { frame } = this.#ring.media;
    frame.set(payload, FRAME_HEAD_BYTES);
    frame.set(signature, FRAME_HEAD_BYTES + payload.length);
    const head = this.#head;
    head.seq = seq;
    head.previous = 0;
    head.stream = stream;
    return this.write(FRAME.WHOLE, payload.length + SIGNATURE_BYTES);
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
    this.write(FRAME.CLEAN, this.marksIn(CLEAN_BODY_BYTES, tailEpoch));
    this.writable = false;
  }

  /** Room for one is kept free. */
  private mark(tailEpoch: number): void {
    if (this.#ring.endUnit === SECTOR_UNITS) return;
    if (this.write(FRAME.MARK, this.marksIn(0, tailEpoch))) this.#marks.marked();
  }

  /** Puts the watermarks into the head; passedThrough goes behind the body, where it says more than the stored one. The body's length then. */
  private marksIn(bodyBytes: number, tailEpoch: number): number {
    const { stored, anchored, passed } = this.#marks;
    if (passed !== stored) {
      writeUint(this.#ring.media.frame, passed, FRAME_HEAD_BYTES + bodyBytes, PASSED_BODY_BYTES);
      bodyBytes += PASSED_BODY_BYTES;
    }
    const head = this.#head;
    head.seq = stored;
    head.previous = anchored;
    head.stream = tailEpoch;
    return bodyBytes;
  }

  /** Appends the frame whose body lies in the buffer, and whose numbers in the head. */
  private write(kind: number, bodyBytes: number): boolean {
    const ring = this.#ring;
    const unit = ring.endUnit;
    const head = this.#head;
    head.kind = kind;
    head.bodyBytes = bodyBytes;
    ring.endUnit = unit + frameUnits(bodyBytes);
    ring.written = true;
    this.#clean = kind === FRAME.CLEAN;
    if (ring.media.write(ring.active, unit, ring.activeEpoch, head)) {
      if (kind <= FRAME.WHOLE) this.#hasRecords = true;
      return true;
    }
    ring.retire(ring.active);
    this.writable = false;
    return false;
  }

  /** Sectors that could be opened now, one after the other, if what is spent may go. */
  private openable(): number {
    const ring = this.#ring;
    const { spentThrough } = this;
    if (this.#freeEpoch !== ring.activeEpoch || this.#freeSpent !== spentThrough) {
      const oldest = spentThrough >= ring.lastSeq ? ring.active : ring.home(spentThrough + 1);
      const held = ring.active < 0 ? 0 : ring.distance(oldest < 0 ? ring.tail : oldest, ring.active) + 1;
      // One is always kept declared dead, so that the next can be erased without doubt.
      this.#free = Math.max(0, ring.usable - held - 1);
      this.#freeEpoch = ring.activeEpoch;
      this.#freeSpent = spentThrough;
    }
    return this.#free;
  }
}
