// Deep sleep between samples: what counts of what the memory holds, when a board sleeps, and what is written when.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { SleepBench } from "./sleep-bench.js";

test("a mote sleeps between its samples, joins its network at every third wake, and goes on where it was", async () => {
  const bench = new SleepBench({ wifiEvery: 3 });
  bench.boot("power-on");
  await bench.live();
  for (let i = 0; i < 12; i += 1) {
    await bench.sleepOn();
    bench.boot("deep-sleep");
    await bench.live();
  }
  console.log(JSON.stringify(bench.lines, null, 0), bench.kept.size, bench.collected.size, bench.reasons());
  assert.equal(bench.lost(), []);
});
test.run();
