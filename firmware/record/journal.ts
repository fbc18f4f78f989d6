// The journal: what a mote has measured and not yet seen safe elsewhere, on a flash partition that may be encrypted.
// The bytes are docs/journal-format.md.
//
// Promises: an append that returned is there after any loss of power, byte for byte, and so is a seal; what was torn is
// discarded; no seq is ever kept with two payloads; what is handed out has just been checked, and what does not hold has
// been read again before it is called damaged; a record goes only once the policy calls it safe, or, where there is no
// other room and nobody waits for it any more, said so; an append that finds no room is refused, never dropped.
// Never: a signature made or checked, a network, a unit of flash written twice between two erases, an exception because
// of the flash.
//
// Memory, whatever the partition and the number of records: 1,120 + 96 + 32 bytes of buffers, 32 bytes of unsealed records,
// a few dozen numbers; `read` allocates the copies that it hands out.

import type { FlashPartition } from "../ports.js";
import { Rejection } from "../rejection.js";
import { ActiveSector } from "./journal-active.js";
import {
  CLEAN_UNITS,
  frameUnits,
  MARK_UNITS,
  PAYLOAD_BYTES_MAX,
  SEAL_UNITS,
  SEQ_MAX,
  type Sha256,
  SIGNATURE_BYTES,
} from "./journal-format.js";
import { cleanEndAt, type JournalPosition, recover, resume } from "./journal-mount.js";
import { JournalReader, type KeptRecord } from "./journal-reader.js";
import { JournalRing } from "./journal-ring.js";
import { FrameWalk, JournalSectors, READS_MAX } from "./journal-sectors.js";
import { UNSEALED_MAX, Unsealed } from "./journal-unsealed.js";
import { Watermarks } from "./journal-watermarks.js";

export type { JournalPosition } from "./journal-mount.js";
export type { KeptRecord } from "./journal-reader.js";

/** What a record is taken to need before the first is appended: 200 bytes of payload. */
const TYPICAL_RECORD_UNITS = 11;
/** Sectors that one write is tried on, each of the failing ones being retired. */
const WRITE_ATTEMPTS_MAX = 3;
/** How often records without a signature may fail to be read before one of them is given up. */
const MISREADS_MAX = 4;

export interface JournalOptions {
  /** `sha256` of a `CryptoEngine`. */
  readonly engine: { readonly sha256: Sha256 };
  /** What lets the ring trim a record: a collector's receipt (default), or an anchor besides. */
  readonly safe?: "stored" | "anchored";
  /** Where room runs out: `stop` refuses once there is none (default); `thin` refuses more and more from half full on. */
  readonly full?: "stop" | "thin";
}

export class Journal {
  readonly #ring: JournalRing;
  readonly #reader: JournalReader;
  readonly #unsealed = new Unsealed();
  readonly #marks: Watermarks;
  readonly #active: ActiveSector;
  readonly #full: "stop" | "thin";
  /** The highest seq that a write was begun for; a failed one is not offered again. */
  #usedSeq = 0;
  #recordUnits = TYPICAL_RECORD_UNITS;
  #misreads = 0;

  private constructor(ring: JournalRing, options: JournalOptions) {
    this.#ring = ring;
    this.#reader = new JournalReader(ring);
    this.#marks = new Watermarks(ring, this.#reader);
    this.#active = new ActiveSector(ring, this.#unsealed, this.#marks, options.safe ?? "stored");
    this.#full = options.full ?? "stop";
  }

  /**
   * Opens the journal on `partition`. Whatever holds no journal is an empty one: the first append begins it. Writes
   * nothing.
   * @returns `journal-geometry`, `journal-version`, or `journal-unreadable` where the flash itself gives errors
   */
  static mount(partition: FlashPartition, options: JournalOptions): Journal | Rejection {
    const { engine } = options;
    const media = JournalSectors.open(partition, engine.sha256);
    if (media instanceof Rejection) return media;
    const ring = new JournalRing(media);
    const refusal = ring.mount();
    if (refusal !== undefined) return refusal;
    const journal = new Journal(ring, options);
    if (ring.active >= 0) journal.recover();
    return journal;
  }

  /**
   * Opens a journal that was left at `position`, without looking for it. Writes nothing.
   * @returns undefined where the flash is not as it was left then: `mount` finds out what it is now
   */
  static resume(partition: FlashPartition, options: JournalOptions, position: JournalPosition): Journal | undefined {
    const media = JournalSectors.open(partition, options.engine.sha256);
    if (media instanceof Rejection) return undefined;
    const ring = new JournalRing(media);
    const recovered = resume(ring, position);
    if (recovered === undefined) return undefined;
    const journal = new Journal(ring, options);
    journal.#active.begin(recovered);
    journal.#marks.resume(recovered, position.storedRecords, position.passedRecords);
    return journal;
  }

  /**
   * Ends in good order, as `close`, but so that `resume` finds it again: where the sector under way has no room for a clean end, or none may be
   * written to it, the next one is opened now instead of with the next record.
   * @returns undefined where there is no clean end all the same, or records wait for their signatures
   */
  leave(): JournalPosition | undefined {
    const ring = this.#ring;
    // What is in the way of it will be in the way of the next record, and is said then.
    if (this.#active.cleanUnit === undefined) this.makeRoom(CLEAN_UNITS + MARK_UNITS);
    this.close();
    const unit = this.#active.cleanUnit;
    if (unit === undefined || ring.missing || this.#unsealed.count > 0) return undefined;
    const check = cleanEndAt(ring, new FrameWalk(ring.media), unit);
    if (check === undefined) return undefined;
    const { active: sector, activeEpoch: epoch, tail, lastSeq } = ring;
    const { records, storedRecords, passedRecords } = this.#marks;
    const { stream, hasRecords } = this.#active;
    return { sector, epoch, tail, unit, check, hasRecords, lastSeq, stream, records, storedRecords, passedRecords };
  }

  /** seq of the newest record kept; undefined where there is none. */
  get lastSeq(): number | undefined {
    return this.#ring.lastSeq === 0 ? undefined : this.#ring.lastSeq;
  }

  /** Stream of the newest record, 0 where there is none. */
  get stream(): number {
    return this.#active.stream;
  }

  /** Every record up to this seq is stored elsewhere; 0 at the beginning. After a boot it may lag: resends are harmless. */
  get storedThrough(): number {
    return this.#marks.stored;
  }

  /** Nobody waits for a record up to this seq: it is stored, refused, set aside or given up. Never below `storedThrough`. */
  get passedThrough(): number {
    return this.#marks.passed;
  }

  get anchoredThrough(): number {
    return this.#marks.anchored;
  }

  /** Records kept that have still to be stored elsewhere. */
  get pendingCount(): number {
    return this.#marks.records - this.#marks.passedRecords;
  }

  /** Records from the first that was passed over to the last: of those between, some may be stored. */
  get passedCount(): number {
    return this.#marks.passedRecords - this.#marks.storedRecords;
  }

  /** Numbers of records that were erased without being stored, since the last call: at most so many records. */
  takeOverwritten(): number {
    const { overwritten } = this.#active;
    this.#active.overwritten = 0;
    return overwritten;
  }

  /** Sectors given up because they failed. */
  get retiredSectors(): number {
    return this.#ring.retiredCount;
  }

  /** How many records of the last one's size still find room, about. */
  get freeRecords(): number {
    return this.#active.freeRecords(this.#recordUnits);
  }

  /** How many records wait for their signature. */
  get unsealedCount(): number {
    return this.#unsealed.count;
  }

  /** Records whose payload is stored and whose signature is not: to be signed, the same bytes, and sealed. */
  unsealed(): number[] {
    return this.#unsealed.list();
  }

  /**
   * Stores a payload, and reads it back, before it may be signed.
   * @param stream never below that of the record before
   * @param seq 1 to 2^32 − 1, above that of any record before
   * @param payload 1 to 1,024 bytes
   * @returns `journal-full`, `journal-thinned` (the policy refuses: count it as `gap`), `journal-unsealed` (too many
   *   records wait for their signature), `journal-payload`, `journal-stream`, `journal-seq`, `journal-unreadable` (ask
   *   again later), `journal-found` (records that the mount had not seen: look at `lastSeq`, then ask again); after these
   *   the seq is unused. `journal-write`, `journal-worn`: the flash failed; the seq is used up and must not be offered again.
   */
  append(stream: number, seq: number, payload: Uint8Array): Rejection | undefined {
    if (payload.length < 1 || payload.length > PAYLOAD_BYTES_MAX)
      return new Rejection("journal-payload", `${payload.length} bytes; 1 to ${PAYLOAD_BYTES_MAX} fit`);
    const newest = Math.max(this.#ring.lastSeq, this.#usedSeq);
    if (seq % 1 !== 0 || seq <= newest || seq > SEQ_MAX)
      return new Rejection("journal-seq", `seq ${seq} does not follow ${newest}`);
    if (stream % 1 !== 0 || stream < this.stream || stream > SEQ_MAX)
      return new Rejection("journal-stream", `stream ${stream} is below ${this.stream}`);
    if (this.#unsealed.count === UNSEALED_MAX)
      return new Rejection("journal-unsealed", `${UNSEALED_MAX} records wait for their signature`);
    if (this.#full === "thin" && this.#active.thinsOut())
      return new Rejection("journal-thinned", `room for about ${this.freeRecords} records is left`);
    const units = frameUnits(payload.length);
    for (let attempt = 0; attempt < WRITE_ATTEMPTS_MAX; attempt += 1) {
      const refusal = this.makeRoom(units + SEAL_UNITS);
      // Once begun, the number is gone, whatever stands in the way of writing it elsewhere.
      if (refusal !== undefined)
        return attempt === 0 ? refusal : new Rejection("journal-write", `record ${seq}: ${refusal.detail}`);
      this.#usedSeq = seq;
      if (this.#active.writePayload(seq, this.#ring.lastSeq, stream, payload)) {
        this.#ring.lastSeq = seq;
        this.#active.stream = stream;
        this.#marks.records += 1;
        this.#recordUnits = units + SEAL_UNITS;
        this.#unsealed.add(seq, this.#ring.activeEpoch);
        return undefined;
      }
    }
    return new Rejection("journal-write", `record ${seq} could not be written to ${WRITE_ATTEMPTS_MAX} sectors`);
  }

  /**
   * Stores the signature (64 bytes) of an unsealed record, and reads it back.
   * @returns `journal-seq` where the record waits for none, `journal-full` where the record must move to a new sector
   *   and there is none (it stays unsealed), `journal-corrupt`, `journal-write`, `journal-worn`
   */
  seal(seq: number, signature: Uint8Array): Rejection | undefined {
    const epoch = this.#unsealed.epochOf(seq);
    if (epoch === undefined) return new Rejection("journal-seq", `record ${seq} waits for no signature`);
    if (signature.length !== SIGNATURE_BYTES)
      return new Rejection("journal-payload", `a signature of ${signature.length} bytes, not ${SIGNATURE_BYTES}`);
    if (this.#active.writable && epoch === this.#ring.activeEpoch && this.#active.writeSeal(seq, signature))
      return this.disown(seq);
    // Its sector has been left: the record goes, whole, into the one under way.
    const kept = this.read(seq);
    if (kept instanceof Rejection) return kept;
    const units = frameUnits(kept.payload.length + SIGNATURE_BYTES);
    for (let attempt = 0; attempt < WRITE_ATTEMPTS_MAX; attempt += 1) {
      const refusal = this.makeRoom(units);
      if (refusal !== undefined) return refusal;
      if (this.#active.writeWhole(seq, kept.stream, kept.payload, signature)) return this.disown(seq);
    }
    return new Rejection("journal-write", `record ${seq} could not be written to ${WRITE_ATTEMPTS_MAX} sectors`);
  }

  /** A record without a signature waits for it no more: it has it, or nobody here may sign it. */
  disown(seq: number): undefined {
    this.#unsealed.delete(seq);
    this.#misreads = 0;
  }

  /**
   * A record as it was kept, checked at this very read; `journal-missing` or `journal-corrupt` where READS_MAX looks did not
   * find it whole. A later call may.
   */
  read(seq: number): KeptRecord | Rejection {
    let kept = this.lookUp(seq);
    for (let looks = 1; looks < READS_MAX && kept instanceof Rejection; looks += 1) {
      this.lookAgain();
      kept = this.lookUp(seq);
    }
    // What cannot be read cannot be signed, and must not hold up the rest for ever.
    if (kept instanceof Rejection && this.#unsealed.epochOf(seq) !== undefined) {
      this.#misreads += 1;
      if (this.#misreads >= MISREADS_MAX) this.disown(seq);
    }
    return kept;
  }

  /**
   * seq of the record after `seq` (0: the first), or undefined. Where frames are damaged, the last of the damaged records is
   * named, `certain` is false, and `read` then refuses it.
   */
  after(seq: number): number | undefined {
    let next = this.#reader.after(seq);
    for (let looks = 1; looks < READS_MAX && !this.#reader.certain; looks += 1) {
      this.lookAgain();
      next = this.#reader.after(seq);
    }
    return next;
  }

  /** Whether `after` saw the record that it named last; if not, that and all before it were damaged, or misread just then. */
  get certain(): boolean {
    return this.#reader.certain;
  }

  /** Every record up to `through` is stored elsewhere. Written lazily: what power loses of it is only sent again. */
  markStored(through: number): void {
    if (this.#marks.markStored(through)) this.#active.markIfRoom();
  }

  /** Nobody waits for a record up to `through`; some of them are not stored, and go only where there is no other room. */
  markPassed(through: number): void {
    if (this.#marks.markPassed(through)) this.#active.markIfRoom();
  }

  /** Every record up to `through` is held by the chain. Written with the stored watermark. */
  markAnchored(through: number): void {
    this.#marks.markAnchored(through);
  }

  /** The chain has left blocks that had counted as settled: nothing that is kept counts as anchored any more. Written at once. */
  voidAnchored(): void {
    if (this.#marks.voidAnchored(this.#ring.tailFloor)) this.#active.markIfRoom();
  }

  /** Ends in good order: the next mount may write on in the same sector. Nothing may be written through this object then. */
  close(): void {
    this.#active.close();
  }

  private lookUp(seq: number): KeptRecord | Rejection {
    const kept = this.#reader.read(seq);
    if (kept instanceof Rejection || kept.signature !== undefined || this.#unsealed.epochOf(seq) !== undefined) return kept;
    return new Rejection("journal-corrupt", `the signature of record ${seq} is not kept, or does not match its check`);
  }

  /** Whatever has just been read may have been misread. */
  private lookAgain(): void {
    this.#reader.forget();
    if (this.#ring.foundTail()) this.#marks.count();
  }

  private recover(): void {
    this.#unsealed.clear();
    const recovered = recover(this.#ring, this.#unsealed);
    this.#active.begin(recovered);
    this.#reader.forget();
    this.#marks.begin(recovered);
    // What does not read of what nobody waits for, a half-erased sector say, is not looked for.
    if (this.#ring.tailFloor <= this.#marks.passed) this.#ring.missing = false;
  }

  /** Sees to it that `units` can be written to the active sector, by opening another one where need be. */
  private makeRoom(units: number): Rejection | undefined {
    const { lastSeq } = this.#ring;
    const refusal = this.#active.makeRoom(units);
    if (refusal?.code !== "journal-found") return refusal;
    this.recover();
    // It may have held nothing new: a sector begun in vain. Each that is found is newer than the one before.
    return this.#ring.lastSeq === lastSeq ? this.makeRoom(units) : refusal;
  }
}
