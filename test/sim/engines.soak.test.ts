// The main job as a user starts it, on each engine in turn over one data folder: on XS in a board's memory, where the board's
// process is killed in the middle, on Node, and on the emulated RISC-V chip. One identity, one chain of records, nothing lost.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findToolchain } from "../../host-sim/xs/toolchain.js";
import { engine as hostEngine } from "../../tools/crypto/engine.js";
import { Judge } from "../../tools/verify/judge.js";
import { pieces } from "../../tools/verify/sequence.js";
import { endAll, Program, type SystemLine } from "./system-run.js";

const MOTE = "mote 1";

const folder = mkdtempSync(join(tmpdir(), "chainmote-engines-"));
const data = join(folder, "data");
const runs: Program[] = [];
const test = suite("engines");

test.after(async () => {
  await endAll();
  rmSync(folder, { recursive: true, force: true });
});

function start(...words: string[]): Program {
  const program = new Program(["start", "--json", "--data", data, "--sample", "1000", ...words]);
  runs.push(program);
  return program;
}

/** Engines below `program` that a signal to its process group reaches. */
function hostsInTheGroupOf({ child }: Program): string[] {
  const text = execFileSync("ps", ["-A", "-o", "pid=,ppid=,pgid=,args="], { encoding: "utf8", maxBuffer: 1 << 24 });
  const rows = text.split("\n").map((row) => /^ *(\d+) +(\d+) +(\d+) (.*)$/.exec(row)?.slice(1) ?? []);
  const below = new Set([String(child.pid)]);
  for (let size = 0; size < below.size; ) {
    size = below.size;
    for (const [pid = "", parent = ""] of rows) if (below.has(parent)) below.add(pid);
  }
  const group = rows.find(([pid]) => pid === String(child.pid))?.[2];
  const hosts = rows.filter(([pid = "", , , args = ""]) => below.has(pid) && / \S*\/image$/.test(args));
  assert.ok(hosts.length > 0, "no engine was found");
  return hosts.filter((row) => row[2] === group).map(([, , , args = ""]) => args);
}

async function ended(program: Program): Promise<void> {
  await program.until("the end", () => program.of("summary").length > 0);
  assert.is(await program.ended, 0, program.errors.join("\n"));
}

function last(program: Program, event: string): SystemLine {
  const found = program.of(event, MOTE).at(-1);
  if (found === undefined) throw new Error(`no event ${event}`);
  return found;
}

/** Runs `body` where the toolchain of `target` is here; else the test is skipped, and the line says why. */
async function on(target: "m32" | "rv32", title: string, body: () => Promise<void>): Promise<void> {
  const tools = await findToolchain(target);
  if ("missing" in tools) {
    console.log(`skipped: ${tools.missing}`);
    test.skip(title, () => {});
  } else test(title, body);
}

await on("m32", "XS in an ESP32-C3's memory: three records, though the board's process is killed after the first", async () => {
  const program = start("--engine", "xs", "--board", "esp32c3", "--records", "3");
  await program.until("a record", () => program.of("record", MOTE).length > 0);
  assert.equal(
    hostsInTheGroupOf(program),
    [],
    "Ctrl-C in a terminal reaches the whole group, and would end the engine beneath its board",
  );
  assert.ok(program.killPart("board"));
  await ended(program);
  assert.is(program.of("ended", MOTE).length, 1);
  assert.equal(
    program.of("key", MOTE).map(({ created }) => created),
    [true, false],
  );
  const engine = last(program, "engine");
  assert.equal([engine.target, engine.board, engine.crypto, engine.reason], ["m32", "esp32c3", "native", "ended"]);
  assert.ok((engine.heapPeakBytes as number) > 40_000 && (engine.heapPeakBytes as number) <= 94_208, `${engine.heapPeakBytes}`);
  assert.is(program.of("summary")[0]?.heapPeakBytes, engine.heapPeakBytes);
});

test("the same mote on Node: one record more", async () => {
  const program = start("--records", "1");
  await ended(program);
  assert.is(program.of("engine").length, 0);
});

await on("rv32", "the same mote on the emulated RISC-V chip: more records, and it follows the chain", async () => {
  const program = start("--engine", "rv32", "--records", "4");
  await ended(program);
  const engine = last(program, "engine");
  assert.equal([engine.engine, engine.board, engine.reason], ["rv32", "esp32c3", "ended"]);
  // How fast it is, the benchmarks say, in instructions. Here: it caught up with the chain, whose head its records name.
  const heads = program.of("head", MOTE).map(({ number }) => number as number);
  assert.ok((heads.at(-1) as number) > (heads[0] as number), heads.join(" "));
});

test("one identity through all of it, and every record that was made stands in the export", () => {
  const addresses = new Set(runs.flatMap((program) => program.of("key", MOTE).map(({ address }) => address)));
  assert.is(addresses.size, 1);
  for (const program of runs.slice(1)) assert.is(program.of("key", MOTE)[0]?.created, false);

  const judge = new Judge(hostEngine);
  const verdicts = [...pieces(new Uint8Array(readFileSync(join(data, "records.cborseq"))))].map((piece) => judge.judge(piece));
  assert.equal(
    verdicts.filter(({ fault }) => fault !== undefined),
    [],
  );
  const made = runs.flatMap((program) => program.of("record", MOTE));
  assert.ok(verdicts.length >= made.length - 2 && verdicts.length >= 1, `${verdicts.length} of ${made.length}`);
  // What a run made after its last exported record waits in the journal for the next.
  const newest = Math.max(...verdicts.map(({ fields }) => fields?.seq as number));
  const exported = new Set(verdicts.map(({ digest }) => digest));
  for (const { seq, digest } of made) if ((seq as number) <= newest) assert.ok(exported.has(digest as string), `record ${seq}`);
  assert.is(exported.size, verdicts.length);
});

test.run();
