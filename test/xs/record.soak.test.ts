// Records on the XS engine, m32: power loss as on Node, at a smaller size; and the heap that they need on the tightest
// board, which does not depend on how many there are.

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { boardOf } from "../../host-sim/boards.js";
import { type Built, buildHost } from "../../host-sim/xs/build.js";
import { gatherModules, packImage } from "../../host-sim/xs/image.js";
import { type Creation, ROOMY } from "../../host-sim/xs/presets.js";
import { runImage } from "../../host-sim/xs/run.js";
import { RUN_MS_MAX } from "../patience.js";
import type { PowerLossResult } from "../sim/power-cuts.js";

/** Of codec, journal, numbers, author and outbox together, on a 32-bit engine: docs/journal-format.md, "Limits". */
const RECORD_HEAP_BYTES_MAX = 10_752;
/** As in manifest.json. */
const PRELOAD = ["firmware/bytes", "firmware/codec/*", "firmware/crypto/identity", "firmware/record/*", "firmware/rejection"];

const test = suite("records on XS m32");
const built = await buildHost("m32");

/** Runs a guest of test/xs/guest to its end; answers what it printed, parsed. */
async function play<T>(host: Built, guest: string, creation: Creation): Promise<T[]> {
  const program = { entry: `test/xs/guest/${guest}.ts`, preload: PRELOAD };
  const image = packImage(await gatherModules(program), program, { creation, keysInGuest: true });
  const { code, reason, lines } = await runImage(host, image, { timeoutMs: RUN_MS_MAX });
  assert.is(code, 0, [reason, ...lines].join("\n"));
  return lines.map((line) => JSON.parse(line) as T);
}

if ("missing" in built) {
  console.log(built.missing);
  test.skip("power loss", () => {});
  test.skip("heap", () => {});
} else {
  test("power loss: a ring that wraps twice, cut at bytes of its writes and erases, and recoveries cut again, in both modes", async () => {
    const runs = await play<PowerLossResult & { name: string; mode: string }>(built, "power-loss", ROOMY);
    assert.equal(
      runs.map(({ name, mode }) => `${name}, ${mode}`),
      ["wraps, plain", "second loss, plain", "wraps, encrypted", "second loss, encrypted"],
    );
    let sum = 0;
    for (const { name, cutPoints, secondCutPoints, erases, operations, recoveriesCut } of runs) {
      sum += cutPoints + secondCutPoints;
      assert.ok(cutPoints >= 2 * operations, `${cutPoints} cut points of ${operations} operations`);
      if (name === "wraps") assert.ok(erases >= 2 * 8 + 1, `${erases} erases`);
      else assert.ok(secondCutPoints >= 12 * recoveriesCut && recoveriesCut >= 5, `${secondCutPoints} cuts of ${recoveriesCut}`);
    }
    console.log(`${sum} cut points`);
  });

  test("heap: as much for 10,000 records as for 1,000, and within a bound", async () => {
    interface Stop {
      readonly records: number;
      readonly live: number;
      readonly after: number;
      readonly peak: number;
    }
    const stops = await play<Stop>(built, "record-heap", boardOf("esp32c3").creation);
    assert.equal(
      stops.map(({ records }) => records),
      [200, 1_000, 2_000, 10_000],
    );
    const [, thousand, , last] = stops as [Stop, Stop, Stop, Stop];
    assert.equal([last.live, last.after, last.peak], [thousand.live, thousand.after, thousand.peak]);
    assert.ok(last.live <= RECORD_HEAP_BYTES_MAX, `${last.live} bytes`);
    const { chunkInitialBytes, heapInitialSlots } = boardOf("esp32c3").creation;
    assert.ok(last.peak <= chunkInitialBytes + heapInitialSlots * 16, `the heap never grew: ${last.peak} bytes at most`);
    console.log(`${last.live} bytes of heap in use at most, ${last.after} between records, after ${last.records} records`);
  });
}

test.run();
