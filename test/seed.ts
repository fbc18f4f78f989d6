// The one seed of tests that draw by chance: SEED=N repeats a run. Where a test fails it says its seed, or fast-check does.
//
// Promises: with SEED set, property tests (fast-check) and all that asks `seedOr` draw the same again; without, what they draw is as it
// was: new each time, or fixed where a test says so. test/run.ts loads this before each file; by hand:
// `SEED=N node --import tsx --import ./test/seed.ts FILE`.

import { randomInt } from "node:crypto";
import fc from "fast-check";

const SEED_MAX = 2 ** 31;
const given = process.env.SEED ?? "";
if (given !== "" && !/^-?\d{1,10}$/.test(given)) throw new Error("SEED takes a whole number");

/** SEED, or what the test has otherwise: a new one where that is absent. */
export function seedOr(otherwise?: number): number {
  return given === "" ? (otherwise ?? randomInt(1, SEED_MAX)) : Number(given);
}

if (given !== "") fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(given) });
