// Runs every test file below test/ in a process of its own and closes with `N passed, N failed`: as many at a time as there are
// processors to bear them, those that mostly wait counted for what they take of one.
//
// Promises: the files are compiled once (compiled.ts), and the engines that they need built, before the first begins, so that no test
// waits for a compiler; a file that crashes, hangs, runs no test or leaves a process behind counts as a failure, and what it left is
// ended; output is shown only of what failed (all of it with --verbose); --times tells what each took of a processor; with NO_SKIP=1 a
// skipped test is a failure; FULL=1 adds the long runs.
// Never: judges how fast the machine is. Arguments: parts of file names to select by.

import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, relative } from "node:path";
import type { Readable } from "node:stream";
import { fileURLToPath, pathToFileURL } from "node:url";
import { buildHost } from "../host-sim/xs/build.js";
import { TARGETS } from "../host-sim/xs/toolchain.js";
import { Progress } from "../tools/progress.js";
import { compile } from "./compiled.js";
import { endLeftovers, MARK } from "./leftovers.js";

interface FileResult {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly output: string;
  readonly seconds: number;
  /** Of its process and of those that it waited for; 0 where it was killed. */
  readonly processorSeconds: number;
}

/** Against a file that hangs, and no verdict on one that is slow: the longest takes a tenth of it on two quiet processors. */
const FILE_MS_MAX = 3_600_000;
/** Against a file that has told its results and does not end: closing takes a second or two. */
const CLOSING_MS_MAX = 120_000;
/** What a file takes of a processor, where that is far from one: systems, brokers and nodes wait more than they compute. */
const SHARES: readonly (readonly [RegExp, number])[] = [
  [/^sim\/(hostile-relay|false-receipts|full-journal|bft-chain|restored-state|refused-records|improv)/, 0.1],
  [/relay-head|report\/collect|emulator\/emulator|tools\/(command|link)\.|leftovers/, 0.1],
  [/^sim\/(provision|sleep|update|proofs|tls)\.|flash\/flasher|^xs\/tls/, 0.2],
  [/^sim\/(outage|broker-deaths|ethereum-node)|package\/page\./, 0.3],
  [/^xs\/engine|^sim\/bitcoin-node/, 0.4],
  [
    /^(sim|interop)\/(?!journal-power|kill|start|engines)|data-folder|headers-life|tools\/(collector|anchoring|quarantine-watch)/,
    0.7,
  ],
];
/** So much more than there is may be taken: every file waits at times. */
const SPARE = 0.8;
/** These take longest: begun last, they would be waited for alone. */
const LONGEST =
  /journal-power.*soak|runtime\.soak|outage|broker-deaths|hostile-relay|restored-state|refused-records|sim\/(tls|kill|start|engines|attach|own-broker|anchor|commands|tx|quarantine|improv|provision|sleep|update|proofs|ethereum|bitcoin)|relay-head|flash\/flasher|report\/collect|xs\/(engine|board|bench)|secret-timing|postgres/;
/** Long runs of what shorter tests try as well: with FULL=1, or where one is named. */
const SOAK = /\.soak\.test\.ts$/;
const ENGINES = /^(xs|sim\/engines)/;
const root = fileURLToPath(new URL("..", import.meta.url));
const tests = join(root, "test");
const words = process.argv.slice(2);
const verbose = words.includes("--verbose");
const full = process.env.FULL === "1";
const chosen = words.filter((word) => !word.startsWith("--"));
const running = new Set<ChildProcess>();
const files = testFiles();
const compiled = await compile(["seed.ts", ...files].map((name) => join("test", name)));
const preload = (path: string): readonly string[] => ["--import", pathToFileURL(path).href];
/** The seed concerns a file only where one is given, and its library takes longer than most tests. */
const seeded = (process.env.SEED ?? "") === "" ? [] : preload(join(compiled, "test/seed.js"));
/** What loads the TypeScript of programs that tests start. */
const LOADER = pathToFileURL(join(tests, "loader.mjs"));
const loader = `${LOADER.href}?folder=${encodeURIComponent(compiled)}`;
const preloaded = ["--enable-source-maps", ...preload(join(tests, "spent.mjs")), ...seeded];

function testFiles(): string[] {
  return readdirSync(tests, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".test.ts"))
    .filter((name) => (chosen.length === 0 ? full || !SOAK.test(name) : chosen.some((part) => name.includes(part))))
    .sort((a, b) => Number(LONGEST.test(b)) - Number(LONGEST.test(a)) || (a < b ? -1 : 1));
}

function shareOf(name: string): number {
  return SHARES.find(([pattern]) => pattern.test(name))?.[1] ?? 1;
}

/** What the engines' own files say where one cannot be built is for the tests to show: they skip, and say why. */
async function buildEngines(): Promise<void> {
  for (const target of TARGETS) {
    const built = await buildHost(target, (text, share) => bar.step(text, share));
    bar.clear();
    if ("missing" in built) console.log(`engine ${target}: ${built.missing}`);
  }
}

async function runFile(name: string): Promise<FileResult> {
  const started = Date.now();
  const mark = `${process.pid}-${name}`;
  const child = spawn(process.execPath, [...preloaded, join(compiled, "test", name.replace(/ts$/, "js"))], {
    cwd: root,
    env: { ...process.env, FORCE_COLOR: "0", CHAINMOTE_LOADER: loader, [MARK]: mark },
    stdio: ["ignore", "pipe", "pipe", "pipe"],
  });
  const [, stdout, stderr, told] = child.stdio as unknown as [null, Readable, Readable, Readable];
  running.add(child);
  let output = "";
  const endAfter = (ms: number, reason: string): NodeJS.Timeout =>
    setTimeout(() => {
      output += `\nended after ${ms / 1000} s ${reason}\n`;
      child.kill("SIGKILL");
    }, ms);
  let timer = endAfter(FILE_MS_MAX, "without a result");
  const keep = (data: Buffer): void => {
    output += data;
    if (!/^ *Duration:/m.test(String(data))) return;
    clearTimeout(timer);
    timer = endAfter(CLOSING_MS_MAX, "in which it had told its results and did not end");
  };
  stdout.on("data", keep);
  stderr.on("data", keep);
  let seconds = "";
  told.on("data", (data: Buffer) => {
    seconds += data;
  });
  const code = await new Promise<number | null>((resolve) => child.on("exit", resolve));
  running.delete(child);
  // Whoever is left holds the pipes open, too: the pipes' end is waited for after that.
  const left = await endLeftovers(mark);
  await Promise.all([stdout, stderr, told].map((pipe) => pipe.closed || new Promise((resolve) => pipe.once("close", resolve))));
  clearTimeout(timer);
  if (left.length > 0) output += `\nleft behind, and ended: ${left.join(", ")}\n`;
  const count = (word: string): number =>
    [...output.matchAll(new RegExp(`^ *${word}: +(\\d+)`, "gm"))].reduce((sum, match) => sum + Number(match[1]), 0);
  const total = count("Total");
  const passed = count("Passed");
  const skipped = count("Skipped");
  // A crash after (or before) the summary is one failure more than the summary knows of.
  const known = total - passed;
  const failed = known > 0 ? known : code !== 0 || left.length > 0 || total + skipped === 0 ? 1 : 0;
  return { passed, failed, skipped, output, seconds: (Date.now() - started) / 1000, processorSeconds: Number(seconds) };
}

const sum = { passed: 0, failed: 0, skipped: 0 };
const failures: string[] = [];
const spent: (readonly [name: string, processorSeconds: number])[] = [];

const bar = new Progress("npm test");

function tell(name: string, result: FileResult): void {
  bar.clear();
  sum.passed += result.passed;
  sum.failed += result.failed;
  sum.skipped += result.skipped;
  const skipped = result.skipped > 0 ? `, ${result.skipped} skipped` : "";
  const mark = result.failed === 0 ? "ok  " : "FAIL";
  const processor = words.includes("--times") ? `, ${result.processorSeconds.toFixed(2)} s of a processor` : "";
  console.log(`${mark} test/${name}  ${result.passed} passed${skipped}  ${result.seconds.toFixed(1)} s${processor}`);
  for (const line of result.output.split("\n")) {
    const told = /^skipped: .*|\d+ cut points$/.exec(line)?.[0]; // uvu puts its dots before a line
    if (told !== undefined) console.log(`     ${told}`);
  }
  if (result.failed > 0) failures.push(name);
  spent.push([name, result.processorSeconds]);
  if (result.failed > 0 || verbose) console.log(result.output.replace(/^/gm, "     "));
}

/** Begins the first file that there is room for, again and again, until none is left. */
async function runAll(names: readonly string[]): Promise<void> {
  const queue = [...names];
  const processors = Math.max(1, availableParallelism());
  const under = new Set<Promise<void>>();
  const showBar = (): void => {
    const done = names.length - queue.length - under.size;
    bar.step(`${done} of ${names.length} files${failures.length > 0 ? `, ${failures.length} failed` : ""}`, done / names.length);
  };
  let taken = 0;
  while (queue.length > 0 || under.size > 0) {
    const at = queue.findIndex((name) => taken === 0 || taken + shareOf(name) <= processors + SPARE);
    if (at < 0) {
      await Promise.race(under);
      continue;
    }
    const [name] = queue.splice(at, 1) as [string];
    taken += shareOf(name);
    const one: Promise<void> = runFile(name).then((result) => {
      under.delete(one);
      taken -= shareOf(name);
      tell(name, result);
      showBar();
    });
    under.add(one);
    showBar();
  }
}

/** The dearest first; what the machine does besides changes these figures least of all. */
function tellTimes(): void {
  spent.sort(([, a], [, b]) => b - a);
  console.log("\nprocessor time, in seconds:");
  for (const [name, seconds] of spent) console.log(`${seconds.toFixed(2).padStart(8)}  test/${name}`);
  console.log(
    `${spent
      .reduce((sum, [, seconds]) => sum + seconds, 0)
      .toFixed(0)
      .padStart(5)}     in all`,
  );
}

for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.once(signal, () => {
    for (const child of running) child.kill("SIGKILL");
    void endLeftovers(`${process.pid}-`).then(() => {
      rmSync(compiled, { recursive: true, force: true });
      process.exit(1);
    });
  });

if (chosen.length === 0 && !full) console.log("without the long runs (*.soak.test.ts): FULL=1 brings them, as CI does");
const started = Date.now();
if (files.some((name) => ENGINES.test(name))) await buildEngines();
await runAll(files);
bar.clear();
rmSync(compiled, { recursive: true, force: true });
if (words.includes("--times")) tellTimes();
if (failures.length > 0) console.log(`\nfailed: ${failures.map((name) => relative(root, join(tests, name))).join(", ")}`);
if (files.length === 0) console.log(`no test file matches ${chosen.join(" ")}`);
console.log(`\n${files.length} files, ${((Date.now() - started) / 1000).toFixed(0)} s`);
console.log(`${sum.passed} passed, ${sum.failed} failed${sum.skipped > 0 ? `, ${sum.skipped} skipped` : ""}`);
const unwanted = process.env.NO_SKIP === "1" && sum.skipped > 0;
if (unwanted) console.log("NO_SKIP=1: a skipped test counts as a failure here");
process.exit(sum.failed > 0 || unwanted || files.length === 0 ? 1 : 0);
