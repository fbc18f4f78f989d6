// What `chainmote start` makes of its parts' events: the lines for a person, and what the engines needed.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { BoundedLog } from "../../../tools/processes/bounded-log.js";
import { Screen } from "../../../tools/start/screen.js";
import { Status } from "../../../tools/start/status.js";
import { Tally } from "../../../tools/start/tally.js";

const folder = mkdtempSync(join(tmpdir(), "chainmote-start-unit-"));
test.after(() => rmSync(folder, { recursive: true, force: true }));

const SOURCES: Readonly<Record<string, string>> = { building: "engine", collecting: "collector" };
const figures = { chunksPeakBytes: 14_880, slotsPeakBytes: 33_264, stackPeakBytes: 7888, memoryBytes: 94_208 };

function shown(verbose: boolean, ...events: readonly { event: string; [field: string]: unknown }[]): string[] {
  const lines: string[] = [];
  const output = { line: (text = "") => void lines.push(text), error: () => undefined, style: (_: string, text: string) => text };
  const screen = new Screen(output, new BoundedLog(join(folder, "log")), { json: false, verbose });
  for (const event of events) screen.show(SOURCES[event.event] ?? "mote 1", event);
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

test("a second run says in one line what it goes on from; a first one, and a collector that begins anew, nothing", () => {
  const mote = `0x2c63${"0".repeat(32)}516e`;
  const begun = { event: "collecting", stored: 1060, motes: 3, last: { mote, stream: 0, seq: 21, head: 54 } };
  assert.equal(shown(false, begun, begun), [
    "  goes on     from 1,060 records of 3 motes; the last is seq 21 of 0x2c63…516e, after block #54",
  ]);
  const { head: _, ...headless } = begun.last;
  assert.equal(shown(false, { ...begun, stored: 1, motes: 1, last: headless }), [
    "  goes on     from 1 record of 1 mote; the last is seq 21 of 0x2c63…516e",
  ]);
  assert.equal(shown(false, { ...begun, stored: 0, motes: 0, last: undefined }), []);
  const lies = { ...begun, last: { mote: "\u001b[2J\n", seq: "x", head: "y" } };
  assert.equal(shown(false, lies), ["  goes on     from 1,060 records of 3 motes; the last is seq NaN of 0x[2J"]);
});

const plain = (_: unknown, text: string): string => text;
const stateOf = (status: Status, columns = 100, rowsMax = 20, nowMs = 40_000): readonly string[] =>
  status.lines(columns, rowsMax, nowMs / 1000, nowMs, plain);

test("the state of one board: connection, head and its age, records, and how fast they come", () => {
  const status = new Status(1);
  status.doing("running");
  assert.equal(stateOf(status, 100, 20, 0), [
    `── running 0 s ${"─".repeat(85)}`,
    "boards    0 of 1 connected",
    "records   0 made, 0 stored   0 verified",
  ]);
  status.take("mote 1", { event: "link", state: "up" }, 0);
  for (let second = 1; second <= 40; second += 1) {
    const nowMs = second * 1000;
    status.take("mote 1", { event: "head", number: 100 + second }, nowMs);
    if (second % 2 > 0) continue;
    status.take("mote 1", { event: "record", seq: second / 2 }, nowMs);
    status.take("collector", { event: "stored", duplicate: false }, nowMs);
    status.take("collector", { event: "stored", duplicate: true }, nowMs);
    status.take("collector", { event: "verified" }, nowMs);
  }
  assert.equal(stateOf(status, 100, 20, 42_900).slice(1), [
    "boards    1 of 1 connected   head #140, 3 s ago, 1.0 headers a second",
    "records   20 made, 20 stored   20 verified, 0.5 a second",
  ]);
  status.take("mote 1", { event: "alarm", alarm: "stalled\u001b[2J" }, 43_000);
  status.take("relay", { event: "head", number: 150 }, 43_000);
  status.take("collector", { event: "refused" }, 43_000);
  assert.equal(stateOf(status, 100, 20, 100_000).slice(1), [
    "boards    1 of 1 connected   head #140, 60 s ago, 0.0 headers a second   alarm: stalled [2J",
    "          the chain is at #150",
    "records   20 made, 20 stored   20 verified, 0.0 a second   1 refused",
  ]);
  status.take("mote 1", { event: "ended", how: "SIGKILL" }, 100_000);
  assert.match(stateOf(status)[1] as string, /^boards {4}0 of 1 connected/);
});

test("of 64 boards those are shown with which something is amiss; the others are told by their number", () => {
  const status = new Status(64);
  for (let number = 1; number <= 64; number += 1) {
    status.take(`mote ${number}`, { event: "link", state: number === 40 ? "down" : "up" }, 0);
    status.take(`mote ${number}`, { event: "head", number: 7 }, 0);
  }
  status.take("mote 9", { event: "not-stored", seq: 3, reason: "wrong fleet" }, 0);
  const lines = stateOf(status);
  assert.is(lines.length, 11);
  assert.match(lines[1] as string, /^boards {4}63 of 64 connected/);
  assert.match(lines[3] as string, /^mote 9 {4}#7 +refused: wrong fleet$/);
  assert.match(lines[4] as string, /^mote 40 {3}#7 +not connected$/);
  assert.match(lines[5] as string, /^mote 1 {4}#7$/);
  assert.is(lines[10], "          and 57 boards more, all well");
  assert.match(stateOf(status, 100, 5).at(-1) as string, /^ +and 63 boards more, 1 not well$/);
  assert.is(stateOf(status, 100, 3).length, 3);
  // In a narrow terminal each part has a row of its own.
  assert.equal(stateOf(status, 32).slice(1, 5), [
    "boards    63 of 64 connected",
    "          head #7, 40 s ago, 0.0 headers a second",
    "records   0 made, 0 stored",
    "          0 verified",
  ]);
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
