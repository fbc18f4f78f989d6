// `chainmote start` in a real terminal (tmux), as a person has it: its state below the events, a clean end by Ctrl-C, and what a second run
// goes on from; in a pipe the same in lines.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Tmux, tmuxFault } from "../unit/tools/tmux.js";

const COMMAND = fileURLToPath(new URL("../../tools/chainmote.mjs", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "chainmote-start-terminal-"));
const fault = tmuxFault();
const test = suite("start in a terminal");
if (fault !== undefined) console.log(`skipped: ${fault}`);
const inTerminal = fault === undefined ? test : test.skip;
let terminal: Tmux | undefined;

test.after(() => {
  terminal?.close();
  rmSync(folder, { recursive: true, force: true });
});

inTerminal("the state while it runs, a clean end, and what the second run goes on from", async () => {
  terminal = new Tmux(100, 30);
  const command = `node ${COMMAND} start --boards 2 --sample 500 --data ${join(folder, "data")}`;
  terminal.type(`PS1='$ '; cd ${folder} && clear`);
  terminal.type(command);
  const counted = /^records +\d+ made, \d+ stored +(\d+) verified/;
  const stateOf = (rows: readonly string[]): string => rows.filter((row) => /^(boards|records|mote \d|──) /.test(row)).join("\n");
  await terminal.see("both boards", (rows) => /^boards +2 of 2 connected +head #\d+/m.test(stateOf(rows)));
  terminal.resize(70, 20);
  await terminal.see("records", (rows) => rows.some((row) => Number(counted.exec(row)?.[1] ?? 0) >= 4));
  const words = ["boards ", "records ", "mote 1 ", "── "];
  await terminal.see("each once", (rows) => words.every((word) => rows.filter((row) => row.startsWith(word)).length === 1), true);
  terminal.press("C-c");
  const ended = await terminal.see("a prompt", (rows) => rows.at(-1) === "$", true);
  assert.is(stateOf(ended), "");
  const stored = Number(/^(\d+) records of 2 motes stored and verified in /m.exec(ended.join("\n"))?.[1]);
  assert.ok(stored >= 4, ended.join("\n"));
  assert.ok(terminal.isAsBefore);

  terminal.resize(140, 40);
  terminal.type("clear");
  terminal.type(`${command} --records 2 2>&1 | cat -v`);
  const again = await terminal.see("the second run's end", (rows) => rows.some((row) => /verified in /.test(row)), true);
  const begun = again.findIndex((row) => row.includes("--records 2"));
  const text = again.slice(begun).join("\n");
  const [, records] =
    /^ {2}goes on +from (\d+) records of 2 motes; the last is seq \d+ of 0x\w+M-bM-\^@M-&\w+, after block #\d+$/m.exec(text) ??
    [];
  // A record may have come without a verdict before it ended.
  assert.ok(Number(records) >= stored, text);
  assert.not.match(text, /(?<!M-)\^\[|^(boards|──)/m);
});

test.run();
