// A folder of images is read whole or not at all, and each way in which it does not fit together is one line that names the file.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { readImageHeader } from "../../../../tools/image/app-image.js";
import { staticMemory } from "../../../../tools/image/elf.js";
import { type ImagePart, readImageFolder } from "../../../../tools/image/image-folder.js";
import { readPartitionTable } from "../../../../tools/image/partition-table.js";
import { sizeLines } from "../../../../tools/image/size-report.js";
import { CommandError } from "../../../../tools/terminal.js";
import { firmwareBytes, partsFor, ROWS, tableBytes, writeImages } from "./images.js";

const root = mkdtempSync(join(tmpdir(), "chainmote-images-"));
test.after(() => rmSync(root, { recursive: true, force: true }));
const fresh = (): string => mkdtempSync(join(root, "images-"));

const part = (name: string, change: Partial<ImagePart>): readonly ImagePart[] =>
  partsFor("esp32c3").map((one) => (one.name === name ? { ...one, ...change } : one));

function said(folder: string): string {
  try {
    readImageFolder(folder);
  } catch (error) {
    assert.instance(error, CommandError);
    const { message } = error as Error;
    assert.not.match(message, /\n/);
    return message.replace(`${folder}/images.json: `, "");
  }
  return "read";
}

function saidOf(parts: readonly ImagePart[], chip = "esp32c3"): string {
  const folder = fresh();
  writeImages(folder, chip, parts);
  return said(folder);
}

function saidOfJson(change: (json: Record<string, unknown>) => unknown): string {
  const folder = fresh();
  writeImages(folder, "esp32c3");
  const file = join(folder, "images.json");
  writeFileSync(file, JSON.stringify(change(JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>)));
  return said(folder);
}

test("what a build writes is read, with its partitions; the size of each is printed", () => {
  const folder = fresh();
  writeImages(folder, "esp32c3");
  const images = readImageFolder(folder);
  assert.equal(
    images.partitions.map(({ name, at, bytes }) => ({ name, at, bytes })),
    ROWS.map(({ name, at, bytes }) => ({ name, at, bytes })),
  );
  const lines = sizeLines(images, "esp32c3");
  assert.match(lines.find((line) => line.includes("ota_0")) ?? "", /0x020000 +1,835,008 bytes {2}40,001 written, 2 %$/);
  assert.match(lines.find((line) => line.includes("left of a slot")) ?? "", /1,795,007 bytes$/);
  assert.match(lines.at(-1) ?? "", /JavaScript takes one block of 94,208 bytes, the firmware's task a stack of 16,384$/);
});

test("wrong offsets, images of another chip, what is too large or lies over another: each is named", () => {
  assert.is(
    saidOf(part("bootloader", { offset: 0x1000 })),
    "bootloader.bin is to lie at 0x0, where an esp32c3 looks for it, not at 0x1000",
  );
  assert.is(saidOf(part("app", { offset: 0x10000 })), "firmware.bin is to lie where a partition begins; none does at 0x10000");
  assert.is(saidOf(part("app", { offset: 0xd000 })), "firmware.bin at 0xd000 would overwrite the partition nvs");
  assert.is(saidOf(part("otadata", { offset: 0x3b0000 })), "otadata.bin at 0x3b0000 would overwrite the partition journal");
  assert.is(
    saidOf(part("app", { bytes: firmwareBytes("esp32s3", 9_000) })),
    "firmware.bin is for another chip (esp32s3) than esp32c3",
  );
  assert.is(saidOf(part("app", { bytes: new Uint8Array(64) })), "firmware.bin is no firmware image");
  assert.match(
    saidOf(part("app", { bytes: firmwareBytes("esp32c3", 0x1c0001) })),
    /^firmware\.bin has 1835009 bytes, and the partition ota_0 1835008$/,
  );
  assert.match(
    saidOf(part("bootloader", { bytes: firmwareBytes("esp32c3", 0xc001) })),
    /^bootloader\.bin ends at 0xc001, and partition-table\.bin begins at 0xc000$/,
  );
  assert.is(saidOf(partsFor("esp32c3").filter(({ name }) => name !== "app")), "there is no part app");
  assert.is(saidOf(partsFor("esp32c3").filter(({ name }) => name !== "partition-table")), "there is no part partition-table");
  const table = tableBytes();
  table[36] = 1;
  assert.is(saidOf(part("partition-table", { bytes: table })), "partition-table.bin: the partition table's MD5 does not hold");
  assert.is(saidOf(part("partition-table", { bytes: new Uint8Array(32) })), "partition-table.bin: there is no partition table");
});

test("images.json that is not what a build writes: field, and what was expected", () => {
  assert.is(
    saidOfJson((json) => ({ ...json, chip: "esp8266" })),
    "chip is to be one of esp32, esp32c3, esp32s3, esp32c6",
  );
  assert.is(
    saidOfJson((json) => ({ ...json, profile: "" })),
    "profile is to be a text",
  );
  assert.is(
    saidOfJson((json) => ({ ...json, profile: "test" })),
    "profile is to be dev or production",
  );
  assert.is(
    saidOfJson((json) => ({ ...json, parts: [] })),
    "parts are to be 1 to 16",
  );
  const first = (change: object) => (json: Record<string, unknown>) => {
    const [one, ...others] = json.parts as object[];
    return { ...json, parts: [{ ...one, ...change }, ...others] };
  };
  assert.is(saidOfJson(first({ offset: 17 })), "bootloader: offset is to be a multiple of 4096");
  assert.is(saidOfJson(first({ path: "../bootloader.bin" })), "../bootloader.bin is to be a file's name in this folder");
  assert.is(saidOfJson(first({ path: "other.bin" })), "other.bin is not there");
  assert.is(saidOfJson(first({ sha256: "00" })), "bootloader.bin is not the file that was built: its SHA-256 is another");
  assert.match(said(fresh()), /has no images\.json: chainmote build BOARD writes such a folder$/);
});

test("hostile bytes for the table, the header and the ELF: an answer or an error, never more than they hold", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat(), fc.nat({ max: 255 }), (noise, at, value) => {
      const table = tableBytes();
      table[at % table.length] = value;
      for (const bytes of [noise, table, Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 1, 1, ...noise)]) {
        try {
          for (const { name } of readPartitionTable(bytes)) assert.ok(name.length <= 16);
        } catch (error) {
          assert.match((error as Error).message, /partition table/);
        }
        readImageHeader(bytes);
        staticMemory(bytes);
      }
    }),
  );
});

test.run();
