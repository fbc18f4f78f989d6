// One variable repeats what chance drew: SEED, for property tests and for generators of our own.

import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
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

/** Where numbers may come from besides: a generator in a guest's own memory, which every byte counts in, and ciphers and hashes. */
const GENERATORS = ["host-sim/world/prng.ts", "host-sim/xs/guest/board.ts"];

test("one generator draws for simulator and tests, from a seed", () => {
  const faults = ["host-sim", "test"].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .map((name) => join(folder, name))
      .filter((path) => /\.(ts|mjs)$/.test(path) && !GENERATORS.includes(path) && path !== "test/unit/seed.test.ts")
      .filter((path) => {
        const text = readFileSync(join(root, path), "utf8");
        // Steps of a xorshift, of a linear congruence, of mulberry32.
        return /\bMath\.random\b|\^= \w+ << 13|1_?664_?525|0x6d2b_?79f5/i.test(text);
      }),
  );
  assert.equal(faults, []);
});

test.run();
