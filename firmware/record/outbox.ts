// The outbox: which record goes out next, under which MQTT packet id, and when it counts as stored.
//
// Promises: every sealed record of the journal goes out at least once, in order, until a receipt that names its own
// digest has come; at most `windowMax` are in flight (sent, no PUBACK), at most AHEAD_MAX beyond the stored watermark; a
// PUBACK moves only that window; packet ids are 1 to 65,535 and never one that is in flight (MQTT 3.1.1 §2.3.1). A
// record that the journal cannot read back is reported, never sent and never silently passed.
// Never: a network, a clock, a signature; trust in a receipt whose digest is another record's. Whoever calls `receipt`
// has checked the collector's signature.
//
// Memory: 16 bytes per record ahead, AHEAD_MAX of them, whatever the number of records.

import { equal } from "../bytes.js";
import { assert, Rejection } from "../rejection.js";
import type { Journal } from "./journal.js";

/** Records sent beyond the stored watermark: the bounded set in which receipts may come in any order. */
export const AHEAD_MAX = 64;
const PACKET_ID_MAX = 65_535;
/** A record without a receipt waits twice as long each time, up to this many doublings. */
const DOUBLINGS_MAX = 5;

const IDLE = 0;
const SENT = 1;
const DELIVERED = 2;
const STORED = 3;
const LOST = 4;

export interface OutboxOptions {
  readonly journal: Pick<Journal, "after" | "read" | "markStored" | "storedThrough">;
  /** The message for a record: COSE_Sign1 over its payload. */
  readonly encode: (payload: Uint8Array, signature: Uint8Array) => Uint8Array;
  /** The digest that a receipt for this payload must name: 32 bytes. */
  readonly digest: (payload: Uint8Array) => Uint8Array;
  /** Records in flight at once, 1 to AHEAD_MAX. */
  readonly windowMax?: number;
  /** How long a record that was sent waits for its receipt before it is sent again, in milliseconds. */
  readonly receiptTimeoutMs?: number;
  /** A record cannot be read back from the journal: it is given up, and this is the moment to say so. */
  readonly onLost: (seq: number, rejection: Rejection) => void;
}

export interface Outgoing {
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
  readonly #seqs = new Uint32Array(AHEAD_MAX);
  readonly #ids = new Uint16Array(AHEAD_MAX);
  readonly #states = new Uint8Array(AHEAD_MAX);
  readonly #attempts = new Uint8Array(AHEAD_MAX);
  readonly #sentMs = new Float64Array(AHEAD_MAX);
  #count = 0;
  /** The seq up to which the journal has been looked through. */
  #through: number;
  #lastId = 0;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#windowMax = options.windowMax ?? 8;
    this.#timeoutMs = options.receiptTimeoutMs ?? 30_000;
    assert(
      Number.isInteger(this.#windowMax) && this.#windowMax >= 1 && this.#windowMax <= AHEAD_MAX,
      `a window of 1 to ${AHEAD_MAX}`,
    );
    assert(this.#timeoutMs > 0, "a timeout above 0");
    this.#through = options.journal.storedThrough;
  }

  /** Records sent and not acknowledged by the broker. */
  get inFlight(): number {
    let count = 0;
    for (let i = 0; i < this.#count; i += 1) if (this.#states[i] === SENT) count += 1;
    return count;
  }

  /**
   * What to send now, the oldest first, or undefined: nothing is due, the window is full, or the next record has no
   * signature yet. `nowMs` only has to rise.
   */
  next(nowMs: number): Outgoing | undefined {
    const inFlight = this.inFlight;
    for (let i = 0; i < this.#count || (inFlight < this.#windowMax && this.extend()); i += 1) {
      const state = this.#states[i] as number;
      if (state === STORED || state === LOST) continue;
      if (state !== IDLE && nowMs - (this.#sentMs[i] as number) < this.patienceMs(i)) continue;
      if (state !== SENT && inFlight >= this.#windowMax) continue;
      const seq = this.#seqs[i] as number;
      const kept = this.#options.journal.read(seq);
      if (kept instanceof Rejection) {
        this.#states[i] = LOST;
        this.#options.onLost(seq, kept);
        continue;
      }
      if (kept.signature === undefined) break; // in order: nothing after it goes before it
      const duplicate = this.#ids[i] !== 0;
      if (!duplicate) this.#ids[i] = this.packetId();
      this.#states[i] = SENT;
      this.#sentMs[i] = nowMs;
      this.#attempts[i] = Math.min((this.#attempts[i] as number) + 1, DOUBLINGS_MAX + 1);
      return { seq, packetId: this.#ids[i] as number, bytes: this.#options.encode(kept.payload, kept.signature), duplicate };
    }
    this.settle();
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
    while (seq > this.#through && known) known = this.extend();
    let i = 0;
    while (i < this.#count && this.#seqs[i] !== seq) i += 1;
    if (i === this.#count || this.#states[i] === STORED || this.#states[i] === LOST) return -1;
    const kept = this.#options.journal.read(seq);
    return kept instanceof Rejection || !equal(this.#options.digest(kept.payload), digest) ? -1 : i;
  }

  /** The collector has stored the record at the place that `awaiting` just answered. */
  store(at: number): void {
    this.#states[at] = STORED;
    for (let k = 0; k < this.#count; k += 1) this.#attempts[k] = Math.min(this.#attempts[k] as number, 1); // a collector is there
    this.settle();
  }

  /** The connection is new: what was in flight goes again under its packet id, what has no receipt under a new one. */
  reset(): void {
    for (let i = 0; i < this.#count; i += 1) {
      const state = this.#states[i];
      if (state === SENT || state === DELIVERED) this.#states[i] = IDLE;
      if (state === STORED) this.#ids[i] = 0;
      this.#attempts[i] = 0;
    }
  }

  private patienceMs(i: number): number {
    return this.#timeoutMs * 2 ** Math.max(0, (this.#attempts[i] as number) - 1);
  }

  /** Takes the next record of the journal into the tables; false where there is none, or no room. */
  private extend(): boolean {
    if (this.#count === AHEAD_MAX) return false;
    const seq = this.#options.journal.after(this.#through);
    if (seq === undefined) return false;
    const i = this.#count;
    this.#seqs[i] = seq;
    this.#ids[i] = 0;
    this.#states[i] = IDLE;
    this.#attempts[i] = 0;
    this.#sentMs[i] = 0;
    this.#count += 1;
    this.#through = seq;
    return true;
  }

  /** Moves the watermark over the records at the front that are done. */
  private settle(): void {
    let done = 0;
    while (done < this.#count && (this.#states[done] === STORED || this.#states[done] === LOST)) done += 1;
    if (done === 0) return;
    this.#options.journal.markStored(this.#seqs[done - 1] as number);
    for (const table of [this.#seqs, this.#ids, this.#states, this.#attempts, this.#sentMs])
      table.copyWithin(0, done, this.#count);
    this.#count -= done;
  }

  private indexOfId(packetId: number): number {
    for (let i = 0; i < this.#count; i += 1) if (this.#ids[i] === packetId) return i;
    return -1;
  }
}
