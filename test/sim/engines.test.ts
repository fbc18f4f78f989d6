// The main job as a user starts it, on each engine in turn over one data folder: on XS in a board's memory, where the board's
// process is killed in the middle, on Node, and on the emulated RISC-V chip. One identity, one chain of records, nothing lost.

import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findToolchain } from "../../host-sim/xs/toolchain.js";

const COMMAND = fileURLToPath(new URL("../../tools/chainmote.mjs", import.meta.url));
const RUN_MS_MAX = 110_000;
const SAMPLE_MS = "1000";

interface SystemEvent {
  readonly source?: string;
  readonly event: string;
  readonly [field: string]: unknown;
}

interface Outcome {
  readonly code: number;
  readonly events: readonly SystemEvent[];
  readonly errors: string;
}

const test = suite<{ data: string }>("engines");
test.before((context) => {
  context.data = mkdtempSync(join(tmpdir(), "chainmote-engines-"));
});
test.after(({ data }) => rmSync(data, { recursive: true, force: true }));

/** `chainmote start` over the folder `data`; `onEvent` may do something to it. */
function start(data: string, words: readonly string[], onEvent?: (event: SystemEvent, pid: number) => void): Promise<Outcome> {
  const all = [COMMAND, "start", "--json", "--data", data, "--sample", SAMPLE_MS, ...words];
  const child = spawn(process.execPath, all, { stdio: ["ignore", "pipe", "pipe"] });
  const events: SystemEvent[] = [];
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    errors += text;
  });
  createInterface({ input: child.stdout }).on("line", (line) => {
    const event = JSON.parse(line) as SystemEvent;
    events.push(event);
    onEvent?.(event, child.pid as number);
  });
  const timer = setTimeout(() => child.kill("SIGTERM"), RUN_MS_MAX);
  return new Promise((resolve) => {
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve({ code: code ?? -1, events, errors });
    });
  });
}

/** The process of the first board that `pid` has started. */
function boardOf(pid: number): number {
  for (const child of readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" "))
    if (readFileSync(`/proc/${child}/cmdline`, "utf8").includes("board.mjs")) return Number(child);
  throw new Error("no board's process");
}

function from(outcome: Outcome, name: string): SystemEvent[] {
  return outcome.events.filter(({ source, event }) => source === "mote 1" && event === name);
}

function ended(outcome: Outcome): void {
  assert.is(
    outcome.code,
    0,
    `${outcome.errors}\n${outcome.events
      .slice(-12)
      .map((event) => JSON.stringify(event))
      .join("\n")}`,
  );
}

const runs: Outcome[] = [];
const scenario: readonly (readonly [string, "m32" | "rv32" | undefined, (data: string) => Promise<void>])[] = [
  [
    "XS in an ESP32-C3's memory: three records, though the board's process is killed after the first",
    "m32",
    async (data) => {
      let killed = false;
      const outcome = await start(data, ["--engine", "xs", "--board", "esp32c3", "--records", "3"], (event, pid) => {
        if (killed || event.source !== "mote 1" || event.event !== "record") return;
        killed = true;
        process.kill(boardOf(pid), "SIGKILL");
      });
      ended(outcome);
      assert.is(from(outcome, "ended").length, 1);
      assert.equal(
        from(outcome, "key").map(({ created }) => created),
        [true, false],
      );
      const engine = from(outcome, "engine").at(-1) as SystemEvent;
      assert.equal([engine.target, engine.board, engine.crypto, engine.reason], ["m32", "esp32c3", "native", "ended"]);
      assert.ok(
        (engine.heapPeakBytes as number) > 40_000 && (engine.heapPeakBytes as number) <= 94_208,
        `${engine.heapPeakBytes}`,
      );
      const summary = outcome.events.at(-1) as SystemEvent;
      assert.equal([summary.event, summary.ok, summary.heapPeakBytes], ["summary", true, engine.heapPeakBytes]);
      runs.push(outcome);
    },
  ],
  [
    "the same mote on Node: one record more",
    undefined,
    async (data) => {
      const outcome = await start(data, ["--records", "1"]);
      ended(outcome);
      assert.is(from(outcome, "engine").length, 0);
      runs.push(outcome);
    },
  ],
  [
    "the same mote on the emulated RISC-V chip: more records, and it keeps up with a block a second",
    "rv32",
    async (data) => {
      const outcome = await start(data, ["--engine", "rv32", "--records", "4"]);
      ended(outcome);
      const engine = from(outcome, "engine").at(-1) as SystemEvent;
      assert.equal([engine.engine, engine.board, engine.reason], ["rv32", "esp32c3", "ended"]);
      // From boot on it has the whole chain to catch up with: how fast that goes says how fast it can be.
      const heads = from(outcome, "head");
      const [first, last] = [heads[0], heads.at(-1)] as [SystemEvent, SystemEvent];
      const perSecond = ((last.number as number) - (first.number as number)) / ((last.t as number) - (first.t as number));
      assert.ok(perSecond > 1.5, `${perSecond} headers a second`);
      runs.push(outcome);
    },
  ],
];

for (const [title, target, body] of scenario) {
  const tools = target === undefined ? {} : await findToolchain(target);
  if ("missing" in tools) {
    console.log(tools.missing);
    test.skip(title, () => {});
  } else test(title, ({ data }) => body(data));
}

test("one identity through all of it, and every record that was made stands in the export", ({ data }) => {
  const addresses = new Set(runs.flatMap((outcome) => from(outcome, "key").map(({ address }) => address)));
  assert.is(addresses.size, 1);
  for (const outcome of runs.slice(1)) assert.is(from(outcome, "key")[0]?.created, false);

  const verified = spawnSync(process.execPath, [COMMAND, "verify", "--json", join(data, "records.cborseq")], {
    encoding: "utf8",
  });
  assert.is(verified.status, 0, verified.stdout + verified.stderr);
  const lines = verified.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);
  const records = lines.slice(0, -1);
  const made = runs.flatMap((outcome) => from(outcome, "record"));
  assert.ok(records.length >= made.length - 2 && records.length >= 1, `${records.length} of ${made.length}`);
  // What a run made after its last exported record waits in the journal for the next.
  const newest = Math.max(...records.map(({ seq }) => seq as number));
  const exported = new Set(records.map(({ digest }) => digest));
  for (const { seq, digest } of made) if ((seq as number) <= newest) assert.ok(exported.has(digest), `record ${seq}`);
  assert.is(exported.size, records.length);
});

test.run();
