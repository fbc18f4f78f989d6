// Sensors on pins: analogue input, pulse counter, contact; against the simulated pins, whose classes are those that a board's firmware finds.

import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { fieldsOf } from "../../../firmware/fields.js";
import type { Device } from "../../../firmware/ports.js";
import { numericText } from "../../../firmware/record/decimal.js";
import { Rejection } from "../../../firmware/rejection.js";
import { analogue } from "../../../firmware/sensor/analogue/analogue.js";
import { contact } from "../../../firmware/sensor/contact/contact.js";
import { pulses } from "../../../firmware/sensor/pulses/pulses.js";
import type { Sensor, SensorType } from "../../../firmware/sensor/sensor.js";
import { createBoard } from "../../../host-sim/device.js";
import { VirtualClock } from "../../../host-sim/world/clock.js";
import { rejectionOf } from "./i2c-script.js";

function wired(type: SensorType, json: object, without: object = {}) {
  const clock = new VirtualClock();
  const { device, board } = createBoard({ clock });
  const io = { ...device.io, ...without };
  const part = type.configure(fieldsOf(json, "sensor"));
  return { clock, pins: board.pins, open: (): Sensor => part.open({ ...device, io } as unknown as Device) };
}

const text = (sensor: Sensor): string[] => {
  sensor.start();
  return (sensor.sample() ?? []).map(({ n, u, v }) => `${n} ${numericText(v)}${u === undefined ? "" : ` ${u}`}`);
};

test("an analogue input: a share of full scale, or the straight line that is configured", () => {
  const plain = wired(analogue, { pin: 3 });
  plain.pins.wire(3, { analog: 0.25 });
  assert.equal(text(plain.open()), ["level 0.2501 /"]);
  const tank = wired(analogue, { pin: 3, entry: "depth", unit: "m", at0: -0.5, atFull: 2.5, decimals: 2, readings: 8 });
  const sensor = tank.open();
  assert.equal(text(sensor), ["depth -0.50 m"]);
  tank.pins.wire(3, { analog: 1 });
  assert.equal(text(sensor), ["depth 2.50 m"]);
  assert.is(
    rejectionOf(() => wired(analogue, { pin: 3 }, { analog: undefined }).open()),
    "sensor-io",
  );
});

test("a pulse counter of the chip's own: it rises always, through a driver that is opened anew", async () => {
  const { clock, pins, open } = wired(pulses, { pin: 4, factor: 0.5, unit: "l", entry: "water", decimals: 1 });
  let sensor = open();
  assert.equal(text(sensor), ["water 0.0 l"]);
  pins.wire(4, { pulsesPerS: 100 });
  await clock.advance(1500);
  assert.equal(text(sensor), ["water 75.0 l"]);
  sensor.close();
  sensor = open();
  await clock.advance(1000);
  assert.equal(text(sensor), ["water 125.0 l"]);
});

test("a pulse counter by edges, where the chip has none: every rising edge, once", async () => {
  const { clock, pins, open } = wired(pulses, { pin: 4 }, { pulsecount: undefined });
  const sensor = open();
  for (let i = 0; i < 7; i += 1) {
    pins.set(4, 1);
    pins.set(4, 0);
    await clock.advance(1);
  }
  assert.equal(text(sensor), ["count 7 count"]);
  assert.is(
    rejectionOf(() => wired(pulses, { pin: 4 }, { pulsecount: undefined, digital: undefined }).open()),
    "sensor-io",
  );
});

test("a counter that goes backwards is no count", () => {
  let count = 5;
  class Wild {
    read(): number {
      return count;
    }
    close(): void {}
  }
  const sensor = wired(pulses, { pin: 4 }, { pulsecount: Wild }).open();
  text(sensor);
  for (const wrong of [4, Number.NaN]) {
    count = wrong;
    assert.is(
      rejectionOf(() => sensor.sample()),
      "sensor-error",
    );
  }
});

test("pulses after the last sample are in the next one, though the sensor is opened anew between", async () => {
  const { clock, pins, open } = wired(pulses, { pin: 4 }, { pulsecount: undefined });
  const pulse = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i += 1) {
      pins.set(4, 1);
      pins.set(4, 0);
      await clock.advance(1);
    }
  };
  const sensor = open();
  await pulse(5);
  assert.equal(text(sensor), ["count 5 count"]);
  await pulse(3);
  sensor.close();
  const again = open();
  await pulse(2);
  assert.equal(text(again), ["count 10 count"]);
});

test("a counter that fails or goes backwards at its end counts as far as it was sampled", () => {
  let end: () => number = () => 5;
  class Failing {
    read(): number {
      return end();
    }
    close(): void {}
  }
  for (const last of [
    () => 3,
    () => Number.NaN,
    () => {
      throw new Error("gone");
    },
  ]) {
    const { open } = wired(pulses, { pin: 4 }, { pulsecount: Failing });
    end = () => 5;
    const sensor = open();
    text(sensor);
    end = last;
    sensor.close();
    end = () => 0;
    assert.equal(text(open()), ["count 5 count"]);
  }
});

test("a contact: its state, and what closed and opened again between two samples", async () => {
  const { clock, pins, open } = wired(contact, { pin: 5, debounceMs: 10 });
  pins.set(5, 1);
  const sensor = open();
  assert.equal(text(sensor), ["closed 0", "closings 0 count"]);
  const close = async (forMs: number): Promise<void> => {
    pins.set(5, 0);
    await clock.advance(forMs);
    pins.set(5, 1);
    await clock.advance(50);
  };
  await close(30);
  await close(30);
  // A bounce: closings within the time count once.
  for (let i = 0; i < 5; i += 1) {
    pins.set(5, 0);
    await clock.advance(1);
    pins.set(5, 1);
    await clock.advance(1);
  }
  pins.set(5, 0);
  assert.equal(text(sensor), ["closed 1", "closings 3 count"]);
});

test("a contact that records changes alone says nothing where there is none", async () => {
  const { clock, pins, open } = wired(contact, { pin: 5, closed: 1, pullUp: false, changes: true });
  const sensor = open();
  assert.equal(text(sensor), ["closed 0", "closings 0 count"]);
  assert.equal(text(sensor), []);
  pins.set(5, 1);
  await clock.advance(1);
  assert.equal(text(sensor), ["closed 1", "closings 1 count"]);
  assert.equal(text(sensor), []);
  assert.is(
    rejectionOf(() => wired(contact, { pin: 5 }, { digital: undefined }).open()),
    "sensor-io",
  );
});

for (const [type, json, detail] of [
  [analogue, {}, /^sensor\.pin: expected a whole number/],
  [analogue, { pin: 1, entry: "a b" }, /^sensor\.entry: expected letters/],
  [analogue, { pin: 1, unit: "°C" }, /^sensor\.unit: expected a unit/],
  [analogue, { pin: 1, at0: "0" }, /^sensor\.at0: expected a number/],
  [analogue, { pin: 1, decimals: 10 }, /^sensor\.decimals: expected a whole number/],
  [pulses, { pin: 256 }, /^sensor\.pin: expected a whole number/],
  [pulses, { pin: 1, factor: null, unit: "" }, /^sensor\.unit: expected/],
  [contact, { pin: 1, closed: 2 }, /^sensor\.closed: expected a whole number from 0 to 1/],
  [contact, { pin: 1, pullUp: 1 }, /^sensor\.pullUp: expected true or false/],
] as const)
  test(`refused: ${type.type} ${JSON.stringify(json)}`, () => {
    try {
      type.configure(fieldsOf(json, "sensor"));
      assert.unreachable();
    } catch (error) {
      if (!(error instanceof Rejection)) throw error;
      assert.match(error.detail, detail);
    }
  });

test("whatever a converter reads becomes a value within the line, or a rejection", () => {
  fc.assert(
    fc.property(fc.double(), fc.integer({ min: 0, max: 24 }), (reading, resolution) => {
      class Any {
        readonly resolution = resolution;
        read = (): number => reading;
        close(): void {}
      }
      const sensor = wired(analogue, { pin: 1 }, { analog: Any }).open();
      const code = rejectionOf(() => sensor.sample());
      assert.ok(code === "none" || code === "value-unusable", code);
    }),
  );
});

test.run();
