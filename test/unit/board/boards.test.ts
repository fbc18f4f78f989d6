// The boards' files (firmware/boards): what is wrong in one is named, and what follows from them is what `npm run boards` writes.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { BOARD_FOLDER, BOARDS, boardOf, DEFAULT_BOARD, dataPartitions, readBoard } from "../../../host-sim/boards.js";
import { createBoard } from "../../../host-sim/device.js";
import { leftover, written } from "../../../tools/boards/written.js";
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
    assert.is(board.flash.partitions.find(({ name }) => name === "nvs")?.bytes, 0x6000, board.name);
    assert.ok((dataPartitions(board).journal ?? 0) > 0, board.name);
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
    ["flash.bytes", 0x3f0000 - 1, /flash\.partitions\[3\]\.bytes: expected no more than is left/],
    ["flash.partitions", undefined, /flash\.partitions: expected a partition nvs/],
    ["flash.partitions.1.at", "0xe000", /flash\.partitions\[1\]\.at: expected 0xf000 or more/],
    ["flash.partitions.2.at", "0x11000", /flash\.partitions\[2\]\.at: expected a multiple of 0x10000/],
    ["flash.partitions.3.bytes", "262144", /flash\.partitions\[3\]\.bytes: expected a multiple of 0x1000/],
    ["flash.partitions.3.name", "nvs", /flash\.partitions\[3\]\.name: expected a name that no other/],
    ["flash.partitions.3.name", "log", /flash\.partitions: expected a partition journal of the type data/],
    ["flash.partitions.0.type", "file", /flash\.partitions\[0\]\.type: expected app or data/],
  ] as const)
    assert.throws(() => readBoard("mine", changed(path, value)), fault, path);
  assert.throws(() => readBoard("mine", "{"), /^Error: firmware\/boards\/mine\.json: |mine\.json: /);
  assert.throws(() => readBoard("My Board", changed("label", "x")), /a board's name has small letters/);
  assert.is(readBoard("mine", changed("pins.led", undefined)).pins.led, undefined, "a board without a LED");
});

test.run();
