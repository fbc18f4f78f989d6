// Deterministic CBOR, read strictly (RFC 8949 §4.2.1, §5.3, Appendix F).
//
// Promises: accepts exactly what the encoder writes, so `encode(decode(x))` is `x`. Anything else gets a `Rejection` whose
// detail names the byte: lengths that are not shortest, keys unsorted or twice, indefinite lengths, bad UTF-8, bytes after the
// end, and what nests or grows beyond the limits. Never allocates by a length that it has not got, never reads past the end,
// and keeps no copy: byte strings are views of the input.
//
// Codes: cbor-truncated (the end came early, or a length exceeds what is left), cbor-malformed (reserved bits), cbor-not-shortest,
// cbor-indefinite, cbor-unsorted, cbor-duplicate-key, cbor-utf8, cbor-trailing, cbor-too-deep, cbor-too-long (bytes or items),
// cbor-unsupported (well-formed as far as read, but outside the subset of cbor-value.ts).

import { toText } from "../bytes.js";
import { Rejection } from "../rejection.js";
import { CBOR_LIMITS, type CborLimits, type CborValue, TAG_COSE_SIGN1, TAG_DECIMAL_FRACTION, Tagged } from "./cbor-value.js";

/** The one item that `bytes` is, or why not. */
export function decode(bytes: Uint8Array, limits: CborLimits = CBOR_LIMITS): CborValue | Rejection {
  const first = decodeFirst(bytes, 0, limits);
  if (first instanceof Rejection) return first;
  if (first.end < bytes.length) return at("cbor-trailing", first.end, `${bytes.length - first.end} bytes after the item`);
  return first.value;
}

/**
 * The item that begins at `offset`, and where it ends: for sequences (RFC 8742). `limits.bytesMax` counts the bytes of this
 * item alone.
 */
export function decodeFirst(
  bytes: Uint8Array,
  offset: number,
  limits: CborLimits = CBOR_LIMITS,
): { value: CborValue; end: number } | Rejection {
  try {
    const reader = new Reader(bytes, offset, limits);
    const value = reader.item();
    return { value, end: reader.position };
  } catch (error) {
    if (error instanceof Rejection) return error;
    throw error;
  }
}

function at(code: string, position: number, reason: string): Rejection {
  return new Rejection(code, `at byte ${position}: ${reason}`);
}

/** An array, a map or a tag whose items are still to come. */
interface Open {
  readonly value: CborValue[] | Map<CborValue, CborValue> | undefined;
  readonly tag: number;
  /** Items to come: for a map, keys and values. */
  left: number;
  /** Of a map: the key that waits for its value. */
  key: CborValue;
  /** Of a map: where the key that is under way begins in the input. */
  keyStart: number;
  /** Of a map: where the key in front of it begins and ends; −1 where there is none. */
  previousStart: number;
  previousEnd: number;
}

/** Reads without recursion: the input chooses how deep it nests, and a board's stack is small. */
class Reader {
  readonly #bytes: Uint8Array;
  /** One past the last byte that may be read. */
  readonly #end: number;
  /** Whether `#end` is a limit rather than the end of the input. */
  readonly #limited: boolean;
  readonly #depthMax: number;
  readonly #open: Open[] = [];
  #position: number;
  #itemsLeft: number;

  constructor(bytes: Uint8Array, offset: number, limits: CborLimits) {
    this.#bytes = bytes;
    this.#position = offset;
    this.#limited = bytes.length - offset > limits.bytesMax;
    this.#end = this.#limited ? offset + limits.bytesMax : bytes.length;
    this.#depthMax = limits.depthMax;
    this.#itemsLeft = limits.itemsMax;
  }

  get position(): number {
    return this.#position;
  }

  /** One item, whole. */
  item(): CborValue {
    const open = this.#open;
    for (;;) {
      const start = this.#position;
      let value = this.#begin(start);
      // What is complete goes into what holds it, and may complete that.
      while (value !== undefined) {
        const holder = open[open.length - 1];
        if (holder === undefined) return value;
        value = this.#add(holder, value);
        if (value !== undefined) open.pop();
      }
    }
  }

  /** Reads one head, and what follows it unless that is items: a value, or undefined where items are to come. */
  #begin(start: number): CborValue | undefined {
    if (start >= this.#end) throw this.#short(start, 1);
    if (this.#itemsLeft === 0) throw at("cbor-too-long", start, "too many items");
    this.#itemsLeft -= 1;
    const initial = this.#bytes[start] as number;
    const major = initial >> 5;
    if (major === 7) return this.#simple(start, initial & 31);
    const argument = this.#argument(start, initial & 31);
    switch (major) {
      case 0:
        return argument;
      case 1:
        return this.#negative(start, argument);
      case 2:
        return this.#take(start, argument);
      case 3:
        return this.#text(start, argument);
      case 4:
        return this.#openArray(start, argument);
      case 5:
        return this.#openMap(start, argument);
      default:
        return this.#openTag(start, argument);
    }
  }

  /** Puts a complete item where it belongs: answers the holder once that is complete as well. */
  #add(holder: Open, item: CborValue): CborValue | undefined {
    holder.left -= 1;
    const { value, left } = holder;
    if (value === undefined) return new Tagged(holder.tag, item);
    if (value instanceof Map) {
      if (left % 2 === 1) {
        if (holder.previousEnd >= 0) this.#checkOrder(holder);
        holder.previousStart = holder.keyStart;
        holder.previousEnd = this.#position;
        holder.key = item;
        return undefined;
      }
      value.set(holder.key, item);
      holder.keyStart = this.#position;
    } else value.push(item);
    return left === 0 ? value : undefined;
  }

  /** RFC 8949 §3: what follows the initial byte; shortest form only (§4.2.1). */
  #argument(start: number, info: number): number | bigint {
    this.#position = start + 1;
    if (info < 24) return info;
    if (info === 31) throw at("cbor-indefinite", start, "an indefinite length");
    if (info > 27) throw at("cbor-malformed", start, `reserved additional information ${info}`);
    const width = 1 << (info - 24);
    if (width > this.#end - this.#position) throw this.#short(start, 1 + width);
    let high = 0;
    let low = 0;
    for (let i = 0; i < width; i += 1) {
      const byte = this.#bytes[this.#position + i] as number;
      if (i < width - 4) high = high * 256 + byte;
      else low = low * 256 + byte;
    }
    this.#position += width;
    const shortest = width === 1 ? low >= 24 : width === 2 ? low >= 0x100 : width === 4 ? low >= 0x10000 : high > 0;
    if (!shortest) throw at("cbor-not-shortest", start, `an argument in ${width} bytes that fits in fewer`);
    if (high < 0x20_0000) return high * 0x1_0000_0000 + low;
    return (BigInt(high) << 32n) | BigInt(low);
  }

  /** −1 − argument, where 64 bits hold it: from −2^63. */
  #negative(start: number, argument: number | bigint): number | bigint {
    if (typeof argument === "bigint") {
      if (argument >= 0x8000_0000_0000_0000n) throw at("cbor-unsupported", start, "an integer below -2^63");
      return -1n - argument;
    }
    return argument < Number.MAX_SAFE_INTEGER ? -1 - argument : -1n - BigInt(argument);
  }

  /** The next `length` bytes, as a view. */
  #take(start: number, length: number | bigint): Uint8Array {
    const from = this.#position;
    if (length > this.#end - from) throw this.#short(start, BigInt(from - start) + BigInt(length));
    this.#position = from + Number(length);
    return this.#bytes.subarray(from, this.#position);
  }

  #text(start: number, length: number | bigint): string {
    const text = toText(this.#take(start, length));
    if (text instanceof Rejection) throw at("cbor-utf8", start, `a text string with ${text.detail}`);
    return text;
  }

  #openArray(start: number, count: number | bigint): CborValue[] | undefined {
    // An item takes at least one byte, so a count beyond what is left is a lie: refused before anything is built.
    if (count > this.#end - this.#position) throw this.#short(start, count);
    this.#checkDepth(start);
    if (count > this.#itemsLeft) throw at("cbor-too-long", start, "too many items");
    const items: CborValue[] = [];
    if (count === 0) return items;
    this.#push(items, 0, Number(count));
    return undefined;
  }

  #openMap(start: number, pairs: number | bigint): Map<CborValue, CborValue> | undefined {
    if (pairs > (this.#end - this.#position) / 2) throw this.#short(start, BigInt(pairs) * 2n);
    this.#checkDepth(start);
    if (pairs > this.#itemsLeft / 2) throw at("cbor-too-long", start, "too many items");
    const map = new Map<CborValue, CborValue>();
    if (pairs === 0) return map;
    this.#push(map, 0, 2 * Number(pairs));
    return undefined;
  }

  /** Two keys in a row, as they are encoded, must rise bytewise. A well-formed item never is a prefix of another one. */
  #checkOrder({ keyStart, previousStart, previousEnd }: Open): void {
    const bytes = this.#bytes;
    const shared = Math.min(previousEnd - previousStart, this.#position - keyStart);
    for (let i = 0; i < shared; i += 1) {
      const difference = (bytes[keyStart + i] as number) - (bytes[previousStart + i] as number);
      if (difference > 0) return;
      if (difference < 0) throw at("cbor-unsorted", keyStart, "a map key that sorts before the key in front of it");
    }
    throw at("cbor-duplicate-key", keyStart, "a map key for the second time");
  }

  #openTag(start: number, tag: number | bigint): undefined {
    if (tag !== TAG_DECIMAL_FRACTION && tag !== TAG_COSE_SIGN1) throw at("cbor-unsupported", start, `tag ${tag}`);
    this.#checkDepth(start);
    this.#push(undefined, tag, 1);
  }

  #push(value: Open["value"], tag: number, left: number): void {
    this.#open.push({ value, tag, left, key: null, keyStart: this.#position, previousStart: -1, previousEnd: -1 });
  }

  #checkDepth(start: number): void {
    if (this.#open.length >= this.#depthMax) throw at("cbor-too-deep", start, "an item nested too deep");
  }

  /** Major type 7 (RFC 8949 §3.3): false, true and null; the rest is refused by what it is. */
  #simple(start: number, info: number): boolean | null {
    this.#position = start + 1;
    if (info === 20) return false;
    if (info === 21) return true;
    if (info === 22) return null;
    if (info === 31) throw at("cbor-malformed", start, "a break outside an indefinite length");
    if (info > 27) throw at("cbor-malformed", start, `reserved additional information ${info}`);
    const width = info < 24 ? 0 : 1 << (info - 24);
    if (width > this.#end - this.#position) throw this.#short(start, 1 + width);
    if (info === 24 && (this.#bytes[this.#position] as number) < 32)
      throw at("cbor-malformed", start, "a simple value below 32 in two bytes");
    throw at("cbor-unsupported", start, info > 24 ? "a floating-point number" : "a simple value other than false, true and null");
  }

  /** What begins at `start` would need `wanted` bytes. */
  #short(start: number, wanted: number | bigint): Rejection {
    if (this.#limited) return at("cbor-too-long", start, "an item that goes beyond the limit of bytes");
    return at("cbor-truncated", start, `${wanted} bytes announced, ${Math.max(0, this.#end - start)} there`);
  }
}
