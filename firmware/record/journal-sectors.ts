// Reading and writing journal sectors on a flash partition: docs/journal-format.md, "Sector" and "Frame".
//
// Promises: a write is one call of whole, never written units, and is read back before it counts; what does not hold is
// read again, up to READS_MAX times in all, before it counts as torn, rotten or failed; an error of the flash is an answer
// (false, or a Rejection at mount), never an exception. Never: a decision about which sector comes next.
//
// Memory: FRAME_BYTES_MAX + HEADER_BYTES bytes of buffers, made once, and UNIT_BYTES for each walk.

import { equal, readUint } from "../bytes.js";
import type { FlashPartition } from "../ports.js";
import { Rejection } from "../rejection.js";
import {
  decodeHeader,
  encodeFrame,
  encodeHeader,
  FRAME_BYTES_MAX,
  FRAME_HEAD_BYTES,
  type FrameHead,
  frameHolds,
  frameUnits,
  HEADER_BYTES,
  type HeaderFault,
  hasMagic,
  isFrameHead,
  SECTOR_BYTES,
  SECTOR_UNITS,
  SECTORS_MAX,
  SECTORS_MIN,
  type SectorHeader,
  type Sha256,
  UNIT_BYTES,
} from "./journal-format.js";

/** A bus glitch, a marginal cell or a dip of the supply may spoil a read of flash that is whole: so often is one made. */
export const READS_MAX = 3;

export class JournalSectors {
  /** Sectors in use: all of the partition's, up to SECTORS_MAX. */
  readonly sectors: number;
  /** The frame loaded or composed last. */
  readonly frame = new Uint8Array(FRAME_BYTES_MAX);
  readonly #frameView = new DataView(this.frame.buffer);
  readonly #partition: FlashPartition;
  readonly #sha256: Sha256;
  readonly #header = new Uint8Array(HEADER_BYTES);

  constructor(partition: FlashPartition, sha256: Sha256, sectors: number) {
    this.#partition = partition;
    this.#sha256 = sha256;
    this.sectors = sectors;
  }

  /** Refuses a partition whose blocks are no sectors of ours, or too few (`journal-geometry`). */
  static open(partition: FlashPartition, sha256: Sha256): JournalSectors | Rejection {
    const { blockLength, blocks } = partition.status();
    if (blockLength !== SECTOR_BYTES || blocks < SECTORS_MIN)
      return new Rejection(
        "journal-geometry",
        `${blocks} blocks of ${blockLength} bytes; needs ${SECTORS_MIN} or more of ${SECTOR_BYTES}`,
      );
    return new JournalSectors(partition, sha256, Math.min(blocks, SECTORS_MAX));
  }

  /** The header of a sector, or why there is none: `unreadable` where the flash gives an error. */
  header(sector: number, readsMax = READS_MAX): SectorHeader | HeaderFault | "unreadable" {
    const bytes = this.#header;
    let header: ReturnType<JournalSectors["header"]> = "unreadable";
    for (let reads = 0; reads < readsMax && typeof header === "string"; reads += 1) {
      // What was never begun reads as nothing each time: its first bytes are enough to tell that again.
      if (header === "none" && !(this.read(bytes.subarray(0, UNIT_BYTES), sector * SECTOR_BYTES) && hasMagic(bytes))) continue;
      const read = this.read(bytes, sector * SECTOR_BYTES);
      header = read ? decodeHeader(bytes, this.sectors, sector, this.#sha256) : "unreadable";
    }
    return header;
  }

  /** Erases a sector and writes its header; true once that has been read back. */
  begin(header: SectorHeader): boolean {
    const { sector } = header;
    const bytes = this.#header;
    try {
      this.#partition.eraseBlock(sector, sector + 1);
      encodeHeader(bytes, this.sectors, header, this.#sha256);
      this.#partition.write(bytes, sector * SECTOR_BYTES);
    } catch {
      return false; // the flash said no: the caller retires the sector
    }
    const written = bytes.slice();
    for (let reads = 0; reads < READS_MAX; reads += 1) {
      bytes.fill(0);
      if (this.read(bytes, sector * SECTOR_BYTES) && equal(bytes, written)) return true;
    }
    return false;
  }

  /** Loads a whole frame into `frame`; true if it matches its check and begins as its first unit did, `unitBytes`. */
  loadFrame(sector: number, unit: number, units: number, unitBytes: Uint8Array): boolean {
    const length = units * UNIT_BYTES;
    const bytes = this.frame.subarray(0, length);
    for (let reads = 0; reads < READS_MAX; reads += 1) {
      if (!this.read(bytes, sector * SECTOR_BYTES + unit * UNIT_BYTES) || !frameHolds(bytes, length, this.#sha256)) continue;
      if (beginsAs(bytes, unitBytes)) return true;
    }
    return false;
  }

  /** Writes a frame whose body lies in `frame`; true once it has been read back and is what was meant. */
  write(sector: number, unit: number, epoch: number, head: FrameHead): boolean {
    const length = encodeFrame(this.frame, this.#frameView, epoch, head, this.#sha256);
    const bytes = this.frame.subarray(0, length);
    const offset = sector * SECTOR_BYTES + unit * UNIT_BYTES;
    try {
      this.#partition.write(bytes, offset);
    } catch {
      return false; // the flash said no: the caller retires the sector
    }
    // What is read back replaces the frame in the buffer: its hash, and the 8 bytes kept from before, tell whether it
    // is the same.
    const view = this.#frameView;
    const high = view.getUint32(length - 8);
    const low = view.getUint32(length - 4);
    for (let reads = 0; reads < READS_MAX; reads += 1) {
      bytes.fill(0);
      if (!this.read(bytes, offset) || view.getUint32(length - 8) !== high || view.getUint32(length - 4) !== low) continue;
      if (frameHolds(bytes, length, this.#sha256)) return true;
    }
    return false;
  }

  /** The first 8 bytes of a hash chain over everything from `unit` to the end of the sector, as it reads now. */
  restDigest(sector: number, unit: number): Uint8Array {
    let digest = new Uint8Array(32);
    const step = Math.floor(FRAME_BYTES_MAX / UNIT_BYTES);
    for (let at = unit; at < SECTOR_UNITS; at += step) {
      const bytes = this.frame.subarray(0, Math.min(step, SECTOR_UNITS - at) * UNIT_BYTES);
      if (!this.read(bytes, sector * SECTOR_BYTES + at * UNIT_BYTES)) bytes.fill(0);
      digest = new Uint8Array(this.#sha256(digest, bytes));
    }
    return digest.slice(0, 8);
  }

  /** False where the flash gives an error. */
  read(bytes: Uint8Array, offset: number): boolean {
    try {
      this.#partition.read(bytes, offset);
      return true;
    } catch {
      return false; // reported by the caller as unreadable, or as a frame that does not hold
    }
  }
}

/** Steps through the frames of one sector, over what is torn or rotten, by their heads alone. */
export class FrameWalk implements FrameHead {
  /** Where the frame lies that the walk stands at. */
  unit = 0;
  readonly #media: JournalSectors;
  /** Its first unit, and the part of that which its head's CRC covers. */
  readonly #bytes = new Uint8Array(UNIT_BYTES);
  readonly #covered = this.#bytes.subarray(0, 16);
  #sector = 0;
  #epoch = 0;
  #next = 0;
  #reads = 1;

  constructor(media: JournalSectors) {
    this.#media = media;
  }

  /**
   * @param reads how often a unit is looked at before no frame begins there: READS_MAX where nobody else would notice that
   *   one was passed over
   */
  start(sector: number, epoch: number, unit: number, reads = 1): void {
    this.#sector = sector;
    this.#epoch = epoch;
    this.#next = unit;
    this.#reads = reads;
  }

  /** Goes to the next frame before `endUnit`; false where there is none. Says nothing of its body. */
  advance(endUnit: number): boolean {
    while (this.#next < endUnit) {
      this.unit = this.#next;
      for (let reads = 0; reads < this.#reads; reads += 1) {
        if (!this.begins()) continue;
        this.#next += this.units;
        return true;
      }
      this.#next += 1; // frames begin at any unit: the next one may hold
    }
    return false;
  }

  get kind(): number {
    return this.#bytes[0] as number;
  }

  get bodyBytes(): number {
    return readUint(this.#bytes, 2, 2);
  }

  get units(): number {
    return frameUnits(this.bodyBytes);
  }

  get seq(): number {
    return readUint(this.#bytes, 4, 4);
  }

  get previous(): number {
    return readUint(this.#bytes, 8, 4);
  }

  get stream(): number {
    return readUint(this.#bytes, 12, 4);
  }

  /** Reads the frame as a whole; true if it holds. Its body is there, by `body`, until anything else is read or written. */
  load(): boolean {
    return this.#media.loadFrame(this.#sector, this.unit, this.units, this.#bytes);
  }

  /** A copy of the last 8 bytes of the frame that was loaded: its check. */
  check(): Uint8Array {
    const end = this.units * UNIT_BYTES;
    return this.#media.frame.slice(end - 8, end);
  }

  /** A copy of `length` bytes of the body, from `at` on. */
  body(at: number, length: number): Uint8Array {
    return this.#media.frame.slice(FRAME_HEAD_BYTES + at, FRAME_HEAD_BYTES + at + length);
  }

  /** Whether a frame begins at `unit`. */
  private begins(): boolean {
    const at = this.#sector * SECTOR_BYTES + this.unit * UNIT_BYTES;
    return this.#media.read(this.#bytes, at) && isFrameHead(this.#bytes, this.#covered, this.#epoch, SECTOR_UNITS - this.unit);
  }
}

/** A loop, and no views for `equal`: these cost more than 20 bytes do. */
function beginsAs(frame: Uint8Array, unitBytes: Uint8Array): boolean {
  for (let i = 0; i < FRAME_HEAD_BYTES; i += 1) if (frame[i] !== unitBytes[i]) return false;
  return true;
}
