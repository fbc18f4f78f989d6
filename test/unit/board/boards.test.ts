// The boards' files (firmware/boards): what is wrong in one is named, and what follows from them is what `npm run boards` writes.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  BOARD_FOLDER,
  BOARDS,
  boardOf,
  DEFAULT_BOARD,
  dataPartitions,
  firstOfPlatform,
  partitionBytes,
  readBoard,
  TABLE_AT,
} from "../../../host-sim/boards.js";
import { createBoard } from "../../../host-sim/device.js";
import { burnsOf } from "../../../tools/boards/burns.js";
import { imageBytesMax, imageFault } from "../../../tools/boards/slots.js";
import { leftover, OPTIONS_FOLDERS, PARTITIONS_FOLDER, written } from "../../../tools/boards/written.js";
import { ROOT } from "../sources.js";

const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");

test("partition tables, options, manifests and documents are, byte for byte, what follows from the boards", () => {
  const files = written(BOARDS, ROOT);
  assert.ok(files.size >= 3 * BOARDS.length + 7, `${files.size} files`);
  for (const [path, text] of files) assert.fixture(read(path), text, `${path}: run \`npm run boards\``);
  assert.equal(leftover(BOARDS, ROOT), [], "files of boards that are gone");
});

test("each simulated board has its bus on its own pins, and its flash in its own partitions", () => {
  for (const { name, pins } of BOARDS) {
    const { board, close } = createBoard({ board: name });
    assert.equal(board.i2c.pins, pins.i2c, name);
    close();
  }
  const { device, board, close } = createBoard();
  assert.equal(board.i2c.pins, boardOf(DEFAULT_BOARD).pins.i2c);
  const { io: I2C, ...bus } = device.io.i2c;
  assert.throws(() => new I2C({ ...bus, clock: bus.clock + 1, address: 0x44, hz: 100_000 }), "unusable pins");
  close();
  assert.throws(() => createBoard({ board: "esp8266" }), /no board "esp8266": firmware\/boards has .*esp32/);
});

test("the simulated non-volatile storage is as large as each board's, and every board keeps its journal", () => {
  for (const board of BOARDS) {
    const { board: simulated, close } = createBoard({ board: board.name });
    const pages = partitionBytes(board, "nvs") / 4096 - 1;
    assert.throws(() => simulated.keyValue.write("a", "b", new Uint8Array(pages * 4000 + 1)), /VALUE_TOO_LONG/, board.name);
    assert.throws(() => simulated.keyValue.write("a", "b", new Uint8Array(pages * 4000)), /NOT_ENOUGH_SPACE/, board.name);
    close();
    assert.ok((dataPartitions(board).journal ?? 0) > 0, board.name);
  }
});

/** Name, subtype, first byte and bytes, of 4 MB: a fleet cannot be partitioned anew, so none of this may ever change. */
const LAYOUT_4_MB = `nvs nvs 0xd000 0xe000
otadata ota 0x1b000 0x2000
phy_init phy 0x1d000 0x1000
nvs_keys nvs_keys 0x1e000 0x1000
ota_0 ota_0 0x20000 0x1c0000
ota_1 ota_1 0x1e0000 0x1c0000
journal undefined 0x3b0000 0x40000`;

test("with 4 MB the table is the one that fleets have: two slots, their state, the journal where it always was", () => {
  assert.is(TABLE_AT, 0xc000);
  const small = BOARDS.filter(({ flash }) => flash.bytes === 4 << 20);
  assert.ok(small.length >= 4);
  for (const { name, chip, flash } of small) {
    const rows = flash.partitions.map((row) => `${row.name} ${row.subtype} 0x${row.at.toString(16)} 0x${row.bytes.toString(16)}`);
    const wanted = LAYOUT_4_MB.split("\n").filter((row) => !chip.hmac || !row.startsWith("nvs_keys"));
    assert.equal(rows, wanted, name);
    for (const folder of Object.values(OPTIONS_FOLDERS))
      assert.match(read(`${folder}/${name}/sdkconfig.defaults`), /^CONFIG_PARTITION_TABLE_OFFSET=0xC000$/m, name);
  }
});

test("in no board's table does anything overlap, stick out or lie before the table's end, and slots begin at 64 KiB", () => {
  for (const { name, flash } of BOARDS) {
    let end = TABLE_AT + 0x1000;
    for (const line of read(`${PARTITIONS_FOLDER}/${name}.csv`).split("\n").slice(2, -1)) {
      const [label, type, , at, bytes, flags] = line.split(",").map((cell) => cell.trim());
      assert.ok(Number(at) >= end, `${name}: ${label}`);
      if (type === "app") assert.is(Number(at) % 0x10000, 0, `${name}: ${label}`);
      assert.is(flags, label === "nvs_keys" ? "encrypted" : undefined, `${name}: ${label}`);
      end = Number(at) + Number(bytes);
    }
    assert.ok(end <= flash.bytes, name);
  }
});

test("an image fits a slot with its signature, or is refused with what to do", () => {
  for (const board of BOARDS) {
    const signed = Math.ceil(imageBytesMax(board) / 0x10000) * 0x10000 + 0x1000;
    assert.ok(signed <= partitionBytes(board, "ota_1"), board.name);
    assert.is(imageFault(board, imageBytesMax(board)), undefined, board.name);
  }
  assert.is(imageBytesMax(boardOf("esp32c3")), 1_703_936);
  assert.match(
    imageFault(boardOf("esp32c3"), 1_848_400) ?? "",
    /1,848,400 bytes, 144,464 more than a slot of ESP32-C3 takes: leave/,
  );
});

test("what production burns is said for each board, the key of NVS before what makes it too late", () => {
  for (const board of BOARDS) {
    const fuses = burnsOf(board).map(({ eFuse }) => eFuse[0]);
    assert.is(fuses.includes("KEY5"), board.chip.hmac, board.name);
    assert.ok(fuses.indexOf("WR_DIS.RD_DIS") > fuses.indexOf("KEY5"), board.name);
    const key = /^CONFIG_NVS_SEC_HMAC_EFUSE_KEY_ID=(\d)$/m.exec(
      read(`${OPTIONS_FOLDERS.production}/${board.name}/sdkconfig.defaults`),
    );
    assert.is(key?.[1], board.chip.hmac ? "5" : undefined, board.name);
    for (const { what, after } of burnsOf(board)) assert.match(read("docs/boards.md"), `| ${what} |`, after);
  }
});

/** A board's file with one value replaced; undefined takes the field away. */
function changed(path: string, value: unknown): string {
  const board = JSON.parse(read(`${BOARD_FOLDER}/esp32c3.json`));
  const steps = path.split(".");
  const last = steps.pop() as string;
  const at = steps.reduce((object, step) => object[step], board);
  if (value === undefined) delete at[last];
  else at[last] = value;
  return JSON.stringify(board);
}

test("a board with 8 MB has a table of its own, by its file alone, and larger images", () => {
  const board = JSON.parse(changed("flash.bytes", 8 << 20));
  const at = (name: string, at: string, bytes: string) => {
    Object.assign(
      board.flash.partitions.find((row: { name: string }) => row.name === name),
      { at, bytes },
    );
  };
  at("ota_0", "0x20000", "0x340000");
  at("ota_1", "0x360000", "0x340000");
  at("journal", "0x700000", "0x100000");
  const large = { ...readBoard("large", JSON.stringify({ ...board, platform: "esp32/large" })), label: "Large" };
  assert.is(imageBytesMax(large), 0x340000 - 0x20000);
  const files = written([...BOARDS, large], ROOT);
  assert.match(files.get(`${PARTITIONS_FOLDER}/large.csv`) ?? "", "0x360000, 0x340000");
  for (const folder of Object.values(OPTIONS_FOLDERS))
    assert.match(files.get(`${folder}/large/sdkconfig.defaults`) ?? "", /^CONFIG_ESPTOOLPY_FLASHSIZE_8MB=y$/m);
  assert.match(files.get("docs/boards.md") ?? "", /8 MB: Large\. An image has at most 3,276,800 bytes/);
});

test("two boards of one platform differ in their flash alone; manifests name the first, each has files of its own", () => {
  const [first, second] = [boardOf("esp32s3"), boardOf("esp32s3-n8")];
  assert.is(first.platform, second.platform);
  assert.is(firstOfPlatform(BOARDS, second), first);
  const { build } = JSON.parse(read("manifest.json")).platforms[first.platform];
  assert.equal(Object.values(build), ["./firmware/board/partitions/esp32s3.csv", "./firmware/board/sdkconfig/esp32s3"]);
  assert.equal(Object.keys(build), ["PARTITIONS_FILE ?=", "SDKCONFIGPATH ?="], "the environment may name others");
  assert.match(read(`${PARTITIONS_FOLDER}/esp32s3-n8.csv`), /ota_1, +app, +ota_1, +0x3a0000, 0x380000/);
});

test("what is wrong in a board's file is an error that names file and field", () => {
  for (const [path, value, fault] of [
    ["label", undefined, /^firmware\/boards\/mine\.json: label: expected a text/],
    ["colour", "red", /colour: no such field; there are label, platform/],
    ["platform", "esp8266", /platform: expected esp32, or esp32\/ and a target/],
    ["platform", "esp32/../x", /platform: expected/],
    ["chip", undefined, /chip: expected an object/],
    ["chip.isa", "arm", /chip\.isa: expected xtensa or rv32imc/],
    ["chip.cores", 0, /chip\.cores: expected a whole number from 1/],
    ["chip.usbConsole", undefined, /chip\.usbConsole: expected true or false/],
    ["chip.rtcMemoryBytes", 0, /chip\.rtcMemoryBytes: expected/],
    ["memory.static", -1, /memory\.static: expected/],
    ["memory.stack", undefined, /memory\.stack: expected/],
    ["memory.chunk.initial", "1", /memory\.chunk\.initial: expected/],
    ["ledgerMemory", { heap: { initial: "1", incremental: 64 } }, /ledgerMemory\.heap\.initial: expected/],
    ["ledgerMemory", { heap: { initial: 1 } }, /ledgerMemory\.heap\.incremental: expected/],
    ["memory.keys.first", 1, /memory\.keys\.first: no such field/],
    ["pins.i2c.data", 3, /pins\.i2c\.clock: GPIO 3 is i2c\.data already|i2c\.clock: GPIO 3 is/],
    ["pins.led", 21, /led: GPIO 21 is .*console\.transmit already/],
    ["pins.i2c.clock", 99, /pins\.i2c\.clock: expected a whole number from 0 to/],
    ["chip.hmac", undefined, /chip\.hmac: expected true or false/],
    ["chip.hmac", false, /flash\.partitions: expected a partition nvs_keys of the type data/],
    ["flash.bytes", 0x3f0000 - 1, /flash\.bytes: expected a power of two/],
    ["flash.bytes", 0x200000, /flash\.partitions\[4\]\.bytes: expected no more than is left/],
    ["flash.partitions", undefined, /flash\.partitions: expected a partition nvs/],
    ["flash.partitions.0.at", "0xc000", /flash\.partitions\[0\]\.at: expected 0xd000 or more/],
    ["flash.partitions.1.at", "0x1a000", /flash\.partitions\[1\]\.at: expected 0x1b000 or more/],
    ["flash.partitions.1.bytes", "0x1000", /flash\.partitions: expected otadata of 8192 bytes/],
    ["flash.partitions.1.subtype", "nvs", /flash\.partitions: expected a partition otadata of the type data, subtype ota/],
    ["flash.partitions.3.at", "0x21000", /flash\.partitions\[3\]\.at: expected a multiple of 0x10000/],
    ["flash.partitions.3.bytes", "0x100000", /flash\.partitions: expected two slots of the same size/],
    ["flash.partitions.3.subtype", "factory", /flash\.partitions: expected a partition ota_0 of the type app, subtype ota_0/],
    ["flash.partitions.5.bytes", "262144", /flash\.partitions\[5\]\.bytes: expected a multiple of 0x1000/],
    ["flash.partitions.5.name", "nvs", /flash\.partitions\[5\]\.name: expected a name that no other/],
    ["flash.partitions.5.name", "log", /flash\.partitions: expected a partition journal of the type data/],
    ["flash.partitions.0.type", "file", /flash\.partitions\[0\]\.type: expected app or data/],
  ] as const)
    assert.throws(() => readBoard("mine", changed(path, value)), fault, path);
  assert.throws(() => readBoard("mine", "{"), /^Error: firmware\/boards\/mine\.json: |mine\.json: /);
  assert.throws(() => readBoard("My Board", changed("label", "x")), /a board's name has small letters/);
  assert.is(readBoard("mine", changed("pins.led", undefined)).pins.led, undefined, "a board without a LED");
});

test.run();
