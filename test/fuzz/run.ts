// npm run fuzz: libFuzzer over the C that reads hostile bytes (driver.ts names it), under the address and the undefined-behaviour
// sanitizer. Replays each corpus, then looks for what is new for `--seconds` (20 where absent) each.
//
// Exit code 1 where anything is found: the input is in build/fuzz, and one that shows a new path is kept there in `corpus`.
// With --keep the corpus of the repository becomes the least set of inputs that shows every path known. A word chooses one of them by its name.
// Without clang it says so, and that is no failure, unless NO_SKIP=1.

import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { corpusOf, fuzzer, REPOSITORY, TARGETS, type Target } from "./driver.js";
import { SEEDS_OF } from "./seeds.js";

const SECONDS = 20;
const INPUT_BYTES_MAX = 2048;
const SEEDS = 600;

/** Runs libFuzzer; shows its last line, or where it found something what it says about that. */
function run(program: string, words: readonly string[]): number {
  const { status, stderr } = spawnSync(program, words, {
    encoding: "utf8",
    cwd: join(REPOSITORY, "build/fuzz"),
    maxBuffer: 1 << 28,
  });
  const lines = stderr.trim().split("\n");
  console.log((status === 0 ? lines.slice(-1) : lines.slice(-60)).join("\n"));
  return status ?? 1;
}

function writeSeeds({ name }: Target, folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const inputs = (SEEDS_OF[name] as (seed: string) => Iterator<Uint8Array>)("corpus");
  for (let i = 0; i < SEEDS; i += 1) writeFileSync(join(folder, String(i)), inputs.next().value as Uint8Array);
}

function fuzz(target: Target, program: string, seconds: number, keep: boolean): number {
  const corpus = corpusOf(target);
  const [found, seeds] = ["corpus", "seeds"].map((kind) => join(REPOSITORY, "build/fuzz", kind, target.name)) as [string, string];
  for (const folder of [corpus, found]) mkdirSync(folder, { recursive: true });
  const files = readdirSync(corpus);
  console.log(`${target.name}.c: ${files.length} inputs of the corpus`);
  if (files.length > 0 && run(program, ["-runs=0", corpus]) !== 0) return 1;
  writeSeeds(target, seeds);
  console.log(`${target.name}.c: ${seconds} s of new ones`);
  if (run(program, [`-max_total_time=${seconds}`, `-max_len=${INPUT_BYTES_MAX}`, found, corpus, seeds]) !== 0) return 1;
  return keep && run(program, ["-merge=1", corpus, found, seeds]) !== 0 ? 1 : 0;
}

async function main(): Promise<number> {
  const options = { seconds: { type: "string" }, keep: { type: "boolean" } } as const;
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const seconds = Number(values.seconds ?? SECONDS);
  if (!Number.isInteger(seconds) || seconds < 1) {
    console.error("--seconds takes a whole number of at least 1");
    return 1;
  }
  for (const target of TARGETS.filter(({ name }) => positionals.length === 0 || positionals.includes(name))) {
    const program = await fuzzer(target);
    if (typeof program !== "string") {
      console.log(`skipped: ${program.missing}`);
      if (process.env.NO_SKIP === "1") return 1;
    } else if (fuzz(target, program, seconds, values.keep === true) !== 0) return 1;
  }
  return 0;
}

process.exitCode = await main();
