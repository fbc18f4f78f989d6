// Some hundred wakes with RTC memory kept, lost, corrupted and stale, with panics, brown-outs, losses of power, cuts at any write and updates
// between. SEED=N repeats a run; ten thousand of them are in sleep-wakes.soak.test.ts.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { seedOr } from "../../seed.js";
import { sleepThrough } from "./sleep-bench.js";

test("no number is used twice and no record is lost through 300 wakes", async () => {
  const { resumed, reasons, cuts, records } = await sleepThrough(seedOr(), 300);
  assert.ok(resumed > 150 && records > 250 && cuts > 5, `${resumed} went on, ${records} records, ${cuts} cuts`);
  for (const reason of ["reset", "absent", "malformed"])
    assert.ok((reasons[reason] ?? 0) > 0, `${reason}: ${JSON.stringify(reasons)}`);
});

test.run();
