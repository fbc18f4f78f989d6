// A mote's memory while it follows Bitcoin: 10,000 headers on the engine, in the memory of an ESP32-C3.

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { boardOf } from "../../host-sim/boards.js";
import { buildHost } from "../../host-sim/xs/build.js";
import { gatherModules, packImage } from "../../host-sim/xs/image.js";
import { runImage } from "../../host-sim/xs/run.js";
import { RUN_MS_MAX } from "../patience.js";

/** What a follower, its window of 16 blocks and the headers under way may hold: a third of the runtime's 49,152 bytes. */
const HELD_BYTES_MAX = 16 * 1024;
/** By which the heap may differ from one report to another: the persisted state is written after so many blocks, not with each. */
const DRIFT_BYTES_MAX = 1024;
const PEAK_DRIFT_BYTES_MAX = 512;

interface Line {
  number: number;
  head: number;
  work: string;
  heldBytes: number;
  peakBytes: number;
}

const test = suite("Bitcoin on m32");
const built = await buildHost("m32");
if ("missing" in built) {
  console.log(built.missing);
  test.skip("10,000 headers", () => {});
} else
  test("10,000 headers leave the heap flat, and its peak where it was", async () => {
    const program = { entry: "test/xs/guest/bitcoin.ts", preload: ["firmware/*"] };
    const image = packImage(await gatherModules(program), program, {
      creation: boardOf("esp32c3").creation,
      keysInGuest: true,
      seed: 1,
    });
    const report = await runImage(built, image, { timeoutMs: RUN_MS_MAX });
    assert.equal([report.code, report.reason], [0, "ended"]);
    assert.is(report.lines[0], '{"wrong":[]}');
    const lines = report.lines.slice(1).map((line) => JSON.parse(line) as Line);
    assert.equal(
      lines.map(({ head }) => head),
      [2000, 4000, 6000, 8000, 10_000],
    );
    assert.is(lines[4]?.work, String(2 * 10_001));
    const held = lines.map(({ heldBytes }) => heldBytes);
    assert.ok(Math.max(...held) - Math.min(...held) <= DRIFT_BYTES_MAX, `held after each 2,000: ${held.join(", ")} bytes`);
    assert.ok(Math.max(...held) <= HELD_BYTES_MAX, `${Math.max(...held)} bytes held`);
    const peaks = lines.map(({ peakBytes }) => peakBytes);
    // Where in a batch a collection falls moves it by some bytes; a leak of one byte a header would move it by thousands.
    assert.ok((peaks[4] ?? 0) - (peaks[0] ?? 0) <= PEAK_DRIFT_BYTES_MAX, `the peak goes on growing: ${peaks.join(", ")} bytes`);
  });
test.run();
