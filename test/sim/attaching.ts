// What the tests of `chainmote start --rpc` have in common: five verified records, or one line that says why not.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { endAll, Program } from "./system-run.js";

const RECORDS = 5;
export const folder = mkdtempSync(join(tmpdir(), "chainmote-attach-"));
/** Ends what a test began, however it ended. */
export const closing: (() => Promise<void>)[] = [];

export async function closeAll(): Promise<void> {
  await endAll();
  for (const close of closing) await close();
  rmSync(folder, { recursive: true, force: true });
}

/** Five verified records, each after a verified block. */
export async function fiveRecords(data: string, words: readonly string[], environment = {}): Promise<Program> {
  const program = new Program(
    ["start", "--json", "--data", join(folder, data), "--sample", "300", "--records", String(RECORDS), ...words],
    environment,
  );
  assert.is(await program.ended, 0, `${program.errors.join("\n")} ${JSON.stringify(program.events.slice(-5))}`);
  assert.equal(
    program.of("summary").map(({ ok, verified }) => [ok, verified]),
    [[true, RECORDS]],
  );
  const records = program.of("record");
  assert.ok(records.length > 0 && records.every(({ head }) => Number(head) > 0), JSON.stringify(records));
  assert.equal(program.of("head-foreign"), []);
  const verified = new Program(["verify", join(folder, data, "records.cborseq"), "--json"]);
  assert.is(await verified.ended, 0, verified.errors.join());
  return program;
}

export async function refused(...words: string[]): Promise<string> {
  const program = new Program(["start", "--json", ...words]);
  assert.is(await program.ended, 1);
  assert.is(program.errors.length, 1, program.errors.join("\n"));
  return program.errors[0] as string;
}
