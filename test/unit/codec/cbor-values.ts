// Values for the CBOR codec's tests, by the hundred thousand: the world's generator instead of fast-check's, which takes
// thirty times as long; and bytes that are nearly what the encoder wrote.

import { Tagged as CborgTagged } from "cborg";
import { toHex } from "../../../firmware/bytes.js";
import { type CborValue, encode, Tagged } from "../../../firmware/codec/cbor.js";

/** A whole number below `n`. */
export type Below = (n: number) => number;

const EDGES = [0n, 24n, 1n << 8n, 1n << 16n, 1n << 32n, 1n << 53n, (1n << 63n) - 2n, (1n << 64n) - 2n];
const INTEGER_MIN = -(1n << 63n);
const INTEGER_MAX = (1n << 64n) - 1n;
const CHARACTERS = ["a", "Z", "0", "\u0000", "\u007f", "\u0080", "é", "\u07ff", "\u0800", "漢", "\uffff", "😀", "\u{10ffff}"];
const DEPTH_MAX = 6;

function integer(below: Below): CborValue {
  let value = EDGES[below(EDGES.length)] as bigint;
  value += below(3) === 0 ? BigInt(below(0x7fff_ffff)) : BigInt(below(4)) - 2n;
  if (below(2) === 0) value = -value;
  if (value < INTEGER_MIN || value > INTEGER_MAX) value = below(2) === 0 ? INTEGER_MIN : INTEGER_MAX;
  const safe = value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER);
  return safe ? Number(value) : value;
}

function length(below: Below): number {
  return below(12) === 0 ? below(300) : below(24 + below(3));
}

function scalar(below: Below): CborValue {
  switch (below(8)) {
    case 0:
      return [true, false, null][below(3)] as CborValue;
    case 1:
      return Uint8Array.from({ length: length(below) }, () => below(256));
    case 2:
    case 3:
      return Array.from({ length: length(below) }, () => CHARACTERS[below(CHARACTERS.length)]).join("");
    default:
      return integer(below);
  }
}

/** A value of the subset. With `anyKey` map keys may be anything; without, they are scalars, which cborg can sort. */
export function randomValue(below: Below, anyKey: boolean, depth = 0): CborValue {
  const kind = depth >= DEPTH_MAX ? 9 : below(10);
  const inner = (): CborValue => randomValue(below, anyKey, depth + 1 + below(2));
  if (kind <= 1) return Array.from({ length: below(depth === 0 && below(4) === 0 ? 30 : 4) }, inner);
  if (kind <= 3) {
    const map = new Map<CborValue, CborValue>();
    const known = new Set<string>();
    for (let i = below(depth === 0 && below(4) === 0 ? 30 : 4); i > 0; i -= 1) {
      const key = anyKey ? inner() : scalar(below);
      const name = toHex(encode(key, 1 << 16, 16));
      if (!known.has(name)) map.set(key, inner());
      known.add(name);
    }
    return map;
  }
  return kind === 4 ? new Tagged(below(2) === 0 ? 4 : 18, inner()) : scalar(below);
}

/** The same value for cborg, whose class for tags is its own. */
export function forCborg(value: CborValue): unknown {
  if (value instanceof Tagged) return new CborgTagged(value.tag, forCborg(value.value));
  if (Array.isArray(value)) return value.map(forCborg);
  if (value instanceof Map) return new Map([...value].map(([k, v]) => [forCborg(k), forCborg(v)]));
  return value;
}

/** Initial bytes with a meaning of their own: every major type at each length of its head, and what is reserved. */
const HEADS = Array.from({ length: 8 }, (_, major) =>
  [0, 1, 2, 23, 24, 25, 26, 27, 28, 31].map((info) => (major << 5) | info),
).flat();

/** `input` with one to three changes: bits, bytes, heads, pieces put in or taken out, lengths that are not there. */
export function mutate(input: Uint8Array, below: Below): Uint8Array {
  let output = Array.from(input);
  for (let rounds = 1 + below(3); rounds > 0; rounds -= 1) {
    const position = below(output.length + 1);
    switch (below(8)) {
      case 0:
        if (position < output.length) output[position] = (output[position] as number) ^ (1 << below(8));
        break;
      case 1:
        if (position < output.length) output[position] = below(256);
        break;
      case 2:
        if (position < output.length) output[position] = HEADS[below(HEADS.length)] as number;
        break;
      case 3:
        output.splice(position, 0, HEADS[below(HEADS.length)] as number);
        break;
      case 4:
        output.splice(position, 1 + below(3));
        break;
      case 5:
        output = output.slice(0, position);
        break;
      case 6:
        output.splice(position, 0, ...output.slice(below(output.length + 1), below(output.length + 1)));
        break;
      default:
        output.splice(position, 0, 0xff, 0xff, 0xff, 0xff);
    }
  }
  return Uint8Array.from(output);
}
