// firmware/board/native/sleep.c on this machine, with sanitizers: whatever is written stays inside the memory. XS and ESP-IDF are stand-ins of a page
// (sleep/); that the real ones have these names, check:sdk sees.

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { toHex } from "../../../firmware/bytes.js";
import { SNAPSHOT_BYTES } from "../../../firmware/sleep/snapshot.js";
import { sleepFor } from "../../../host-sim/modules/sleep.js";
import { ROOT } from "../sources.js";

const SOURCE = join(ROOT, "firmware/board/native/sleep.c");
const HERE = join(ROOT, "test/unit/board/sleep");
const MEMORY_BYTES = 256;
const FLAGS = ["-g", "-O1", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
const folder = mkdtempSync(join(tmpdir(), "chainmote-sleep-c-"));
const program = join(folder, "sleep");
for (const [, header] of readFileSync(SOURCE, "utf8").matchAll(/^#include "([^"]+)"/gm)) {
  const path = join(folder, header as string);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, '#include "engine.h"\n');
}
const words = [...FLAGS, "-I", folder, "-I", HERE, SOURCE, join(HERE, "main.c"), "-o", program];
const { error, status: built, stderr } = spawnSync("gcc", words, { encoding: "utf8" });
if (error === undefined && built !== 0) throw new Error(stderr.slice(0, 3000));
const it = error === undefined ? test : test.skip;
if (error !== undefined) console.log("skipped: no gcc here");
test.after(() => rmSync(folder, { recursive: true, force: true }));

const write = (bytes: Uint8Array): Buffer => Buffer.from([0x77, bytes.length >> 8, bytes.length & 255, ...bytes]);
const READ = Buffer.from("r");
const IMAGE = Buffer.from("i");

function sleep(ms: number): Buffer {
  const words = Buffer.alloc(9, "s");
  words.writeDoubleLE(ms, 1);
  return words;
}

function said(...calls: readonly Buffer[]): string[] {
  const { status, stdout, stderr } = spawnSync(program, [], { input: Buffer.concat(calls), encoding: "utf8" });
  assert.is(status, 0, stderr.slice(0, 2000));
  return stdout.replace(/\n$/, "").split("\n");
}

it("what is written is read again, and nothing of what was there before", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: MEMORY_BYTES }), { minLength: 1, maxLength: 6 }), (writes) => {
      const last = writes[writes.length - 1] as Uint8Array;
      const lines = said(...writes.map(write), READ);
      assert.is(lines[lines.length - 1], toHex(last) + "00".repeat(MEMORY_BYTES - last.length));
    }),
    { numRuns: 50 },
  );
});

it("more than the memory has is refused, and changes nothing", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: MEMORY_BYTES + 1, maxLength: 4096 }), (bytes) => {
      const lines = said(write(Uint8Array.of(1, 2, 3)), write(bytes), READ);
      assert.equal(lines.slice(1), ["more than the memory has", `010203${"00".repeat(MEMORY_BYTES - 3)}`]);
    }),
    { numRuns: 50 },
  );
});

it("it sleeps for a time that was meant, by its timer alone", () => {
  assert.equal(said(sleep(1), sleep(60_000.9), sleep(86_400_000)), ["slept 1000", "slept 60000000", "slept 86400000000"]);
  for (const ms of [0, -1, 0.5, 86_400_001, Number.NaN, Number.POSITIVE_INFINITY, 1e300])
    assert.equal(said(sleep(ms)), ["no time to sleep"], String(ms));
  assert.equal(said(sleep(7)), ["no timer to wake by"]);
});

it("the image's digest is that of its description", () => {
  assert.equal(said(IMAGE), ["e1".repeat(32)]);
});

test("memory of chip and simulator are one size, and a snapshot fits", () => {
  const [, bytes] = /#define MEMORY_BYTES (\d+)/.exec(readFileSync(SOURCE, "utf8")) as RegExpExecArray;
  const simulated = sleepFor(() => {
    throw new Error("no board");
  });
  assert.equal([Number(bytes), simulated.memoryBytes], [MEMORY_BYTES, MEMORY_BYTES]);
  assert.match(readFileSync(join(ROOT, "firmware/board/native/sleep.ts"), "utf8"), `MEMORY_BYTES = ${MEMORY_BYTES};`);
  assert.match(readFileSync(join(ROOT, "host-sim/modules/guest/sleep.ts"), "utf8"), `memoryBytes: ${MEMORY_BYTES},`);
  assert.ok(SNAPSHOT_BYTES <= MEMORY_BYTES);
});

test.run();
