// What must hold of a journal after any loss of power. The oracle knows only what was acknowledged: it is told by the
// workload, never by the journal. Cutting is power-cuts.ts. Runs on Node and on the XS engine.
//
// Every payload begins with the hash of the one before it, as a record does: a link that a recovery gets wrong is seen.

import { equal, toHex } from "../../firmware/bytes.js";
import { Journal, type JournalOptions } from "../../firmware/record/journal.js";
import { Rejection } from "../../firmware/rejection.js";
import type { NorFlash } from "../../host-sim/hardware/flash.js";
import { Prng } from "../../host-sim/world/prng.js";

const LINK_BYTES = 8;

/**
 * The payload of a seq, after a payload with this digest: most have `bytesMin` bytes and up to 300 more. `attempt` tells apart what was offered for one seq before a cut
 * and after it.
 */
function payloadOf(seq: number, attempt: number, bytesMin: number, prev: Uint8Array): Uint8Array {
  const prng = new Prng(seq * 2 + attempt + 1);
  const draw = prng.real();
  const length = draw < 0.02 ? 1024 : draw < 0.05 ? 1 + Math.floor(prng.real() * 8) : bytesMin + Math.floor(prng.real() * 300);
  const payload = new Uint8Array(length);
  for (let i = 0; i < length; i += 1) payload[i] = prng.real() * 256;
  payload.set(prev.subarray(0, Math.min(length, LINK_BYTES)));
  return payload;
}

/** Whether a payload begins with that digest, as far as it is long enough to say so. */
function follows(payload: Uint8Array, prev: Uint8Array): boolean {
  for (let i = 0; i < Math.min(payload.length, LINK_BYTES); i += 1) if (payload[i] !== prev[i]) return false;
  return true;
}

/** Stands for a deterministic signature (RFC 6979): 64 bytes that depend on the payload alone. */
function signatureOf(digest: Uint8Array): Uint8Array {
  const signature = new Uint8Array(64);
  signature.set(digest);
  signature.set(digest, 32);
  return signature;
}

export function must(condition: unknown, what: string): asserts condition {
  if (!condition) throw new Error(what);
}

interface Known {
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
  sealed: boolean;
}

/** What has been acknowledged, and what is under way. */
export class Acknowledged {
  readonly sha256: JournalOptions["engine"]["sha256"];
  /** Acknowledged appends by seq, and whether the seal has been acknowledged too. */
  readonly appended = new Map<number, Known>();
  /** An append that has not returned. */
  underWay: { seq: number; payload: Uint8Array } | undefined;
  /** What the journal was told to be stored. */
  stored = 0;
  last = 0;
  /** Of the last payload, what the next one begins with. */
  link: Uint8Array = new Uint8Array(32);
  readonly #payloadBytesMin: number;

  constructor(sha256: JournalOptions["engine"]["sha256"], payloadBytesMin: number) {
    this.sha256 = sha256;
    this.#payloadBytesMin = payloadBytesMin;
  }

  /** A small copy: only what the journal may still have to hold. */
  fork(from: number): Acknowledged {
    const copy = new Acknowledged(this.sha256, this.#payloadBytesMin);
    for (let seq = Math.max(1, from); seq <= this.last; seq += 1) {
      const record = this.appended.get(seq);
      if (record !== undefined) copy.appended.set(seq, { ...record });
    }
    copy.underWay = this.underWay;
    copy.stored = this.stored;
    copy.last = this.last;
    copy.link = this.link;
    return copy;
  }

  append(journal: Journal, seq: number, attempt: number): void {
    const payload = payloadOf(seq, attempt, this.#payloadBytesMin, this.link);
    this.underWay = { seq, payload };
    const refusal = journal.append(0, seq, payload);
    must(refusal === undefined, `append ${seq}: ${refusal}`);
    this.keep(seq, payload);
  }

  /** The journal has this payload. */
  keep(seq: number, payload: Uint8Array): void {
    this.link = this.sha256(payload);
    this.appended.set(seq, { payload, signature: signatureOf(this.link), sealed: false });
    this.underWay = undefined;
    this.last = seq;
  }

  seal(journal: Journal, seq: number): void {
    const kept = journal.read(seq);
    must(!(kept instanceof Rejection), `read ${seq} to sign it: ${kept}`);
    const record = this.appended.get(seq);
    must(record !== undefined, `record ${seq} is known`);
    must(equal(kept.payload, record.payload), `record ${seq} is to be signed with another payload`);
    const refusal = journal.seal(seq, record.signature);
    must(refusal === undefined, `seal ${seq}: ${refusal}`);
    record.sealed = true;
  }

  markStored(journal: Journal, through: number): void {
    this.stored = through;
    journal.markStored(through);
  }
}

/**
 * Mounts, and checks the journal against what was acknowledged: all that has to stay, and of what may go the newest
 * `lookBackRecords`.
 */
export function mountAndCheck(
  flash: NorFlash,
  known: Acknowledged,
  options: JournalOptions,
  lookBackRecords = Number.POSITIVE_INFINITY,
  sectorsFail = false,
): Journal {
  const { writes, erases } = flash.counters;
  const journal = Journal.mount(flash, options);
  must(journal instanceof Journal, `mount: ${journal}`);
  const unsealed = journal.unsealed();
  let expected = known.stored + 1;
  let pending = 0;
  // From the journal's own watermark on where that is behind: what it calls pending is counted.
  let seq = journal.after(Math.max(0, Math.min(known.stored - lookBackRecords, journal.storedThrough)));
  let link: Uint8Array | undefined;
  must(known.last <= known.stored || seq !== undefined, `records ${expected} to ${known.last} are gone`);
  for (let previous = 0; seq !== undefined; previous = seq, seq = journal.after(seq)) {
    must(seq > previous, `seq ${seq} follows ${previous}`);
    const kept = journal.read(seq);
    if (kept instanceof Rejection && sectorsFail && seq <= known.stored) {
      // A boot without a clean end, whose spare sector has failed, cannot declare the sector dead that it erases instead.
      link = undefined;
      continue;
    }
    must(!(kept instanceof Rejection), `read ${seq}: ${kept}`);
    must(link === undefined || follows(kept.payload, link), `record ${seq} does not follow the one before it`);
    link = known.sha256(kept.payload);
    const acknowledged = known.appended.get(seq);
    const payload = acknowledged?.payload ?? (known.underWay?.seq === seq ? known.underWay.payload : undefined);
    must(payload !== undefined || seq <= known.stored, `record ${seq} was never offered`);
    if (payload !== undefined) {
      if (!equal(kept.payload, payload))
        throw new Error(`record ${seq} is ${toHex(kept.payload)}, acknowledged was ${toHex(payload)}`);
      if (kept.signature === undefined) {
        must(!acknowledged?.sealed, `the signature of record ${seq} is gone`);
        must(unsealed.includes(seq), `record ${seq} has no signature, and recovery is not told`);
      } else
        must(equal(kept.signature, acknowledged?.signature ?? signatureOf(link)), `the signature of record ${seq} is another`);
    }
    if (seq >= expected && seq <= known.last) {
      must(seq === expected, `record ${expected} is gone, the next is ${seq}`);
      expected += 1;
    }
    if (seq > journal.storedThrough) pending += 1;
  }
  must(expected > known.last, `records ${expected} to ${known.last} are gone`);
  const last = journal.lastSeq ?? 0;
  must(last === known.last || last === known.underWay?.seq, `the newest record is ${last}, acknowledged was ${known.last}`);
  must(journal.storedThrough <= known.stored, `stored through ${journal.storedThrough}, told was ${known.stored}`);
  must(
    pending === journal.pendingCount || (sectorsFail && pending < journal.pendingCount),
    `${pending} records are pending, the journal says ${journal.pendingCount}`,
  );
  must(flash.counters.writes === writes && flash.counters.erases === erases, "a mount writes nothing");
  return journal;
}

/** What a boot does: recovery signs what has no signature, the same bytes, and the mote goes on with a record. */
export function recoverAndGoOn(journal: Journal, known: Acknowledged): void {
  const { underWay } = known;
  if (underWay !== undefined && journal.lastSeq === underWay.seq) known.keep(underWay.seq, underWay.payload);
  known.underWay = undefined;
  for (const seq of journal.unsealed()) known.seal(journal, seq);
  const seq = known.last + 1;
  known.append(journal, seq, 1);
  known.seal(journal, seq);
}
