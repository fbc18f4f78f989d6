// What a boot learns from the journal's newest sectors: docs/journal-format.md, "Mount".
//
// Promises: every whole frame counts and nothing torn does; every record without a signature is found; the answer says
// whether the sector under way may be written on. What does not hold is read again before it is passed over: a frame that
// the mount does not see is never seen again. Never: a write, or trust in how erased flash reads.
//
// Time: one header read per sector, then one pass over the newest sector, and over those before it back to the oldest
// record that had no signature when the newest was opened (none, as a rule).

import { equal, readUint } from "../bytes.js";
import { CLEAN_BODY_BYTES, CLEAN_UNITS, FRAME, HEADER_UNITS, PASSED_BODY_BYTES, SECTOR_UNITS } from "./journal-format.js";
import type { JournalRing } from "./journal-ring.js";
import { FrameWalk, READS_MAX } from "./journal-sectors.js";
import type { Unsealed } from "./journal-unsealed.js";

export interface Recovered {
  records: number;
  stream: number;
  storedThrough: number;
  anchoredThrough: number;
  passedThrough: number;
  /** Whether the active sector holds a frame of a record. */
  hasRecords: boolean;
  /** The unit at which writing may go on after a clean end, or undefined: nobody knows what was under way. */
  writableFrom: number | undefined;
}

/** Scans a mounted ring that has an active sector; sets its `lastSeq` and fills `unsealed`. */
export function recover(ring: JournalRing, unsealed: Unsealed): Recovered {
  const walk = new FrameWalk(ring.media);
  const { found } = ring;
  ring.lastSeq = found.lastSeq;
  const recovered: Recovered = {
    records: found.records,
    stream: found.stream,
    storedThrough: found.storedThrough,
    anchoredThrough: found.anchoredThrough,
    passedThrough: found.storedThrough + found.passedAhead,
    hasRecords: false,
    writableFrom: undefined,
  };
  let sector = ring.active;
  if (found.oldestUnsealed !== 0) {
    const home = ring.home(found.oldestUnsealed);
    sector = home < 0 ? ring.tail : home;
  }
  while (sector !== ring.active && sector >= 0) {
    const header = ring.live(sector);
    const next = ring.liveAfter(sector);
    if (header !== undefined) {
      const ceiling = (next ?? found).lastSeq;
      walk.start(sector, header.epoch, HEADER_UNITS, READS_MAX);
      while (walk.advance(SECTOR_UNITS)) {
        const { kind, seq } = walk;
        if (kind > FRAME.WHOLE || seq < found.oldestUnsealed || seq > ceiling || !walk.load()) continue;
        if (kind === FRAME.PAYLOAD) unsealed.add(seq, header.epoch);
        else unsealed.delete(seq);
      }
    }
    sector = next?.sector ?? -1;
  }
  let { tailEpoch } = ring;
  walk.start(ring.active, ring.activeEpoch, HEADER_UNITS, READS_MAX);
  while (walk.advance(SECTOR_UNITS)) {
    const { kind, seq, previous, stream, units, bodyBytes } = walk;
    if (!walk.load()) continue;
    recovered.writableFrom = undefined;
    if (kind === FRAME.PAYLOAD) {
      if (seq <= ring.lastSeq) continue;
      ring.lastSeq = seq;
      recovered.records += 1;
      recovered.stream = stream;
      unsealed.add(seq, ring.activeEpoch);
    } else if (kind === FRAME.SEAL || kind === FRAME.WHOLE) {
      unsealed.delete(seq);
    } else {
      // A mark or a clean end: seq is storedThrough there, previous anchoredThrough, stream tailEpoch.
      recovered.storedThrough = Math.max(recovered.storedThrough, Math.min(seq, ring.lastSeq));
      // The last one counts: it alone may have been taken back.
      recovered.anchoredThrough = Math.min(previous, ring.lastSeq);
      tailEpoch = Math.max(tailEpoch, stream);
      const passedAt = kind === FRAME.CLEAN ? CLEAN_BODY_BYTES : 0;
      if (bodyBytes === passedAt + PASSED_BODY_BYTES) {
        const passed = Math.min(readUint(walk.body(passedAt, PASSED_BODY_BYTES)), ring.lastSeq);
        recovered.passedThrough = Math.max(recovered.passedThrough, passed);
      }
      if (kind === FRAME.CLEAN) recovered.writableFrom = restAsWritten(ring, walk.body(0, CLEAN_BODY_BYTES), walk.unit + units);
      continue;
    }
    recovered.hasRecords = true;
  }
  if (tailEpoch !== ring.tailEpoch) ring.declareDead(tailEpoch);
  recovered.passedThrough = Math.max(recovered.passedThrough, recovered.storedThrough);
  return recovered;
}

/**
 * Where a journal stands that was closed in good order: what is to be found on the flash again, and what a mount would have to look for.
 * The watermarks are not in it: the clean end has them.
 */
export interface JournalPosition {
  /** The newest sector and its epoch; the oldest live sector. */
  readonly sector: number;
  readonly epoch: number;
  readonly tail: number;
  /** The unit of the clean end, and the last 8 bytes of that frame. */
  readonly unit: number;
  readonly check: Uint8Array;
  /** Whether the newest sector holds a frame of a record. */
  readonly hasRecords: boolean;
  readonly lastSeq: number;
  readonly stream: number;
  /** Records appended since the journal began; of these, those up to `storedThrough` and to `passedThrough`. */
  readonly records: number;
  readonly storedRecords: number;
  readonly passedRecords: number;
}

/** The last 8 bytes of the clean end at `unit` of the newest sector; undefined where none is there. The walk stands at it then. */
export function cleanEndAt(ring: JournalRing, walk: FrameWalk, unit: number): Uint8Array | undefined {
  walk.start(ring.active, ring.activeEpoch, unit, READS_MAX);
  if (!walk.advance(unit + CLEAN_UNITS) || walk.unit !== unit || walk.kind !== FRAME.CLEAN || !walk.load()) return undefined;
  return walk.check();
}

/**
 * What `recover` would find where nothing was written since the journal was left at `position`; undefined where the flash is not as it was left
 * then, and has to be mounted. Five reads of the flash, whatever there is of records.
 */
export function resume(ring: JournalRing, position: JournalPosition): Recovered | undefined {
  const { sector, epoch, tail, unit, check, lastSeq, records, stream, hasRecords } = position;
  if (!ring.resume(sector, epoch, tail)) return undefined;
  const walk = new FrameWalk(ring.media);
  const found = cleanEndAt(ring, walk, unit);
  if (found === undefined || !equal(found, check) || walk.stream !== ring.tailEpoch) return undefined;
  const { seq: storedThrough, previous: anchoredThrough, bodyBytes } = walk;
  const passed =
    bodyBytes === CLEAN_BODY_BYTES + PASSED_BODY_BYTES ? readUint(walk.body(CLEAN_BODY_BYTES, PASSED_BODY_BYTES)) : 0;
  const passedThrough = Math.max(passed, storedThrough);
  if (anchoredThrough > lastSeq || passedThrough > lastSeq || lastSeq < ring.activeFloor) return undefined;
  const writableFrom = restAsWritten(ring, walk.body(0, CLEAN_BODY_BYTES), unit + CLEAN_UNITS);
  if (writableFrom === undefined) return undefined;
  ring.lastSeq = lastSeq;
  return { records, stream, storedThrough, anchoredThrough, passedThrough, hasRecords, writableFrom };
}

/** `after` if the active sector reads from that unit on as it did when a clean frame before it was written, else undefined. */
function restAsWritten(ring: JournalRing, meant: Uint8Array, after: number): number | undefined {
  for (let reads = 0; reads < READS_MAX; reads += 1) {
    const rest = ring.media.restDigest(ring.active, after);
    if (meant.every((byte, i) => byte === rest[i])) return after;
  }
  return undefined;
}
