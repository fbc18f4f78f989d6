// Reads a raw journal image, taken from a board or from a data folder, without the firmware's own code: a second
// implementation of docs/journal-format.md, version 1, for people and for tests.
//
// Promises: whatever the image holds, an answer or one Error with a clear message. Never: a write, or a record whose
// check does not hold shown as whole. An image of an encrypted partition must have been decrypted before (image.ts).

import { createHash } from "node:crypto";

export const SECTOR_BYTES = 4096;
const UNIT_BYTES = 32;
const SECTOR_UNITS = 128;
const HEADER_UNITS = 3;
const FRAME_HEAD_BYTES = 20;
const CHECK_BYTES = 8;
const BODY_BYTES_MAX = 1088;
const FRAME_NAMES = ["", "payload", "seal", "whole", "mark", "clean"] as const;

export interface DumpedFrame {
  kind: "payload" | "seal" | "whole" | "mark" | "clean";
  unit: number;
  units: number;
  seq: number;
  previous: number;
  stream: number;
  body: Uint8Array;
  /** Whether the whole frame matches its check; false: only its head does. */
  holds: boolean;
}

export interface DumpedSector {
  sector: number;
  epoch: number;
  tailEpoch: number;
  records: number;
  lastSeq: number;
  stream: number;
  storedThrough: number;
  anchoredThrough: number;
  passedThrough: number;
  oldestUnsealed: number;
  retired: number[];
  /** Whether the newest header, or a mark after it, counts this sector in. */
  live: boolean;
  frames: DumpedFrame[];
  /** Units before the last frame that belong to none. */
  damagedUnits: number;
}

export interface DumpedRecord {
  seq: number;
  stream: number;
  payload: Uint8Array;
  /** Absent where the record was never sealed, or where its seal is damaged. */
  signature?: Uint8Array;
  sector: number;
  unit: number;
  stored: boolean;
  /** Not known to be stored, and waited for no more. */
  passed: boolean;
  anchored: boolean;
}

export interface JournalDump {
  sectors: number;
  /** All that have a valid header, the oldest first. */
  used: DumpedSector[];
  /** What a mount would keep, by seq. */
  records: DumpedRecord[];
  storedThrough: number;
  passedThrough: number;
  anchoredThrough: number;
  retired: number[];
  /** What does not hold, in words. */
  damage: string[];
}

/** Throws where the image is no whole number of sectors, holds no journal, or one of another version or size. */
export function dumpJournal(image: Uint8Array): JournalDump {
  if (image.length === 0 || image.length % SECTOR_BYTES !== 0)
    throw new Error(`an image of ${image.length} bytes is no whole number of ${SECTOR_BYTES}-byte sectors`);
  const sectors = Math.min(image.length / SECTOR_BYTES, 4096);
  const used: DumpedSector[] = [];
  for (let sector = 0; sector < sectors; sector += 1) {
    const found = readSector(image.subarray(sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES), sector, sectors);
    if (found !== undefined) used.push(found);
  }
  used.sort((a, b) => a.epoch - b.epoch);
  const newest = used.at(-1);
  if (newest === undefined) throw new Error("no sector holds a journal header");

  let { tailEpoch, storedThrough, anchoredThrough, passedThrough } = newest;
  for (const frame of newest.frames) {
    if (!frame.holds || (frame.kind !== "mark" && frame.kind !== "clean")) continue;
    storedThrough = Math.max(storedThrough, frame.seq);
    anchoredThrough = frame.previous;
    passedThrough = Math.max(passedThrough, passedIn(frame));
    tailEpoch = Math.max(tailEpoch, frame.stream);
  }
  passedThrough = Math.max(passedThrough, storedThrough);
  const live = used.filter((sector) => sector.epoch >= tailEpoch);
  const damage: string[] = [];
  const records = new Map<number, DumpedRecord>();
  let last = live[0]?.lastSeq ?? 0;
  for (const [at, sector] of live.entries()) {
    sector.live = true;
    const following = live[at + 1];
    const ceiling = following?.lastSeq ?? Number.POSITIVE_INFINITY;
    for (const frame of sector.frames) {
      const where = `sector ${sector.sector} unit ${frame.unit}`;
      const belongs = frame.seq > sector.lastSeq && frame.seq <= ceiling;
      if (!frame.holds) {
        // At the end of a sector this is what was torn; a record that the next header counts is damaged.
        if (frame.kind === "payload" && belongs && frame.seq > last && following !== undefined) {
          damage.push(`record ${frame.seq}: payload, ${where}`);
          last = frame.seq;
        }
        if (frame.kind === "seal" && records.has(frame.seq)) damage.push(`record ${frame.seq}: signature, ${where}`);
        continue;
      }
      if (frame.kind === "payload" && belongs && frame.seq > last) {
        if (frame.previous !== last) damage.push(`between records ${last} and ${frame.seq}: ${frame.previous} is missing`);
        last = frame.seq;
        records.set(frame.seq, {
          seq: frame.seq,
          stream: frame.stream,
          payload: frame.body,
          sector: sector.sector,
          unit: frame.unit,
          stored: frame.seq <= storedThrough,
          passed: frame.seq > storedThrough && frame.seq <= passedThrough,
          anchored: frame.seq <= anchoredThrough,
        });
      }
      const record = records.get(frame.seq);
      if (frame.kind === "seal" && record !== undefined) record.signature = frame.body;
      if (frame.kind === "whole") {
        const payload = frame.body.subarray(0, frame.body.length - 64);
        if (record !== undefined && Buffer.compare(record.payload, payload) !== 0)
          damage.push(`record ${frame.seq}: ${where} holds another payload than sector ${record.sector}`);
        else if (record !== undefined) record.signature = frame.body.subarray(frame.body.length - 64);
      }
    }
    if (following !== undefined && last < following.lastSeq) {
      damage.push(`between records ${last} and ${following.lastSeq + 1}: ${following.lastSeq} is missing`);
      last = following.lastSeq;
    }
    if (sector.damagedUnits > 0 && following !== undefined)
      damage.push(`sector ${sector.sector}: ${sector.damagedUnits} units hold no frame`);
  }
  const kept = [...records.values()].sort((a, b) => a.seq - b.seq);
  return { sectors, used, records: kept, storedThrough, passedThrough, anchoredThrough, retired: newest.retired, damage };
}

/** Whether a sector begins with a superblock whose check holds, of whatever version and size. */
export function isSuperblock(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.subarray(0, 4)).toString("latin1") === "cmjl" && holds(bytes.subarray(0, UNIT_BYTES));
}

function readSector(bytes: Uint8Array, sector: number, sectors: number): DumpedSector | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (!isSuperblock(bytes)) return undefined;
  if (bytes[4] !== 1) throw new Error(`sector ${sector} has version ${bytes[4]} of the format; this tool reads version 1`);
  if (
    bytes[5] !== 5 ||
    bytes[6] !== 12 ||
    bytes[7] !== HEADER_UNITS ||
    view.getUint16(8) !== sectors ||
    view.getUint16(10) !== sector
  )
    throw new Error(`sector ${sector} says it is sector ${view.getUint16(10)} of ${view.getUint16(8)}; the image has ${sectors}`);
  if (!holds(bytes.subarray(0, HEADER_UNITS * UNIT_BYTES))) return undefined;
  const retired: number[] = [];
  for (let i = 0; i < Math.min(bytes[52] as number, 16); i += 1) retired.push(view.getUint16(56 + 2 * i));
  const epoch = view.getUint32(12);
  const frames: DumpedFrame[] = [];
  let damagedUnits = 0;
  let stray = 0;
  for (let unit = HEADER_UNITS; unit < SECTOR_UNITS; ) {
    const frame = readFrame(bytes, unit, epoch);
    if (frame === undefined) {
      stray += 1;
      unit += 1;
      continue;
    }
    damagedUnits += stray;
    stray = 0;
    frames.push(frame);
    unit += frame.units;
  }
  return {
    sector,
    epoch,
    tailEpoch: view.getUint32(16),
    records: view.getUint32(20),
    lastSeq: view.getUint32(32),
    stream: view.getUint32(36),
    storedThrough: view.getUint32(40),
    anchoredThrough: view.getUint32(44),
    passedThrough: view.getUint32(40) + (view.getUint32(52) & 0xffffff),
    oldestUnsealed: view.getUint32(48),
    retired,
    live: false,
    frames,
    damagedUnits,
  };
}

/** passedThrough in a mark or a clean end: the last 4 bytes of a body that has them, else 0. */
function passedIn({ kind, body }: DumpedFrame): number {
  if (body.length !== (kind === "clean" ? CHECK_BYTES : 0) + 4) return 0;
  return new DataView(body.buffer, body.byteOffset).getUint32(body.length - 4);
}

function readFrame(bytes: Uint8Array, unit: number, epoch: number): DumpedFrame | undefined {
  const at = unit * UNIT_BYTES;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at);
  const kind = FRAME_NAMES[bytes[at] as number];
  if (kind === undefined || kind === "" || bytes[at + 1] !== 0) return undefined;
  const bodyBytes = view.getUint16(2);
  const units = Math.ceil((FRAME_HEAD_BYTES + bodyBytes + CHECK_BYTES) / UNIT_BYTES);
  if (bodyBytes > BODY_BYTES_MAX || unit + units > SECTOR_UNITS) return undefined;
  if (crc32From(epoch, bytes.subarray(at, at + 16)) !== view.getUint32(16)) return undefined;
  return {
    kind,
    unit,
    units,
    seq: view.getUint32(4),
    previous: view.getUint32(8),
    stream: view.getUint32(12),
    body: bytes.slice(at + FRAME_HEAD_BYTES, at + FRAME_HEAD_BYTES + bodyBytes),
    holds: holds(bytes.subarray(at, at + units * UNIT_BYTES)),
  };
}

/** The last 8 bytes are the first 8 of SHA-256 over all before them. */
function holds(bytes: Uint8Array): boolean {
  const digest = createHash("sha256")
    .update(bytes.subarray(0, bytes.length - CHECK_BYTES))
    .digest();
  return digest.compare(bytes, bytes.length - CHECK_BYTES, bytes.length, 0, CHECK_BYTES) === 0;
}

/** CRC-32 (ISO-HDLC) that goes on from the CRC `seed`, bit by bit. */
function crc32From(seed: number, bytes: Uint8Array): number {
  let crc = ~seed;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}
