// Power loss at any byte of any write or erase of a journal, and what must hold afterwards.
//
// The journal runs on one simulated partition. Before each write and each erase, the partition is copied, the operation
// is cut in the copy, and the copy is mounted: so a cut costs one mount, not a replay from the start. The oracle knows
// only what was acknowledged: it is told by the workload, never by the journal.

import { crc32, equal, toHex } from "../../firmware/bytes.js";
import { Journal, type JournalOptions } from "../../firmware/record/journal.js";
import { Rejection } from "../../firmware/rejection.js";
import { type FlashMode, type FlashOperation, NorFlash } from "../../host-sim/hardware/flash.js";

/** Numbers in [0, 1) from a seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** The payload of a seq. `attempt` tells apart what was offered for one seq before a cut and after it. */
export function payloadOf(seq: number, attempt: number): Uint8Array {
  const random = randomFrom(seq * 2 + attempt + 1);
  const draw = random();
  const length = draw < 0.02 ? 1024 : draw < 0.05 ? 1 + Math.floor(random() * 8) : 40 + Math.floor(random() * 300);
  const payload = new Uint8Array(length);
  for (let i = 0; i < length; i += 1) payload[i] = random() * 256;
  return payload;
}

/** Stands for a deterministic signature (RFC 6979): 64 bytes that depend on the payload alone. */
export function signatureOf(payload: Uint8Array): Uint8Array {
  const random = randomFrom(crc32(payload));
  const signature = new Uint8Array(64);
  for (let i = 0; i < 64; i += 1) signature[i] = random() * 256;
  return signature;
}

export function must(condition: unknown, what: string): asserts condition {
  if (!condition) throw new Error(what);
}

/** What has been acknowledged, and what is under way. */
export class Acknowledged {
  /** Payloads of acknowledged appends by seq, and whether the seal has been acknowledged too. */
  readonly appended = new Map<number, { payload: Uint8Array; signature: Uint8Array; sealed: boolean }>();
  /** An append that has not returned. */
  underWay: { seq: number; payload: Uint8Array } | undefined;
  /** What the journal was told to be stored. */
  stored = 0;
  last = 0;

  /** A small copy: only what the journal may still have to hold. */
  fork(from: number): Acknowledged {
    const copy = new Acknowledged();
    for (let seq = Math.max(1, from); seq <= this.last; seq += 1) {
      const record = this.appended.get(seq);
      if (record !== undefined) copy.appended.set(seq, { ...record });
    }
    copy.underWay = this.underWay;
    copy.stored = this.stored;
    copy.last = this.last;
    return copy;
  }

  append(journal: Journal, seq: number, payload: Uint8Array): void {
    this.underWay = { seq, payload };
    const refusal = journal.append(0, seq, payload);
    must(refusal === undefined, `append ${seq}: ${refusal}`);
    this.appended.set(seq, { payload, signature: signatureOf(payload), sealed: false });
    this.underWay = undefined;
    this.last = seq;
  }

  seal(journal: Journal, seq: number): void {
    const kept = journal.read(seq);
    must(!(kept instanceof Rejection), `read ${seq} to sign it: ${kept}`);
    const refusal = journal.seal(seq, signatureOf(kept.payload));
    must(refusal === undefined, `seal ${seq}: ${refusal}`);
    const record = this.appended.get(seq);
    must(record !== undefined, `record ${seq} is known`);
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
  let seq = journal.after(Math.max(0, known.stored - lookBackRecords));
  must(known.last <= known.stored || seq !== undefined, `records ${expected} to ${known.last} are gone`);
  for (let previous = 0; seq !== undefined; previous = seq, seq = journal.after(seq)) {
    must(seq > previous, `seq ${seq} follows ${previous}`);
    const kept = journal.read(seq);
    if (kept instanceof Rejection && sectorsFail && seq <= known.stored) {
      // A boot without a clean end, whose spare sector has failed, cannot declare the sector dead that it erases instead.
      continue;
    }
    must(!(kept instanceof Rejection), `read ${seq}: ${kept}`);
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
        must(equal(kept.signature, acknowledged?.signature ?? signatureOf(payload)), `the signature of record ${seq} is another`);
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
  if (underWay !== undefined && journal.lastSeq === underWay.seq) {
    known.appended.set(underWay.seq, { payload: underWay.payload, signature: signatureOf(underWay.payload), sealed: false });
    known.last = underWay.seq;
  }
  known.underWay = undefined;
  for (const seq of journal.unsealed()) known.seal(journal, seq);
  const seq = known.last + 1;
  known.append(journal, seq, payloadOf(seq, 1));
  known.seal(journal, seq);
}

export interface PowerLossOptions {
  sectors: number;
  mode: FlashMode;
  seed: number;
  journal: JournalOptions;
  /** Sector openings after which the run ends, or records, whichever is given. */
  erasesMax?: number;
  recordsMax?: number;
  /** Bytes between two cuts of an operation; each operation's bounds are always cut. */
  strideBytes: number;
  /** How many records are stored elsewhere only later. */
  lagRecords: number;
  /** Of the cuts in an erase, one in this many goes on writing and mounts again; after a cut in a write, all do. */
  goOnOneIn: number;
  /** Of the cuts, one in this many has its recovery cut again at every write boundary (0: none). */
  secondOneIn: number;
  lookBackRecords?: number;
  /** Sectors that fail from a certain erase of the partition on. */
  failing?: readonly { fromErase: number; sector: number; how: "erase" | "program" }[];
}

export interface PowerLossResult {
  cutPoints: number;
  secondCutPoints: number;
  operations: number;
  records: number;
  erases: number;
}

/** Runs a workload and cuts it; throws with the seed, the operation and the byte where anything does not hold. */
export function cutEverywhere(options: PowerLossOptions): PowerLossResult {
  const { sectors, mode, seed, strideBytes, goOnOneIn, secondOneIn, failing = [] } = options;
  const check = (on: NorFlash, state: Acknowledged): Journal =>
    mountAndCheck(on, state, options.journal, options.lookBackRecords, failing.length > 0);
  const random = randomFrom(seed);
  const flash = new NorFlash({ sectors, mode, seed });
  const first = new NorFlash({ sectors, mode, seed });
  const second = new NorFlash({ sectors, mode, seed });
  const known = new Acknowledged();
  const result: PowerLossResult = { cutPoints: 0, secondCutPoints: 0, operations: 0, records: 0, erases: 0 };

  // A journal takes an exception out of its flash for a failing sector: what does not hold is kept here, and thrown later.
  let failure: Error | undefined;
  const cutAgain = (state: Acknowledged, operation: FlashOperation): void => {
    for (const at of [0, 1 + Math.floor(random() * (operation.byteLength - 1)), operation.byteLength]) {
      second.copyFrom(first, seed + result.cutPoints + result.secondCutPoints);
      second.interrupt(operation, at);
      result.secondCutPoints += 1;
      const fork = state.fork(state.stored - 1);
      recoverAndGoOn(check(second, fork), fork);
      check(second, fork);
      must(second.counters.rewrites === 0, "a unit was written twice");
    }
  };
  const cutOnce = (operation: FlashOperation, at: number): void => {
    first.copyFrom(flash, seed + result.cutPoints);
    first.interrupt(operation, at);
    result.cutPoints += 1;
    const state = known.fork(known.stored - 1);
    const journal = check(first, state);
    const again = secondOneIn > 0 && random() * secondOneIn < 1;
    if (!again && operation.kind === "erase" && random() * goOnOneIn >= 1) return;
    let failedAgain: unknown;
    if (again)
      first.onOperation = (next) => {
        try {
          if (failedAgain === undefined) cutAgain(state, next);
        } catch (error) {
          failedAgain = error;
        }
      };
    recoverAndGoOn(journal, state);
    first.onOperation = undefined;
    if (failedAgain !== undefined) throw failedAgain;
    check(first, state);
    must(first.counters.rewrites === 0, "a unit was written twice");
  };

  flash.onOperation = (operation) => {
    if (failure !== undefined) return;
    result.operations += 1;
    const { byteLength } = operation;
    let at = 0;
    try {
      for (at = 0; at < byteLength; at += strideBytes === 1 ? 1 : 1 + Math.floor(random() * strideBytes * 2))
        cutOnce(operation, at);
      at = byteLength;
      cutOnce(operation, at);
    } catch (error) {
      failure = new Error(
        `seed ${seed}, ${mode}, ${sectors} sectors: ${operation.kind} at ${operation.byteOffset} cut at byte ${at} of ${byteLength}: ${error}`,
      );
    }
  };

  let journal = check(flash, known);
  while (
    failure === undefined &&
    flash.counters.erases < (options.erasesMax ?? Number.POSITIVE_INFINITY) &&
    known.last < (options.recordsMax ?? Number.POSITIVE_INFINITY)
  ) {
    for (const { fromErase, sector, how } of failing)
      if (flash.counters.erases >= fromErase) for (const one of [flash, first, second]) one.wearOut(sector, how);
    const seq = known.last + 1;
    known.append(journal, seq, payloadOf(seq, 0));
    // Now and then two records wait for their signatures at once.
    if (random() < 0.1) known.append(journal, seq + 1, payloadOf(seq + 1, 0));
    for (const waiting of journal.unsealed()) known.seal(journal, waiting);
    const through = known.last - Math.floor(random() * options.lagRecords);
    if (through > known.stored) known.markStored(journal, through);
    for (const old of known.appended.keys()) {
      if (old >= known.stored - 400) break;
      known.appended.delete(old);
    }
    // Boots in between, some of them after a clean end.
    const draw = random();
    if (draw < 0.04) journal.close();
    if (draw < 0.06) journal = check(flash, known);
    must(flash.counters.rewrites === 0, "a unit was written twice");
  }
  flash.onOperation = undefined;
  if (failure !== undefined) throw failure;
  journal = check(flash, known);
  result.records = known.last;
  result.erases = flash.counters.erases;
  return result;
}
