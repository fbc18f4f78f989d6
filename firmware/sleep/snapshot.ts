// What a board that sleeps leaves in the memory that lasts through deep sleep, byte for byte: docs/sleep.md, "The snapshot".
//
// Promises: what is decoded was encoded by this version, whole (CRC-32), and its numbers are such as a mote has; anything else, noise after
// the power came on included, is refused. Never: a key, a payload or anything that is signed; a rule about when it counts (sleep.ts).
// Codes: snapshot-absent (no snapshot begins there), snapshot-malformed.

import { crc32, readUint, writeUint } from "../bytes.js";
import type { JournalPosition } from "../record/journal.js";
import { CLEAN_UNITS, HEADER_UNITS, SECTOR_UNITS, SECTORS_MAX, SEQ_MAX } from "../record/journal-format.js";
import type { SequenceState } from "../record/sequence.js";
import { Rejection } from "../rejection.js";
import { SENSORS_MAX } from "../sensor/plan.js";
import type { TimeState } from "../timekeeper.js";

export const SNAPSHOT_BYTES = 176;
export const IMAGE_DIGEST_BYTES = 32;
/** "cmsl" */
const MAGIC = 0x636d736c;
const VERSION = 1;
const HAS_RECORDS = 1;
const CLOCK_SET = 2;
const FLAGS = HAS_RECORDS | CLOCK_SET;
const CHECK_BYTES = 8;

/** Frozen, for what a preloaded module holds lies in flash. */
function field(at: number, length: number): readonly [number, number] {
  return Object.freeze([at, length] as const);
}

/** Where the fields lie, and how many bytes each has. */
const AT = Object.freeze({
  magic: field(0, 4),
  version: field(4, 1),
  flags: field(5, 1),
  sensors: field(6, 1),
  wakes: field(8, 4),
  image: field(12, IMAGE_DIGEST_BYTES),
  boot: field(44, 4),
  stream: field(48, 4),
  next: field(52, 4),
  lost: field(56, 4),
  sector: field(60, 2),
  tail: field(62, 2),
  epoch: field(64, 4),
  unit: field(68, 2),
  check: field(72, CHECK_BYTES),
  lastSeq: field(80, 4),
  journalStream: field(84, 4),
  records: field(88, 4),
  storedRecords: field(92, 4),
  passedRecords: field(96, 4),
  wallMs: field(100, 6),
  sleepMs: field(108, 4),
  atLeastS: field(112, 4),
  setAgoMs: field(116, 6),
  uncertainMs: field(124, 4),
  unsavedMs: field(128, 4),
  unagedMs: field(132, 4),
  rests: field(136, 4),
  crc: field(172, 4),
});
const UINT32_MAX = 0xffff_ffff;
/** Milliseconds until a sensor's next sample, 2³¹ for none: some are overdue. */
const REST_ZERO = 0x8000_0000;

export interface Snapshot {
  /** As `DeepSleep.image` answers it. */
  readonly image: Uint8Array;
  readonly journal: JournalPosition;
  readonly sequence: SequenceState;
  readonly time: TimeState;
  /** What the wall clock read, set or not, in milliseconds; for how long the board was to sleep; by how much the clock may be off before that. */
  readonly wallMs: number;
  readonly sleepMs: number;
  readonly uncertainMs: number;
  /** Wakes since the last one that joined the network, this sleep's own not counted. */
  readonly wakes: number;
  /** Samples that are lost, and that no record says yet. */
  readonly lost: number;
  /** Since when nothing was written of what may be written later; what has passed and is not a minute yet (start/resets.ts). */
  readonly unsavedMs: number;
  readonly unagedMs: number;
  /** Milliseconds from the moment of falling asleep until each sensor's next sample; may be below 0. */
  readonly rests: readonly number[];
}

function put(bytes: Uint8Array, field: keyof typeof AT, value: number): void {
  const [at, length] = AT[field];
  writeUint(bytes, value, at, length);
}

function get(bytes: Uint8Array, field: keyof typeof AT): number {
  const [at, length] = AT[field];
  return readUint(bytes, at, length);
}

/** Times that have grown beyond four bytes stay at what these hold. */
function capped(ms: number): number {
  return Math.max(0, Math.min(Math.floor(ms), UINT32_MAX));
}

export function encodeSnapshot(snapshot: Snapshot): Uint8Array {
  const { image, journal, sequence, time, rests } = snapshot;
  const bytes = new Uint8Array(SNAPSHOT_BYTES);
  put(bytes, "magic", MAGIC);
  put(bytes, "version", VERSION);
  put(bytes, "flags", (journal.hasRecords ? HAS_RECORDS : 0) | (time.setAgoMs === undefined ? 0 : CLOCK_SET));
  put(bytes, "sensors", rests.length);
  put(bytes, "wakes", snapshot.wakes);
  bytes.set(image, AT.image[0]);
  put(bytes, "boot", sequence.boot);
  put(bytes, "stream", sequence.stream);
  put(bytes, "next", sequence.next);
  put(bytes, "lost", capped(snapshot.lost));
  put(bytes, "sector", journal.sector);
  put(bytes, "tail", journal.tail);
  put(bytes, "epoch", journal.epoch);
  put(bytes, "unit", journal.unit);
  bytes.set(journal.check, AT.check[0]);
  put(bytes, "lastSeq", journal.lastSeq);
  put(bytes, "journalStream", journal.stream);
  put(bytes, "records", journal.records);
  put(bytes, "storedRecords", journal.storedRecords);
  put(bytes, "passedRecords", journal.passedRecords);
  put(bytes, "wallMs", Math.max(0, Math.floor(snapshot.wallMs)));
  put(bytes, "sleepMs", capped(snapshot.sleepMs));
  put(bytes, "atLeastS", capped(time.atLeastS));
  put(bytes, "setAgoMs", Math.max(0, Math.floor(time.setAgoMs ?? 0)));
  put(bytes, "uncertainMs", capped(snapshot.uncertainMs));
  put(bytes, "unsavedMs", capped(snapshot.unsavedMs));
  put(bytes, "unagedMs", capped(snapshot.unagedMs));
  const [restsAt] = AT.rests;
  for (let i = 0; i < rests.length; i += 1)
    writeUint(bytes, capped(REST_ZERO + Math.round(rests[i] as number)), restsAt + 4 * i, 4);
  put(bytes, "crc", crc32(bytes.subarray(0, AT.crc[0])));
  return bytes;
}

/** @param memory what the memory holds, from its first byte on: SNAPSHOT_BYTES or more */
export function decodeSnapshot(memory: Uint8Array): Snapshot | Rejection {
  if (memory.length < SNAPSHOT_BYTES || get(memory, "magic") !== MAGIC)
    return new Rejection("snapshot-absent", "the memory holds no snapshot");
  const bytes = memory.subarray(0, SNAPSHOT_BYTES);
  if (crc32(bytes.subarray(0, AT.crc[0])) !== get(bytes, "crc"))
    return new Rejection("snapshot-malformed", "its CRC-32 does not hold");
  const flags = get(bytes, "flags");
  const sensors = get(bytes, "sensors");
  const [imageAt] = AT.image;
  const [checkAt] = AT.check;
  const [restsAt] = AT.rests;
  const journal: JournalPosition = {
    sector: get(bytes, "sector"),
    epoch: get(bytes, "epoch"),
    tail: get(bytes, "tail"),
    unit: get(bytes, "unit"),
    check: bytes.slice(checkAt, checkAt + CHECK_BYTES),
    hasRecords: (flags & HAS_RECORDS) !== 0,
    lastSeq: get(bytes, "lastSeq"),
    stream: get(bytes, "journalStream"),
    records: get(bytes, "records"),
    storedRecords: get(bytes, "storedRecords"),
    passedRecords: get(bytes, "passedRecords"),
  };
  const sequence = { boot: get(bytes, "boot"), stream: get(bytes, "stream"), next: get(bytes, "next") };
  const fits =
    get(bytes, "version") === VERSION &&
    (flags & ~FLAGS) === 0 &&
    sensors <= SENSORS_MAX &&
    isPosition(journal) &&
    sequence.boot > 0 &&
    sequence.next > journal.lastSeq &&
    sequence.next < SEQ_MAX &&
    sequence.stream >= journal.stream &&
    get(bytes, "sleepMs") > 0;
  if (!fits) return new Rejection("snapshot-malformed", "another version, or numbers that no mote has");
  const rests = Array.from({ length: sensors }, (_, i) => readUint(bytes, restsAt + 4 * i, 4) - REST_ZERO);
  return {
    image: bytes.slice(imageAt, imageAt + IMAGE_DIGEST_BYTES),
    journal,
    sequence,
    time: { atLeastS: get(bytes, "atLeastS"), setAgoMs: (flags & CLOCK_SET) === 0 ? undefined : get(bytes, "setAgoMs") },
    wallMs: get(bytes, "wallMs"),
    sleepMs: get(bytes, "sleepMs"),
    uncertainMs: get(bytes, "uncertainMs"),
    wakes: get(bytes, "wakes"),
    lost: get(bytes, "lost"),
    unsavedMs: get(bytes, "unsavedMs"),
    unagedMs: get(bytes, "unagedMs"),
    rests,
  };
}

function isPosition({ sector, tail, unit, epoch, records, storedRecords, passedRecords }: JournalPosition): boolean {
  return (
    sector < SECTORS_MAX &&
    tail < SECTORS_MAX &&
    unit >= HEADER_UNITS &&
    unit + CLEAN_UNITS <= SECTOR_UNITS &&
    epoch > 0 &&
    storedRecords <= passedRecords &&
    passedRecords <= records
  );
}
