// Integers and checksums in bytes, against the language's own big integers and zlib.

import { crc32 as zlibCrc32 } from "node:zlib";
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { crc32, readUint, toHex, writeUint } from "../../firmware/bytes.js";

const RUNS = { numRuns: 2_000 };
const uint48 = fc.oneof(
  fc.maxSafeNat().map((value) => value % 2 ** 48),
  fc.constantFrom(0, 1, 255, 256, 2 ** 24 - 1, 2 ** 24, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 48 - 1),
);

/** Bytes that `value` takes at the least. */
function width(value: number): number {
  return Math.max(1, Math.ceil(value.toString(16).length / 2));
}

test("an integer is written big-endian into its field and nowhere else, and read back", () => {
  fc.assert(
    fc.property(uint48, fc.nat({ max: 5 }), fc.nat({ max: 4 }), (value, more, offset) => {
      const length = Math.min(6, width(value) + more);
      const bytes = new Uint8Array(offset + length + 3).fill(0xee);
      writeUint(bytes, value, offset, length);
      const expected = "ee".repeat(offset) + value.toString(16).padStart(2 * length, "0") + "eeeeee";
      assert.is(toHex(bytes), expected);
      assert.is(readUint(bytes, offset, length), value);
    }),
    RUNS,
  );
});

test("what does not fit its field is our own mistake, and so is what is no unsigned integer", () => {
  fc.assert(
    fc.property(uint48, (value) => {
      const length = width(value) - 1;
      assert.throws(() => writeUint(new Uint8Array(8), value === 0 ? 1 : value, 1, value === 0 ? 0 : length));
    }),
    RUNS,
  );
  for (const value of [-1, -(2 ** 31), -(2 ** 40), 0.5, 65536.5, 2 ** 48, Number.NaN, Number.POSITIVE_INFINITY])
    assert.throws(() => writeUint(new Uint8Array(8), value, 0, 6), `${value}`);
  assert.throws(() => readUint(new Uint8Array(8), 0, 7));
  assert.throws(() => readUint(new Uint8Array(3), 1, 3));
});

test("CRC-32 is that of zlib, from any seed and over any part", () => {
  assert.is(crc32(new TextEncoder().encode("123456789")), 0xcbf43926);
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), fc.nat({ max: 0xffffffff }), fc.nat(), (bytes, seed, part) => {
      assert.is(crc32(bytes, seed), zlibCrc32(bytes, seed));
      const length = 1 + (part % bytes.length); // of nothing, zlib's does not answer the seed
      assert.is(crc32(bytes, seed, length), zlibCrc32(bytes.subarray(0, length), seed));
    }),
    RUNS,
  );
});

test.run();
