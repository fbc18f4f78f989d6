// npm run fuzz: libFuzzer over the C that reads hostile bytes (firmware/bytes/native/octets.c), under the address and the
// undefined-behaviour sanitizer. Replays the corpus, then looks for what is new for `--seconds` (20 where absent).
//
// Exit code 1 where anything is found: the input is in build/fuzz, and one that shows a new path is kept there in `corpus`.
// With --keep the corpus of the repository becomes the least set of inputs that shows every path known.
// Without clang it says so, and that is no failure, unless NO_SKIP=1.

import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { CORPUS, fuzzer, REPOSITORY } from "./driver.js";
import { fuzzInputs } from "./inputs.js";

const SECONDS = 20;
const INPUT_BYTES_MAX = 2048;
const SEEDS = 600;
const FOUND = join(REPOSITORY, "build/fuzz/corpus");
const SEED_FOLDER = join(REPOSITORY, "build/fuzz/seeds");

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

function writeSeeds(): void {
  rmSync(SEED_FOLDER, { recursive: true, force: true });
  mkdirSync(SEED_FOLDER, { recursive: true });
  const inputs = fuzzInputs("corpus");
  for (let i = 0; i < SEEDS; i += 1) writeFileSync(join(SEED_FOLDER, String(i)), inputs.next().value);
}

function main(): number {
  const { values } = parseArgs({ options: { seconds: { type: "string" }, keep: { type: "boolean" } } });
  const seconds = Number(values.seconds ?? SECONDS);
  if (!Number.isInteger(seconds) || seconds < 1) {
    console.error("--seconds takes a whole number of at least 1");
    return 1;
  }
  const program = fuzzer();
  if (typeof program !== "string") {
    console.log(`skipped: ${program.missing}`);
    return process.env.NO_SKIP === "1" ? 1 : 0;
  }
  mkdirSync(FOUND, { recursive: true });
  const files = readdirSync(CORPUS).map((name) => join(CORPUS, name));
  console.log(`octets.c: ${files.length} inputs of the corpus`);
  if (files.length > 0 && run(program, ["-runs=0", CORPUS]) !== 0) return 1;
  writeSeeds();
  console.log(`octets.c: ${seconds} s of new ones`);
  const found = run(program, [`-max_total_time=${seconds}`, `-max_len=${INPUT_BYTES_MAX}`, FOUND, CORPUS, SEED_FOLDER]);
  if (found !== 0 || values.keep !== true) return found === 0 ? 0 : 1;
  return run(program, ["-merge=1", CORPUS, FOUND, SEED_FOLDER]) === 0 ? 0 : 1;
}

process.exitCode = main();
