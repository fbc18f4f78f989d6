// The bootloader of a simulated chip: what it does with otadata at each reset, by ESP-IDF's rules, also where the power goes
// between erase and write; and images that are none.

import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { readImage, writeImage } from "../../../host-sim/hardware/esp-image.js";
import { ChipSlots } from "../../../host-sim/hardware/slots.js";
import { type BoardStorage, memoryStorage } from "../../../host-sim/hardware/storage.js";

const PARTITIONS = { journal: 0x4000, otadata: 0x2000, ota_0: 0x8000, ota_1: 0x8000 };
const image = (name: string, secureVersion = 0, chip = "esp32c3"): Uint8Array =>
  writeImage({ chip, version: name, secureVersion, program: { firmware: name } });

type Slots = NonNullable<BoardStorage["slots"]>;

function chip(antiRollback = false): { slots: Slots; boot: () => ChipSlots; runs: () => string } {
  const { slots } = memoryStorage({ partitions: PARTITIONS, antiRollback }) as { slots: Slots };
  let runs = "";
  const boot = (): ChipSlots => {
    const board = new ChipSlots(slots, "esp32c3");
    runs = board.boot()?.version ?? "wire";
    return board;
  };
  return { slots, boot, runs: () => runs };
}

/** Writes an image into the place that does not run. */
function put(board: ChipSlots, bytes: Uint8Array): void {
  const flash = board.partition("nextota");
  flash.eraseBlock(0, flash.sectors);
  flash.write(bytes, 0);
}

test("from the wire, to the other place, back at a reset while pending, and on once it is valid", () => {
  const { boot, runs } = chip();
  let board = boot();
  assert.equal([runs(), board.running(), board.other()], ["wire", { slot: 0, state: "valid" }, { slot: 1, state: "undefined" }]);
  put(board, image("v2"));
  board.select(1);
  assert.equal(board.other(), { slot: 1, state: "new" });
  board = boot();
  assert.equal([runs(), board.running()], ["v2", { slot: 1, state: "pending" }]);
  board = boot();
  assert.equal([runs(), board.running(), board.other()], ["wire", { slot: 0, state: "valid" }, { slot: 1, state: "aborted" }]);
  board.select(1);
  board = boot();
  board.markValid();
  for (let resets = 0; resets < 3; resets += 1) board = boot();
  assert.equal([runs(), board.running()], ["v2", { slot: 1, state: "valid" }]);
  put(board, image("v3"));
  board.select(0);
  board = boot();
  assert.is(runs(), "v3");
  board.rollback();
  board = boot();
  assert.equal([runs(), board.other()], ["v2", { slot: 0, state: "invalid" }]);
});

test("what does not load is not selected, and where a selected one does not load the other boots", () => {
  const { slots, boot, runs } = chip();
  let board = boot();
  for (const bytes of [new Uint8Array(100).fill(7), image("v2", 0, "esp32s3"), image("v2").fill(1, 200, 210)]) {
    put(board, bytes);
    assert.throws(() => board.select(1), "image invalid");
  }
  put(board, image("v2"));
  board.select(1);
  slots.slot(1).flipBit(8 * 300);
  board = boot();
  assert.equal([runs(), board.other().state], ["wire", "pending"]);
  boot();
  assert.is(runs(), "wire");
});

test("a power cut between erase and write of otadata leaves a chip that boots", () => {
  for (const cut of [0, 4096, 4096 + 16])
    for (const work of ["select", "boot", "mark"] as const) {
      const { slots, boot, runs } = chip();
      let board = boot();
      put(board, image("v2"));
      const attempt = (step: () => void): void => {
        slots.otadata.cutAfter(cut);
        assert.throws(step, "power lost");
        slots.otadata.powerOn();
      };
      if (work === "select") attempt(() => board.select(1));
      else board.select(1);
      if (work === "boot") attempt(() => void boot());
      if (work === "mark") {
        board = boot();
        attempt(() => board.markValid());
      }
      boot();
      assert.ok(["wire", "v2"].includes(runs()), `${work} ${cut}: ${runs()}`);
      boot();
      assert.is(runs(), "wire", "not marked, it is gone at the second reset");
    }
});

test("the eFuse rises with the mark, and what is below it boots no more", () => {
  const { boot, runs } = chip(true);
  let board = boot();
  put(board, image("v2", 2));
  board.select(1);
  board = boot();
  assert.is(board.secureVersion(), 0);
  board.markValid();
  assert.is(board.secureVersion(), 2);
  put(board, image("v3", 1));
  assert.throws(() => board.select(0), "image invalid");
  boot();
  assert.is(runs(), "v2");
});

test("without an image to go back to nothing goes back", () => {
  const { slots, boot } = chip();
  const board = boot();
  slots.slot(0).eraseBlock(0, 8);
  slots.slot(0).write(new Uint8Array(64), 0);
  put(board, image("v2"));
  board.select(1);
  const next = boot();
  assert.throws(() => next.rollback(), "no other image");
});

test("bytes that are no image are refused by name, whatever they are", () => {
  const good = image("v2");
  assert.not.ok("fault" in readImage(good));
  const found = readImage(Uint8Array.from([...good, ...new Uint8Array(4096).fill(0xff)]));
  assert.ok(!("fault" in found) && found.bytes === good.length, "padding and signatures come behind it");
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const bent = good.slice();
      bent[at] = (bent[at] as number) ^ change;
      const read = readImage(bent);
      // The header's other fields are no business of checksum alone: the digest covers them.
      assert.ok("fault" in read || at === 23, `byte ${at}`);
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (noise) => {
      readImage(Uint8Array.from([0xe9, ...noise]));
      assert.ok("fault" in readImage(noise) || noise.length > 300);
    }),
  );
});

test.run();
