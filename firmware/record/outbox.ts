// The outbox: which record goes out next, under which MQTT packet id, and when it counts as stored.
//
// Promises: every sealed record of the journal goes out at least once, in order, until a receipt that names its own
// digest has come; at most `windowMax` are in flight (sent, no PUBACK), at most UNANSWERED_MAX wait for their receipts; a
// PUBACK moves only that window; packet ids are 1 to 65,535 and never one that is in flight (MQTT 3.1.1 §2.3.1). A
// record that the journal cannot read back is asked for again after a pause, and again; then it is passed over, as is one
// that the collector refuses and one that is not ours: reported, never counted as stored, tried once more after each boot.
// Never: a network, a clock, a signature; trust in a receipt whose digest is another record's. Whoever calls `receipt` or
// `refuse` has checked the collector's signature.
//
// Memory: 12 bytes per record ahead, AHEAD_MAX of them, whatever the number of records.

import { equal } from "../bytes.js";
import { assert, Rejection } from "../rejection.js";
import type { Journal, KeptRecord } from "./journal.js";

/** Records beyond the stored watermark that are in sight: the bounded set in which receipts may come in any order. */
export const AHEAD_MAX = 64;
/** Of these, records sent that wait for their receipts: as many as may come at once and all be kept (`delivery.ts`). */
export const UNANSWERED_MAX = 32;
const PACKET_ID_MAX = 65_535;
/** A record without a receipt waits twice as long each time, up to this many doublings. */
const DOUBLINGS_MAX = 5;
/** What cannot be read is asked for again so often, after this long and twice as long each time. */
const REREADS_MAX = 3;
const REREAD_MS = 1_000;
/** Records passed over by an earlier boot that are tried in this one before the first of them is stored. */
const RETRIES_MAX = 32;
/** Records that one call of `next` finds not to be ours: each may have cost a signature's check. */
const FOREIGN_PER_CALL_MAX = 8;

const IDLE = 0;
const SENT = 1;
const DELIVERED = 2;
/** It could not be read: to be asked for again. */
const UNREAD = 3;
const STORED = 4;
/** Not stored, and waited for no more. */
const PASSED = 5;

/** Its functions are called as its methods: what implements it spares a board a closure for each. */
export interface OutboxOptions {
  readonly journal: Pick<Journal, "after" | "certain" | "read" | "markStored" | "markPassed" | "storedThrough" | "passedThrough">;
  /** The message for a record: COSE_Sign1 over its payload. */
  encode(payload: Uint8Array, signature: Uint8Array): Uint8Array;
  /** The digest that a receipt for this payload must name: 32 bytes. */
  digest(payload: Uint8Array): Uint8Array;
  /** Records in flight at once, 1 to UNANSWERED_MAX. */
  readonly windowMax?: number;
  /** How long a record that was sent waits for its receipt before it is sent again, in milliseconds. */
  readonly receiptTimeoutMs?: number;
  /** A record cannot be read back from the journal, or is not ours: it is passed over, and this is the moment to say so. */
  onLost(seq: number, rejection: Rejection): void;
  /** Why a record that the journal keeps must not go out as ours, if that is so. */
  foreign?(seq: number, kept: KeptRecord): Rejection | undefined;
}

/** A PUBLISH packet (MQTT 3.1.1 §3.3) that carries one record. */
export interface Publish {
  readonly seq: number;
  readonly packetId: number;
  readonly bytes: Uint8Array;
  /** MQTT's DUP: this packet id has carried this record before. */
  readonly duplicate: boolean;
}

export class Outbox {
  readonly #options: OutboxOptions;
  readonly #windowMax: number;
  readonly #timeoutMs: number;
  /** The records after the stored watermark, in order: a prefix of these tables. */
  readonly #seqs: Uint32Array;
  /** When it was sent or could not be read, in milliseconds modulo 2^32. */
  readonly #sentMs: Uint32Array;
  readonly #ids: Uint16Array;
  readonly #states: Uint8Array;
  readonly #attempts: Uint8Array;
  #count = 0;
  /** The seq up to which the journal has been looked through. */
  #through: number;
  #lastId = 0;
  /** Up to here an earlier boot passed records over: each is tried once. */
  readonly #retryThrough: number;
  /** Of these, how many have been taken since the stored watermark moved. */
  #retries = 0;
  /** Whether the table begins where the stored watermark ends. */
  #unbroken = true;
  /** Looks for the next record in vain, and until when none is made. */
  #misreads = 0;
  #heldUntilMs = Number.NEGATIVE_INFINITY;
  #more = false;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#windowMax = options.windowMax ?? 8;
    this.#timeoutMs = options.receiptTimeoutMs ?? 30_000;
    assert(
      Number.isInteger(this.#windowMax) && this.#windowMax >= 1 && this.#windowMax <= UNANSWERED_MAX,
      `a window of 1 to ${UNANSWERED_MAX}`,
    );
    assert(this.#timeoutMs > 0, "a timeout above 0");
    const tables = new ArrayBuffer(AHEAD_MAX * 12);
    this.#seqs = new Uint32Array(tables, 0, AHEAD_MAX);
    this.#sentMs = new Uint32Array(tables, AHEAD_MAX * 4, AHEAD_MAX);
    this.#ids = new Uint16Array(tables, AHEAD_MAX * 8, AHEAD_MAX);
    this.#states = new Uint8Array(tables, AHEAD_MAX * 10, AHEAD_MAX);
    this.#attempts = new Uint8Array(tables, AHEAD_MAX * 11, AHEAD_MAX);
    this.#through = options.journal.storedThrough;
    this.#retryThrough = options.journal.passedThrough;
  }

  /** After `next` gave nothing: whether it is to be called again at once, since it had only done its share. */
  get more(): boolean {
    return this.#more;
  }

  /** Records sent and not acknowledged by the broker. */
  get inFlight(): number {
    return this.countOf(SENT);
  }

  /**
   * What to send now, the oldest first, or undefined: nothing is due, the window is full, or the next record has no
   * signature yet. `nowMs` only has to rise.
   */
  next(nowMs: number): Publish | undefined {
    const options = this.#options;
    const inFlight = this.inFlight;
    const opening = inFlight < this.#windowMax && inFlight + this.countOf(DELIVERED) < UNANSWERED_MAX;
    let found = 0;
    this.#more = false;
    for (let i = 0; i < this.#count || (opening && this.extend(nowMs)); i += 1) {
      const state = this.#states[i] as number;
      if (state >= STORED) continue;
      if (state !== IDLE && this.sinceMs(i, nowMs) < this.patienceMs(i)) continue;
      if (state !== SENT && inFlight >= this.#windowMax) continue;
      if (state !== SENT && state !== DELIVERED && !opening) continue;
      const seq = this.#seqs[i] as number;
      if ((state === SENT || state === DELIVERED) && seq <= this.#retryThrough) {
        this.#states[i] = PASSED; // tried, and nobody answered
        continue;
      }
      const kept = options.journal.read(seq);
      if (kept instanceof Rejection) {
        this.unread(i, kept, nowMs);
        continue;
      }
      if (kept.signature === undefined) break; // in order: nothing after it goes before it
      const fault = options.foreign?.(seq, kept);
      if (fault !== undefined) {
        this.#states[i] = PASSED;
        options.onLost(seq, fault);
        found += 1;
        if (found < FOREIGN_PER_CALL_MAX) continue;
        this.#more = true;
        break;
      }
      const duplicate = this.#ids[i] !== 0;
      if (!duplicate) this.#ids[i] = this.packetId();
      this.#states[i] = SENT;
      this.#sentMs[i] = nowMs;
      this.#attempts[i] = state === UNREAD ? 1 : Math.min((this.#attempts[i] as number) + 1, DOUBLINGS_MAX + 1);
      return { seq, packetId: this.#ids[i] as number, bytes: options.encode(kept.payload, kept.signature), duplicate };
    }
    if (this.settle()) this.#more = true;
    return undefined;
  }

  /** A packet id that is not in flight, for anything else that is sent over the same connection. */
  packetId(): number {
    do {
      this.#lastId = this.#lastId === PACKET_ID_MAX ? 1 : this.#lastId + 1;
    } while (this.indexOfId(this.#lastId) >= 0);
    return this.#lastId;
  }

  /** The broker has acknowledged a packet: the seq of its record, now delivered, or undefined where it carried none. */
  acknowledged(packetId: number): number | undefined {
    const i = packetId === 0 ? -1 : this.indexOfId(packetId);
    if (i < 0) return undefined;
    this.#ids[i] = 0;
    if (this.#states[i] !== SENT) return undefined;
    this.#states[i] = DELIVERED;
    return this.#seqs[i];
  }

  /**
   * A collector says that it has stored `seq`. True if that made the record stored: it is one of ours, not stored before,
   * and `digest` (32 bytes) is its own.
   */
  receipt(seq: number, digest: Uint8Array): boolean {
    const at = this.awaiting(seq, digest);
    if (at >= 0) this.store(at);
    return at >= 0;
  }

  /** The place of the record that waits under this `seq` with this `digest` (32 bytes), until anything changes; −1 where none does. */
  awaiting(seq: number, digest: Uint8Array): number {
    // A receipt of an earlier boot, or connection, may come before the record has been sent again.
    let known = true;
    while (seq > this.#through && known) known = this.extend(Number.NEGATIVE_INFINITY);
    const i = this.indexOf(seq);
    if (i < 0 || this.#states[i] === STORED) return -1;
    const kept = this.#options.journal.read(seq);
    return kept instanceof Rejection || !equal(this.#options.digest(kept.payload), digest) ? -1 : i;
  }

  /** The collector has stored the record at the place that `awaiting` just answered. */
  store(at: number): void {
    this.#states[at] = STORED;
    this.answered();
  }

  /** The message of a record that has been sent and waits for its receipt; undefined of any other. */
  underWay(seq: number): Uint8Array | undefined {
    const i = this.indexOf(seq);
    if (i < 0 || (this.#states[i] !== SENT && this.#states[i] !== DELIVERED)) return undefined;
    const kept = this.#options.journal.read(seq);
    if (kept instanceof Rejection || kept.signature === undefined) return undefined;
    return this.#options.encode(kept.payload, kept.signature);
  }

  /** A collector says that it will not store a record that is `underWay`: it is waited for no more, and not counted as stored. */
  refuse(seq: number): void {
    const i = this.indexOf(seq);
    assert(i >= 0, "a record under way");
    this.#states[i] = PASSED;
    this.answered();
  }

  /** The connection is new: what was in flight goes again under its packet id, what has no receipt under a new one. */
  reset(): void {
    for (let i = 0; i < this.#count; i += 1) {
      const state = this.#states[i] as number;
      if (state === SENT || state === DELIVERED) this.#states[i] = IDLE;
      if (state >= STORED) this.#ids[i] = 0;
      if (state !== UNREAD) this.#attempts[i] = 0;
    }
  }

  /** A collector is there: what waits for it is sent again soon. */
  private answered(): void {
    for (let i = 0; i < this.#count; i += 1)
      if (this.#states[i] !== UNREAD) this.#attempts[i] = Math.min(this.#attempts[i] as number, 1);
    this.settle();
  }

  private countOf(state: number): number {
    let count = 0;
    for (let i = 0; i < this.#count; i += 1) if (this.#states[i] === state) count += 1;
    return count;
  }

  private sinceMs(i: number, nowMs: number): number {
    return (nowMs - (this.#sentMs[i] as number)) >>> 0;
  }

  private patienceMs(i: number): number {
    const firstMs = this.#states[i] === UNREAD ? REREAD_MS : this.#timeoutMs;
    return firstMs * 2 ** Math.max(0, (this.#attempts[i] as number) - 1);
  }

  /** A record could not be read: later again, a few times, unless an earlier boot did so. */
  private unread(i: number, rejection: Rejection, nowMs: number): void {
    const seq = this.#seqs[i] as number;
    const rereads = this.#states[i] === UNREAD ? (this.#attempts[i] as number) : 0;
    if (rereads < REREADS_MAX && seq > this.#retryThrough) {
      this.#states[i] = UNREAD;
      this.#attempts[i] = rereads + 1;
      this.#sentMs[i] = nowMs;
      return;
    }
    this.#states[i] = PASSED;
    this.#options.onLost(seq, rejection);
  }

  /** Takes the next record of the journal into the tables; false where there is none, or no room, or it is not certain. */
  private extend(nowMs: number): boolean {
    const { journal } = this.#options;
    if (this.#count === AHEAD_MAX || nowMs < this.#heldUntilMs) return false;
    if (this.#retries >= RETRIES_MAX && this.#through < this.#retryThrough) {
      for (let i = 0; i < this.#count; i += 1) if ((this.#states[i] as number) < STORED) return false;
      this.#through = this.#retryThrough;
      this.#unbroken = false;
    }
    const from = this.#through;
    const seq = journal.after(from);
    if (seq === undefined) return false;
    const { certain } = journal;
    if (seq <= this.#retryThrough) this.#retries += 1;
    else if (!certain && this.#misreads < REREADS_MAX) {
      this.#heldUntilMs = nowMs + REREAD_MS * 2 ** this.#misreads;
      this.#misreads += 1;
      return false;
    }
    this.#misreads = 0;
    this.#heldUntilMs = Number.NEGATIVE_INFINITY;
    const i = this.#count;
    this.#seqs[i] = seq;
    this.#ids[i] = 0;
    this.#states[i] = certain ? IDLE : PASSED;
    this.#attempts[i] = 0;
    this.#sentMs[i] = 0;
    this.#count += 1;
    this.#through = seq;
    if (!certain)
      this.#options.onLost(seq, new Rejection("journal-corrupt", `after record ${from} nothing reads up to record ${seq}`));
    return true;
  }

  /** Moves the watermarks over the records at the front that are done; true if that made room in a full table. */
  private settle(): boolean {
    const { journal } = this.#options;
    let stored = 0;
    while (stored < this.#count && this.#states[stored] === STORED) stored += 1;
    let done = stored;
    while (done < this.#count && (this.#states[done] as number) >= STORED) done += 1;
    if (done === 0) return false;
    if (stored > 0 && this.#unbroken) {
      journal.markStored(this.#seqs[stored - 1] as number);
      this.#retries = 0;
    }
    journal.markPassed(this.#seqs[done - 1] as number);
    // What was passed over stays in sight while there is room: its receipt may come yet.
    const full = this.#count === AHEAD_MAX;
    const gone = full ? done : stored;
    if (gone > stored) this.#unbroken = false;
    for (const table of [this.#seqs, this.#ids, this.#states, this.#attempts, this.#sentMs])
      table.copyWithin(0, gone, this.#count);
    this.#count -= gone;
    return full;
  }

  private indexOf(seq: number): number {
    for (let i = 0; i < this.#count; i += 1) if (this.#seqs[i] === seq) return i;
    return -1;
  }

  private indexOfId(packetId: number): number {
    for (let i = 0; i < this.#count; i += 1) if (this.#ids[i] === packetId) return i;
    return -1;
  }
}
