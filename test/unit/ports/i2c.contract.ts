// What every I²C port (firmware/ports.ts, ECMA-419 §10.4) must do; the part on the bus is a Sensirion SHT3x.

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { I2CBus } from "../../../firmware/ports.js";

const SHT3X = 0x44;
const NOBODY = 0x2a;
const READ_STATUS = Uint8Array.of(0xf3, 0x2d);

/** @param make a bus of its own, with an SHT3x that has just been powered on, at 0x44 and nothing at 0x2A */
export function i2cContract(title: string, make: () => Promise<I2CBus>): void {
  const test = suite(`i2c contract: ${title}`);
  const open = (bus: I2CBus, address = SHT3X) => new bus.io({ data: bus.data, clock: bus.clock, hz: 100_000, address });

  test("what was asked for comes in a buffer of that length", async () => {
    const i2c = open(await make());
    i2c.write(READ_STATUS);
    const answer = i2c.read(3);
    assert.instance(answer, ArrayBuffer);
    assert.is(answer.byteLength, 3);
    i2c.close();
  });

  test("a part that is not there is an error, for a write and for a read", async () => {
    const i2c = open(await make(), NOBODY);
    assert.throws(() => i2c.write(READ_STATUS));
    assert.throws(() => i2c.read(1));
    i2c.close();
  });

  test("a part with nothing to say answers a read with an error", async () => {
    const i2c = open(await make());
    assert.throws(() => i2c.read(6));
    i2c.close();
  });

  test("nothing cannot be read", async () => {
    const i2c = open(await make());
    i2c.write(READ_STATUS);
    assert.throws(() => i2c.read(0));
    i2c.close();
  });

  test("one driver at a time for an address; its close frees it", async () => {
    const bus = await make();
    const first = open(bus);
    assert.throws(() => open(bus));
    first.close();
    const second = open(bus);
    second.write(READ_STATUS);
    second.close();
  });

  test("a closed driver refuses, and may be closed again", async () => {
    const i2c = open(await make());
    i2c.close();
    assert.throws(() => i2c.write(READ_STATUS));
    i2c.close();
  });

  test("options that cannot be are refused", async () => {
    const bus = await make();
    const base = { data: bus.data, clock: bus.clock, hz: 100_000, address: SHT3X };
    assert.throws(() => new bus.io({ ...base, address: 128 }));
    assert.throws(() => new bus.io({ ...base, hz: 0 }));
    assert.throws(() => new bus.io({ ...base, hz: 0.5 }));
    assert.throws(() => new bus.io({ ...base, timeout: -2 }));
  });

  test.run();
}
