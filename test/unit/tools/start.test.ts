// What `chainmote start` makes of its parts' events: the lines for a person, and what the engines needed.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { BoundedLog } from "../../../tools/processes/bounded-log.js";
import { Screen } from "../../../tools/start/screen.js";
import { Tally } from "../../../tools/start/tally.js";

const folder = mkdtempSync(join(tmpdir(), "chainmote-start-unit-"));
test.after(() => rmSync(folder, { recursive: true, force: true }));

const figures = { chunksPeakBytes: 14_880, slotsPeakBytes: 33_264, stackPeakBytes: 7888, memoryBytes: 94_208 };

function shown(verbose: boolean, ...events: readonly { event: string; [field: string]: unknown }[]): string[] {
  const lines: string[] = [];
  const output = { line: (text = "") => void lines.push(text), error: () => undefined, style: (_: string, text: string) => text };
  const screen = new Screen(output, new BoundedLog(join(folder, "log")), { json: false, verbose });
  for (const event of events) screen.show(event.event === "building" ? "engine" : "mote 1", event);
  return lines;
}

test("an engine that gave up is told with its reason and its memory; one that was told to end is not", () => {
  const full = { event: "engine", reason: "memory full", collections: 1, ...figures };
  const [line, ...others] = shown(false, full, { ...full, reason: "ended" });
  assert.match(
    line as string,
    /mote 1 +engine +memory full: at most chunks 14,880, slots 33,264, stack 7,888 of 94,208 bytes; 1 coll/,
  );
  assert.equal(others, []);
  assert.match(shown(true, { ...full, reason: "ended" })[0] as string, /reason=ended/);
  assert.match(shown(false, { event: "building", text: "m32: xsAll.c (1 of 60)" })[0] as string, /building +m32: xsAll.c/);
});

test("a record that is delivered again until its receipt comes is told once; a new stream's are told as before", () => {
  const record = (seq: number) => ({ event: "record", seq, head: 1, measurements: [] });
  const delivered = (seq: number) => ({ event: "delivered", seq });
  const lines = shown(
    false,
    record(1),
    delivered(1),
    record(2),
    delivered(2),
    delivered(1),
    delivered(2),
    record(3),
    delivered(3),
  );
  assert.equal(
    lines.filter((line) => /delivered/.test(line)).map((line) => line.replace(/.*delivered +/, "")),
    ["seq 1", "seq 2", "seq 3"],
  );
  assert.is(shown(false, delivered(7), record(1), delivered(1)).filter((line) => /delivered +seq 1/.test(line)).length, 1);
  assert.match(shown(true, delivered(7), delivered(7))[1] as string, /delivered/);
});

test("the peak is that of the board that needed most, the collections are those of all", () => {
  const tally = new Tally();
  assert.is(tally.enginePeak, undefined);
  tally.take("start", { event: "engine", heapPeakBytes: 99, memoryBytes: 99, collections: 1 });
  assert.is(tally.enginePeak, undefined, "an engine about to start has needed nothing");
  for (const [board, heapPeakBytes] of [50_000, 57_296, 51_000].entries())
    tally.take(`mote ${board + 1}`, { event: "engine", heapPeakBytes, memoryBytes: 94_208, collections: 10 });
  assert.equal(tally.enginePeak, { heapPeakBytes: 57_296, memoryBytes: 94_208, collections: 30 });
});

test.run();
