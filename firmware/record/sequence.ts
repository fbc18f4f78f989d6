// Sequence numbers that are never used twice, boots that are counted, streams that begin anew: docs/design.md, "Record".
//
// Promises: a seq is handed out only after the key-value store holds a mark above it, so that neither a lost journal nor
// an old image of it makes a number come back; every boot has a number above that of the boot before. One key, written
// atomically.
// Never: a number below the mark; a guess: where the journal is behind for certain, a new stream begins. A store that refuses
// to be written stops nothing but `reserve`: whatever else was to be written goes with the next number that is reserved.
//
// What it cannot know: a key-value store and a journal that were both put back to an older state. The newest record that
// the collector retains is the remedy: `resumeAbove`.

import { crc32, readUint, writeUint } from "../bytes.js";
import type { KeyValueDomain } from "../ports.js";
import { assert, Rejection } from "../rejection.js";
import { SEQ_MAX } from "./journal-format.js";
import { READS_MAX } from "./journal-sectors.js";

const KEY = "sequence";
const VERSION = 2;
/** version ‖ boot ‖ stream ‖ mark ‖ last ‖ CRC-32 of these; version 1 had no `last` */
const VALUE_BYTES = 21;
const VALUE_BYTES_1 = 17;
/** Numbers reserved with one write to the key-value store. */
export const RESERVED_SEQS = 32;

/**
 * How this boot's numbers follow from what was found:
 * `first`: nothing was there; `continued`: exactly after the newest record; `skipped`: power went within a reserved
 * block, whose rest is left out, or did so again before a record was kept; `erased`, `restored`: the journal is empty, or older
 * than the mark by more than a block and than a record that it held when the mark was written: a new stream begins above the
 * mark; `forgotten`: the key-value store is empty, or older than the journal: a new stream begins above the journal.
 */
export type SequenceOrigin = "first" | "continued" | "skipped" | "erased" | "restored" | "forgotten";

/** What a board that falls asleep has to know of its numbers again. */
export interface SequenceState {
  readonly boot: number;
  readonly stream: number;
  /** The seq that the next record gets. */
  readonly next: number;
}

export class Sequence {
  readonly origin: SequenceOrigin;
  #boot: number;
  readonly #domain: KeyValueDomain;
  readonly #reserved: number;
  #stream: number;
  #next: number;
  /** On flash: no seq from here on has been used. */
  #mark: number;
  /** Beside it: a record that the journal held by then, or that somebody else holds; 0 for none. */
  #last: number;

  private constructor(
    domain: KeyValueDomain,
    reserved: number,
    boot: number,
    origin: SequenceOrigin,
    stream: number,
    next: number,
    mark: number,
    last: number,
  ) {
    this.#domain = domain;
    this.#reserved = reserved;
    this.#boot = boot;
    this.origin = origin;
    this.#stream = stream;
    this.#next = next;
    this.#mark = mark;
    this.#last = last;
  }

  /**
   * Counts this boot and finds where to go on. Writes to the store before it returns, or leaves that to the first `reserve`.
   * @param newest the newest record that the journal keeps, sealed or not, or undefined where it keeps none
   * @param reserved numbers reserved with one write; 1 leaves no number out after a loss of power
   * @returns `sequence-malformed` where the store holds something else under our key
   */
  static open(
    domain: KeyValueDomain,
    newest: { seq: number; stream: number; boot: number } | undefined,
    reserved: number = RESERVED_SEQS,
  ): Sequence | Rejection {
    assert(Number.isInteger(reserved) && reserved >= 1, "a block of at least one number");
    const value = readChecked(domain);
    let boot = 0;
    let stream = 0;
    let mark = 1;
    let last = 0;
    if (value !== undefined) {
      const bytes = new Uint8Array(value);
      if (!isState(bytes))
        return new Rejection(
          "sequence-malformed",
          `key ${KEY} holds ${bytes.length} bytes that are no state of version 1 or ${VERSION}`,
        );
      boot = readUint(bytes, 1, 4);
      stream = readUint(bytes, 5, 4);
      mark = readUint(bytes, 9, 4);
      last = bytes[0] === VERSION ? readUint(bytes, 13, 4) : SEQ_MAX;
    }
    let origin: SequenceOrigin;
    let next = mark;
    if (newest === undefined) {
      origin = mark === 1 ? "first" : "erased";
    } else {
      next = Math.max(mark, newest.seq + 1);
      if (value === undefined || newest.seq >= mark || newest.stream > stream) origin = "forgotten";
      else if (mark === newest.seq + 1) origin = "continued";
      else origin = newest.seq >= last || mark - newest.seq - 1 <= reserved ? "skipped" : "restored";
      boot = Math.max(boot, newest.boot);
    }
    if (origin === "erased" || origin === "restored" || origin === "forgotten")
      stream = Math.max(stream, newest?.stream ?? 0) + 1;
    const sequence = new Sequence(domain, reserved, boot + 1, origin, stream, next, next, newest?.seq ?? 0);
    sequence.tryWriting();
    return sequence;
  }

  /**
   * Goes on in the boot that fell asleep, which is counted as none. Writes nothing.
   * @param asleep its numbers as they were then
   * @param last the newest record that the journal keeps, 0 for none
   * @returns undefined where the store says anything else: another boot or stream, or a mark that is not above the next number
   */
  static resume(domain: KeyValueDomain, asleep: SequenceState, last: number): Sequence | undefined {
    const value = readChecked(domain);
    const bytes = new Uint8Array(value ?? new ArrayBuffer(0));
    if (!isState(bytes) || bytes[0] !== VERSION) return undefined;
    const { boot, stream, next } = asleep;
    const mark = readUint(bytes, 9, 4);
    if (readUint(bytes, 1, 4) !== boot || readUint(bytes, 5, 4) !== stream || next >= mark || next <= last) return undefined;
    return new Sequence(domain, RESERVED_SEQS, boot, "continued", stream, next, mark, readUint(bytes, 13, 4));
  }

  /** The number of this boot. */
  get boot(): number {
    return this.#boot;
  }

  /** The stream that records belong to now. The first record of a stream has no previous one. */
  get stream(): number {
    return this.#stream;
  }

  /** The seq that `reserve` will give. */
  get next(): number {
    return this.#next;
  }

  /**
   * The next seq, the mark being above it now. The same again until it has been `use`d.
   * @returns `sequence-write` where the store refuses the mark: no number can be given then
   */
  reserve(): number | Rejection {
    if (this.#next > SEQ_MAX) assert(false, "fewer than 2^32 records");
    if (this.#next < this.#mark) return this.#next;
    try {
      this.write(Math.min(this.#next + this.#reserved, SEQ_MAX));
    } catch (error) {
      return new Rejection("sequence-write", `no number without its mark in the key-value store, which says ${String(error)}`);
    }
    return this.#next;
  }

  /**
   * `seq` is never given again.
   * @param kept whether the journal has a record of that number; else it has used the number up
   */
  use(seq: number, kept: boolean): void {
    if (seq !== this.#next || seq >= this.#mark) assert(false, "the seq that was reserved");
    this.#next = seq + 1;
    if (kept) this.#last = seq;
  }

  /**
   * Goes on above a record of this mote that someone else still holds, where we are not above it already; true if that
   * changed anything. A newer stream is taken over.
   */
  resumeAbove(stream: number, seq: number): boolean {
    if (stream < this.#stream || (stream === this.#stream && seq < this.#next)) return false;
    assert(seq < SEQ_MAX && stream <= SEQ_MAX, "numbers of a record that was checked");
    this.#stream = stream;
    this.#next = Math.max(this.#next, seq + 1);
    this.#mark = Math.max(this.#mark, this.#next);
    this.#last = Math.max(this.#last, seq);
    this.tryWriting();
    return true;
  }

  /** A boot of this mote that someone else has seen: where that is not below this one, the counters had been put back. */
  countBootAfter(boot: number): void {
    if (boot < this.#boot) return;
    assert(boot < SEQ_MAX, "numbers of a record that was checked");
    this.#boot = boot + 1;
    this.tryWriting();
  }

  /** Begins a new stream: the next record has no previous one. */
  beginStream(): void {
    this.#stream += 1;
    this.tryWriting();
  }

  /** Ends in good order: gives back what was reserved and not used. Throws what the store throws; nothing is lost then. */
  close(): void {
    this.write(this.#next);
  }

  /** Where the store refuses, no number is given before it has been written: the mark is where the next one begins. */
  private tryWriting(): void {
    try {
      this.write(this.#mark);
    } catch {
      this.#mark = this.#next;
    }
  }

  private write(mark: number): void {
    const bytes = new Uint8Array(VALUE_BYTES);
    bytes[0] = VERSION;
    writeUint(bytes, this.#boot, 1, 4);
    writeUint(bytes, this.#stream, 5, 4);
    writeUint(bytes, mark, 9, 4);
    writeUint(bytes, this.#last, 13, 4);
    writeUint(bytes, crc32(bytes.subarray(0, 17)), 17, 4);
    this.#domain.write(KEY, bytes);
    this.#mark = mark;
  }
}

/** What the store holds under our key. A read that goes wrong is no state, and no absence either: it is made again. */
function readChecked(domain: KeyValueDomain): ArrayBuffer | undefined {
  let value: ArrayBuffer | undefined;
  for (let reads = 1; reads <= READS_MAX; reads += 1) {
    try {
      value = domain.read(KEY) ?? value;
    } catch (error) {
      if (reads === READS_MAX && value === undefined) throw error;
    }
    if (value !== undefined && isState(new Uint8Array(value))) break;
  }
  return value;
}

function isState(bytes: Uint8Array): boolean {
  const { length } = bytes;
  if (length !== (bytes[0] === VERSION ? VALUE_BYTES : VALUE_BYTES_1) || (bytes[0] !== VERSION && bytes[0] !== 1)) return false;
  return crc32(bytes.subarray(0, length - 4)) === readUint(bytes, length - 4, 4);
}
