// Finding and reading records in the journal: docs/journal-format.md, "Reading".
//
// Promises: every byte handed out has just been checked, so bit rot is noticed at the read and never signed or sent; a
// damaged record is named, never silently passed over. Never: a write, or a second look: whoever gets a refusal, or a
// number that is not `certain`, calls `forget` and asks again.
//
// Memory: one cursor, so that reading in order does not search; the copies handed out are the caller's.

import { Rejection } from "../rejection.js";
import { FRAME, HEADER_UNITS, SECTOR_UNITS, type SectorHeader, SIGNATURE_BYTES } from "./journal-format.js";
import type { JournalRing } from "./journal-ring.js";
import { FrameWalk, READS_MAX } from "./journal-sectors.js";

/** What the journal keeps of one record. */
export interface KeptRecord {
  stream: number;
  /** The record before it when it was appended, 0 for none, or where it is not told (a record sealed in a later sector). */
  previous: number;
  /** At most 1,024 bytes. */
  payload: Uint8Array;
  /** 64 bytes; absent until the record has been sealed. */
  signature?: Uint8Array;
}

export class JournalReader {
  readonly #ring: JournalRing;
  readonly #walk: FrameWalk;
  /**
   * The cursor: a sector, how many records there were before it, the seqs that belong to it (above floor, up to ceiling), and the
   * place of record `#seq` in it.
   */
  #sector = -1;
  #epoch = 0;
  #records = 0;
  #floor = 0;
  #ceiling = 0;
  #seq = 0;
  #unit = HEADER_UNITS;
  /** Whether the seq that `after` gave last is that of a frame it has seen; if not, all up to it is damaged, or misread. */
  certain = true;

  constructor(ring: JournalRing) {
    this.#ring = ring;
    this.#walk = new FrameWalk(ring.media);
  }

  /** The next call looks at everything anew. */
  forget(): void {
    this.#sector = -1;
    this.#seq = 0;
  }

  /** `journal-missing` where no such record is kept, `journal-corrupt` where it does not match its check. */
  read(seq: number): KeptRecord | Rejection {
    if (!this.enter(seq)) return new Rejection("journal-missing", `no record ${seq} is kept`);
    const ring = this.#ring;
    const walk = this.#walk;
    const end = this.end();
    let kept: KeptRecord | undefined;
    let found = false;
    walk.start(this.#sector, this.#epoch, this.#unit);
    while (walk.advance(end)) {
      if (walk.seq !== seq) continue;
      if (walk.kind === FRAME.PAYLOAD && !found) {
        found = true;
        this.#unit = walk.unit;
        this.#seq = seq;
        if (walk.load()) kept = { stream: walk.stream, previous: walk.previous, payload: walk.body(0, walk.bodyBytes) };
      } else if (walk.kind === FRAME.SEAL && kept !== undefined) {
        if (walk.load()) kept.signature = walk.body(0, SIGNATURE_BYTES);
        break;
      }
    }
    if (kept?.signature !== undefined) return kept;
    // A record that was sealed after its sector had been left lies once more, whole, in one of the next sectors: those
    // whose header says that it had no signature when they were opened.
    for (let later = ring.liveAfter(this.#sector); later !== undefined; later = ring.liveAfter(later.sector)) {
      const { sector, epoch, oldestUnsealed, lastSeq } = later;
      if (oldestUnsealed === 0 || oldestUnsealed > seq || lastSeq < seq) break;
      walk.start(sector, epoch, HEADER_UNITS);
      while (walk.advance(sector === ring.active ? ring.endUnit : SECTOR_UNITS)) {
        if (walk.kind !== FRAME.WHOLE || walk.seq !== seq || !walk.load()) continue;
        const payloadBytes = walk.bodyBytes - SIGNATURE_BYTES;
        return {
          stream: walk.stream,
          previous: 0,
          payload: walk.body(0, payloadBytes),
          signature: walk.body(payloadBytes, SIGNATURE_BYTES),
        };
      }
    }
    if (kept !== undefined) return kept;
    return found
      ? new Rejection("journal-corrupt", `the payload of record ${seq} does not match its check`)
      : new Rejection("journal-missing", `record ${seq} should be kept, but no frame of it holds`);
  }

  /**
   * The record after `seq`: its seq, or undefined where there is none. Where the frames show that records between are
   * damaged, the answer is the last of those, so that `read` says so, and `certain` is false.
   */
  after(seq: number): number | undefined {
    const ring = this.#ring;
    this.certain = false;
    if (ring.missing && seq < ring.tailFloor) return ring.tailFloor;
    const from = Math.max(seq, ring.tailFloor);
    this.certain = from >= ring.lastSeq;
    if (this.certain) return undefined;
    if (!this.enter(from + 1)) return this.lastBefore(ring.liveAfter(ring.home(from + 1)), from);
    const walk = this.#walk;
    walk.start(this.#sector, this.#epoch, this.#unit);
    const end = this.end();
    while (walk.advance(end)) {
      const next = walk.seq;
      if (walk.kind !== FRAME.PAYLOAD || next <= from || next > this.#ceiling) continue;
      const { previous } = walk;
      if (previous > from) return previous;
      this.certain = true;
      this.#unit = walk.unit;
      this.#seq = next;
      return next;
    }
    return this.#ceiling;
  }

  /** The last record before a sector, or the newest of all where there is no such sector. */
  private lastBefore(header: SectorHeader | undefined, from: number): number {
    const last = header?.lastSeq ?? 0;
    return last > from ? last : this.#ring.lastSeq;
  }

  /** How many records up to and including `seq` were appended since the journal began, as far as it is still kept. */
  ordinal(seq: number): number {
    const ring = this.#ring;
    if (!this.enter(seq)) return (ring.tail < 0 ? undefined : ring.live(ring.tail))?.records ?? 0;
    const walk = this.#walk;
    let count = this.#records;
    walk.start(this.#sector, this.#epoch, HEADER_UNITS, READS_MAX);
    const end = this.end();
    while (walk.advance(end)) {
      if (walk.kind !== FRAME.PAYLOAD) continue;
      const { seq: at } = walk;
      if (at > this.#floor && at <= seq) count += 1;
    }
    return count;
  }

  /** Moves the cursor to the sector where `seq` belongs, and to its first frame where the cursor is beyond `seq`. */
  private enter(seq: number): boolean {
    const ring = this.#ring;
    if (seq < 1 || seq > ring.lastSeq) return false;
    const active = this.#sector === ring.active && this.#epoch === ring.activeEpoch;
    if (active) this.#ceiling = ring.lastSeq;
    if (this.#sector < 0 || this.#epoch < ring.tailEpoch || seq <= this.#floor || seq > this.#ceiling) {
      const sector = ring.home(seq);
      const header = sector < 0 ? undefined : ring.live(sector);
      if (header === undefined) return false;
      this.#sector = sector;
      this.#epoch = header.epoch;
      this.#records = header.records;
      this.#floor = header.lastSeq;
      this.#ceiling = (sector === ring.active ? undefined : ring.liveAfter(sector))?.lastSeq ?? ring.lastSeq;
      this.#seq = 0;
    }
    if (seq < this.#seq || this.#seq === 0) {
      this.#seq = 0;
      this.#unit = HEADER_UNITS;
    }
    return true;
  }

  private end(): number {
    return this.#sector === this.#ring.active ? this.#ring.endUnit : SECTOR_UNITS;
  }
}
