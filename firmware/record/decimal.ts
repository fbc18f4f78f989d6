// Exact numbers: integers, and decimal fractions mantissa × 10^exponent (RFC 8949 §3.4.4).
//
// Promises: a number stays as it was measured: 21.30 is mantissa 2130 and exponent −2, and is not 21.3, since its digits say
// how finely the part resolves. Never: a float, or a rounding that was not asked for. A whole number has one form only: an
// exponent of 0 does not occur.

import type { CborValue, CborWriter } from "../codec/cbor.js";
import { INT64_MIN, TAG_DECIMAL_FRACTION, Tagged, UINT64_MAX } from "../codec/cbor.js";
import { assert, Rejection } from "../rejection.js";

/** Largest exponent, and smallest with a minus. */
export const DECIMAL_EXPONENT_MAX = 18;

/** mantissa × 10^exponent; the exponent is not 0. Made by `decimal`. */
export class Decimal {
  readonly mantissa: number | bigint;
  readonly exponent: number;
  constructor(mantissa: number | bigint, exponent: number) {
    this.mantissa = mantissa;
    this.exponent = exponent;
  }
}

/** An integer from −2^63 to 2^64 − 1, or a decimal fraction of such a mantissa. */
export type Numeric = number | bigint | Decimal;

/** The number mantissa × 10^exponent, its digits kept: `decimal(2130, -2)` is 21.30. */
export function decimal(mantissa: number | bigint, exponent: number): Numeric {
  if (typeof mantissa === "bigint") assert(mantissa >= INT64_MIN && mantissa <= UINT64_MAX, "a mantissa of 64 bits");
  else if ((mantissa | 0) !== mantissa) assert(mantissa === 0 || Number.isSafeInteger(mantissa), "an integer mantissa");
  if (exponent !== 0 && !isExponent(exponent)) assert(false, "an exponent within its limit");
  // Rounding a small negative number gives -0, which is no integer of its own.
  const digits = mantissa === 0 ? 0 : mantissa;
  return exponent === 0 ? digits : new Decimal(digits, exponent);
}

/** Decimals that a part can have. */
export const DECIMALS_MAX = 9;

/**
 * A measured value with so many decimals, rounded: `fraction(21.304, 2)` is 21.30. Throws a `Rejection` (`value-unusable`) where it is
 * no finite number, or too large to keep its digits: such a sample is lost, and counted.
 * @param decimals 0 to `DECIMALS_MAX`
 */
export function fraction(value: number, decimals: number): Numeric {
  if (!(decimals >= 0 && decimals <= DECIMALS_MAX && decimals % 1 === 0)) assert(false, "0 to 9 decimals");
  const mantissa = Math.round(value * 10 ** decimals);
  if (!Number.isSafeInteger(mantissa)) throw new Rejection("value-unusable", `${value} has no ${decimals} decimals`);
  return decimal(mantissa, -decimals);
}

/** What is wrong with a value from outside the runtime, or undefined. */
export function numericFault(value: unknown): string | undefined {
  if (typeof value === "number")
    return Number.isSafeInteger(value) ? undefined : "no integer: fraction(value, decimals) makes it one";
  if (typeof value === "bigint") return value >= INT64_MIN && value <= UINT64_MAX ? undefined : "beyond 64 bits";
  if (!(value instanceof Decimal)) return "no number";
  const { mantissa, exponent } = value;
  if (!isExponent(exponent)) return "a decimal that decimal() did not make";
  return numericFault(mantissa);
}

/** What it takes as CBOR, in bytes. */
export function numericBytes(value: Numeric): number {
  if (value instanceof Decimal) return 3 + numericBytes(value.mantissa);
  const size = value < 0 ? -1 - Number(value) : Number(value);
  return size < 24 ? 1 : size < 0x100 ? 2 : size < 0x10000 ? 3 : size < 0x1_0000_0000 ? 5 : 9;
}

/** In digits, for a person: as `numericText`, but for a positive exponent, without a BigInt. */
export function wordOf(value: Numeric): string {
  if (!(value instanceof Decimal)) return `${value}`;
  const { mantissa, exponent } = value;
  if (exponent > 0) return `${mantissa}e${exponent}`;
  const digits = `${mantissa < 0 ? -mantissa : mantissa}`.padStart(1 - exponent, "0");
  const point = digits.length + exponent;
  return `${mantissa < 0 ? "-" : ""}${digits.slice(0, point)}.${digits.slice(point)}`;
}

function isExponent(value: number): boolean {
  return value % 1 === 0 && value >= -DECIMAL_EXPONENT_MAX && value <= DECIMAL_EXPONENT_MAX && value !== 0;
}

/** a + b, exact; the finer of the two exponents stays. The mantissa may outgrow 64 bits: for readers, not for records. */
export function sum(a: Numeric, b: Numeric): Numeric {
  const exponent = Math.min(exponentOf(a), exponentOf(b));
  const mantissa = aligned(a, exponent) + aligned(b, exponent);
  const small = mantissa >= BigInt(Number.MIN_SAFE_INTEGER) && mantissa <= BigInt(Number.MAX_SAFE_INTEGER);
  const narrow = small ? Number(mantissa) : mantissa;
  return exponent === 0 ? narrow : new Decimal(narrow, exponent);
}

/** −1, 0 or 1, exact. */
export function compareNumeric(a: Numeric, b: Numeric): number {
  const exponent = Math.min(exponentOf(a), exponentOf(b));
  const difference = aligned(a, exponent) - aligned(b, exponent);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

/** In digits, as measured: `21.30`, `-0.05`, `1200`. A positive exponent is written out with zeros. */
export function numericText(value: Numeric): string {
  const mantissa = BigInt(value instanceof Decimal ? value.mantissa : value);
  const exponent = exponentOf(value);
  if (exponent >= 0) return mantissa === 0n ? "0" : `${mantissa}${"0".repeat(exponent)}`;
  const digits = `${mantissa < 0n ? -mantissa : mantissa}`.padStart(1 - exponent, "0");
  const point = digits.length + exponent;
  return `${mantissa < 0n ? "-" : ""}${digits.slice(0, point)}.${digits.slice(point)}`;
}

export function writeNumeric(writer: CborWriter, value: Numeric): void {
  if (value instanceof Decimal) {
    const { exponent } = value;
    if (exponent === 0 || exponent > DECIMAL_EXPONENT_MAX || exponent < -DECIMAL_EXPONENT_MAX)
      assert(false, "a decimal that decimal() made");
    writer.decimal(exponent, value.mantissa);
  } else writer.int(value);
}

/** The number that a decoded item is; throws a `Rejection` of `code` that names `what`. */
export function readNumeric(item: CborValue | undefined, code: string, what: string): Numeric {
  if (typeof item === "number" || typeof item === "bigint") return item;
  if (!(item instanceof Tagged) || item.tag !== TAG_DECIMAL_FRACTION)
    throw new Rejection(code, `${what} is no integer and no decimal fraction`);
  const pair = item.value;
  if (!Array.isArray(pair) || pair.length !== 2) throw new Rejection(code, `${what} is no pair of exponent and mantissa`);
  const [exponent, mantissa] = pair as readonly CborValue[];
  if (typeof exponent !== "number" || !isExponent(exponent))
    throw new Rejection(code, `${what} has an exponent that is 0 or beyond ±${DECIMAL_EXPONENT_MAX}`);
  if (typeof mantissa !== "number" && typeof mantissa !== "bigint") throw new Rejection(code, `${what} has no integer mantissa`);
  return new Decimal(mantissa, exponent);
}

function exponentOf(value: Numeric): number {
  return value instanceof Decimal ? value.exponent : 0;
}

/** The mantissa that `value` has under a smaller exponent. */
function aligned(value: Numeric, exponent: number): bigint {
  const mantissa = BigInt(value instanceof Decimal ? value.mantissa : value);
  return mantissa * 10n ** BigInt(exponentOf(value) - exponent);
}
