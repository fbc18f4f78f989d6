// The journal: what a mote has measured and not yet seen safe elsewhere, on a flash partition that may be encrypted.
// The bytes are docs/journal-format.md.
//
// Promises: an append that returned is there after any loss of power, byte for byte, and so is a seal; what was torn is
// discarded; no seq is ever kept with two payloads; what is handed out has just been checked; a record goes only once
// the policy calls it safe; an append that finds no room is refused, never dropped.
// Never: a signature made or checked, a network, a unit of flash written twice between two erases, an exception because
// of the flash.
//
// Memory, whatever the partition and the number of records: 1,120 + 96 + 32 bytes of buffers, 32 bytes of retired
// sectors, 32 bytes of unsealed records, a few dozen numbers; `read` allocates the copies that it hands out.

import type { FlashPartition } from "../ports.js";
import { Rejection } from "../rejection.js";
import { JournalCapacity, TYPICAL_RECORD_UNITS } from "./journal-capacity.js";
import {
  CLEAN_BODY_BYTES,
  CLEAN_UNITS,
  FRAME,
  FRAME_HEAD_BYTES,
  frameUnits,
  HEADER_UNITS,
  MARK_UNITS,
  PAYLOAD_BYTES_MAX,
  SEAL_UNITS,
  SECTOR_UNITS,
  SEQ_MAX,
  type Sha256,
  SIGNATURE_BYTES,
} from "./journal-format.js";
import { recover } from "./journal-mount.js";
import { JournalReader, type KeptRecord } from "./journal-reader.js";
import { JournalRing } from "./journal-ring.js";
import { JournalSectors } from "./journal-sectors.js";
import { UNSEALED_MAX, Unsealed } from "./journal-unsealed.js";

export { PAYLOAD_BYTES_MAX } from "./journal-format.js";
export type { KeptRecord } from "./journal-reader.js";

/** Sectors that one write is tried on, each of the failing ones being retired. */
const WRITE_ATTEMPTS_MAX = 3;
/** The stored watermark is written once it is this many records ahead of the one on flash. */
const MARK_RECORDS = 8;

export interface JournalOptions {
  /** `sha256` of a `CryptoEngine`. */
  readonly engine: { readonly sha256: Sha256 };
  /** What lets the ring trim a record: a collector's receipt (default), or an anchor besides. */
  readonly safe?: "stored" | "anchored";
  /** Where room runs out: `stop` refuses once there is none (default); `thin` refuses more and more from half full on. */
  readonly full?: "stop" | "thin";
}

export class Journal {
  readonly #media: JournalSectors;
  readonly #ring: JournalRing;
  readonly #reader: JournalReader;
  readonly #capacity: JournalCapacity;
  readonly #unsealed = new Unsealed();
  readonly #safe: "stored" | "anchored";
  readonly #full: "stop" | "thin";
  #writable = false;
  /** Whether the active sector holds a frame of a record: if not, it can be opened again. */
  #hasRecords = false;
  /** Whether the newest frame is the clean end. */
  #clean = false;
  /** The highest seq that a write was begun for; a failed one is not offered again. */
  #usedSeq = 0;
  #stream = 0;
  #records = 0;
  #stored = 0;
  #storedRecords = 0;
  #markedRecords = 0;
  #anchored = 0;
  #recordUnits = TYPICAL_RECORD_UNITS;

  private constructor(media: JournalSectors, ring: JournalRing, options: JournalOptions) {
    this.#media = media;
    this.#ring = ring;
    this.#reader = new JournalReader(ring);
    this.#capacity = new JournalCapacity(ring);
    this.#safe = options.safe ?? "stored";
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
    const journal = new Journal(media, ring, options);
    if (ring.active >= 0) journal.recover();
    return journal;
  }

  /** seq of the oldest record kept; undefined where there is none. */
  get firstSeq(): number | undefined {
    return this.#reader.after(0);
  }

  /** seq of the newest record kept; undefined where there is none. */
  get lastSeq(): number | undefined {
    return this.#ring.lastSeq === 0 ? undefined : this.#ring.lastSeq;
  }

  /** Stream of the newest record, 0 where there is none. */
  get stream(): number {
    return this.#stream;
  }

  /** Every record up to this seq is stored elsewhere; 0 at the beginning. After a boot it may lag: resends are harmless. */
  get storedThrough(): number {
    return this.#stored;
  }

  get anchoredThrough(): number {
    return this.#anchored;
  }

  /** Records kept that are not stored elsewhere. */
  get pendingCount(): number {
    return this.#records - this.#storedRecords;
  }

  /** Sectors given up because they failed. */
  get retiredSectors(): number {
    return this.#ring.retiredCount;
  }

  /** How many records of the last one's size still find room, about. */
  get freeRecords(): number {
    const rest = this.#writable ? Math.floor(this.room() / this.#recordUnits) : 0;
    return (
      Math.max(0, rest) +
      this.#capacity.openable(this.safeThrough) * Math.floor((SECTOR_UNITS - HEADER_UNITS) / this.#recordUnits)
    );
  }

  /** Whether a payload of `payloadBytes` would be refused for want of room. */
  isFull(payloadBytes: number = PAYLOAD_BYTES_MAX): boolean {
    return (
      !(this.#writable && this.room() >= frameUnits(payloadBytes) + SEAL_UNITS) && this.#capacity.openable(this.safeThrough) === 0
    );
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
   *   records wait for their signature), `journal-payload`, `journal-stream`, `journal-seq`; after these the seq is
   *   unused. `journal-write`, `journal-worn`: the flash failed; the seq is used up and must not be offered again.
   */
  append(stream: number, seq: number, payload: Uint8Array): Rejection | undefined {
    if (payload.length < 1 || payload.length > PAYLOAD_BYTES_MAX)
      return new Rejection("journal-payload", `${payload.length} bytes; 1 to ${PAYLOAD_BYTES_MAX} fit`);
    const newest = Math.max(this.#ring.lastSeq, this.#usedSeq);
    if (seq % 1 !== 0 || seq <= newest || seq > SEQ_MAX)
      return new Rejection("journal-seq", `seq ${seq} does not follow ${newest}`);
    if (stream % 1 !== 0 || stream < this.#stream || stream > SEQ_MAX)
      return new Rejection("journal-stream", `stream ${stream} is below ${this.#stream}`);
    if (this.#unsealed.count === UNSEALED_MAX)
      return new Rejection("journal-unsealed", `${UNSEALED_MAX} records wait for their signature`);
    if (this.#full === "thin" && this.#capacity.thinsOut(this.safeThrough))
      return new Rejection("journal-thinned", `room for about ${this.freeRecords} records is left`);
    const units = frameUnits(payload.length);
    for (let attempt = 0; attempt < WRITE_ATTEMPTS_MAX; attempt += 1) {
      const refusal = this.makeRoom(units + SEAL_UNITS);
      if (refusal !== undefined) return refusal;
      this.#usedSeq = seq;
      this.#media.frame.set(payload, FRAME_HEAD_BYTES);
      if (this.write(FRAME.PAYLOAD, payload.length, seq, this.#ring.lastSeq, stream)) {
        this.#ring.lastSeq = seq;
        this.#stream = stream;
        this.#records += 1;
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
    if (this.#writable && epoch === this.#ring.activeEpoch) {
      this.#media.frame.set(signature, FRAME_HEAD_BYTES);
      if (this.write(FRAME.SEAL, SIGNATURE_BYTES, seq, 0, 0)) {
        this.#unsealed.delete(seq);
        return undefined;
      }
    }
    // Its sector has been left: the record goes, whole, into the one under way.
    const kept = this.read(seq);
    if (kept instanceof Rejection) return kept;
    const bodyBytes = kept.payload.length + SIGNATURE_BYTES;
    for (let attempt = 0; attempt < WRITE_ATTEMPTS_MAX; attempt += 1) {
      const refusal = this.makeRoom(frameUnits(bodyBytes));
      if (refusal !== undefined) return refusal;
      this.#media.frame.set(kept.payload, FRAME_HEAD_BYTES);
      this.#media.frame.set(signature, FRAME_HEAD_BYTES + kept.payload.length);
      if (this.write(FRAME.WHOLE, bodyBytes, seq, 0, kept.stream)) {
        this.#unsealed.delete(seq);
        return undefined;
      }
    }
    return new Rejection("journal-write", `record ${seq} could not be written to ${WRITE_ATTEMPTS_MAX} sectors`);
  }

  /** A record as it was kept, checked at this very read; `journal-missing` or `journal-corrupt` otherwise. */
  read(seq: number): KeptRecord | Rejection {
    const kept = this.#reader.read(seq);
    if (kept instanceof Rejection) {
      this.#unsealed.delete(seq); // what cannot be read cannot be signed, and must not hold up the rest
      return kept;
    }
    if (kept.signature === undefined && this.#unsealed.epochOf(seq) === undefined)
      return new Rejection("journal-corrupt", `the signature of record ${seq} does not match its check`);
    return kept;
  }

  /** seq of the record after `seq` (0: the first), or undefined. A damaged one is named, and `read` then refuses it. */
  after(seq: number): number | undefined {
    return this.#reader.after(seq);
  }

  /** Every record up to `through` is stored elsewhere. Written lazily: what power loses of it is only sent again. */
  markStored(through: number): void {
    const seq = Math.min(through, this.#ring.lastSeq);
    if (seq <= this.#stored) return;
    if (seq === this.#ring.lastSeq) this.#storedRecords = this.#records;
    else if (seq === this.#stored + 1) this.#storedRecords += 1;
    else this.#storedRecords = this.#reader.ordinal(seq);
    this.#stored = seq;
    if (this.#storedRecords - this.#markedRecords >= MARK_RECORDS && this.#writable && this.room() >= MARK_UNITS)
      this.mark(this.#ring.tailEpoch);
  }

  /** Every record up to `through` is held by the chain. Written with the stored watermark. */
  markAnchored(through: number): void {
    this.#anchored = Math.max(this.#anchored, Math.min(through, this.#ring.lastSeq));
  }

  /** Ends in good order: the next mount may write on in the same sector. Nothing may be written through this object then. */
  close(): void {
    // Who leaves this sector writes a mark behind the clean end.
    if (!this.#writable || this.#clean || this.room() < CLEAN_UNITS + MARK_UNITS) return;
    const rest = this.#media.restDigest(this.#ring.active, this.#ring.endUnit + CLEAN_UNITS);
    this.#media.frame.set(rest, FRAME_HEAD_BYTES);
    this.write(FRAME.CLEAN, CLEAN_BODY_BYTES, this.#stored, this.#anchored, this.#ring.tailEpoch);
    this.#writable = false;
  }

  private recover(): void {
    const recovered = recover(this.#ring, this.#unsealed);
    this.#records = recovered.records;
    this.#stream = recovered.stream;
    this.#stored = recovered.storedThrough;
    this.#anchored = recovered.anchoredThrough;
    this.#hasRecords = recovered.hasRecords;
    if (recovered.writableFrom !== undefined) {
      this.#writable = true;
      this.#clean = true;
      this.#ring.endUnit = recovered.writableFrom;
    }
    this.#storedRecords = this.#stored >= this.#ring.lastSeq ? this.#records : this.#reader.ordinal(this.#stored);
    this.#markedRecords = this.#storedRecords;
  }

  /** Units left in the active sector besides those that waiting signatures, and one last mark, will take. */
  private room(): number {
    return SECTOR_UNITS - this.#ring.endUnit - SEAL_UNITS * this.#unsealed.countIn(this.#ring.activeEpoch) - MARK_UNITS;
  }

  /** Sees to it that `units` can be written to the active sector, by opening another one where need be. */
  private makeRoom(units: number): Rejection | undefined {
    if (this.#writable && this.room() >= units) return undefined;
    // What is left must not look as if one could go on there: while the next sector is erased anew, its header comes and goes.
    if (this.#clean) this.mark(this.#ring.tailEpoch);
    const refusal = this.#ring.open(
      {
        epoch: 0,
        tailEpoch: 0,
        records: this.#records,
        lastSeq: 0,
        stream: this.#stream,
        storedThrough: this.#stored,
        anchoredThrough: this.#anchored,
        oldestUnsealed: this.#unsealed.oldest,
      },
      this.safeThrough,
      this.#ring.active >= 0 && !this.#hasRecords,
      (tailEpoch) => this.#writable && this.mark(tailEpoch),
    );
    if (refusal !== undefined) return refusal;
    this.#writable = true;
    this.#clean = false;
    this.#hasRecords = false;
    this.#markedRecords = this.#storedRecords;
    return undefined;
  }

  /** Appends a frame to the active sector; where the flash fails, the sector is retired and false is the answer. */
  private write(type: number, bodyBytes: number, seq: number, previous: number, stream: number): boolean {
    const ring = this.#ring;
    const unit = ring.endUnit;
    ring.endUnit = unit + frameUnits(bodyBytes);
    this.#clean = type === FRAME.CLEAN;
    if (this.#media.write(ring.active, unit, ring.activeEpoch, type, bodyBytes, seq, previous, stream)) {
      if (type <= FRAME.WHOLE) this.#hasRecords = true;
      return true;
    }
    ring.retire(ring.active);
    this.#writable = false;
    return false;
  }

  /** Room for one is kept free. */
  private mark(tailEpoch: number): void {
    if (this.#ring.endUnit === SECTOR_UNITS) return;
    if (this.write(FRAME.MARK, 0, this.#stored, this.#anchored, tailEpoch)) this.#markedRecords = this.#storedRecords;
  }

  private get safeThrough(): number {
    return this.#safe === "stored" ? this.#stored : Math.min(this.#stored, this.#anchored);
  }
}
