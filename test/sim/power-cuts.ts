// Power loss at any byte of any write or erase of a journal.
//
// The journal runs on one simulated partition. Before each write and each erase, the partition is copied, the operation
// is cut in the copy, and the copy is mounted: so a cut costs one mount, not a replay from the start. What must hold then
// is power-loss.ts. Runs on Node and on the XS engine; everything comes from one seed.

import type { Journal, JournalOptions } from "../../firmware/record/journal.js";
import { type FlashMode, type FlashOperation, NorFlash } from "../../host-sim/hardware/flash.js";
import { Prng } from "../../host-sim/world/prng.js";
import { Acknowledged, mountAndCheck, must, recoverAndGoOn } from "./power-loss.js";

export interface PowerLossOptions {
  readonly sectors: number;
  readonly mode: FlashMode;
  readonly seed: number;
  readonly journal: JournalOptions;
  /** Sector openings after which the run ends, or records, whichever is given. */
  readonly erasesMax?: number;
  readonly recordsMax?: number;
  /** Bytes between two cuts of an operation, about; 1: every byte. Each operation's bounds are always cut. */
  readonly strideBytes: number;
  /** How many records are stored elsewhere only later. */
  readonly lagRecords: number;
  /** Of the cuts in an erase, one in this many goes on writing and mounts again; after a cut in a write, all do. */
  readonly goOnOneIn: number;
  /** Of the cuts, one in this many has its recovery cut again at every write boundary (0: none). */
  readonly secondOneIn: number;
  /** How many records that may go are read besides; of the cuts, one in WHOLE_ONE_IN reads all that are kept. */
  readonly lookBackRecords: number;
  /** What most payloads have at least, in bytes. */
  readonly payloadBytesMin?: number;
  /** Sectors that fail from a certain erase of the partition on. */
  readonly failing?: readonly { fromErase: number; sector: number; how: "erase" | "program" }[];
}

export interface PowerLossResult {
  /** Cuts of the workload. */
  cutPoints: number;
  /** Cuts of a recovery, and of how many recoveries. */
  secondCutPoints: number;
  recoveriesCut: number;
  operations: number;
  records: number;
  erases: number;
}

const WHOLE_ONE_IN = 32;
/** Records that the oracle remembers beyond those that have to stay. */
const REMEMBERED = 400;

/** Runs a workload and cuts it; throws with the seed, the operation and the byte where anything does not hold. */
export function cutEverywhere(options: PowerLossOptions): PowerLossResult {
  return new PowerLossRun(options).run();
}

class PowerLossRun {
  readonly #options: PowerLossOptions;
  readonly #prng: Prng;
  readonly #flash: NorFlash;
  /** Where the workload is cut, and where the recovery is. */
  readonly #first: NorFlash;
  readonly #second: NorFlash;
  readonly #known: Acknowledged;
  readonly #result: PowerLossResult = {
    cutPoints: 0,
    secondCutPoints: 0,
    recoveriesCut: 0,
    operations: 0,
    records: 0,
    erases: 0,
  };
  /** Whether `#first` differs from `#flash` in more than a sector whose erase is under way. */
  #differs = true;
  /** A journal takes an exception out of its flash for a failing sector: what does not hold is kept here, and thrown later. */
  #failure: unknown;

  constructor(options: PowerLossOptions) {
    const { sectors, mode, seed, journal } = options;
    this.#options = options;
    this.#prng = new Prng(seed);
    this.#flash = new NorFlash({ sectors, mode, seed });
    this.#first = new NorFlash({ sectors, mode, seed });
    this.#second = new NorFlash({ sectors, mode, seed });
    this.#known = new Acknowledged(journal.engine.sha256, options.payloadBytesMin ?? 40);
  }

  run(): PowerLossResult {
    const { erasesMax = Number.POSITIVE_INFINITY, recordsMax = Number.POSITIVE_INFINITY } = this.#options;
    const flash = this.#flash;
    const known = this.#known;
    flash.onOperation = (operation) => this.#cutAtEveryByte(operation);
    let journal = this.#check(flash, known);
    while (this.#failure === undefined && flash.counters.erases < erasesMax && known.last < recordsMax) {
      this.#wearOut();
      journal = this.#work(journal);
      must(flash.counters.rewrites === 0, "a unit was written twice");
    }
    flash.onOperation = undefined;
    if (this.#failure !== undefined) throw this.#failure;
    this.#check(flash, known, true);
    return { ...this.#result, records: known.last, erases: flash.counters.erases };
  }

  /**
   * One record, or two whose signatures wait at once; what may go by now is told; now and then a boot, some of them after a
   * clean end, some before the signatures.
   */
  #work(mounted: Journal): Journal {
    const known = this.#known;
    let journal = mounted;
    const seq = known.last + 1;
    known.append(journal, seq, 0);
    if (this.#prng.real() < 0.1) known.append(journal, seq + 1, 0);
    if (this.#prng.real() < 0.03) journal = this.#check(this.#flash, known);
    for (const waiting of journal.unsealed()) known.seal(journal, waiting);
    const through = known.last - Math.floor(this.#prng.real() * this.#options.lagRecords);
    if (through > known.stored) known.markStored(journal, through);
    for (const old of known.appended.keys()) {
      if (old >= known.stored - REMEMBERED) break;
      known.appended.delete(old);
    }
    const draw = this.#prng.real();
    if (draw < 0.04) journal.close();
    return draw < 0.06 ? this.#check(this.#flash, known) : journal;
  }

  #wearOut(): void {
    for (const { fromErase, sector, how } of this.#options.failing ?? [])
      if (this.#flash.counters.erases >= fromErase)
        for (const one of [this.#flash, this.#first, this.#second]) one.wearOut(sector, how);
  }

  #check(on: NorFlash, state: Acknowledged, whole = this.#prng.real() * WHOLE_ONE_IN < 1): Journal {
    const { journal, lookBackRecords, failing = [] } = this.#options;
    return mountAndCheck(on, state, journal, whole ? Number.POSITIVE_INFINITY : lookBackRecords, failing.length > 0);
  }

  #cutAtEveryByte(operation: FlashOperation): void {
    if (this.#failure !== undefined) return;
    const { strideBytes, seed, mode, sectors } = this.#options;
    this.#result.operations += 1;
    const { kind, byteOffset, byteLength } = operation;
    this.#differs = true;
    let at = 0;
    try {
      while (at < byteLength) {
        this.#cut(operation, at);
        at += strideBytes === 1 ? 1 : 1 + Math.floor(this.#prng.real() * strideBytes * 2);
      }
      at = byteLength;
      this.#cut(operation, at);
    } catch (error) {
      const where = `${kind} at ${byteOffset} cut at byte ${at} of ${byteLength}`;
      this.#failure = new Error(`seed ${seed}, ${mode}, ${sectors} sectors: ${where}: ${error}`, { cause: error });
    }
  }

  #cut(operation: FlashOperation, at: number): void {
    const { seed, secondOneIn, goOnOneIn } = this.#options;
    const first = this.#first;
    if (this.#differs || operation.kind === "write") first.copyFrom(this.#flash, seed + this.#result.cutPoints);
    this.#differs = false;
    first.interrupt(operation, at);
    this.#result.cutPoints += 1;
    const state = this.#known.fork(this.#known.stored - 1);
    const journal = this.#check(first, state);
    const again = secondOneIn > 0 && this.#prng.real() * secondOneIn < 1;
    if (!again && operation.kind === "erase" && this.#prng.real() * goOnOneIn >= 1) return;
    this.#differs = true;
    let failure: unknown;
    if (again) {
      this.#result.recoveriesCut += 1;
      first.onOperation = (next) => {
        try {
          if (failure === undefined) this.#cutRecovery(state, next);
        } catch (error) {
          failure = error;
        }
      };
    }
    recoverAndGoOn(journal, state);
    first.onOperation = undefined;
    if (failure !== undefined) throw failure;
    this.#check(first, state);
    must(first.counters.rewrites === 0, "a unit was written twice");
  }

  /** A second loss, at both bounds of an operation of the recovery and somewhere within. */
  #cutRecovery(state: Acknowledged, operation: FlashOperation): void {
    const second = this.#second;
    const { byteLength } = operation;
    for (const at of [0, 1 + Math.floor(this.#prng.real() * (byteLength - 1)), byteLength]) {
      second.copyFrom(this.#first, this.#options.seed + this.#result.cutPoints + this.#result.secondCutPoints);
      second.interrupt(operation, at);
      this.#result.secondCutPoints += 1;
      const fork = state.fork(state.stored - 1);
      recoverAndGoOn(this.#check(second, fork), fork);
      this.#check(second, fork);
      must(second.counters.rewrites === 0, "a unit was written twice");
    }
  }
}
