// Cuts a CBOR sequence (RFC 8742) into records, and finds the next one after damage.
//
// Promises: every byte of the input belongs to exactly one piece; a piece is a whole COSE_Sign1 of our profile or is
// called broken with its reason. After a broken piece it goes on at the next place that begins like a record (tag 18,
// array of 4, our protected header). Holds one part of the input at a time, however long a broken piece is.
// Never: reads beyond the input.

import { concat, equal } from "../../firmware/bytes.js";
import { decodeFirst } from "../../firmware/codec/cbor.js";
import { decodeSign1, SIGN1_BYTES_MAX, type Sign1 } from "../../firmware/record/cose.js";
import { Rejection } from "../../firmware/rejection.js";

/** How every record begins: d2 84, and the protected header up to the address. */
const BEGINNING = Uint8Array.of(0xd2, 0x84, 0x58, 0x1a, 0xa2, 0x01, 0x38, 0x2e, 0x04, 0x54);
const LIMITS = { depthMax: 4, bytesMax: SIGN1_BYTES_MAX, itemsMax: 16 };

export interface Piece {
  /** Where it begins in the input. */
  readonly offset: number;
  readonly length: number;
  /** Of a record: a view of the part of the input that it lies in. Empty where the piece is broken. */
  readonly bytes: Uint8Array;
  readonly parts: Sign1 | Rejection;
}

/** @param input whole, or part by part in order */
export function* pieces(input: Uint8Array | Iterable<Uint8Array>): Generator<Piece> {
  const window = new Window(input instanceof Uint8Array ? [input] : input);
  // So much decides about an item, whatever follows it.
  while (window.reach(SIGN1_BYTES_MAX + 1) > 0) {
    const { offset } = window;
    const item = window.item();
    const parts = item instanceof Rejection ? item : decodeSign1(item);
    if (item instanceof Rejection || parts instanceof Rejection) {
      window.skipTo(BEGINNING);
      yield { offset, length: window.offset - offset, bytes: new Uint8Array(0), parts };
    } else {
      window.skip(item.length);
      yield { offset, length: item.length, bytes: item, parts };
    }
  }
}

/** The part of the input that is looked at. Its views stay as they are when it moves on. */
class Window {
  readonly #parts: Iterator<Uint8Array>;
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  /** Where `#bytes` begin in the input. */
  #base = 0;

  constructor(parts: Iterable<Uint8Array>) {
    this.#parts = parts[Symbol.iterator]();
  }

  /** Where it stands in the input. */
  get offset(): number {
    return this.#base + this.#at;
  }

  /** Reads on until `byteLength` bytes are there, or the input ends; answers how many are. */
  reach(byteLength: number): number {
    while (this.#bytes.length - this.#at < byteLength && this.#more()) {}
    return this.#bytes.length - this.#at;
  }

  /** The CBOR item that begins here; a `Rejection` tells the byte in the input. */
  item(): Uint8Array | Rejection {
    const first = decodeFirst(this.#bytes, this.#at, LIMITS);
    if (!(first instanceof Rejection)) return this.#bytes.subarray(this.#at, first.end);
    const detail = first.detail.replace(/^at byte (\d+)/, (_, at) => `at byte ${this.#base + Number(at)}`);
    return new Rejection(first.code, detail);
  }

  skip(byteLength: number): void {
    this.#at += byteLength;
  }

  /** Goes on by at least one byte to the next `mark`, or to the end. */
  skipTo(mark: Uint8Array): void {
    this.#at += 1;
    for (;;) {
      const { length } = this.#bytes;
      const found = indexOf(this.#bytes, mark, this.#at);
      // A mark may have begun in the last bytes.
      this.#at = found >= 0 ? found : Math.max(this.#at, length - mark.length + 1);
      if (found >= 0) return;
      if (!this.#more()) break;
    }
    this.#at = this.#bytes.length;
  }

  #more(): boolean {
    const next = this.#parts.next();
    if (next.done === true) return false;
    const rest = this.#bytes.subarray(this.#at);
    this.#base += this.#at;
    this.#at = 0;
    this.#bytes = rest.length === 0 ? next.value : concat(rest, next.value);
    return true;
  }
}

/** Where `mark` begins in `bytes` from `from` on, or -1. */
function indexOf(bytes: Uint8Array, mark: Uint8Array, from: number): number {
  const first = mark[0] as number;
  for (let at = bytes.indexOf(first, from); at >= 0; at = bytes.indexOf(first, at + 1))
    if (equal(bytes.subarray(at, at + mark.length), mark)) return at;
  return -1;
}
