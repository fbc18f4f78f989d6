// The device key and the image's profile: production makes and opens one only while the chip is locked, and never one of dev's.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { SoftwareKeys } from "../../firmware/crypto/software-keys.js";
import { openDeviceKey } from "../../firmware/device-key.js";
import type { Device } from "../../firmware/ports.js";
import { Rejection } from "../../firmware/rejection.js";
import { createBoard } from "../../host-sim/device.js";
import type { ChipOptions } from "../../host-sim/hardware/chip.js";
import { type BoardStorage, memoryStorage } from "../../host-sim/hardware/storage.js";
import { fastEngine } from "../../tools/crypto/engine-fast.js";

const LOCKED: ChipOptions = { profile: "production", secureBoot: true, flashEncryption: "release", nvsEncryption: true };

function keyOn(storage: BoardStorage, chip: ChipOptions): ReturnType<typeof openDeviceKey> {
  const { device, board, close } = createBoard({ storage, chip });
  board.radio.start();
  const keys = new SoftwareKeys({ ...device, engine: fastEngine });
  const opened = openDeviceKey({ ...device, keys } as Device, fastEngine, true);
  close();
  return opened;
}

function address(opened: ReturnType<typeof openDeviceKey>): string {
  if (opened === undefined || opened instanceof Rejection) throw new Error(String(opened));
  return Buffer.from(opened.address).toString("hex");
}

test("production makes a key once secure boot, release encryption and NVS encryption all read active, and keeps it", () => {
  const storage = memoryStorage();
  const first = address(keyOn(storage, LOCKED));
  assert.is(address(keyOn(storage, LOCKED)), first);
});

test("where one of the three is missing it makes none and opens none, and says which", () => {
  for (const [open, words] of [
    [{ secureBoot: false }, "secure boot is off"],
    [{ flashEncryption: "off" }, "flash encryption is off"],
    [{ flashEncryption: "development" }, "flash encryption is development"],
    [{ nvsEncryption: false }, "NVS is not encrypted"],
    [{ secureBoot: false, nvsEncryption: false }, "secure boot is off, NVS is not encrypted"],
  ] as const) {
    for (const before of [false, true]) {
      const storage = memoryStorage();
      if (before) keyOn(storage, LOCKED);
      const kept = storage.nvs.sizes().size;
      const refused = keyOn(storage, { ...LOCKED, ...open });
      if (!(refused instanceof Rejection)) return assert.unreachable(words);
      assert.is(refused.code, "chip-unlocked");
      assert.match(refused.detail, words);
      assert.is(storage.nvs.sizes().size, kept, "nothing was written");
    }
  }
});

test("a dev identity never carries over, nor production's back", () => {
  const storage = memoryStorage();
  const dev = address(keyOn(storage, {}));
  const production = address(keyOn(storage, LOCKED));
  assert.is.not(production, dev);
  assert.is(address(keyOn(storage, {})), dev, "dev's own is as it was");
  assert.is(address(keyOn(storage, LOCKED)), production);
});

test("dev asks nothing of its chip, and a board without such a chip has dev's key", () => {
  const storage = memoryStorage();
  const dev = address(keyOn(storage, { secureBoot: true }));
  const { device, board, close } = createBoard({ storage });
  board.radio.start();
  const { chip: _, ...rest } = device;
  const keys = new SoftwareKeys({ ...device, engine: fastEngine });
  assert.is(address(openDeviceKey({ ...rest, keys } as Device, fastEngine, true)), dev);
  close();
});

test.run();
