// One variable repeats what chance drew: SEED, for property tests and for generators of our own.

import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";

const root = fileURLToPath(new URL("../..", import.meta.url));
const DRAW = `import fc from "fast-check";
import { seedOr } from "./test/seed.ts";
const drawn = [];
fc.assert(fc.property(fc.nat(), (value) => { drawn.push(value); }), { numRuns: 20 });
console.log(JSON.stringify([seedOr(), seedOr(7), drawn]));`;

function draw(seed?: string): readonly [number, number, readonly number[]] {
  const { SEED: _own, ...env } = process.env;
  const words = ["--import", "tsx", "--import", "./test/seed.ts", "--input-type=module", "-e", DRAW];
  const options = { cwd: root, encoding: "utf8", env: seed === undefined ? env : { ...env, SEED: seed } } as const;
  return JSON.parse(execFileSync(process.execPath, words, { ...options, stdio: ["ignore", "pipe", "ignore"] }));
}

test("the same SEED draws the same, another draws another", () => {
  const [once, again, other] = [draw("5"), draw("5"), draw("6")];
  assert.equal(once, again);
  assert.equal(once.slice(0, 2), [5, 5]);
  assert.not.equal(once[2], other[2]);
});

test("without it a test has its own, or a new one", () => {
  const [once, again] = [draw(), draw()];
  assert.is(once[1], 7);
  assert.not.equal([once[0], once[2]], [again[0], again[2]]);
});

test("what is no number is said to be none", () => {
  assert.throws(() => draw("five"));
});

test.run();
