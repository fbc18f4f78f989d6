// Gas limit and base fee from one block to the next (EIP-1559; the bounds of the Yellow Paper §4.4.4, 47 to 49, which the
// chains' clients check for proof-of-authority chains as for any other).
//
// Promises: exact integers throughout. Never guesses: where the parent's figures are not known, nothing is checked.

import { Rejection } from "../../rejection.js";

/** What a block leaves behind for the rules of the next. */
export interface Gas {
  readonly gasLimit: bigint;
  readonly gasUsed: bigint;
  /** Undefined before London. */
  readonly baseFee: bigint | undefined;
}

/** How the base fee moves: as EIP-1559 has it, or always zero (Besu's `zeroBaseFee`). */
export type BaseFeeRule = "eip1559" | "zero";

export interface GasRules {
  /** First block with a base fee; where undefined, the first header that brings one begins London. */
  readonly londonBlock: number | undefined;
  /** "unbound" where the chain's clients have no rule for its value. */
  readonly baseFeeRule: BaseFeeRule | "unbound";
}

const GAS_LIMIT_BOUND_DIVISOR = 1024n;
const GAS_LIMIT_MIN = 5000n;
/** Clients keep it in a signed 64-bit integer. */
const GAS_LIMIT_MAX = (1n << 63n) - 1n;
const ELASTICITY = 2n;
const BASE_FEE_CHANGE_DENOMINATOR = 8n;
const BASE_FEE_INITIAL = 1_000_000_000n;

/** What needs no parent: gas-limit-range, gas-used-above-limit. */
export function checkGasAlone(gas: Gas): Rejection | undefined {
  if (gas.gasLimit > GAS_LIMIT_MAX) return new Rejection("gas-limit-range", `${gas.gasLimit} does not fit 63 bits`);
  if (gas.gasUsed > gas.gasLimit) return new Rejection("gas-used-above-limit", `${gas.gasUsed} of ${gas.gasLimit}`);
  return undefined;
}

/**
 * The rules against the parent: base-fee-absent, base-fee-unexpected, gas-limit-delta, base-fee-wrong.
 * @param parent undefined where the parent's figures are not known
 * @param number height of the block that has `gas`
 */
export function checkGas(parent: Gas | undefined, gas: Gas, number: number, rules: GasRules): Rejection | undefined {
  const { londonBlock } = rules;
  const has = gas.baseFee !== undefined;
  const must = londonBlock !== undefined ? number >= londonBlock : parent?.baseFee !== undefined;
  if (must && !has) return new Rejection("base-fee-absent", `block ${number} is past London`);
  if (has && !must && londonBlock !== undefined)
    return new Rejection("base-fee-unexpected", `block ${number} is before London, which begins at ${londonBlock}`);
  if (parent === undefined) return undefined;
  const begins = has && parent.baseFee === undefined;
  const limit = begins ? parent.gasLimit * ELASTICITY : parent.gasLimit;
  const difference = gas.gasLimit > limit ? gas.gasLimit - limit : limit - gas.gasLimit;
  if (difference >= limit / GAS_LIMIT_BOUND_DIVISOR || gas.gasLimit < GAS_LIMIT_MIN)
    return new Rejection("gas-limit-delta", `${gas.gasLimit} after ${limit}`);
  if (gas.baseFee === undefined || rules.baseFeeRule === "unbound") return undefined;
  const expected = rules.baseFeeRule === "zero" ? 0n : nextBaseFee(parent);
  // Not by !==: XS takes a constant in flash for unequal to the same BigInt on the heap (docs/design.md).
  if (gas.baseFee < expected || gas.baseFee > expected)
    return new Rejection("base-fee-wrong", `${gas.baseFee}, where ${expected} follows`);
  return undefined;
}

/** EIP-1559: towards the block that is half full, by an eighth at most. */
function nextBaseFee(parent: Gas): bigint {
  const fee = parent.baseFee;
  if (fee === undefined) return BASE_FEE_INITIAL;
  const target = parent.gasLimit / ELASTICITY;
  if (parent.gasUsed === target) return fee;
  if (parent.gasUsed > target) {
    const rise = (fee * (parent.gasUsed - target)) / target / BASE_FEE_CHANGE_DENOMINATOR;
    return fee + (rise > 0n ? rise : 1n);
  }
  return fee - (fee * (target - parent.gasUsed)) / target / BASE_FEE_CHANGE_DENOMINATOR;
}
