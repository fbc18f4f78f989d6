// chainmote flash over a simulated bootloader: each chip, with esptool's stub and without, and everything that can be amiss before, while and
// after it writes.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { OPERATION, type RomBoardOptions } from "../../../../host-sim/hardware/rom-bootloader.js";
import { type Flashed, type FlashOptions, flashBoard } from "../../../../tools/flash/flasher.js";
import type { ImageFolder, Profile } from "../../../../tools/image/image-folder.js";
import { CommandError } from "../../../../tools/terminal.js";
import { imagesIn, type Row, tableBytes } from "./images.js";
import { WiredPort } from "./wired-port.js";

const folder = mkdtempSync(join(tmpdir(), "chainmote-flash-"));
test.after(() => rmSync(folder, { recursive: true, force: true }));

const CHIPS = ["esp32", "esp32c3", "esp32c6", "esp32s3"];
const images = new Map<string, ImageFolder>();
const imagesOf = (chip: string, profile: Profile = "dev"): ImageFolder => {
  const name = `${chip}-${profile}`;
  const found = images.get(name) ?? imagesIn(join(folder, name), chip, profile);
  images.set(name, found);
  return found;
};

const flash = (port: WiredPort, chip: string, more: Partial<FlashOptions> = {}): Promise<Flashed> =>
  flashBoard({ port, images: imagesOf(chip), baudRate: 460_800, stub: true, attempts: 1, progress: () => undefined, ...more });

async function refusal(made: Promise<unknown>): Promise<string> {
  try {
    await made;
  } catch (error) {
    assert.instance(error, CommandError);
    return (error as Error).message;
  }
  throw new Error("it was flashed");
}

const board = (chip: string, more: Partial<RomBoardOptions> = {}): WiredPort => new WiredPort({ chip, ...more });

const holds = (port: WiredPort, name: string, { parts }: ImageFolder): boolean => {
  const part = parts.find((one) => one.name === name);
  if (part === undefined) throw new Error(name);
  return Buffer.from(port.board.flash.subarray(part.offset, part.offset + part.bytes.length)).equals(Buffer.from(part.bytes));
};

for (const chip of CHIPS)
  for (const stub of [true, false])
    test(`${chip}, ${stub ? "esptool's stub" : "the ROM alone"}: every part is where it belongs, the board is known, and starts`, async () => {
      let starts = 0;
      const port = board(chip, { onStart: () => (starts += 1) });
      const flashed = await flash(port, chip, { stub });
      for (const { name } of imagesOf(chip).parts) assert.ok(holds(port, name, imagesOf(chip)), name);
      assert.is(flashed.mac, "7c:df:a1:00:00:01");
      assert.is(flashed.flashBytes, 4 << 20);
      assert.equal(flashed.security, { secureBoot: false, flashEncryption: "off", nvsKey: chip === "esp32" });
      assert.is(flashed.parts.at(-1), "bootloader", "the bootloader comes last");
      assert.is(starts, 1);
      assert.equal(port.bauds, stub ? [115_200, 460_800] : [115_200]);
      const untouched = port.board.flash.subarray(0x3b0000);
      assert.ok(
        untouched.every((byte) => byte === 0xff),
        "what is no image's stays as it is",
      );
    });

test("the images of another chip, and those for a larger flash, are refused before anything is written", async () => {
  const port = board("esp32s3");
  const wrong = await refusal(flash(port, "esp32c3"));
  assert.is(wrong, "this board has an ESP32-S3, and the images are for an ESP32-C3; nothing was written to the board");
  assert.ok(port.board.flash.every((byte) => byte === 0xff));
  const small = await refusal(flash(board("esp32c3", { flashBytes: 2 << 20 }), "esp32c3"));
  assert.match(
    small,
    /^this board has 2,097,152 bytes of flash, and the images are for 4,194,304: .*; nothing was written to the board$/,
  );
});

/** The table of a mote as it was before there were two slots. */
const OLD_ROWS = [
  { name: "nvs", type: 1, subtype: 2, at: 0x9000, bytes: 0x6000 },
  { name: "factory", type: 0, subtype: 0, at: 0x10000, bytes: 0x3a0000 },
  { name: "journal", type: 1, subtype: 6, at: 0x3b0000, bytes: 0x40000 },
];

test("a mote whose key lies elsewhere is not written unless that is meant; another firmware's board is, and a mote of the same layout", async () => {
  const withTable = (at: number, rows: readonly Row[]): WiredPort => {
    const port = board("esp32c3");
    port.board.flash.set(tableBytes(rows), at);
    return port;
  };
  const moved = withTable(0x8000, OLD_ROWS);
  const before = Buffer.from(moved.board.flash);
  assert.match(
    await refusal(flash(moved, "esp32c3")),
    /^a mote lives on this board whose partition nvs lies elsewhere: .* say --repartition, .*; nothing was written to the board$/,
  );
  assert.ok(Buffer.from(moved.board.flash).equals(before));
  await flash(withTable(0x8000, OLD_ROWS), "esp32c3", { repartition: true });
  await flash(withTable(0x8000, OLD_ROWS.slice(0, 2)), "esp32c3");
  // What lies at the place of before is of no account once there is a table where it belongs.
  const same = withTable(0x8000, OLD_ROWS);
  same.board.flash.set(tableBytes(), 0xc000);
  await flash(same, "esp32c3");
});

test("what another firmware has left where NVS lies is erased first; the NVS of a mote of the same layout is not", async () => {
  const from = 0x9000;
  const dirty = (rows: readonly Row[], at: number): WiredPort => {
    const port = board("esp32c3");
    port.board.flash.fill(0x5a, from, 0x20000);
    port.board.flash.set(tableBytes(rows), at);
    return port;
  };
  const nvsOf = (port: WiredPort): Uint8Array => port.board.flash.subarray(0xd000, 0x1b000);
  const isErased = (port: WiredPort): boolean =>
    nvsOf(port).every((byte) => byte === 0xff) && port.board.flash.subarray(from, 0xc000).every((byte) => byte === 0xff);
  for (const [port, more] of [
    [dirty(OLD_ROWS, 0x8000), { repartition: true }],
    [dirty(OLD_ROWS, 0x8000), { repartition: true, stub: false }],
    [dirty(OLD_ROWS.slice(0, 2), 0x8000), {}],
  ] as const) {
    const { parts } = await flash(port, "esp32c3", more);
    assert.equal(parts, ["nvs", "partition-table", "otadata", "app", "bootloader"]);
    assert.ok(isErased(port));
    for (const { name } of imagesOf("esp32c3").parts) assert.ok(holds(port, name, imagesOf("esp32c3")), name);
  }
  for (const stub of [true, false]) {
    const same = dirty(OLD_ROWS, 0x8000);
    same.board.flash.set(tableBytes(), 0xc000);
    await flash(same, "esp32c3", { stub });
    assert.ok(
      nvsOf(same).every((byte) => byte === 0x5a),
      "a mote of this layout",
    );
  }
  const unknown = dirty(OLD_ROWS.slice(0, 2), 0x8000);
  const before = Buffer.from(unknown.board.flash);
  assert.match(
    await refusal(flash(unknown, "esp32c3", { stub: false })),
    /^the ROM alone cannot tell whether a mote of another layout .*; nothing was written to the board$/,
  );
  assert.ok(Buffer.from(unknown.board.flash).equals(before));
});

test("an emulator's images are given to no board", async () => {
  const port = board("esp32c3");
  const said = await refusal(flash(port, "esp32c3", { images: { ...imagesOf("esp32c3"), emulated: true } }));
  assert.match(said, /^these images are for an emulator .*; nothing was written to the board$/);
  assert.ok(port.board.flash.every((byte) => byte === 0xff));
});

for (const chip of CHIPS)
  test(`${chip}: flash that is encrypted already gets no plaintext, whatever the mode; a second odd bit is off again`, async () => {
    for (const [cryptCount, noManualEncrypt, mode] of [
      [1, false, "development"],
      [7, true, "release"],
    ] as const) {
      const port = board(chip, { cryptCount, noManualEncrypt });
      const said = await refusal(flash(port, chip));
      assert.match(
        said,
        new RegExp(`^flash encryption is on in this board \\(${mode} mode\\): .*over the air; nothing was written`),
      );
      assert.ok(port.board.flash.every((byte) => byte === 0xff));
    }
    assert.is((await flash(board(chip, { cryptCount: 3 }), chip)).security.flashEncryption, "off");
  });

test("a board with secure boot gets signed images alone; one whose download mode is locked none", async () => {
  const said = await refusal(flash(board("esp32c3", { secureBoot: true }), "esp32c3"));
  assert.match(said, /^secure boot is on in this board: .*nothing was written to the board$/);
  const production = { images: imagesOf("esp32c3", "production") };
  const flashed = await flash(board("esp32c3", { secureBoot: true, nvsKey: true }), "esp32c3", production);
  assert.ok(flashed.security.secureBoot);
  const without = await refusal(flash(board("esp32c3"), "esp32c3", production));
  assert.match(
    without,
    /^this board has no key for NVS yet, .*burn-key BLOCK_KEY5 FILE HMAC_UP, .*; nothing was written to the board$/,
  );
  await flash(board("esp32"), "esp32", { images: imagesOf("esp32", "production") });
  const unsigned: ImageFolder = { ...imagesOf("esp32c3"), profile: "production" };
  const unsignedSaid = await refusal(flash(board("esp32c3", { nvsKey: true }), "esp32c3", { images: unsigned }));
  assert.match(
    unsignedSaid,
    /^bootloader\.bin is not signed, and a board of the profile production starts nothing else: .*nothing was written/,
  );
  const locked = await refusal(flash(board("esp32c3", { secureDownload: true }), "esp32c3"));
  assert.match(locked, /^this board's download mode is locked .*nothing was written to the board$/);
});

test("a production board whose key for NVS was burnt, or may have been: that is said, whatever comes after", async () => {
  const production = { images: imagesOf("esp32c3", "production") };
  const burnt = await refusal(flash(board("esp32c3"), "esp32c3", { ...production, burnKey: () => Promise.resolve() }));
  assert.match(burnt, /^this board has no key for NVS yet, .*; its key for NVS is burnt; nothing was written to the board$/);
  const failing = (): Promise<void> => Promise.reject(new CommandError("espefuse did not"));
  assert.is(
    await refusal(flash(board("esp32c3"), "esp32c3", { ...production, burnKey: failing })),
    "espefuse did not; whether its key for NVS is burnt, espefuse summary says; nothing was written to the board",
  );
});

test("nobody answers: one line says which button to press", async () => {
  class Silent extends WiredPort {
    override get writable(): WritableStream<Uint8Array> | null {
      return new WritableStream();
    }
  }
  const said = await refusal(flash(new Silent({ chip: "esp32c3" }), "esp32c3"));
  assert.match(said, /^no ESP32's bootloader answers on this port: hold its BOOT button, .*; nothing was written to the board$/);
  class Uncontrolled extends WiredPort {
    override readonly controlled = false;
    override setSignals(): Promise<void> {
      return Promise.resolve();
    }
  }
  const lines = await refusal(flash(new Uncontrolled({ chip: "esp32c3" }), "esp32c3"));
  assert.match(lines, /its port has no control lines, so nothing can reset it from here: hold its BOOT button/);
  const held = new Uncontrolled({ chip: "esp32c3", bootHeld: true });
  assert.is((await flash(held, "esp32c3")).restarted, false, "somebody held the button");
});

test("a person who says no, or another board's MAC, ends it before anything is written", async () => {
  const port = board("esp32c3");
  const said = await refusal(
    flash(port, "esp32c3", {
      confirm: ({ mac }) => Promise.reject(new CommandError(`not ${mac}`)),
    }),
  );
  assert.is(said, "not 7c:df:a1:00:00:01; nothing was written to the board");
  assert.ok(port.board.flash.every((byte) => byte === 0xff));
});

test("cells that take no write: the part that is amiss is named, and what is on the board", async () => {
  for (const stub of [true, false]) {
    const said = await refusal(flash(board("esp32c3", { wornFrom: 0x22000 }), "esp32c3", { stub }));
    assert.match(
      said,
      stub
        ? /^firmware\.bin reads back otherwise than it was written: its flash may be worn out; /
        : /^the board's bootloader: .*status 1,8; /,
    );
    assert.match(
      said,
      /; written and verified: partition-table, otadata; app is there in part; not written: bootloader; the board does not start until this has run to its end: run it again$/,
    );
  }
});

/** The operations of one whole run, in their order. */
async function operationsOf(chip: string, stub: boolean): Promise<readonly number[]> {
  const operations: number[] = [];
  await flash(board(chip, { onCommand: (operation) => operations.push(operation) }), chip, { stub });
  return operations;
}

for (const stub of [true, false])
  test(`${stub ? "the stub" : "the ROM alone"}: the cable is pulled at each kind of step, first and last: what is said is what is on the board, and the next run mends it`, async () => {
    const chip = "esp32c3";
    const operations = await operationsOf(chip, stub);
    const steps = new Set(
      operations
        .flatMap((operation) => [operations.indexOf(operation), operations.lastIndexOf(operation)])
        .concat(operations.length - 1),
    );
    assert.ok(steps.size > 10, `${steps.size} steps`);
    for (const step of steps) {
      const port = new WiredPort({ chip }, step + 1);
      const said = await refusal(flash(port, chip, { stub }));
      assert.match(said, /^the port has gone: is the board still plugged in\?; /, `step ${step}`);
      const all = imagesOf(chip);
      const done = /written and verified: ([\w, -]+?);/.exec(said)?.[1]?.split(", ") ?? [];
      for (const name of done) assert.ok(holds(port, name, all), `${name} at step ${step}`);
      if (/nothing was written/.test(said))
        assert.ok(
          port.board.flash.every((byte) => byte === 0xff),
          `step ${step}: ${said}`,
        );
      else if (done.length < all.parts.length) assert.match(said, /does not start until this has run to its end: run it again$/);
      const half = /; (\S+) is there in part; /.exec(said)?.[1];
      for (const { name } of all.parts)
        if (!done.includes(name) && name !== half && holds(port, name, all) && name !== "otadata")
          assert.unreachable(`step ${step}: ${name} is there, and that was not said: ${said}`);
    }
    assert.ok(operations.includes(stub ? OPERATION.deflData : OPERATION.flashData));
  });

test.run();
