// Difficulty in Bitcoin: compact bits, target, work, and the retarget (bitcoin/bitcoin `src/arith_uint256.cpp`,
// `src/pow.cpp`, `src/chain.cpp` GetBlockProof).
//
// Promises: exact integers; a hash is compared with a target without ever building the target. Compact bits are taken in
// their shortest form alone: the retarget gives no other, so any other could never be what a header must have.
//
// Bits are `size << 24 | mantissa`: the target is mantissa × 256^(size − 3), and what falls below one is cut off.

/** No network takes targets from 2^255 on, which would need 33. */
const SIZE_MAX = 32;
const MANTISSA_BYTES = 3;
const MANTISSA_SIGN = 0x800000;
/** In the shortest form the mantissa is at least this, or its first byte would be spare. */
const MANTISSA_MIN = 0x8000;

/** What is wrong with compact bits, or undefined: never negative, zero, in a longer form than needed, or from 2^255 on. */
export function bitsFault(bits: number): string | undefined {
  const mantissa = bits & 0xffffff;
  if ((mantissa & MANTISSA_SIGN) !== 0) return "a negative target";
  if (bits >>> 24 > SIZE_MAX) return "a target from 2^255 on";
  if (mantissa === 0 || bits >>> 24 === 0) return "a target of zero";
  return mantissa < MANTISSA_MIN ? "a target that is not in its shortest form" : undefined;
}

/** Whether the target of `bits` is above that of `limit`; both without fault, so that their order is that of the numbers. */
export function isAbove(bits: number, limit: number): boolean {
  return bits > limit;
}

/** The target of `bits`, which are without fault. */
export function targetOf(bits: number): bigint {
  const size = bits >>> 24;
  const mantissa = bits & 0xffffff;
  return size >= MANTISSA_BYTES
    ? BigInt(mantissa) << BigInt(8 * (size - MANTISSA_BYTES))
    : BigInt(mantissa >> (8 * (MANTISSA_BYTES - size)));
}

/** The bits of `target`, below 2^256: its first three bytes, the rest is cut off. */
export function bitsOf(target: bigint): number {
  let size = 0;
  for (let rest = target; rest > 0n; rest >>= 8n) size += 1;
  const shift = 8 * (size - MANTISSA_BYTES);
  let mantissa = Number(shift >= 0 ? target >> BigInt(shift) : target << BigInt(-shift));
  if ((mantissa & MANTISSA_SIGN) !== 0) {
    mantissa >>= 8;
    size += 1;
  }
  return size * 2 ** 24 + mantissa;
}

/** How many hashes a block of these bits takes on average: ⌊2^256 / (target + 1)⌋. */
export function workOf(bits: number): bigint {
  return (1n << 256n) / (targetOf(bits) + 1n);
}

/**
 * The bits of the next period.
 * @param bits those that are scaled
 * @param spanS from the first block of the period to its last, in seconds; may be below zero
 * @param timespanS what it should have been, in seconds
 */
export function retarget(bits: number, spanS: number, timespanS: number, limitBits: number): number {
  const clamped = Math.min(Math.max(spanS, timespanS / 4), timespanS * 4);
  const target = (targetOf(bits) * BigInt(clamped)) / BigInt(timespanS);
  return target > targetOf(limitBits) ? limitBits : bitsOf(target);
}
