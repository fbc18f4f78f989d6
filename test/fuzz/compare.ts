// octets.c against the reference in JavaScript, input by input.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { toHex } from "../../firmware/bytes.js";
import { resultOf } from "./cases.js";
import { corpusOf, OCTETS, resultsOf } from "./driver.js";
import { fuzzInputs } from "./inputs.js";

const BATCH = 20_000;
const PARAMETERS = 4;

/** What fuzzing has found worth keeping. */
export function corpus(): readonly Uint8Array[] {
  return readdirSync(corpusOf(OCTETS))
    .sort()
    .map((name) => new Uint8Array(readFileSync(join(corpusOf(OCTETS), name))))
    .filter((input) => input.length >= PARAMETERS);
}

export interface Compared {
  readonly inputs: number;
  /** Of these the reference refused. */
  readonly refused: number;
}

/** The corpus, and `count` mutated inputs. Throws at the first difference, or where the program ends badly. */
export function compareAll(program: string, count: number, seed: string): Compared {
  let inputs = 0;
  let refused = 0;
  const compare = (batch: readonly Uint8Array[]): void => {
    const results = resultsOf(program, batch);
    batch.forEach((input, i) => {
      const expected = resultOf(input);
      const found = results[i] ?? new Uint8Array(0);
      if (Buffer.compare(expected, found) !== 0)
        throw new Error(`input ${toHex(input)}: the reference gives ${toHex(expected)}, octets.c ${toHex(found)}`);
      if (expected.length === 1 && expected[0] === 255) refused += 1;
    });
    inputs += batch.length;
  };
  compare(corpus());
  const generated = fuzzInputs(seed);
  for (let left = count; left > 0; left -= BATCH)
    compare(Array.from({ length: Math.min(BATCH, left) }, () => generated.next().value));
  return { inputs, refused };
}
