// My own sensor: ROHM's BH1750FVI measures ambient light over I2C (its datasheet: "Instruction Set Architecture").

import { type Device, type Entry, type Fields, fraction, type Sensor, type SensorType } from "chainmote";

/** One measurement of 1 lx resolution; it takes 180 ms at the most, then the part sleeps. */
const MEASURE_ONCE = 0x20;
const MEASUREMENT_MS_MAX = 180;
const COUNTS_PER_LUX = 1.2;

/** `address` in config.json: 0x23 (35), or 0x5c (92) with its pin ADDR high. Frozen, so that it lies in flash. */
export const bh1750: SensorType = Object.freeze({
  type: "bh1750",
  configure(fields: Fields) {
    const address = fields.uint("address", 8, 119, 0x23);
    return { open: (device: Device) => new Bh1750(device, address) };
  },
});

class Bh1750 implements Sensor {
  readonly settleMs = 0;
  readonly conversionMs = MEASUREMENT_MS_MAX;
  readonly #bus;

  constructor({ io }: Device, address: number) {
    const { io: I2C, ...pins } = io.i2c;
    this.#bus = new I2C({ ...pins, address, hz: 400_000 });
  }

  start(): void {
    this.#bus.write(Uint8Array.of(MEASURE_ONCE));
  }

  sample(): readonly Entry[] {
    const [high = 0, low = 0] = new Uint8Array(this.#bus.read(2));
    return [{ n: "illuminance", u: "lx", v: fraction((high * 256 + low) / COUNTS_PER_LUX, 1) }];
  }

  close(): void {
    this.#bus.close();
  }
}
