// The simulated flash: the port's contract in both modes, then the physics that the contract says nothing about.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  type FlashMode,
  NorFlash,
  PowerLost,
  SECTOR_BYTES,
  SimulatedFlash,
  UNIT_BYTES,
} from "../../../host-sim/hardware/flash.js";
import { FlashFile } from "../../../host-sim/hardware/flash-file.js";
import { flashContract } from "./flash.contract.js";

const modes: readonly FlashMode[] = ["plain", "encrypted"];

for (const mode of modes) {
  flashContract(mode, () => ({ storage: new SimulatedFlash({ journal: new NorFlash({ sectors: 4, mode }) }), path: "journal" }));
}

const unitAt = (flash: NorFlash, at: number): Uint8Array => new Uint8Array(flash.read(UNIT_BYTES, at));
const all = (value: number): Uint8Array => new Uint8Array(UNIT_BYTES).fill(value);

test("takes what a view shows, of whatever kind, and nothing that is no buffer; no other format than buffers", () => {
  const storage = new SimulatedFlash({ journal: new NorFlash({ sectors: 1 }) });
  const partition = storage.open({ path: "journal" });
  const words = Uint16Array.from({ length: UNIT_BYTES / 2 }, (_, i) => i * 257);
  partition.write(words as never, 0);
  assert.equal(new Uint8Array(partition.read(UNIT_BYTES, 0)), new Uint8Array(words.buffer));
  for (const nothing of [UNIT_BYTES, "text", undefined, null, [1, 2]])
    assert.throws(() => partition.write(nothing as never, UNIT_BYTES), TypeError);
  assert.throws(() => storage.open({ path: "journal", format: "string" }), /unsupported/);
  assert.throws(() => storage.open({} as never), /no path/);
});

test("plain: erased is 0xFF, and a write can only clear bits", () => {
  const flash = new NorFlash({ sectors: 1 });
  assert.equal(unitAt(flash, 0), all(0xff));
  flash.write(all(0xf0), 0);
  flash.write(all(0x3c), 0);
  assert.equal(unitAt(flash, 0), all(0x30));
  assert.is(flash.counters.rewrites, 1);
});

test("encrypted: erased is noise that differs from block to block, a second write corrupts, a write must be aligned", () => {
  const flash = new NorFlash({ sectors: 1, mode: "encrypted" });
  const noise = new Uint8Array(flash.read(SECTOR_BYTES, 0));
  const seen = new Set<string>();
  for (let at = 0; at < SECTOR_BYTES; at += 16) seen.add(noise.slice(at, at + 16).join());
  assert.is(seen.size, SECTOR_BYTES / 16);
  const ones = noise.reduce((sum, byte) => sum + byte.toString(2).replaceAll("0", "").length, 0);
  assert.ok(Math.abs(ones / (SECTOR_BYTES * 8) - 0.5) < 0.02, `${ones} bits are set`);
  flash.write(all(0xf0), 0);
  assert.equal(unitAt(flash, 0), all(0xf0));
  flash.write(all(0x30), 0);
  assert.not.equal(unitAt(flash, 0), all(0x30));
  assert.throws(() => flash.write(new Uint8Array(UNIT_BYTES), 8), /write failed/);
  assert.throws(() => flash.write(new Uint8Array(8), 64), /write failed/);
});

test("encrypted: a flipped bit turns its 16 bytes, and no others, into noise", () => {
  const flash = new NorFlash({ sectors: 1, mode: "encrypted" });
  flash.write(all(0x55), 32);
  flash.flipBit(8 * 40 + 3);
  const unit = unitAt(flash, 32);
  assert.equal(unit.slice(16), all(0x55).slice(16));
  const equal = unit.slice(0, 16).filter((byte) => byte === 0x55).length;
  assert.ok(equal < 5, `${equal} of 16 bytes are as before`);
});

for (const mode of modes) {
  test(`${mode}: power lost after N bytes leaves whole units before, a torn one, and untouched ones after`, () => {
    const bytes = new Uint8Array(3 * UNIT_BYTES);
    const outcomes = new Set<string>();
    for (let seed = 1; seed <= 200; seed += 1) {
      const flash = new NorFlash({ sectors: 1, mode, seed });
      const erased = unitAt(flash, 2 * UNIT_BYTES);
      flash.cutAfter(UNIT_BYTES + 7);
      assert.throws(
        () => flash.write(bytes, 0),
        (error: unknown) => error instanceof PowerLost,
      );
      assert.throws(
        () => flash.read(1, 0),
        (error: unknown) => error instanceof PowerLost,
      );
      flash.powerOn();
      assert.equal(unitAt(flash, 0), all(0));
      assert.equal(unitAt(flash, 2 * UNIT_BYTES), erased);
      assert.equal(unitAt(flash, UNIT_BYTES), unitAt(flash, UNIT_BYTES), "a torn unit reads the same each time");
      outcomes.add(unitAt(flash, UNIT_BYTES).join());
    }
    assert.ok(outcomes.size > 100, `${outcomes.size} different torn units of 200`);
  });

  test(`${mode}: an interrupted erase reads differently from read to read until it is erased again`, () => {
    const flash = new NorFlash({ sectors: 2, mode });
    for (let at = 0; at < 2 * SECTOR_BYTES; at += UNIT_BYTES) flash.write(all(0xa5), at);
    flash.cutAfter(1000);
    assert.throws(
      () => flash.eraseBlock(0),
      (error: unknown) => error instanceof PowerLost,
    );
    flash.powerOn();
    const reads = new Set<string>();
    let intact = 0;
    for (let i = 0; i < 100; i += 1) {
      reads.add(new Uint8Array(flash.read(SECTOR_BYTES, 0)).join());
      if (unitAt(flash, 0).every((byte) => byte === 0xa5)) intact += 1;
    }
    assert.is(reads.size, 100);
    assert.ok(intact > 50 && intact < 100, `a unit read as before ${intact} times of 100`);
    assert.equal(
      new Uint8Array(flash.read(SECTOR_BYTES, SECTOR_BYTES)),
      new Uint8Array(SECTOR_BYTES).fill(0xa5),
      "its neighbour is whole",
    );
    flash.eraseBlock(0);
    const fresh = new NorFlash({ sectors: 2, mode });
    assert.equal(new Uint8Array(flash.read(SECTOR_BYTES, 0)), new Uint8Array(fresh.read(SECTOR_BYTES, 0)));
  });
}

test("counts writes, erases per sector and bytes, and tells of every operation before it happens", () => {
  const flash = new NorFlash({ sectors: 3 });
  const told: string[] = [];
  flash.onOperation = (operation) => {
    told.push(`${operation.kind} ${operation.byteOffset} ${operation.byteLength}`);
    if (operation.kind === "write") assert.equal(unitAt(flash, operation.byteOffset), all(0xff));
  };
  flash.write(all(1), 64);
  flash.eraseBlock(1, 3);
  assert.equal(told, ["write 64 32", "erase 4096 4096", "erase 8192 4096"]);
  assert.is(flash.counters.writes, 1);
  assert.is(flash.counters.bytesWritten, 32);
  assert.equal(Array.from(flash.eraseCounts), [0, 1, 1]);
});

test("a snapshot put back is the flash as it was, torn and unstable parts included", () => {
  const flash = new NorFlash({ sectors: 2, mode: "encrypted" });
  flash.write(all(7), 0);
  const image = flash.snapshot();
  flash.cutAfter(100);
  assert.throws(() => flash.eraseBlock(0));
  flash.restore(image);
  assert.equal(unitAt(flash, 0), all(7));
});

test("a worn sector refuses to erase, or forgets what is programmed", () => {
  const flash = new NorFlash({ sectors: 2 });
  flash.wearOut(0, "erase");
  flash.wearOut(1, "program");
  assert.throws(() => flash.eraseBlock(0), /erase failed/);
  flash.write(new Uint8Array(128), SECTOR_BYTES);
  assert.not.equal(new Uint8Array(flash.read(128, SECTOR_BYTES)), new Uint8Array(128));
});

for (const mode of modes) {
  test(`${mode}: a file holds the image from one run to the next`, () => {
    const folder = mkdtempSync(join(tmpdir(), "chainmote-flash-"));
    try {
      const path = join(folder, "journal.bin");
      const file = new FlashFile(path);
      const flash = new NorFlash({ sectors: 2, mode, seed: 5, backing: file });
      flash.write(all(9), 96);
      const again = new FlashFile(path);
      const reopened = new NorFlash({ sectors: 2, mode, seed: 5, backing: again });
      assert.equal(unitAt(reopened, 96), all(9));
      assert.equal(unitAt(reopened, 0), unitAt(new NorFlash({ sectors: 1, mode, seed: 5 }), 0));
      reopened.write(all(1), 96);
      assert.is(reopened.counters.rewrites, 1, "it knows which units have been programmed");
      again.close();
      file.close();
      assert.throws(
        () => new NorFlash({ sectors: 3, mode, backing: new FlashFile(path) }),
        /has 8192 bytes, the partition 12288/,
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}

test("what a write returned from survives kill -9", async () => {
  const folder = mkdtempSync(join(tmpdir(), "chainmote-flash-"));
  try {
    const path = join(folder, "journal.bin");
    const module = (name: string): string => JSON.stringify(new URL(`../../../host-sim/hardware/${name}`, import.meta.url).href);
    const script = join(folder, "writer.mts");
    writeFileSync(
      script,
      `import { NorFlash } from ${module("flash.ts")};
       import { FlashFile } from ${module("flash-file.ts")};
       const flash = new NorFlash({ sectors: 64, backing: new FlashFile(${JSON.stringify(path)}) });
       for (let unit = 0; unit < 8192; unit += 1) {
         flash.write(new Uint8Array(32).fill(unit & 0x7f), unit * 32);
         process.stdout.write(unit + "\\n");
       }`,
    );
    const child = spawn(process.execPath, ["--import", "tsx", script], {
      cwd: fileURLToPath(new URL("../../..", import.meta.url)),
      stdio: ["ignore", "pipe", "inherit"],
    });
    let text = "";
    child.stdout.setEncoding("utf8");
    for await (const chunk of child.stdout) {
      text += chunk;
      if (text.length > 2_000) break;
    }
    child.kill("SIGKILL");
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    const lines = text.split("\n");
    const last = Number(lines[lines.length - 2]);
    assert.ok(last > 100, `the last unit told was ${last}`);
    assert.ok(existsSync(path));
    const image = readFileSync(path);
    for (let unit = 0; unit <= last; unit += 1)
      assert.ok(
        image.subarray(unit * 32, unit * 32 + 32).every((byte) => byte === (unit & 0x7f)),
        `unit ${unit} is there`,
      );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.run();
