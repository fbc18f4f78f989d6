// The same as sleep-wakes.test.ts, ten lives of a thousand wakes each. SEED=N repeats a run.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { seedOr } from "../../seed.js";
import { sleepThrough } from "./sleep-bench.js";

const LIVES = 10;
const WAKES = 1_000;

test("no number is used twice, no record is lost and the trusted state stays whole through 10,000 wakes", async () => {
  const seed = seedOr();
  const told: Record<string, number> = {};
  for (let life = 0; life < LIVES; life += 1) {
    const { reasons, cuts, updates, records } = await sleepThrough(seed + life, WAKES);
    for (const [what, count] of Object.entries({ ...reasons, cuts, updates, records })) told[what] = (told[what] ?? 0) + count;
  }
  console.log(`${LIVES * WAKES} wakes: ${JSON.stringify(told)}`);
  for (const reason of ["reset", "absent", "malformed", "clock", "position", "image", "resumed"])
    assert.ok((told[reason] ?? 0) > 0, `none of ${reason}`);
});

test.run();
