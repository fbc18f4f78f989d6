// What a boot learns from the journal's newest sectors: docs/journal-format.md, "Mount".
//
// Promises: every whole frame counts and nothing torn does; every record without a signature is found; the answer says
// whether the sector under way may be written on. Never: a write, or trust in how erased flash reads.
//
// Time: one header read per sector, then one pass over the newest sector, and over those before it back to the oldest
// record that had no signature when the newest was opened (none, as a rule).

import { CLEAN_BODY_BYTES, FRAME, HEADER, HEADER_UNITS, SECTOR_UNITS } from "./journal-format.js";
import type { JournalRing } from "./journal-ring.js";
import { FrameWalk } from "./journal-sectors.js";
import type { Unsealed } from "./journal-unsealed.js";

export interface Recovered {
  records: number;
  stream: number;
  storedThrough: number;
  anchoredThrough: number;
  /** Whether the active sector holds a frame of a record. */
  hasRecords: boolean;
  /** The unit at which writing may go on after a clean end, or undefined: nobody knows what was under way. */
  writableFrom: number | undefined;
}

/** Scans a mounted ring that has an active sector; sets its `lastSeq` and fills `unsealed`. */
export function recover(ring: JournalRing, unsealed: Unsealed): Recovered {
  const media = ring.media;
  const walk = new FrameWalk(media);
  const { opening } = ring;
  const recovered: Recovered = {
    records: opening.records,
    stream: opening.stream,
    storedThrough: opening.storedThrough,
    anchoredThrough: opening.anchoredThrough,
    hasRecords: false,
    writableFrom: undefined,
  };
  let sector = ring.active;
  if (opening.oldestUnsealed !== 0) {
    const home = ring.home(opening.oldestUnsealed);
    sector = home < 0 ? ring.tail : home;
  }
  while (sector !== ring.active && sector >= 0) {
    if (ring.isLive(sector)) {
      const epoch = media.header(HEADER.epoch);
      const next = ring.liveAfter(sector);
      const ceiling = next < 0 ? opening.lastSeq : media.header(HEADER.lastSeq);
      walk.start(sector, epoch, HEADER_UNITS);
      while (walk.advance(SECTOR_UNITS)) {
        const { type, seq } = media;
        if (type > FRAME.WHOLE || seq < opening.oldestUnsealed || seq > ceiling || !media.loadFrame(sector, walk.unit)) continue;
        if (type === FRAME.PAYLOAD) unsealed.add(seq, epoch);
        else unsealed.delete(seq);
      }
    }
    sector = ring.liveAfter(sector);
  }
  let { tailEpoch } = ring;
  walk.start(ring.active, ring.activeEpoch, HEADER_UNITS);
  while (walk.advance(SECTOR_UNITS)) {
    const { type, seq, previous, stream, units } = media;
    if (!media.loadFrame(ring.active, walk.unit)) continue;
    recovered.writableFrom = undefined;
    if (type === FRAME.PAYLOAD) {
      if (seq <= ring.lastSeq) continue;
      ring.lastSeq = seq;
      recovered.records += 1;
      recovered.stream = stream;
      unsealed.add(seq, ring.activeEpoch);
    } else if (type === FRAME.SEAL || type === FRAME.WHOLE) {
      unsealed.delete(seq);
    } else {
      recovered.storedThrough = Math.max(recovered.storedThrough, Math.min(seq, ring.lastSeq));
      recovered.anchoredThrough = Math.max(recovered.anchoredThrough, Math.min(previous, ring.lastSeq));
      tailEpoch = Math.max(tailEpoch, stream);
      if (type === FRAME.CLEAN) {
        const meant = media.body(0, CLEAN_BODY_BYTES);
        const after = walk.unit + units;
        const rest = media.restDigest(ring.active, after);
        if (meant.every((byte, i) => byte === rest[i])) recovered.writableFrom = after;
      }
      continue;
    }
    recovered.hasRecords = true;
  }
  if (tailEpoch !== ring.tailEpoch) ring.declareDead(tailEpoch);
  return recovered;
}
