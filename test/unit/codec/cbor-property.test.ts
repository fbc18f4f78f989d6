// The deterministic CBOR codec against cborg, which shares no code with it: values that fast-check makes, and shrinks where
// one fails. The great numbers are in cbor-mass.test.ts.

import { encode as cborgEncode, rfc8949EncodeOptions } from "cborg";
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { compare, concat, toHex } from "../../../firmware/bytes.js";
import { type CborLimits, type CborValue, CborWriter, decode, encode, Tagged } from "../../../firmware/codec/cbor.js";
import { Rejection } from "../../../firmware/rejection.js";
import { forCborg } from "./cbor-values.js";

const VALUES = 5_000;
const LIMITS: CborLimits = { depthMax: 12, bytesMax: 65_536, itemsMax: 4096 };

/** Integers, with the edges of every head length. */
const integer: fc.Arbitrary<CborValue> = fc
  .oneof(
    fc.bigInt({ min: -(1n << 63n), max: (1n << 64n) - 1n }),
    fc
      .tuple(
        fc.constantFrom(0n, 24n, 1n << 8n, 1n << 16n, 1n << 32n, 1n << 53n, (1n << 63n) - 1n),
        fc.bigInt({ min: -2n, max: 2n }),
        fc.boolean(),
      )
      .map(([edge, off, negative]) => (negative ? -(edge + off) : edge + off))
      .filter((value) => value >= -(1n << 63n)),
  )
  .chain((value) => {
    const safe = value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER);
    return safe ? fc.constantFrom<CborValue>(Number(value), Number(value)) : fc.constant<CborValue>(value);
  });

const bytesUpTo = (maxLength: number): fc.Arbitrary<CborValue> =>
  fc.uint8Array({ maxLength, size: "max" }).map((value) => new Uint8Array(value));
const scalar: fc.Arbitrary<CborValue> = fc.oneof(
  { weight: 4, arbitrary: integer },
  { weight: 2, arbitrary: fc.oneof({ weight: 9, arbitrary: bytesUpTo(30) }, { weight: 1, arbitrary: bytesUpTo(300) }) },
  { weight: 2, arbitrary: fc.string({ unit: "binary", maxLength: 30 }) },
  { weight: 1, arbitrary: fc.constantFrom<CborValue>(true, false, null) },
);

/** Values whose map keys are scalars (what cborg can sort) or anything. */
function tree(key: (any: fc.Arbitrary<CborValue>) => fc.Arbitrary<CborValue>): fc.Arbitrary<CborValue> {
  return fc.letrec<{ value: CborValue }>((tie) => ({
    value: fc.oneof(
      { depthSize: "small", withCrossShrink: true, maxDepth: 6 },
      { weight: 4, arbitrary: scalar },
      { weight: 2, arbitrary: fc.array(tie("value"), { maxLength: 30 }) },
      {
        weight: 2,
        arbitrary: fc
          .uniqueArray(fc.tuple(key(tie("value")), tie("value")), {
            maxLength: 30,
            selector: ([k]) => toHex(encode(k, 65_536, 16)),
          })
          .map((pairs) => new Map<CborValue, CborValue>(pairs)),
      },
      { weight: 1, arbitrary: fc.tuple(fc.constantFrom(4, 18), tie("value")).map(([tag, value]) => new Tagged(tag, value)) },
    ),
  })).value;
}

const simpleKeys = tree(() => scalar);
const anyKeys = tree((value) => value);

test(`${VALUES} values encode to the bytes of cborg's RFC 8949 encoding, and come back`, () => {
  let ran = 0;
  fc.assert(
    fc.property(simpleKeys, (value) => {
      const ours = encode(value, LIMITS.bytesMax, LIMITS.depthMax);
      assert.is(toHex(ours), toHex(cborgEncode(forCborg(value), rfc8949EncodeOptions)));
      const decoded = decode(ours, LIMITS);
      if (decoded instanceof Rejection) throw new Error(decoded.toString());
      assert.equal(decoded, sorted(value));
      ran += 1;
    }),
    { numRuns: VALUES },
  );
  assert.is(ran, VALUES);
});

/** The value with its maps in the order of the encoded keys, as a decoder meets them. */
function sorted(value: CborValue): CborValue {
  if (value instanceof Tagged) return new Tagged(value.tag, sorted(value.value));
  if (Array.isArray(value)) return value.map(sorted);
  if (!(value instanceof Map)) return value;
  const pairs = [...(value as ReadonlyMap<CborValue, CborValue>)].map(
    ([k, v]) => [encode(k, 65_536, 16), sorted(k), sorted(v)] as const,
  );
  pairs.sort(([a], [b]) => compare(a, b));
  return new Map(pairs.map(([, k, v]) => [k, v]));
}

test("values with any keys come back, and encode to the same bytes again", () => {
  fc.assert(
    fc.property(anyKeys, (value) => {
      const first = encode(value, LIMITS.bytesMax, LIMITS.depthMax);
      const decoded = decode(first, LIMITS);
      if (decoded instanceof Rejection) throw new Error(decoded.toString());
      assert.is(toHex(encode(decoded, LIMITS.bytesMax, LIMITS.depthMax)), toHex(first));
    }),
    { numRuns: VALUES / 5 },
  );
});

test("what a writer writes item by item is what encode gives", () => {
  const uint = fc.oneof(
    fc.maxSafeNat(),
    fc.constantFrom(0, 23, 24, 255, 256, 65_535, 65_536, 2 ** 31, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER),
  );
  const int = fc.oneof(uint, fc.maxSafeInteger(), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }));
  const exponent = fc.integer({ min: -30, max: 30 });
  fc.assert(
    fc.property(
      fc.nat({ max: 23 }),
      uint,
      int,
      exponent,
      int,
      fc.uint8Array({ maxLength: 300 }),
      fc.nat({ max: 400 }),
      (...items) => {
        const [key, pair, single, power, mantissa, bytes, room] = items;
        const values: CborValue[] = [key, pair, single, new Tagged(4, [power, mantissa]), bytes, "name"];
        const writer = new CborWriter(1000);
        const small = new CborWriter(room);
        for (const one of [writer, small]) {
          one.uint(key, pair);
          one.int(single);
          one.decimal(power, mantissa);
          one.bytes(bytes);
          one.label("name", () => true);
        }
        const expected = concat(...values.map((value) => encode(value)));
        assert.is(toHex(writer.finish()), toHex(expected));
        assert.is(small.length, expected.length);
        if (room < expected.length) assert.throws(() => small.finish());
        else assert.is(toHex(small.finish()), toHex(expected));
      },
    ),
    { numRuns: 20_000 },
  );
  const writer = new CborWriter(100);
  for (const wrong of [-1, 0.5, 65_536.5, 2 ** 53, Number.NaN]) assert.throws(() => writer.uint(1, wrong), `${wrong}`);
});

test("random bytes never crash the decoder", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (input) => {
      const decoded = decode(input);
      if (!(decoded instanceof Rejection)) assert.is(toHex(encode(decoded)), toHex(input));
    }),
    { numRuns: VALUES },
  );
});

test.run();
