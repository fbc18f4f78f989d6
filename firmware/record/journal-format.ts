// The bytes of the journal on flash: sector headers and frames. The specification is docs/journal-format.md, version 1.
//
// Promises: whatever these functions accept was written by them, whole, for that very sector and epoch; a torn unit, a
// flipped bit, erased flash (which may read as noise) and a frame of an earlier life of the sector are refused.
// Never: I/O, allocation beyond what a hash needs, a rule about which sector is used when (journal-ring.ts).

import { crc32, readUint, writeUint } from "../bytes.js";
import { assert } from "../rejection.js";

const FORMAT_VERSION = 1;
/** What one erase clears, in bytes. */
export const SECTOR_BYTES = 4096;
/** What is written at most once between two erases, in bytes. */
export const UNIT_BYTES = 32;
const UNIT_BITS = 5;
export const SECTOR_UNITS = SECTOR_BYTES / UNIT_BYTES;
export const SECTORS_MIN = 4;
/** 16 MiB, the largest flash on a module; a larger partition is used up to here. */
export const SECTORS_MAX = 4096;
export const PAYLOAD_BYTES_MAX = 1024;
export const SIGNATURE_BYTES = 64;
/** Sectors that may fail before the journal calls the flash worn. */
export const RETIRED_MAX = 16;
/** seq and stream take 4 bytes; seq 0 means "none". */
export const SEQ_MAX = 0xffffffff;

export const HEADER_UNITS = 3;
export const HEADER_BYTES = HEADER_UNITS * UNIT_BYTES;
const CHECK_BYTES = 8;
const SUPERBLOCK_CHECK_AT = UNIT_BYTES - CHECK_BYTES;
const HEADER_CHECK_AT = HEADER_BYTES - CHECK_BYTES;
/** "cmjl" */
const MAGIC = 0x636d6a6c;

/** Where the numbers of a sector header lie (each 4 bytes). */
const AT = Object.freeze({
  epoch: 12,
  tailEpoch: 16,
  records: 20,
  lastSeq: 32,
  stream: 36,
  storedThrough: 40,
  anchoredThrough: 44,
  oldestUnsealed: 48,
  /** The lower three bytes; the highest is the number of retired sectors. */
  passedAhead: 52,
});
export const PASSED_AHEAD_MAX = 0xffffff;
const FIELDS = Object.freeze(Object.keys(AT) as (keyof typeof AT)[]);
const RETIRED_COUNT_AT = 52;
const RETIRED_AT = 56;

export const FRAME_HEAD_BYTES = 20;
/** The kinds of frame. `PAYLOAD` waits for its `SEAL`; `WHOLE` is a payload and its signature in one. */
export const FRAME = Object.freeze({ PAYLOAD: 1, SEAL: 2, WHOLE: 3, MARK: 4, CLEAN: 5 });
export const CLEAN_BODY_BYTES = CHECK_BYTES;
/** At the end of the body of a mark, and of a clean end, where records were passed over: passedThrough. */
export const PASSED_BODY_BYTES = 4;
export const FRAME_BYTES_MAX = frameUnits(PAYLOAD_BYTES_MAX + SIGNATURE_BYTES) * UNIT_BYTES;
export const SEAL_UNITS = frameUnits(SIGNATURE_BYTES);
export const MARK_UNITS = frameUnits(PASSED_BODY_BYTES);
export const CLEAN_UNITS = frameUnits(CLEAN_BODY_BYTES + PASSED_BODY_BYTES);

export type Sha256 = (...parts: readonly Uint8Array[]) => Uint8Array;

/** Units that a frame takes whose body has `bodyBytes` bytes. */
export function frameUnits(bodyBytes: number): number {
  return (FRAME_HEAD_BYTES + bodyBytes + CHECK_BYTES + UNIT_BYTES - 1) >> UNIT_BITS;
}

/** What the journal was at when a sector was opened. */
export interface SectorState {
  /** Appended since the journal began. */
  readonly records: number;
  /** Of the newest record. */
  readonly stream: number;
  readonly storedThrough: number;
  readonly anchoredThrough: number;
  /** 0 where every record had its signature. */
  readonly oldestUnsealed: number;
  /** How far passedThrough lay above storedThrough, up to PASSED_AHEAD_MAX. */
  readonly passedAhead: number;
}

/** A sector header. */
export interface SectorHeader extends SectorState {
  /** The number of the sector that it is of. */
  readonly sector: number;
  readonly epoch: number;
  readonly tailEpoch: number;
  /** The newest record, 0 where there was none. */
  readonly lastSeq: number;
  /** Numbers of sectors, RETIRED_MAX at most. */
  readonly retired: readonly number[];
}

/** Why there is no header: nothing begun there, or torn, rotten, not ours; or one that holds, of another version or size. */
export type HeaderFault = "none" | "version" | "geometry";

const NOTHING_RETIRED: readonly number[] = Object.freeze([]);

/** The header of a journal that has not begun. */
export const NO_HEADER: SectorHeader = Object.freeze({
  sector: -1,
  epoch: 0,
  tailEpoch: 0,
  records: 0,
  lastSeq: 0,
  stream: 0,
  storedThrough: 0,
  anchoredThrough: 0,
  oldestUnsealed: 0,
  passedAhead: 0,
  retired: NOTHING_RETIRED,
});

/**
 * Writes a sector header into `bytes` (96).
 * @param sectors how many the partition has in use
 */
export function encodeHeader(bytes: Uint8Array, sectors: number, header: SectorHeader, sha256: Sha256): void {
  const { sector, retired } = header;
  bytes.fill(0);
  writeUint(bytes, MAGIC, 0, 4);
  bytes[4] = FORMAT_VERSION;
  bytes[5] = Math.log2(UNIT_BYTES);
  bytes[6] = Math.log2(SECTOR_BYTES);
  bytes[7] = HEADER_UNITS;
  writeUint(bytes, sectors, 8, 2);
  writeUint(bytes, sector, 10, 2);
  for (const field of FIELDS) writeUint(bytes, header[field], AT[field], 4);
  bytes[RETIRED_COUNT_AT] = retired.length;
  for (let i = 0; i < retired.length; i += 1) writeUint(bytes, retired[i] as number, RETIRED_AT + 2 * i, 2);
  bytes.set(sha256(bytes.subarray(0, SUPERBLOCK_CHECK_AT)).subarray(0, CHECK_BYTES), SUPERBLOCK_CHECK_AT);
  bytes.set(sha256(bytes.subarray(0, HEADER_CHECK_AT)).subarray(0, CHECK_BYTES), HEADER_CHECK_AT);
}

/** Whether bytes begin as every sector header does, whatever their check says. */
export function hasMagic(bytes: Uint8Array): boolean {
  return readUint(bytes, 0, 4) === MAGIC;
}

/** The header that the first 96 bytes of `sector` are, or why they are none. */
export function decodeHeader(bytes: Uint8Array, sectors: number, sector: number, sha256: Sha256): SectorHeader | HeaderFault {
  if (!hasMagic(bytes) || !checkHolds(bytes, SUPERBLOCK_CHECK_AT, sha256)) return "none";
  if (bytes[4] !== FORMAT_VERSION) return "version";
  const geometry =
    bytes[5] === Math.log2(UNIT_BYTES) &&
    bytes[6] === Math.log2(SECTOR_BYTES) &&
    bytes[7] === HEADER_UNITS &&
    readUint(bytes, 8, 2) === sectors &&
    readUint(bytes, 10, 2) === sector;
  if (!geometry) return "geometry";
  const count = bytes[RETIRED_COUNT_AT] as number;
  if (count > RETIRED_MAX || !checkHolds(bytes, HEADER_CHECK_AT, sha256)) return "none";
  return {
    sector,
    epoch: readUint(bytes, AT.epoch, 4),
    tailEpoch: readUint(bytes, AT.tailEpoch, 4),
    records: readUint(bytes, AT.records, 4),
    lastSeq: readUint(bytes, AT.lastSeq, 4),
    stream: readUint(bytes, AT.stream, 4),
    storedThrough: readUint(bytes, AT.storedThrough, 4),
    anchoredThrough: readUint(bytes, AT.anchoredThrough, 4),
    oldestUnsealed: readUint(bytes, AT.oldestUnsealed, 4),
    passedAhead: readUint(bytes, AT.passedAhead + 1, 3),
    retired: count === 0 ? NOTHING_RETIRED : Array.from({ length: count }, (_, i) => readUint(bytes, RETIRED_AT + 2 * i, 2)),
  };
}

/** Whether the 8 bytes at `at` are the first of SHA-256 over all bytes before them. */
function checkHolds(bytes: Uint8Array, at: number, sha256: Sha256): boolean {
  const digest = sha256(bytes.subarray(0, at));
  const check = new DataView(bytes.buffer, bytes.byteOffset + at, CHECK_BYTES);
  const expected = new DataView(digest.buffer, digest.byteOffset, CHECK_BYTES);
  return check.getUint32(0) === expected.getUint32(0) && check.getUint32(4) === expected.getUint32(4);
}

/** The head of a frame. What its numbers mean depends on the kind: docs/journal-format.md, "Frame". */
export interface FrameHead {
  /** One of `FRAME`. */
  readonly kind: number;
  readonly bodyBytes: number;
  readonly seq: number;
  readonly previous: number;
  readonly stream: number;
}

/**
 * Completes a frame whose body lies in `frame` from byte 20 on: head, zero padding, check.
 * @param view of the same bytes: on XS it writes a number in a seventh of the instructions that four bytes take
 * @returns the frame's length in bytes, a whole number of units
 */
export function encodeFrame(frame: Uint8Array, view: DataView, epoch: number, head: FrameHead, sha256: Sha256): number {
  const { bodyBytes } = head;
  const length = frameUnits(bodyBytes) * UNIT_BYTES;
  assert(length <= frame.length, "a frame fits its buffer");
  view.setUint16(0, head.kind << 8);
  view.setUint16(2, bodyBytes);
  view.setUint32(4, head.seq);
  view.setUint32(8, head.previous);
  view.setUint32(12, head.stream);
  view.setUint32(16, crc32(frame, epoch, 16));
  const checkAt = length - CHECK_BYTES;
  for (let i = FRAME_HEAD_BYTES + bodyBytes; i < checkAt; i += 1) frame[i] = 0;
  const digest = sha256(frame.subarray(0, checkAt));
  const check = new DataView(digest.buffer, digest.byteOffset, CHECK_BYTES);
  view.setUint32(checkAt, check.getUint32(0));
  view.setUint32(checkAt + 4, check.getUint32(4));
  return length;
}

/**
 * Whether `unit` (32 bytes) is the first unit of a frame of this epoch that ends within `unitsLeft` units.
 * @param covered the part of it that the head's CRC covers, its first 16 bytes
 */
export function isFrameHead(unit: Uint8Array, covered: Uint8Array, epoch: number, unitsLeft: number): boolean {
  const kind = unit[0] as number;
  if (kind < FRAME.PAYLOAD || kind > FRAME.CLEAN || unit[1] !== 0) return false;
  const bodyBytes = readUint(unit, 2, 2);
  return (
    bodyBytes <= PAYLOAD_BYTES_MAX + SIGNATURE_BYTES &&
    frameUnits(bodyBytes) <= unitsLeft &&
    crc32(covered, epoch) === readUint(unit, 16, 4)
  );
}

/** Whether a loaded frame of `length` bytes matches its check. */
export function frameHolds(frame: Uint8Array, length: number, sha256: Sha256): boolean {
  return checkHolds(frame, length - CHECK_BYTES, sha256);
}
