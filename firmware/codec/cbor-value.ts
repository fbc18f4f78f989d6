// The subset of CBOR that chainmote signs, and its limits (RFC 8949 §3, §4.2.1).
//
// Integers from −2^63 to 2^64 − 1, byte and text strings, arrays, maps, tags 4 (decimal fraction, RFC 8949 §3.4.4) and
// 18 (COSE_Sign1, RFC 9052 §2), false, true and null. Everything else is outside: no floats, no other tag, no other simple
// value. Text need not be normalized: RFC 8949 does not ask for it, and XS on a board has no tables for it.

/**
 * A value of the subset. Integers are numbers where a number holds them exactly, and bigints beyond; the encoder takes
 * either for any. Keys of a map may be any value.
 */
export type CborValue =
  | number
  | bigint
  | string
  | Uint8Array
  | boolean
  | null
  | readonly CborValue[]
  | ReadonlyMap<CborValue, CborValue>
  | Tagged;

/** A tagged item; the subset knows tags 4 and 18. */
export class Tagged {
  readonly tag: number;
  readonly value: CborValue;
  constructor(tag: number, value: CborValue) {
    this.tag = tag;
    this.value = value;
  }
}

export const TAG_DECIMAL_FRACTION = 4;
export const TAG_COSE_SIGN1 = 18;

/** How much a decoder accepts before it refuses. */
export interface CborLimits {
  /** Nesting of arrays, maps and tags: 0 accepts scalars only. */
  readonly depthMax: number;
  /** Bytes of the whole input. */
  readonly bytesMax: number;
  /** Items of any kind, keys and nested ones included: what bounds the heap, since one input byte may become an object. */
  readonly itemsMax: number;
}

/** Nesting that our own formats need is 5: record, pack, entry, tag, pair. */
export const CBOR_DEPTH_MAX = 8;
/** The longest message on the wire. */
export const CBOR_BYTES_MAX = 4096;
export const CBOR_ITEMS_MAX = 128;

export const CBOR_LIMITS: CborLimits = Object.freeze({
  depthMax: CBOR_DEPTH_MAX,
  bytesMax: CBOR_BYTES_MAX,
  itemsMax: CBOR_ITEMS_MAX,
});

export const UINT64_MAX = 0xffff_ffff_ffff_ffffn;
export const INT64_MIN = -0x8000_0000_0000_0000n;
