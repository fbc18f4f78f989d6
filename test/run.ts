// Runs every test file below test/ in a process of its own and closes with `N passed, N failed`. A few at a time that
// compute, and besides them a few that mostly wait for what they have started.
//
// Promises: a file that crashes, hangs or runs no test counts as a failure; output is shown only of what failed (all
// of it with --verbose); with NO_SKIP=1 a skipped test is a failure; FULL=1 adds the long runs. Arguments: parts of file names to select by.

import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

interface FileResult {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly output: string;
  readonly seconds: number;
}

const FILE_TIMEOUT_MS = 240_000;
/** Whole systems, brokers and nodes: they wait more than they compute. */
const WAITING = /^(sim|interop)\/(?!journal-power)/;
const WAITING_AT_ONCE = 3;
/** These take minutes: begun last, they would be waited for alone. */
const LONGEST = /outage|kill\.test|journal-power/;
/** Long runs of what shorter tests try as well: with FULL=1, or where one is named. */
const SOAK = /\.soak\.test\.ts$/;
const root = fileURLToPath(new URL("..", import.meta.url));
const words = process.argv.slice(2);
const verbose = words.includes("--verbose");
const full = process.env.FULL === "1";
/** Besides the long runs, which leave no processor idle, one more than there are. */
const COMPUTING_AT_ONCE = full ? Math.max(1, Math.min(2, availableParallelism())) : 3;
const chosen = words.filter((word) => !word.startsWith("--"));

function testFiles(): string[] {
  return readdirSync(join(root, "test"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".test.ts"))
    .filter((name) => (chosen.length === 0 ? full || !SOAK.test(name) : chosen.some((part) => name.includes(part))))
    .sort((a, b) => Number(LONGEST.test(b)) - Number(LONGEST.test(a)) || (a < b ? -1 : 1))
    .map((name) => join(root, "test", name));
}

function runFile(file: string): Promise<FileResult> {
  return new Promise((resolve) => {
    const started = Date.now();
    const child = spawn(process.execPath, ["--import", "tsx", file], {
      cwd: root,
      env: { ...process.env, FORCE_COLOR: "0" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    child.stdout.on("data", (data) => {
      output += data;
    });
    child.stderr.on("data", (data) => {
      output += data;
    });
    const timer = setTimeout(() => {
      output += `\nended after ${FILE_TIMEOUT_MS / 1000} s without a result\n`;
      child.kill("SIGKILL");
    }, FILE_TIMEOUT_MS);
    child.on("close", (code) => {
      clearTimeout(timer);
      const count = (word: string): number =>
        [...output.matchAll(new RegExp(`^ *${word}: +(\\d+)`, "gm"))].reduce((sum, match) => sum + Number(match[1]), 0);
      const total = count("Total");
      const passed = count("Passed");
      const skipped = count("Skipped");
      // A crash after (or before) the summary is one failure more than the summary knows of.
      const known = total - passed;
      const failed = known > 0 ? known : code !== 0 || total + skipped === 0 ? 1 : 0;
      resolve({ passed, failed, skipped, output, seconds: (Date.now() - started) / 1000 });
    });
  });
}

const files = testFiles();
const sum = { passed: 0, failed: 0, skipped: 0 };
const waits = (file: string): boolean => WAITING.test(relative(join(root, "test"), file));
const waiting = files.filter(waits);
const computing = files.filter((file) => !waits(file));
const failures: string[] = [];

async function worker(queue: string[]): Promise<void> {
  for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
    const name = relative(root, file);
    const result = await runFile(file);
    sum.passed += result.passed;
    sum.failed += result.failed;
    sum.skipped += result.skipped;
    const skipped = result.skipped > 0 ? `, ${result.skipped} skipped` : "";
    const mark = result.failed === 0 ? "ok  " : "FAIL";
    console.log(`${mark} ${name}  ${result.passed} passed${skipped}  ${result.seconds.toFixed(1)} s`);
    for (const line of result.output.split("\n")) {
      const told = /^skipped: .*|\d+ cut points$/.exec(line)?.[0]; // uvu puts its dots before a line
      if (told !== undefined) console.log(`     ${told}`);
    }
    if (result.failed > 0) failures.push(name);
    if (result.failed > 0 || verbose) console.log(result.output.replace(/^/gm, "     "));
  }
}

if (chosen.length === 0 && !full) console.log("without the long runs (*.soak.test.ts): FULL=1 brings them, as CI does");
const started = Date.now();
await Promise.all([
  ...Array.from({ length: WAITING_AT_ONCE }, () => worker(waiting)),
  ...Array.from({ length: COMPUTING_AT_ONCE }, () => worker(computing)),
]);
if (failures.length > 0) console.log(`\nfailed: ${failures.join(", ")}`);
if (files.length === 0) console.log(`no test file matches ${chosen.join(" ")}`);
console.log(`\n${files.length} files, ${((Date.now() - started) / 1000).toFixed(0)} s`);
console.log(`${sum.passed} passed, ${sum.failed} failed${sum.skipped > 0 ? `, ${sum.skipped} skipped` : ""}`);
const unwanted = process.env.NO_SKIP === "1" && sum.skipped > 0;
if (unwanted) console.log("NO_SKIP=1: a skipped test counts as a failure here");
process.exit(sum.failed > 0 || unwanted || files.length === 0 ? 1 : 0);
