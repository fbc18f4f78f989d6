// A million mutated inputs through octets.c under the sanitizers, against the reference; octets.test.ts tries fewer.

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { compareAll } from "./compare.js";
import { comparer, OCTETS } from "./driver.js";

const INPUTS = 1_000_000;

const test = suite("work on bytes in C, long");
const program = await comparer(OCTETS);
if (typeof program !== "string") {
  console.log(program.missing);
  test.skip("a million mutated inputs", () => {});
} else
  test("a million mutated inputs give what the reference gives", () => {
    assert.ok(compareAll(program, INPUTS, "a million").inputs > INPUTS);
  });
test.run();
