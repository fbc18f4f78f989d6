// What a boot learns from the journal's newest sectors: docs/journal-format.md, "Mount".
//
// Promises: every whole frame counts and nothing torn does; every record without a signature is found; the answer says
// whether the sector under way may be written on. What does not hold is read again before it is passed over: a frame that
// the mount does not see is never seen again. Never: a write, or trust in how erased flash reads.
//
// Time: one header read per sector, then one pass over the newest sector, and over those before it back to the oldest
// record that had no signature when the newest was opened (none, as a rule).

import { readUint } from "../bytes.js";
import { CLEAN_BODY_BYTES, FRAME, HEADER_UNITS, PASSED_BODY_BYTES, SECTOR_UNITS } from "./journal-format.js";
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

/** `after` if the active sector reads from that unit on as it did when a clean frame before it was written, else undefined. */
function restAsWritten(ring: JournalRing, meant: Uint8Array, after: number): number | undefined {
  for (let reads = 0; reads < READS_MAX; reads += 1) {
    const rest = ring.media.restDigest(ring.active, after);
    if (meant.every((byte, i) => byte === rest[i])) return after;
  }
  return undefined;
}
