// Deterministic CBOR, written item by item (RFC 8949 §4.2.1), for what is encoded again and again: a record.
//
// Promises: shortest heads; a text that comes again is encoded once. The caller writes as many items as a head has
// announced, and map keys in order. What cannot be encoded is our own mistake and throws; only a limit that is passed is a
// `Rejection`, since that may depend on input.
// The common cases are written out in each method: on XS a call costs as much as five bytes written.

import { assert, Rejection } from "../rejection.js";
import {
  ARRAY,
  BYTES,
  encode,
  FALSE,
  MAP,
  NEGATIVE,
  NULL,
  putBigint,
  putHead,
  putNumber,
  putRaw,
  putText,
  TAG,
  TRUE,
  UINT,
} from "./cbor-encode.js";
import { CBOR_BYTES_MAX, TAG_COSE_SIGN1, TAG_DECIMAL_FRACTION } from "./cbor-value.js";

/** Labels that a writer keeps encoded. */
const LABELS_KEPT_MAX = 16;

interface Label {
  readonly rule: (text: string) => boolean;
  readonly encoded: Uint8Array;
}

/**
 * Writes items one after the other into one buffer, which it keeps: `reset` and write again costs little garbage. The caller
 * writes as many items as a head has announced, and map keys in order; `encode` does both by itself. What goes beyond the
 * limit is counted but not written, and `finish` and `view` refuse it.
 */
export class CborWriter {
  readonly #buffer: Uint8Array;
  /** Of the buffer: on XS it writes four bytes in a third of the instructions. */
  readonly #view: DataView;
  #length = 0;
  #labels: Map<string, Label> | undefined;

  /** @param bytesMax size of the buffer, and limit of what is written */
  constructor(bytesMax = CBOR_BYTES_MAX) {
    this.#buffer = new Uint8Array(bytesMax);
    this.#view = new DataView(this.#buffer.buffer);
  }

  /** Size of the buffer. */
  get bytesMax(): number {
    return this.#buffer.length;
  }

  /** Bytes written so far, those beyond the limit included. */
  get length(): number {
    return this.#length;
  }

  reset(): void {
    this.#length = 0;
  }

  /** What was written, in place: valid until the next write. Throws a `Rejection` (`cbor-too-long`) beyond the limit. */
  view(): Uint8Array {
    const { length } = this.#buffer;
    if (this.#length > length) throw new Rejection("cbor-too-long", `${this.#length} bytes, at most ${length}`);
    return this.#buffer.subarray(0, this.#length);
  }

  /** A copy of what was written; throws as `view` does. */
  finish(): Uint8Array {
    return new Uint8Array(this.view());
  }

  /** An integer from −2^63 to 2^64 − 1. */
  int(value: number | bigint): void {
    // Most are small, and each call further down costs as much as this.
    if (typeof value === "number" && value >= 0 && value < 24 && (value | 0) === value) {
      this.#buffer[this.#length] = value;
      this.#length += 1;
      return;
    }
    this.#length =
      typeof value === "number" ? putNumber(this.#buffer, this.#length, value) : putBigint(this.#buffer, this.#length, value);
  }

  /** An integer from −24 to 23, in its one byte: the keys of our maps. */
  key(value: number): void {
    this.#buffer[this.#length] = value >= 0 ? value : NEGATIVE | ~value;
    this.#length += 1;
  }

  /** A pair of a map: an integer key from 0 to 23, and an integer from 0 that a number holds. */
  uint(key: number, value: number): void {
    const buffer = this.#buffer;
    const at = this.#length;
    buffer[at] = key;
    if (value >= 0 && value < 24 && (value | 0) === value) {
      buffer[at + 1] = value;
      this.#length = at + 2;
      return;
    }
    if (value < 0) assert(false, "an unsigned integer");
    if (value >= 0x10000 && value < 0x1_0000_0000 && value % 1 === 0 && at + 6 <= buffer.length) {
      buffer[at + 1] = UINT | 26;
      this.#view.setUint32(at + 2, value);
      this.#length = at + 6;
    } else this.#length = putNumber(buffer, at + 1, value);
  }

  /** A decimal fraction, tag 4: mantissa × 10^exponent. */
  decimal(exponent: number, mantissa: number | bigint): void {
    const buffer = this.#buffer;
    let at = this.#length;
    buffer[at] = TAG | TAG_DECIMAL_FRACTION;
    buffer[at + 1] = ARRAY | 2;
    if (exponent < 0 && exponent >= -24 && (exponent | 0) === exponent) {
      buffer[at + 2] = NEGATIVE | ~exponent;
      at += 3;
    } else at = putNumber(buffer, at + 2, exponent);
    if (typeof mantissa === "number" && mantissa >= 0x100 && mantissa < 0x10000 && (mantissa | 0) === mantissa) {
      buffer[at] = UINT | 25;
      buffer[at + 1] = mantissa >> 8;
      buffer[at + 2] = mantissa; // its low byte
      this.#length = at + 3;
    } else this.#length = typeof mantissa === "number" ? putNumber(buffer, at, mantissa) : putBigint(buffer, at, mantissa);
  }

  bytes(value: Uint8Array): void {
    const buffer = this.#buffer;
    const { length } = value;
    let at = this.#length;
    if (length < 24) {
      buffer[at] = BYTES | length;
      at += 1;
    } else if (length < 0x100) {
      buffer[at] = BYTES | 24;
      buffer[at + 1] = length;
      at += 2;
    } else at = putHead(buffer, at, BYTES, length);
    const end = at + length;
    if (end <= buffer.length) buffer.set(value, at);
    this.#length = end;
  }

  /** Text without lone surrogates, as UTF-8. */
  text(value: string): void {
    this.#length = putText(this.#buffer, this.#length, value);
  }

  /**
   * A text that comes again and again: a name, a unit. It is checked and encoded when it comes first, and kept.
   * @param rule what the text has to satisfy: one that does not is our own mistake
   * @param key where it is from 0 to 23, the pair's key, which goes in front
   */
  label(value: string, rule: (text: string) => boolean, key = -1): void {
    if (this.#labels === undefined) this.#labels = new Map();
    let label = this.#labels.get(value);
    if (label?.rule !== rule) {
      assert(rule(value), "a text that satisfies its rule");
      label = { rule, encoded: encode(value) };
      if (this.#labels.size >= LABELS_KEPT_MAX) this.#labels.clear();
      this.#labels.set(value, label);
    }
    const buffer = this.#buffer;
    const { encoded } = label;
    let at = this.#length;
    if (key >= 0) {
      buffer[at] = key;
      at += 1;
    }
    const end = at + encoded.length;
    if (end <= buffer.length) buffer.set(encoded, at);
    this.#length = end;
  }

  /** The head of an array of `items` items, which follow. */
  array(items: number): void {
    this.#length = putHead(this.#buffer, this.#length, ARRAY, items);
  }

  /** The head of a map of `pairs` keys with their values, which follow in the bytewise order of the encoded keys. */
  map(pairs: number): void {
    this.#length = putHead(this.#buffer, this.#length, MAP, pairs);
  }

  /** Tag 4 or 18; the tagged item follows. */
  tag(tag: number): void {
    assert(tag === TAG_DECIMAL_FRACTION || tag === TAG_COSE_SIGN1, "a tag of the subset");
    this.#length = putHead(this.#buffer, this.#length, TAG, tag);
  }

  boolean(value: boolean): void {
    this.#buffer[this.#length] = value ? TRUE : FALSE;
    this.#length += 1;
  }

  null(): void {
    this.#buffer[this.#length] = NULL;
    this.#length += 1;
  }

  /** Bytes as they are: an item that is already encoded. */
  raw(bytes: Uint8Array): void {
    this.#length = putRaw(this.#buffer, this.#length, bytes);
  }
}
