// The deterministic CBOR codec against cborg, which shares no code with it, and against inputs that were tampered with.
//
// FULL=1 runs 100,000 values and 1,000,000 mutated inputs; without it there are fewer of both.

import { Tagged as CborgTagged, encode as cborgEncode, rfc8949EncodeOptions } from "cborg";
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { compare, concat, equal, toHex } from "../../../firmware/bytes.js";
import { type CborLimits, type CborValue, CborWriter, decode, encode, Tagged } from "../../../firmware/codec/cbor.js";
import { Rejection } from "../../../firmware/rejection.js";

const FULL = process.env.FULL === "1";
const VALUES = FULL ? 100_000 : 10_000;
const SEEDS = FULL ? 10_000 : 1_500;
const MUTATIONS_PER_SEED = 100;
const SEED_BYTES_MAX = 400;
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

/** The same value for cborg, whose class for tags is its own. */
function forCborg(value: CborValue): unknown {
  if (value instanceof Tagged) return new CborgTagged(value.tag, forCborg(value.value));
  if (Array.isArray(value)) return value.map(forCborg);
  if (value instanceof Map) return new Map([...value].map(([k, v]) => [forCborg(k), forCborg(v)]));
  return value;
}

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

/** Short values, so that a mutation often hits a head. */
const seedValue = anyKeys.filter((value) => encode(value, LIMITS.bytesMax, LIMITS.depthMax).length <= SEED_BYTES_MAX);

/** A small generator (xorshift32), so that a mutation costs nothing; fast-check chooses and prints its seed. */
function xorshift(seed: number): (below: number) => number {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** Initial bytes with a meaning of their own: every major type at each length of its head, and what is reserved. */
const HEADS = Array.from({ length: 8 }, (_, major) =>
  [0, 1, 2, 23, 24, 25, 26, 27, 28, 31].map((info) => (major << 5) | info),
).flat();

function mutate(input: Uint8Array, below: (n: number) => number): Uint8Array {
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

const CODES = new Set(
  "truncated malformed not-shortest indefinite unsorted duplicate-key utf8 trailing too-deep too-long unsupported"
    .split(" ")
    .map((name) => `cbor-${name}`),
);

test(`${SEEDS * MUTATIONS_PER_SEED} mutated inputs: refused with a reason, or what they encode to`, () => {
  const seen = new Map<string, number>();
  let accepted = 0;
  let slowestMs = 0;
  fc.assert(
    fc.property(seedValue, fc.integer({ min: 1, max: 0x7fff_ffff }), (value, seed) => {
      const base = encode(value, LIMITS.bytesMax, LIMITS.depthMax);
      const below = xorshift(seed);
      for (let i = 0; i < MUTATIONS_PER_SEED; i += 1) {
        const input = mutate(base, below);
        const before = performance.now();
        const decoded = decode(input);
        slowestMs = Math.max(slowestMs, performance.now() - before);
        if (decoded instanceof Rejection) {
          if (!CODES.has(decoded.code) || !/^at byte \d+: /.test(decoded.detail))
            throw new Error(`${decoded} for ${toHex(input)} has no known code or no position`);
          seen.set(decoded.code, (seen.get(decoded.code) ?? 0) + 1);
        } else {
          accepted += 1;
          if (!equal(encode(decoded), input))
            throw new Error(`${toHex(input)} was accepted and encodes to ${toHex(encode(decoded))}`);
        }
      }
    }),
    { numRuns: SEEDS },
  );
  assert.equal(
    [...CODES].filter((code) => !seen.has(code)),
    [],
    "every reason was met",
  );
  assert.ok(accepted > SEEDS, `${accepted} accepted: the mutations must not be all nonsense`);
  assert.ok(slowestMs < 1000, `the slowest took ${slowestMs} ms`);
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
