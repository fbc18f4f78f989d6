// The bench firmware of a board, run on the XS engine over stand-ins of the SDK's modules, and what `chainmote bench --port`
// makes of what it prints: the firmware's console goes through a named pipe, and, where Python is there to make one, through
// a pseudo-terminal. No real board and no real serial port took part in any test.

import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { createWriteStream, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { boardOf } from "../../host-sim/boards.js";
import { buildHost } from "../../host-sim/xs/build.js";
import { gatherModules, packImage } from "../../host-sim/xs/image.js";
import { runImage } from "../../host-sim/xs/run.js";
import { BoardReport, readBoard } from "../../tools/bench/port.js";
import { type BenchReport, readReport } from "../../tools/bench/report.js";
import { CommandError } from "../../tools/terminal.js";
import { benchInputs } from "../bench/inputs.js";
import { WAIT_MS_MAX } from "../patience.js";

const NAMES = [
  ..."keygen sign verify recover sha256d-80 keccak-540 cbor-encode cbor-decode record".split(" "),
  ..."header-clique header-ibft2 header-qbft header-bitcoin proof-storage-8 transaction anchor-receipt command".split(" "),
];

/** What stands for the modules of the SDK; each line of the console is one print of the host. */
const SOURCES: Readonly<Record<string, string>> = {
  "embedded:io/i2c": 'export { GuestI2C as default } from "guest/board";',
  "embedded:network/interface/wifi": "export default class { constructor(options) { this.options = options; } }",
  "embedded:provider/builtin": "export default { I2C: { default: { data: 1, clock: 2 } } };",
  "embedded:storage/flash": 'import { GuestFlash } from "guest/board"; export default { open: () => new GuestFlash() };',
  "embedded:storage/key-value": 'import { GuestValues } from "guest/board"; export default { open: () => new GuestValues() };',
  "chainmote/bench-build": 'export function compiler() { return "gcc 1.2"; } export function flags() { return "-Os"; }',
  "mc/config": 'export default { bench: { memory: "esp32c3" } };',
  // Eight times as fast as it is: a board is that much slower, and its batches are that much shorter here.
  time: `import { microseconds, print } from "guest/host";
    globalThis.trace = (text) => print(text.slice(0, -1));
    export default { get ticks() { return Math.floor(microseconds() / 125); }, delta: (from, to) => to - from };`,
  // The report is said twice, as to a listener who came late.
  timer: `import { microseconds } from "guest/host";
    let said = 0;
    export default { delay(ms) { const end = microseconds() + ms * 1000; while (microseconds() < end); }, set(callback) { said += 1; if (said < 2) callback(); } };`,
};

async function play(): Promise<readonly string[] | string> {
  const built = await buildHost("m32");
  if ("missing" in built) return built.missing;
  const program = {
    entry: "test/bench/board-main.ts",
    aliases: { "guest/board": "host-sim/xs/guest/board.ts", "guest/host": "host-sim/xs/guest/host.ts" },
    sources: { ...SOURCES, "bench/inputs": `export default ${JSON.stringify(benchInputs())};` },
    preload: ["bench/*", "firmware/*", "host-sim/*", "test/bench/cases"],
  };
  const creation = boardOf("esp32c3").creation;
  const image = packImage(await gatherModules(program), program, { creation, keysInGuest: true, seed: 3 });
  const lines: string[] = [];
  const { code, reason } = await runImage(built, image, { line: (text) => lines.push(text) });
  assert.is(code, 0, `${reason}: ${lines.join("\n")}`);
  return lines;
}

const lines = await play();
const test = suite("bench firmware");

function check(report: BenchReport): void {
  assert.equal(
    report.results.map(({ name }) => name),
    NAMES,
  );
  assert.equal([report.target, report.compiler, report.flags, report.memory], ["board", "gcc 1.2", "-Os", "esp32c3"]);
  for (const { name, nsMedian } of report.results) assert.ok((nsMedian ?? 0) > 0, name);
  assert.equal(readReport(JSON.parse(JSON.stringify(report))), report);
}

if (typeof lines === "string") {
  console.log(lines);
  test.skip("bench firmware", () => {});
} else {
  const boot = ["ets Jul 29 2019 12:21:46", "", "I (312) cpu_start: \x1b[32mPro cpu up.\x1b[0m", ...lines];

  test("every case runs, and the report is whole", () => {
    const board = new BoardReport();
    const ends = lines.map((line) => board.take(line)).filter((end) => end !== undefined);
    check(ends[0] as BenchReport);
  });

  test("who comes in the middle, or loses a line, waits for the next report", () => {
    const begin = lines.findIndex((line) => line.includes('"begin"'));
    const board = new BoardReport();
    const said = lines.slice(begin, begin + NAMES.length + 2);
    const lossy = [...said.slice(3), ...said.slice(0, 4), ...said.slice(5)];
    assert.equal(
      lossy.map((line) => board.take(line)).filter((end) => end !== undefined),
      [],
    );
    const ends = said.map((line) => board.take(`\x1b[0;32m${line}\x1b[0m`));
    check(ends.find((end) => end !== undefined) as BenchReport);
  });

  test("what is no report, or a failure, is one line with a reason", () => {
    const board = new BoardReport();
    for (const noise of [
      "",
      "{",
      '{"bench":',
      '{"bench":"result","name":"x"}',
      '{"bench":"end","results":0}',
      "\x00\xff",
      "null",
    ])
      assert.is(board.take(noise), undefined, noise);
    const failed = board.take('{"bench":"failed","detail":"no\\nflash"}') as CommandError;
    assert.match(failed.message, /failed: no.?flash$/);
    board.take('{"bench":"begin","target":"board"}');
    board.take('{"bench":"result","name":"sign","nsMedian":-1}');
    assert.match((board.take('{"bench":"end","results":1}') as CommandError).message, /"engine" is no short text/);
  });

  const folder = mkdtempSync(join(tmpdir(), "chainmote-port-"));
  test("a named pipe that plays the port", async () => {
    const pipe = join(folder, "pipe");
    execFileSync("mkfifo", [pipe]);
    const reading = readBoard(pipe, 115_200, () => {}, WAIT_MS_MAX);
    createWriteStream(pipe).end(`${boot.join("\r\n")}\r\n`);
    check(await reading);
  });

  test("the command reads it, and prints the same object", async () => {
    const pipe = join(folder, "pipe");
    const words = ["tools/chainmote.mjs", "bench", "--port", pipe, "--json"];
    const child = spawn(process.execPath, words, { stdio: ["ignore", "pipe", "inherit"] });
    const output = text(child);
    createWriteStream(pipe).end(`${boot.join("\r\n")}\r\n`);
    check(JSON.parse(await output) as BenchReport);
  });

  const python = spawnSync("python3", ["-c", "import pty"]).status === 0;
  const terminal = async (): Promise<void> => {
    const source = [
      "import os, pty, sys, time",
      "board, port = pty.openpty()",
      "print(os.ttyname(port), flush=True)",
      "data = sys.stdin.buffer.read()",
      "time.sleep(1)",
      "os.write(board, data[:3000]); time.sleep(0.2); os.write(board, data[3000:]); time.sleep(20)",
    ].join("\n");
    const child = spawn("python3", ["-c", source], { stdio: ["pipe", "pipe", "inherit"] });
    try {
      const port = await firstLine(child);
      const reading = readBoard(port, 115_200, () => {}, WAIT_MS_MAX);
      child.stdin?.end(`${boot.join("\r\n")}\r\n`);
      check(await reading);
    } finally {
      child.kill();
    }
  };
  if (python) test("a pseudo-terminal that plays the port", terminal);
  else console.log("skipped: a pseudo-terminal needs python3");

  test("a port that is not there, or says nothing, is one line", async () => {
    const failure = async (path: string): Promise<string> => {
      const error = await readBoard(path, 115_200, () => {}, 300).catch((reason: unknown) => reason);
      assert.instance(error, CommandError);
      return (error as CommandError).message;
    };
    assert.match(await failure("/dev/none"), /^there is no port \/dev\/none$/);
    assert.match(await failure(join(folder, "pipe")), /nothing for 0\.3 s; does the board run the bench firmware\?$/);
  });

  test.after(() => rmSync(folder, { recursive: true }));
}

async function text(child: ChildProcess): Promise<string> {
  let all = "";
  for await (const chunk of child.stdout as AsyncIterable<Buffer>) all += chunk.toString();
  return all;
}

async function firstLine(child: ChildProcess): Promise<string> {
  let all = "";
  for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
    all += chunk.toString();
    if (all.includes("\n")) break;
  }
  return all.slice(0, all.indexOf("\n"));
}

test.run();
