// What `npx chainmote` must do wherever the package is installed, however it came there.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { concat } from "../../firmware/bytes.js";
import { TestMote } from "../unit/tools/records.js";
import { run } from "./packed.js";

/** Runs each of them in `folder`, a project that has the package and none of those that are optional. */
export async function commandsWork(
  folder: string,
  program = "npx",
  words: readonly string[] = ["--no-install", "chainmote"],
): Promise<void> {
  const mote = new TestMote();
  writeFileSync(join(folder, "records.cborseq"), concat(mote.next().sign1, mote.next().sign1, mote.next().sign1));
  const chainmote = (...more: readonly string[]) => run(folder, program, [...words, ...more]);

  const help = await chainmote("--help");
  assert.is(help.code, 0, help.stderr);
  assert.match(help.stdout, /verify +checks a file of records/);
  for (const threads of ["0", "2"]) {
    const verify = await chainmote("verify", "records.cborseq", "--threads", threads);
    assert.is(verify.code, 0, verify.stderr);
    assert.match(verify.stdout, /3 records of 1 mote: all hold/);
  }
  const doctor = await chainmote("doctor", "--json");
  assert.is(doctor.code, 0, doctor.stderr);
  const { findings } = JSON.parse(doctor.stdout) as { findings: readonly { name: string; found: boolean; fix: string }[] };
  const node = findings.find(({ name }) => name === "Ethereum node");
  assert.is(node?.found, false);
  assert.match(node?.fix ?? "", /^npm install --ignore-scripts @ethereumjs\/client@\d+\.\d+\.\d+$/);
  if (help.stdout.includes("\n  board ")) {
    const board = await chainmote("board", "--help");
    assert.is(board.code, 0, board.stderr);
  }
  // Nodes and stores are not installed: the command that needs them says what brings them, and starts nothing.
  const start = await chainmote("start", "--records", "1");
  assert.is(start.code, 1);
  assert.match(
    start.stderr,
    /^chainmote start: .*npm install --ignore-scripts @ethereumjs\/client@\S+ @electric-sql\/pglite@\S+\n$/,
  );
  const engine = await chainmote("bench");
  assert.match(engine.stderr, /^chainmote bench: .*in a clone.*\n$/);
}
