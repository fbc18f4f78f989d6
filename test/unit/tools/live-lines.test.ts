// What stays at the bottom of a terminal, and what goes by above it: as a terminal shows it.

import { spawnSync } from "node:child_process";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { besideLiveLines, canStay, LiveLines } from "../../../tools/live-lines.js";
import { Progress } from "../../../tools/progress.js";
import { harmless, isColoured } from "../../../tools/terminal.js";
import { cellsOf, fitted, plainText } from "../../../tools/text.js";
import { seedOr } from "../../seed.js";
import { TerminalScreen, type Width } from "./terminal-screen.js";

const HERE = { TERM: "xterm-256color" };

/** A terminal that a program may be told the size of. */
class Stream {
  readonly isTTY = true;
  readonly screen: TerminalScreen;
  columns: number;
  rows: number;
  #onResize: (() => void)[] = [];

  constructor(columns: number, rows: number, width?: Width) {
    this.columns = columns;
    this.rows = rows;
    this.screen = new TerminalScreen(columns, rows, width);
  }

  write(text: string): void {
    this.screen.write(text);
  }

  on(_: "resize", listener: () => void): void {
    this.#onResize.push(listener);
  }

  off(_: "resize", listener: () => void): void {
    this.#onResize = this.#onResize.filter((one) => one !== listener);
  }

  resize(columns: number, rows: number): void {
    this.columns = columns;
    this.rows = rows;
    this.screen.resize(columns, rows);
    for (const listener of this.#onResize) listener();
  }
}

test("lines go by above those that stay, which are drawn over and then gone", () => {
  const stream = new Stream(40, 6);
  const lines = new LiveLines(stream, HERE);
  besideLiveLines(stream, "before\n");
  lines.show(() => ["boards 1", "records 0"]);
  assert.equal(stream.screen.rows, ["before", "boards 1", "records 0"]);
  assert.equal(stream.screen.cursor, [1, 0], "where they begin");
  for (let i = 1; i <= 8; i += 1) besideLiveLines(stream, `event ${i}\n`);
  lines.show(() => ["boards 1", "records 8"]);
  const events = Array.from({ length: 8 }, (_, i) => `event ${i + 1}`);
  assert.equal(stream.screen.rows, ["before", ...events, "boards 1", "records 8"]);
  lines.show(() => ["one"]);
  assert.equal(stream.screen.rows, ["before", ...events, "one"]);
  lines.clear();
  lines.clear();
  besideLiveLines(stream, "end\n");
  assert.equal(stream.screen.rows, ["before", ...events, "end"]);
  assert.ok(stream.screen.wraps);
});

test("two that stay, on two streams of one terminal, leave nothing of each other", () => {
  const stream = new Stream(40, 8);
  const other = { isTTY: true, columns: 40, rows: 8, write: (text: string) => stream.write(text) };
  const lines = new LiveLines(stream, HERE);
  lines.show(() => ["state"]);
  besideLiveLines(other, "a complaint\n");
  assert.equal(stream.screen.rows, ["a complaint", "state"]);
  lines.clear();
  assert.equal(stream.screen.rows, ["a complaint"]);
});

const ANY = fc.string({ unit: fc.constantFrom(..."abc 漢字かなＦ😀👍🏽é́️‍①Ω─", "\u200b", "\u0301"), maxLength: 60 });
const STEP = fc.oneof(
  fc.record({ say: fc.string({ unit: fc.constantFrom(..."abcdefgh"), minLength: 1, maxLength: 8 }) }),
  fc.record({ show: fc.array(ANY, { maxLength: 6 }) }),
  fc.record({ columns: fc.integer({ min: 9, max: 60 }), rows: fc.integer({ min: 2, max: 14 }) }),
);
/** Terminals differ about what is wide. */
const WIDTHS: readonly Width[] = [cellsOf, () => 1, (character) => (character > "~" ? 2 : 1)];

test("whatever is shown in whatever size, by whatever table of widths: nothing of what goes by is lost, and nothing is left behind", () => {
  fc.assert(
    fc.property(fc.array(STEP, { maxLength: 40 }), fc.constantFrom(...WIDTHS), (steps, width) => {
      const stream = new Stream(50, 10, width);
      const lines = new LiveLines(stream, HERE);
      const said: string[] = [];
      for (const step of steps)
        if ("say" in step) {
          said.push(step.say);
          besideLiveLines(stream, `${step.say}\n`);
        } else if ("show" in step) lines.show(() => step.show);
        else stream.resize(step.columns, step.rows);
      lines.clear();
      assert.equal(stream.screen.rows, said);
      assert.ok(stream.screen.wraps);
    }),
    { numRuns: 1000, seed: seedOr(1) },
  );
});

test("a terminal that is too small for all has the first lines, a smaller one none; rows for what goes by are left", () => {
  const stream = new Stream(40, 5);
  const lines = new LiveLines(stream, HERE);
  lines.show(() => ["1", "2", "3", "4"]);
  assert.equal(stream.screen.rows, ["1", "2"]);
  stream.resize(40, 3);
  assert.equal(stream.screen.rows, []);
  stream.resize(11, 20);
  assert.equal(stream.screen.rows, []);
  stream.resize(40, 20);
  assert.equal(stream.screen.rows, ["1", "2", "3", "4"]);
  lines.clear();
});

test("where lines cannot stay, nothing of them is written", () => {
  const terminal = { isTTY: true, write: () => undefined };
  for (const [stream, environment, stays] of [
    [terminal, HERE, true],
    [terminal, { ...HERE, CI: "false" }, true],
    [terminal, { ...HERE, CI: "true" }, false],
    [terminal, { TERM: "dumb" }, false],
    [{ write: () => undefined }, HERE, false],
  ] as const)
    assert.is(canStay(stream, environment), stays, JSON.stringify(environment));
  const written: string[] = [];
  const lines = new LiveLines({ isTTY: true, columns: 80, write: (text: string) => written.push(text) }, { TERM: "dumb" });
  lines.show(() => ["state"]);
  lines.clear();
  assert.equal(written, []);
});

test("a bar on a terminal, past a second; plain lines now and then elsewhere; nothing of what is short", () => {
  const shown = (isTTY: boolean, lastMs: number, columns = 80): string[] => {
    let nowMs = 0;
    const rows: string[] = [];
    const stream = isTTY ? new Stream(columns, 10) : { write: (text: string) => rows.push(text) };
    const progress = new Progress("chainmote verify", { stream, nowMs: () => nowMs, environment: HERE });
    for (nowMs = 0; nowMs <= lastMs; nowMs += 50) progress.counted(nowMs * 4, "records", nowMs / 20_000);
    if (stream instanceof Stream) rows.push(...stream.screen.rows);
    progress.clear();
    progress.clear();
    if (stream instanceof Stream) assert.equal(stream.screen.rows, [], "it is gone");
    return rows;
  };
  assert.equal(shown(true, 950), []);
  assert.equal(shown(true, 1050), [`[#${" ".repeat(23)}]   5 %  4,000 records, 4,000 a second`]);
  assert.equal(shown(true, 1050, 60), [`[${" ".repeat(12)}]   5 %  4,000 records, 4,000 a second`]);
  assert.equal(shown(true, 1050, 30), ["  5 %  4,000 records, 4,000 …"], "on one line");
  assert.equal(shown(false, 9000), []);
  assert.equal(shown(false, 20_000), [
    "chainmote verify: 50 %  40,000 records, 4,000 a second\n",
    "chainmote verify: 100 %  80,000 records, 4,000 a second\n",
  ]);
});

test("a step in words, of no known share, and from outside", () => {
  let nowMs = 0;
  const stream = new Stream(60, 10);
  const progress = new Progress("x", { stream, nowMs: () => nowMs, environment: HERE });
  progress.step("m32: xsAll.c\u001b[2J\n");
  nowMs = 5000;
  progress.step("m32: xsAll.c\u001b[2J\n");
  assert.equal(stream.screen.rows, ["m32: xsAll.c [2J  5 s"]);
  nowMs = 6000;
  progress.step("m32: xsRun.c", 3);
  assert.equal(stream.screen.rows, ["[############] 100 %  m32: xsRun.c  6 s"]);
  progress.step("m32: xsRun.c", 0 / 0);
  progress.clear();
  assert.equal(stream.screen.rows, []);
});

test("no control character from outside reaches a terminal, by the last gate, and no mark that turns text around", () => {
  assert.is(harmless("\u001b[31mred\u001b[39m\ttab\nline"), "\u001b[31mred\u001b[39m\ttab\nline");
  assert.is(harmless("\u001b]0;title\u0007\u001b[2J\u009b2J\r\u202ebad"), "<1b>]0;title<07><1b>[2J<9b>2J<0d><202e>bad");
  assert.is(harmless("\u001b[8mhidden\u001b[0m"), "<1b>[8mhidden<1b>[0m");
  assert.is(plainText("a\u202egpj.exe\u2066b\u200ec"), "a gpj.exe b c");
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 80 }), (text) => {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
      assert.not.match(harmless(text), /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/);
    }),
    { numRuns: 500, seed: seedOr(2) },
  );
});

test("colours: by the command line, then NO_COLOR, then FORCE_COLOR, then what the output is", () => {
  for (const [isTerminal, environment, words, coloured] of [
    [true, HERE, [], true],
    [false, HERE, [], false],
    [true, { TERM: "dumb" }, [], false],
    [true, { ...HERE, NO_COLOR: "1" }, [], false],
    [true, { ...HERE, NO_COLOR: "" }, [], true],
    [true, { ...HERE, NO_COLOR: "1", FORCE_COLOR: "1" }, [], false],
    [false, { ...HERE, FORCE_COLOR: "1" }, [], true],
    [true, { ...HERE, FORCE_COLOR: "0" }, [], false],
    [true, { ...HERE, FORCE_COLOR: "1" }, ["verify", "--no-color"], false],
  ] as const)
    assert.is(isColoured(isTerminal, environment, words), coloured, JSON.stringify([isTerminal, environment, words]));
});

test("a text is cut by its cells, styles whole and ended", () => {
  assert.is(fitted("漢字漢字", 8), "漢字漢字");
  assert.is(fitted("漢字漢字", 7), "漢字漢…");
  assert.is(fitted("漢字漢字", 6), "漢字…");
  assert.is(fitted("\u001b[32mgreen and long\u001b[39m", 6), "\u001b[32mgreen…\u001b[0m");
  assert.is(fitted("abc", 0), "");
});

test("cells are never fewer than Python's Unicode tables say, and hardly ever more", () => {
  const program = `import sys, unicodedata as u
for c in range(0x20, 0x3fffe):
    k = u.category(chr(c))
    if k in ("Cn", "Cs", "Co", "Cc"): continue
    w = 0 if k in ("Mn", "Me", "Cf") and c >= 0x300 else 2 if u.east_asian_width(chr(c)) in "WF" else 1
    sys.stdout.write("%x %d\\n" % (c, w))`;
  const { stdout, status } = spawnSync("python3", ["-c", program], { encoding: "utf8", maxBuffer: 1 << 24 });
  if (status !== 0) {
    console.log("skipped: no python3 to judge the widths of characters");
    return;
  }
  const rows = stdout.trim().split("\n");
  let more = 0;
  for (const row of rows) {
    const [code = "", cells = ""] = row.split(" ");
    const ours = cellsOf(String.fromCodePoint(Number.parseInt(code, 16)));
    assert.ok(ours >= Number(cells), `U+${code}: ${ours}, not ${cells}`);
    if (ours > Number(cells)) more += 1;
  }
  assert.ok(rows.length > 100_000 && more < rows.length / 100, `${more} of ${rows.length} wider than they are`);
});

test.run();
