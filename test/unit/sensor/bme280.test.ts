// The BME280 and BMP280 driver: word by word against a script of bus transactions with the datasheet's own example, and as a whole against the
// behavioural model.

import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { fieldsOf } from "../../../firmware/fields.js";
import type { Device } from "../../../firmware/ports.js";
import { numericText } from "../../../firmware/record/decimal.js";
import type { Entry } from "../../../firmware/record/senml.js";
import { Bme280, bme280 } from "../../../firmware/sensor/bme280/bme280.js";
import { createBoard } from "../../../host-sim/device.js";
import type { AirOptions } from "../../../host-sim/hardware/board.js";
import { VirtualClock } from "../../../host-sim/world/clock.js";
import { handDevice } from "../hand-device.js";
import { rejectionOf, type Step, scripted } from "./i2c-script.js";

const words = (...values: readonly number[]): number[] => values.flatMap((value) => [value & 255, (value >> 8) & 255]);
/** BST-BMP280-DS001, section 3.12: calibration, raw values, and what they mean: 25.08 °C, 100,653.27 Pa. */
const EXAMPLE = words(27_504, 26_435, -1000, 36_477, -10_685, 3024, 2855, 140, -7, 15_500, -14_600, 6000);
const RAW = [415_148, 519_888].flatMap((raw) => [raw >> 12, (raw >> 4) & 255, (raw & 15) << 4]);
const OPENED: readonly Step[] = [{ write: [0xd0] }, { read: 1, bytes: [0x58] }, { write: [0xe0, 0xb6] }];
const device = (bus: ReturnType<typeof scripted>) => handDevice({ io: { i2c: bus.sensor } });
const text = (entries: readonly Entry[] | undefined): string[] =>
  (entries ?? []).map(({ n, u, v }) => `${n} ${numericText(v)} ${u}`);

test("a BMP280 with the datasheet's calibration and raw values: 25.08 °C, 100,653 Pa", () => {
  const bus = scripted([
    ...OPENED,
    { write: [0x88] },
    { read: 24, bytes: EXAMPLE },
    { write: [0xf4, 0x25] },
    ...[{ write: [0xf3] }, { read: 1, bytes: [0x08] }],
    ...[{ write: [0xf3] }, { read: 1, bytes: [0x00] }],
    ...[{ write: [0xf7] }, { read: 6, bytes: RAW }],
    { write: [0xf4, 0x25] },
  ]);
  const sensor = bme280.configure(fieldsOf({ address: 0x77 })).open(device(bus));
  assert.is(bus.opened[0]?.address, 0x77);
  sensor.start();
  assert.is(sensor.sample(), undefined, "while it measures");
  assert.equal(text(sensor.sample()), ["temperature 25.08 Cel", "pressure 100653 Pa"]);
  assert.is(
    rejectionOf(() => sensor.sample()),
    "sensor-idle",
  );
  sensor.start();
  bus.done();
});

test("another chip, and no chip, give the bus back", () => {
  const other = scripted([{ write: [0xd0] }, { read: 1, bytes: [0x61] }]);
  assert.is(
    rejectionOf(() => new Bme280(device(other))),
    "sensor-other",
  );
  assert.is(other.closed(), 1);
  const absent = scripted([{ write: [0xd0], nack: true }]);
  assert.is(
    rejectionOf(() => new Bme280(device(absent))),
    "sensor-nack",
  );
  assert.is(absent.closed(), 1);
});

test("what was not measured, and what the part cannot measure, is no value", () => {
  const skipped = [0x80, 0, 0, 0x80, 0, 0];
  for (const [data, code] of [
    [skipped, "sensor-idle"],
    [[0, 0, 0, 0xff, 0xff, 0xf0], "value-range"],
  ] as const) {
    const bus = scripted([
      ...OPENED,
      { write: [0x88] },
      { read: 24, bytes: EXAMPLE },
      { write: [0xf4, 0x25] },
      { write: [0xf3] },
      { read: 1, bytes: [0] },
      { write: [0xf7] },
      { read: 6, bytes: data },
    ]);
    const sensor = new Bme280(device(bus));
    sensor.start();
    assert.is(
      rejectionOf(() => sensor.sample()),
      code,
    );
  }
});

/** A board with the part in a room of one climate. */
function simulated(options: AirOptions, temperature = 21.3, humidity = 45.5) {
  const clock = new VirtualClock();
  const made = createBoard({ clock, bme280: options, sensor: { trace: [[0, temperature, humidity]] } });
  return { clock, board: made.board, device: made.device as Device };
}

async function measure({ clock, device }: ReturnType<typeof simulated>, address?: number): Promise<readonly Entry[] | undefined> {
  await clock.advance(5, 0);
  const sensor = new Bme280(device, address);
  await clock.advance(sensor.settleMs, 0);
  sensor.start();
  await clock.advance(sensor.conversionMs, 0);
  const sample = sensor.sample();
  sensor.close();
  return sample;
}

test("the model and the driver agree over the part's range", async () => {
  const climate = fc.record({
    temperature: fc.integer({ min: -390, max: 840 }),
    humidity: fc.integer({ min: 20, max: 950 }),
    pressure: fc.integer({ min: 31_000, max: 109_000 }),
  });
  await fc.assert(
    fc.asyncProperty(climate, async ({ temperature, humidity, pressure }) => {
      const sample = await measure(simulated({ pressure }, temperature / 10, humidity / 10));
      const [t, p, h] = (sample ?? []).map(({ v }) => Number(numericText(v)));
      assert.ok(Math.abs((t as number) - temperature / 10) < 0.02, `${t} °C for ${temperature / 10}`);
      assert.ok(Math.abs((p as number) - pressure) <= 2, `${p} Pa for ${pressure}`);
      assert.ok(Math.abs((h as number) - humidity / 10) < 0.1, `${h} % for ${humidity / 10}`);
    }),
    { numRuns: 60 },
  );
});

test("a BMP280 says no humidity, under another address", async () => {
  const sample = await measure(simulated({ humid: false, address: 0x77 }), 0x77);
  assert.equal(
    sample?.map(({ n, u }) => `${n} ${u}`),
    ["temperature Cel", "pressure Pa"],
  );
});

test("absent, another chip, stuck: each its own end", async () => {
  assert.is(
    rejectionOf(() => new Bme280(simulated({ faults: { absent: true } }).device)),
    "sensor-nack",
  );
  assert.is(
    rejectionOf(() => new Bme280(simulated({ faults: { chipId: 0x61 } }).device)),
    "sensor-other",
  );
  assert.is(await measure(simulated({ faults: { stuck: true } })), undefined);
});

test.run();
