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
export const HEADER = Object.freeze({
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
export const HEADER_FIELDS = Object.freeze(Object.keys(HEADER) as (keyof typeof HEADER)[]);
const RETIRED_COUNT_AT = 52;
const RETIRED_AT = 56;

export const FRAME_HEAD_BYTES = 20;
/** What a frame holds. `PAYLOAD` waits for its `SEAL`; `WHOLE` is a payload and its signature in one. */
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

/**
 * The numbers that a sector header carries. `records`: appended since the journal began; `lastSeq`: the newest of them;
 * all as they were when the sector was opened. `oldestUnsealed`: 0 where every record had its signature. `passedAhead`: how far
 * passedThrough lay above storedThrough, up to PASSED_AHEAD_MAX.
 */
export type SectorState = { -readonly [field in keyof typeof HEADER]: number };

/**
 * Writes a sector header into `bytes` (96).
 * @param retired sector numbers; `retiredCount` of them count
 */
export function encodeHeader(
  bytes: Uint8Array,
  sectors: number,
  sector: number,
  state: SectorState,
  retired: Uint16Array,
  retiredCount: number,
  sha256: Sha256,
): void {
  bytes.fill(0);
  writeUint(bytes, MAGIC, 0, 4);
  bytes[4] = FORMAT_VERSION;
  bytes[5] = Math.log2(UNIT_BYTES);
  bytes[6] = Math.log2(SECTOR_BYTES);
  bytes[7] = HEADER_UNITS;
  writeUint(bytes, sectors, 8, 2);
  writeUint(bytes, sector, 10, 2);
  for (const field of HEADER_FIELDS) writeUint(bytes, state[field], HEADER[field], 4);
  bytes[RETIRED_COUNT_AT] = retiredCount;
  for (let i = 0; i < retiredCount; i += 1) writeUint(bytes, retired[i] as number, RETIRED_AT + 2 * i, 2);
  bytes.set(sha256(bytes.subarray(0, SUPERBLOCK_CHECK_AT)).subarray(0, CHECK_BYTES), SUPERBLOCK_CHECK_AT);
  bytes.set(sha256(bytes.subarray(0, HEADER_CHECK_AT)).subarray(0, CHECK_BYTES), HEADER_CHECK_AT);
}

/** Whether bytes begin as every sector header does, whatever their check says. */
export function hasMagic(bytes: Uint8Array): boolean {
  return readUint(bytes, 0, 4) === MAGIC;
}

/**
 * What 96 bytes at the start of a sector are: `none` (erased, torn, rotten, not ours), `valid`, or a superblock that
 * holds but that this firmware cannot use: another `version`, or another `geometry`.
 */
export function classifyHeader(
  bytes: Uint8Array,
  sectors: number,
  sector: number,
  sha256: Sha256,
): "none" | "valid" | "version" | "geometry" {
  if (!hasMagic(bytes) || !checkHolds(bytes, SUPERBLOCK_CHECK_AT, sha256)) return "none";
  if (bytes[4] !== FORMAT_VERSION) return "version";
  const geometry =
    bytes[5] === Math.log2(UNIT_BYTES) &&
    bytes[6] === Math.log2(SECTOR_BYTES) &&
    bytes[7] === HEADER_UNITS &&
    readUint(bytes, 8, 2) === sectors &&
    readUint(bytes, 10, 2) === sector;
  if (!geometry) return "geometry";
  return (bytes[RETIRED_COUNT_AT] as number) <= RETIRED_MAX && checkHolds(bytes, HEADER_CHECK_AT, sha256) ? "valid" : "none";
}

/** Copies the list of retired sectors out of a valid header into `retired` (RETIRED_MAX); returns how many. */
export function decodeRetired(bytes: Uint8Array, retired: Uint16Array): number {
  const count = bytes[RETIRED_COUNT_AT] as number;
  for (let i = 0; i < count; i += 1) retired[i] = readUint(bytes, RETIRED_AT + 2 * i, 2);
  return count;
}

/** Whether the 8 bytes at `at` are the first of SHA-256 over all bytes before them. */
function checkHolds(bytes: Uint8Array, at: number, sha256: Sha256): boolean {
  const digest = sha256(bytes.subarray(0, at));
  const check = new DataView(bytes.buffer, bytes.byteOffset + at, CHECK_BYTES);
  const expected = new DataView(digest.buffer, digest.byteOffset, CHECK_BYTES);
  return check.getUint32(0) === expected.getUint32(0) && check.getUint32(4) === expected.getUint32(4);
}

/**
 * Completes a frame whose body lies in `frame` from byte 20 on: head, zero padding, check.
 * @param view of the same bytes: on XS it writes a number in a seventh of the instructions that four bytes take
 * @returns the frame's length in bytes, a whole number of units
 */
export function encodeFrame(
  frame: Uint8Array,
  view: DataView,
  epoch: number,
  type: number,
  bodyBytes: number,
  seq: number,
  previous: number,
  stream: number,
  sha256: Sha256,
): number {
  const length = frameUnits(bodyBytes) * UNIT_BYTES;
  assert(length <= frame.length, "a frame fits its buffer");
  view.setUint16(0, type << 8);
  view.setUint16(2, bodyBytes);
  view.setUint32(4, seq);
  view.setUint32(8, previous);
  view.setUint32(12, stream);
  view.setUint32(16, crc32(frame, epoch, 16));
  const checkAt = length - CHECK_BYTES;
  for (let i = FRAME_HEAD_BYTES + bodyBytes; i < checkAt; i += 1) frame[i] = 0;
  const digest = sha256(frame.subarray(0, checkAt));
  const check = new DataView(digest.buffer, digest.byteOffset, CHECK_BYTES);
  view.setUint32(checkAt, check.getUint32(0));
  view.setUint32(checkAt + 4, check.getUint32(4));
  return length;
}

/** Whether `unit` (32 bytes) is the first unit of a frame of this epoch that ends within `unitsLeft` units. */
export function isFrameHead(unit: Uint8Array, head: Uint8Array, epoch: number, unitsLeft: number): boolean {
  const type = unit[0] as number;
  if (type < FRAME.PAYLOAD || type > FRAME.CLEAN || unit[1] !== 0) return false;
  const bodyBytes = readUint(unit, 2, 2);
  return (
    bodyBytes <= PAYLOAD_BYTES_MAX + SIGNATURE_BYTES &&
    frameUnits(bodyBytes) <= unitsLeft &&
    crc32(head, epoch) === readUint(unit, 16, 4)
  );
}

/** Whether a loaded frame of `length` bytes matches its check. */
export function frameHolds(frame: Uint8Array, length: number, sha256: Sha256): boolean {
  return checkHolds(frame, length - CHECK_BYTES, sha256);
}
