// Exact numbers: digits stay as measured, sums are exact, and only one form of each is read.

import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { toHex } from "../../../firmware/bytes.js";
import { type CborValue, CborWriter, decode, Tagged } from "../../../firmware/codec/cbor.js";
import {
  compareNumeric,
  DECIMAL_EXPONENT_MAX,
  Decimal,
  decimal,
  type Numeric,
  numericText,
  readNumeric,
  sum,
  writeNumeric,
} from "../../../firmware/record/decimal.js";
import { Rejection } from "../../../firmware/rejection.js";

const SCALE = 10n ** BigInt(2 * DECIMAL_EXPONENT_MAX);
const mantissas = fc.oneof(fc.bigInt({ min: -(1n << 63n), max: (1n << 64n) - 1n }), fc.bigInt({ min: -99999n, max: 99999n }));
const numerics: fc.Arbitrary<Numeric> = fc
  .tuple(mantissas, fc.integer({ min: -DECIMAL_EXPONENT_MAX, max: DECIMAL_EXPONENT_MAX }))
  .map(([mantissa, exponent]) => decimal(Number.isSafeInteger(Number(mantissa)) ? Number(mantissa) : mantissa, exponent));

/** The number as an integer count of 10^-36, by other means than ours. */
function scaled(value: Numeric): bigint {
  const [mantissa, exponent] = value instanceof Decimal ? [value.mantissa, value.exponent] : [value, 0];
  return (BigInt(mantissa) * SCALE * 10n ** BigInt(exponent + 18)) / 10n ** 18n;
}

function encoded(value: Numeric): Uint8Array {
  const writer = new CborWriter();
  writeNumeric(writer, value);
  return writer.finish();
}

function refuses(item: CborValue): void {
  try {
    readNumeric(item, "test-code", "the number");
  } catch (error) {
    assert.ok(error instanceof Rejection && error.code === "test-code" && error.detail.startsWith("the number"), String(error));
    return;
  }
  assert.unreachable("accepted");
}

test("21.30 keeps its digits in bytes and text", () => {
  const value = decimal(2130, -2);
  assert.is(toHex(encoded(value)), "c48221190852");
  assert.is(numericText(value), "21.30");
  assert.is.not(toHex(encoded(decimal(213, -1))), toHex(encoded(value)));
  assert.is(compareNumeric(decimal(213, -1), value), 0);
});

test("digits in text", () => {
  assert.is(numericText(decimal(-5, -2)), "-0.05");
  assert.is(numericText(decimal(0, -2)), "0.00");
  assert.is(numericText(decimal(5, -1)), "0.5");
  assert.is(numericText(decimal(12, 2)), "1200");
  assert.is(numericText(decimal(0, 2)), "0");
  assert.is(numericText(-7), "-7");
  assert.is(numericText((1n << 64n) - 1n), "18446744073709551615");
});

test("a whole number has one form, the integer", () => {
  assert.is(decimal(5, 0), 5);
  refuses(new Tagged(4, [0, 5]));
  assert.throws(() => encoded(new Decimal(5, 0)), /a decimal that decimal/);
});

test("minus zero is zero", () => {
  assert.ok(Object.is(decimal(-0, 0), 0));
  assert.ok(Object.is((decimal(-0, -2) as Decimal).mantissa, 0));
  assert.is(numericText(decimal(Math.round(-0.1), -2)), "0.00");
});

test("sums and comparisons are exact", () => {
  fc.assert(
    fc.property(numerics, numerics, (a, b) => {
      assert.is(scaled(sum(a, b)), scaled(a) + scaled(b));
      assert.is(compareNumeric(a, b), scaled(a) < scaled(b) ? -1 : scaled(a) > scaled(b) ? 1 : 0);
    }),
    { numRuns: 2000 },
  );
  assert.is(numericText(sum(decimal(2130, -2), decimal(7, -1))), "22.00");
});

test("what is written is read back, digit by digit", () => {
  fc.assert(
    fc.property(numerics, (value) => {
      const item = decode(encoded(value));
      if (item instanceof Rejection) throw new Error(item.toString());
      assert.equal(readNumeric(item, "x", "it"), value);
    }),
    { numRuns: 2000 },
  );
});

test("what is no number of ours is refused", () => {
  for (const item of ["1", null, true, [], new Uint8Array(1), new Map(), new Tagged(18, [-2, 1])] as CborValue[]) refuses(item);
  for (const pair of [
    5,
    [],
    [-2],
    [-2, 1, 1],
    [-19, 1],
    [19, 1],
    [-(2n ** 63n), 1],
    ["-2", 1],
    [-2, "1"],
    [-2, [1]],
  ] as CborValue[])
    refuses(new Tagged(4, pair));
  assert.throws(() => decimal(1.5, -1), /integer mantissa/);
  assert.throws(() => decimal(1n << 64n, -1), /64 bits/);
  assert.throws(() => decimal(1, 19), /exponent/);
});

test.run();
