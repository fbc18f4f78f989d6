// Deltas, one after the other in one buffer: the blocks of a window. A typed array for each would take seven slots, and with them a
// fifteenth of what lives on a board's heap.
//
// Promises: what is taken out is a copy, so that nothing holds on to the buffer; it grows by `GROWTH_BYTES` and never shrinks.
// For each delta its length (1) and itself, as the follower's state has them.

import { ADDRESS_BYTES, compareAt } from "../../bytes/primitives.js";
import { copyInto } from "../../bytes.js";
import { assert } from "../../rejection.js";
import { DELTA_BYTES_MAX, HASH_BYTES } from "../consensus.js";

const GROWTH_BYTES = 256;

export class DeltaList {
  #bytes: Uint8Array;
  #end = 0;
  #count = 0;

  constructor(deltas: readonly Uint8Array[]) {
    let length = 0;
    for (const delta of deltas) length += 1 + delta.length;
    this.#bytes = new Uint8Array(length);
    for (const delta of deltas) this.push(delta);
  }

  get length(): number {
    return this.#count;
  }

  /** All of them, each behind its length: in place, valid until the next change. */
  get packed(): Uint8Array {
    return this.#bytes.subarray(0, this.#end);
  }

  push(delta: Uint8Array): void {
    const { length } = delta;
    assert(length <= DELTA_BYTES_MAX, "a delta within its bound");
    const at = this.#end;
    const end = at + 1 + length;
    if (end > this.#bytes.length) {
      const bytes = new Uint8Array(end + GROWTH_BYTES);
      copyInto(bytes, 0, this.packed);
      this.#bytes = bytes;
    }
    this.#bytes[at] = length;
    copyInto(this.#bytes, at + 1, delta);
    this.#end = end;
    this.#count += 1;
  }

  /** Takes the oldest out. */
  shift(): Uint8Array {
    assert(this.#count > 0, "a delta to take out");
    const from = 1 + (this.#bytes[0] as number);
    const delta = this.#bytes.slice(1, from);
    this.#bytes.copyWithin(0, from, this.#end);
    this.#end -= from;
    this.#count -= 1;
    return delta;
  }

  /** Forgets all but the first `count`. */
  cut(count: number): void {
    if (count >= this.#count) return;
    this.#end = this.startOf(count);
    this.#count = count;
  }

  /** Those from `from` to before `to`, oldest first. */
  slice(from = 0, to = this.#count): Uint8Array[] {
    const deltas: Uint8Array[] = [];
    let at = this.startOf(from);
    for (let i = from; i < to && i < this.#count; i += 1) {
      const end = at + 1 + (this.#bytes[at] as number);
      deltas.push(this.#bytes.slice(at + 1, end));
      at = end;
    }
    return deltas;
  }

  /** Where among them the newest is that begins with `hash`, from 1; 0 where none does. */
  placeOf(hash: Uint8Array): number {
    const bytes = this.#bytes;
    const first = hash[0];
    let place = 0;
    for (let i = 1, at = 0; i <= this.#count; i += 1, at += 1 + (bytes[at] as number))
      if (bytes[at + 1] === first && isHashAt(bytes, at + 1, hash)) place = i;
    return place;
  }

  /** Hash of the one at `place`, from 1. */
  hashAt(place: number): Uint8Array {
    const at = this.startOf(place - 1) + 1;
    return this.#bytes.slice(at, at + HASH_BYTES);
  }

  private startOf(index: number): number {
    let at = 0;
    for (let i = 0; i < index && i < this.#count; i += 1) at += 1 + (this.#bytes[at] as number);
    return at;
  }
}

/** Two comparisons of 20 bytes cover a hash. */
function isHashAt(bytes: Uint8Array, at: number, hash: Uint8Array): boolean {
  const rest = HASH_BYTES - ADDRESS_BYTES;
  return compareAt(bytes, at, hash) === 0 && compareAt(bytes, at + rest, hash, rest) === 0;
}
