// A board that is not there yet, added to a copy of this tree: one file and `npm run boards`, and everything that reads boards knows it.

import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ROOT, trackedFiles } from "../sources.js";

const NAME = "c3-kit";
/** A C3 on another target of the SDK, with its bus elsewhere, twice the flash and a journal of twice the size. */
const CHANGES = { label: "C3 kit", platform: "esp32/c3_32s_kit" };
const PINS = { i2c: { data: 8, clock: 9 }, console: { transmit: 21, receive: 20 }, button: 2, led: 19 };
const JOURNAL = { name: "journal", type: "data", subtype: "undefined", at: "0x740000", bytes: "0x80000" };
const SLOT_0 = { name: "ota_0", type: "app", subtype: "ota_0", at: "0x20000", bytes: "0x380000" };
const SLOT_1 = { name: "ota_1", type: "app", subtype: "ota_1", at: "0x3a0000", bytes: "0x380000" };

const folder = mkdtempSync(join(tmpdir(), "chainmote-board-"));
const copy = join(folder, "tree");

function run(...words: readonly string[]): { readonly code: number | null; readonly said: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, words, { cwd: copy, encoding: "utf8" });
  return { code: status, said: `${stdout}${stderr}` };
}

test.before(() => {
  for (const path of trackedFiles()) {
    mkdirSync(dirname(join(copy, path)), { recursive: true });
    cpSync(join(ROOT, path), join(copy, path));
  }
  symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
  const board = JSON.parse(readFileSync(join(copy, "firmware/boards/esp32c3.json"), "utf8"));
  const [nvs, otadata, phy] = board.flash.partitions;
  const flash = { bytes: 8 << 20, partitions: [nvs, otadata, phy, SLOT_0, SLOT_1, JOURNAL] };
  writeFileSync(join(copy, `firmware/boards/${NAME}.json`), JSON.stringify({ ...board, ...CHANGES, pins: PINS, flash }));
});
test.after(() => rmSync(folder, { recursive: true, force: true }));

test("before the command is run, the tests of boards say that it has to be", () => {
  const { code, said } = run("--import", "tsx", "test/unit/board/boards.test.ts");
  assert.is.not(code, 0);
  assert.match(said, `${NAME}.csv`);
});

test("the command writes all that follows, names it, and has nothing to do a second time", () => {
  const first = run("--import", "tsx", "tools/boards/main.ts");
  assert.is(first.code, 0, first.said);
  for (const path of [
    `firmware/board/partitions/${NAME}.csv`,
    `firmware/board/sdkconfig/${NAME}/sdkconfig.defaults`,
    `firmware/board/sdkconfig-production/${NAME}/sdkconfig.defaults`,
    "examples/own-sensor/manifest.json",
    "tools/new/application/manifest.json",
    "test/bench/firmware/manifest.json",
    "docs/boards.md",
  ])
    assert.match(first.said, `written: ${path}`);
  assert.match(run("--import", "tsx", "tools/boards/main.ts", "--check").said, "0 files differ");
  const { platforms } = JSON.parse(readFileSync(join(copy, "manifest.json"), "utf8"));
  const service = { board: NAME, button: PINS.button, ...PINS.console, usb: true };
  assert.equal(platforms[CHANGES.platform].config, { board: NAME, i2c: PINS.i2c, service });
  assert.match(readFileSync(join(copy, `firmware/board/partitions/${NAME}.csv`), "utf8"), "0x740000, 0x80000");
  assert.match(readFileSync(join(copy, "docs/boards.md"), "utf8"), /\| `mcconfig -p` \|.*`esp32\/c3_32s_kit`/);
});

test("every test that docs/extending.md names passes with it, no other file being touched", () => {
  for (const part of ["board/boards", "board/manifest", "board/sdkconfig", "documents"]) {
    const { code, said } = run("--import", "tsx", `test/unit/${part}.test.ts`);
    assert.is(code, 0, said);
  }
});

test("the simulator has its pins and its partitions, and the command line its name", () => {
  const program = `
    import { createBoard } from "./host-sim/device.js";
    import { statSync, mkdirSync, writeFileSync } from "node:fs";
    import { spawnBoard } from "./host-sim/engine/node.js";
    const { board, storage, close } = createBoard({ board: "${NAME}" });
    const journal = storage.flash.open({ path: "journal" }).status().size;
    close();
    mkdirSync("a-board");
    writeFileSync("a-board/board.json", '{ "board": "${NAME}" }');
    let bus;
    const process = spawnBoard({
      directory: "a-board",
      firmware: "test/sim/fixtures/probe.ts",
      onEvent(event) {
        if (event.event !== "boot") return;
        bus = event.bus;
        process.stop();
      },
    });
    await process.exited;
    console.log(JSON.stringify([board.i2c.pins, journal, bus, statSync("a-board/flash/journal.bin").size]));`;
  writeFileSync(join(copy, "look.ts"), program);
  const { code, said } = run("--import", "tsx", "look.ts");
  assert.is(code, 0, said);
  assert.equal(JSON.parse(said), [PINS.i2c, 0x80000, [8, 9], 0x80000]);
  assert.match(run("tools/chainmote.mjs", "start", "--help").said, NAME);
});

test("a board that goes takes its files with it", () => {
  rmSync(join(copy, `firmware/boards/${NAME}.json`));
  const { code, said } = run("--import", "tsx", "tools/boards/main.ts");
  assert.is(code, 0, said);
  for (const path of [`firmware/board/partitions/${NAME}.csv`, `firmware/board/sdkconfig/${NAME}`])
    assert.match(said, `removed: ${path}`);
  for (const path of [
    "manifest.json",
    "docs/boards.md",
    "tools/new/application/manifest.json",
    "examples/data-logger/manifest.json",
  ])
    assert.is(readFileSync(join(copy, path), "utf8"), readFileSync(join(ROOT, path), "utf8"), path);
});

test("two boards of one platform, and a file that is none: the command writes nothing", () => {
  writeFileSync(join(copy, "firmware/boards/twin.json"), readFileSync(join(copy, "firmware/boards/esp32c3.json")));
  const twin = run("--import", "tsx", "tools/boards/main.ts");
  assert.is.not(twin.code, 0);
  assert.match(twin.said, "twin.json: platform esp32/esp32c3 is esp32c3's already");
  writeFileSync(join(copy, "firmware/boards/twin.json"), "{}");
  assert.match(run("--import", "tsx", "tools/boards/main.ts").said, "twin.json: platform: expected");
  assert.not.match(execFileSync("ls", ["firmware/board/partitions"], { cwd: copy, encoding: "utf8" }), "twin");
});

test.run();
