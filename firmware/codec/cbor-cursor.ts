// Deterministic CBOR of a form that is known beforehand, read head by head without an object for each item.
//
// Promises: what it reads, `decode` would read as the same; a head that is not the shortest, an argument of more than 32 bits, another
// item than the one asked for and a length beyond the end are all answered by −1, or undefined: then `decode` is to be asked, which says
// what is wrong, or takes what this one does not know. Never reads past the end, never copies, never refuses anything itself.

import { BYTES } from "./cbor-encode.js";

export class CborCursor {
  /** Where the next item begins; whatever was answered by −1 or undefined does not move it. */
  at = 0;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.at === this.#bytes.length;
  }

  /** The argument of a head of `major`, one of the major types of cbor-encode.ts: up to 2^32 − 1. */
  head(major: number): number {
    const bytes = this.#bytes;
    const { at } = this;
    const initial = bytes[at] ?? 0xff;
    const argument = initial - major;
    if (argument < 0 || argument > 26) return -1;
    if (argument < 24) {
      this.at = at + 1;
      return argument;
    }
    const end = at + 1 + (1 << (argument - 24));
    if (end > bytes.length) return -1;
    let value = 0;
    for (let i = at + 1; i < end; i += 1) value = value * 256 + (bytes[i] as number);
    if (value < (argument === 24 ? 24 : argument === 25 ? 0x100 : 0x10000)) return -1;
    this.at = end;
    return value;
  }

  /** A byte string, as a view; of exactly `length` bytes where that is given. */
  bytes(length?: number): Uint8Array | undefined {
    const from = this.at;
    const found = this.head(BYTES);
    const end = this.at + found;
    if (found < 0 || (length !== undefined && found !== length) || end > this.#bytes.length) {
      this.at = from;
      return undefined;
    }
    const view = this.#bytes.subarray(this.at, end);
    this.at = end;
    return view;
  }
}
