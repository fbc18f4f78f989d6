// The SHT3x driver: word by word against a script of bus transactions, and as a whole against the behavioural model.

import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { decimal, numericText } from "../../../firmware/record/decimal.js";
import type { Entry } from "../../../firmware/record/senml.js";
import { Sht3x } from "../../../firmware/sensor/sht3x/sht3x.js";
import { createBoard } from "../../../host-sim/device.js";
import type { Sht3xFaults } from "../../../host-sim/hardware/sht3x.js";
import { VirtualClock } from "../../../host-sim/world/clock.js";
import { rejectionOf, type Step, scripted } from "./i2c-script.js";

const RESET = [0x30, 0xa2];
const MEASURE = [0x24, 0x00];
const MEASURE_STRETCHED = [0x2c, 0x06];
/** 0xBEEF and its checksum 0x92, the datasheet's own example (section 4.12), as temperature and as humidity. */
const BEEF = [0xbe, 0xef, 0x92];

type Sample = readonly Entry[];
const value = (sample: Sample, at: number): number => Number(numericText(sample[at]?.v ?? Number.NaN));

test("resets the sensor, measures, and converts as the datasheet's section 4.13 says", () => {
  const bus = scripted([{ write: RESET }, { write: MEASURE }, { read: 6, bytes: [...BEEF, ...BEEF] }]);
  const sensor = new Sht3x(bus);
  assert.equal({ ...bus.opened[0] }, { data: 21, clock: 22, hz: 400_000, address: 0x44, timeout: 50 });
  sensor.start();
  assert.is(sensor.sample(), undefined, "not before the measurement can be over");
  bus.pass(sensor.conversionMs);
  const [temperature, humidity] = sensor.sample() as Sample;
  assert.equal(temperature, { n: "temperature", u: "Cel", v: decimal(8552, -2) });
  assert.is(numericText(humidity?.v ?? 0), ((100 * 0xbeef) / 65_535).toFixed(2));
  assert.is(numericText(temperature?.v ?? 0), (-45 + (175 * 0xbeef) / 65_535).toFixed(2));
  bus.done();
});

test("the ends of the scale", () => {
  const zero = [0x00, 0x00, 0x81];
  const full = [0xff, 0xff, 0xac];
  const bus = scripted([{ write: RESET }, { write: MEASURE }, { read: 6, bytes: [...zero, ...full] }]);
  const sensor = new Sht3x(bus);
  sensor.start();
  bus.pass(16);
  assert.equal(sensor.sample(), [
    { n: "temperature", u: "Cel", v: decimal(-4500, -2) },
    { n: "humidity", u: "%RH", v: decimal(10_000, -2) },
  ]);
});

test("a NACK soon after the measurement means not yet; later it is tried anew, at last thrown", () => {
  const attempt: Step[] = [{ write: MEASURE }, { read: 6 }, { read: 6 }];
  const bus = scripted([{ write: RESET }, ...attempt, ...attempt, ...attempt]);
  const sensor = new Sht3x(bus);
  sensor.start();
  for (let i = 0; i < 2; i += 1) {
    bus.pass(17);
    assert.is(sensor.sample(), undefined);
    bus.pass(40);
    assert.is(sensor.sample(), undefined, "begun anew");
  }
  bus.pass(17);
  assert.is(sensor.sample(), undefined);
  bus.pass(40);
  assert.is(
    rejectionOf(() => sensor.sample()),
    "sensor-nack",
  );
  assert.is(
    rejectionOf(() => sensor.sample()),
    "sensor-idle",
  );
  bus.done();
});

test("any single flipped bit of a result is noticed; three in a row are thrown, one is only measured again", () => {
  for (let bit = 0; bit < 48; bit += 1) {
    const flipped = [...BEEF, ...BEEF];
    flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
    const bad: Step[] = [{ write: MEASURE }, { read: 6, bytes: flipped }];
    const bus = scripted([{ write: RESET }, ...bad, ...bad, ...bad, ...bad.slice(0, 1), { read: 6, bytes: [...BEEF, ...BEEF] }]);
    const sensor = new Sht3x(bus);
    sensor.start();
    bus.pass(16);
    assert.is(sensor.sample(), undefined);
    bus.pass(16);
    assert.is(sensor.sample(), undefined);
    bus.pass(16);
    assert.is(
      rejectionOf(() => sensor.sample()),
      "sensor-crc",
    );
    sensor.start();
    bus.pass(16);
    assert.ok(sensor.sample() !== undefined);
    bus.done();
  }
});

test("a command is sent three times at most; the constructor gives the bus back where the sensor is absent", () => {
  const absent = scripted([
    { write: RESET, nack: true },
    { write: RESET, nack: true },
    { write: RESET, nack: true },
  ]);
  assert.is(
    rejectionOf(() => new Sht3x(absent)),
    "sensor-nack",
  );
  assert.is(absent.closed(), 1);
  absent.done();
  const slow = scripted([{ write: RESET, nack: true }, { write: RESET }, { write: MEASURE, nack: true }, { write: MEASURE }]);
  new Sht3x(slow).start();
  slow.done();
});

test("with clock stretching the result is read at once; a clock held too long is its own error", () => {
  const bus = scripted([{ write: RESET }, { write: MEASURE_STRETCHED }, { read: 6, bytes: [...BEEF, ...BEEF] }]);
  const sensor = new Sht3x({ ...bus, clockStretching: true });
  sensor.start();
  assert.is(sensor.conversionMs, 0);
  assert.ok(sensor.sample() !== undefined);
  bus.done();
  const attempt: Step[] = [{ write: MEASURE_STRETCHED }, { read: 6 }];
  const held = scripted([{ write: RESET }, ...attempt, ...attempt, ...attempt]);
  const stuck = new Sht3x({ ...held, clockStretching: true });
  stuck.start();
  assert.is(stuck.sample(), undefined);
  assert.is(stuck.sample(), undefined);
  assert.is(
    rejectionOf(() => stuck.sample()),
    "sensor-timeout",
  );
  held.done();
});

/** Asks as the sampler does, until there is a sample, an error, or two seconds have passed. */
async function measure(sensor: Sht3x, clock: VirtualClock): Promise<Sample | string> {
  const code = rejectionOf(() => sensor.start());
  if (code !== "none") return code;
  for (let waitedMs = 0; waitedMs < 2000; waitedMs += 2) {
    await clock.advance(2, 0);
    let sample: Sample | undefined;
    const failed = rejectionOf(() => {
      sample = sensor.sample();
    });
    if (failed !== "none") return failed;
    if (sample !== undefined) return sample;
  }
  return "never";
}

function simulated(faults: Sht3xFaults, clockStretching: boolean, seed = "sht3x") {
  const clock = new VirtualClock();
  const trace = [
    [0, 20, 50],
    [10, 30, 60],
  ] as const;
  const { device, board } = createBoard({ clock, seed, sensor: { trace, faults } });
  return { clock, board, open: () => new Sht3x({ sensor: device.io.i2c, clock: device.clock, clockStretching }) };
}

for (const clockStretching of [false, true]) {
  const how = clockStretching ? "stretched" : "unstretched";

  test(`${how}: follows the room to a hundredth of a degree`, async () => {
    const { clock, open } = simulated({}, clockStretching);
    await clock.advance(5);
    const sensor = open();
    await clock.advance(2);
    for (let i = 0; i < 20; i += 1) {
      const seconds = clock.nowMs() / 1000;
      const sample = (await measure(sensor, clock)) as Sample;
      assert.ok(Math.abs(value(sample, 0) - (20 + seconds)) < 0.01, `after ${seconds} s`);
      assert.ok(Math.abs(value(sample, 1) - (50 + seconds)) < 0.1, `after ${seconds} s`);
      await clock.advance(400);
    }
    assert.is(sensor.status() & 0x10, 0x10, "the reset of the constructor is in the status");
  });

  test(`${how}: a stuck sensor and an unplugged bus are errors, and both heal`, async () => {
    const { clock, board, open } = simulated({}, clockStretching);
    await clock.advance(5);
    const sensor = open();
    await clock.advance(2);
    board.i2c.unplugged = true;
    assert.is(await measure(sensor, clock), "sensor-nack");
    board.i2c.unplugged = false;
    assert.ok(typeof (await measure(sensor, clock)) === "object");
    board.sensor.faults.stuck = true;
    assert.is(typeof (await measure(sensor, clock)), "string");
  });
}

test("whatever the wire does, a sample is right or there is none, and every question ends", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.string(),
      fc.boolean(),
      fc.double({ min: 0, max: 0.9, noNaN: true }),
      fc.double({ min: 0, max: 0.9, noNaN: true }),
      async (seed, stretched, corrupt, nackWrites) => {
        const { clock, board, open } = simulated({}, stretched, seed);
        await clock.advance(5, 0);
        const sensor = open();
        await clock.advance(2, 0);
        Object.assign(board.sensor.faults, { corrupt, nackWrites });
        for (let i = 0; i < 5; i += 1) {
          const beganS = clock.nowMs() / 1000;
          const outcome = await measure(sensor, clock);
          if (typeof outcome === "string") assert.ok(["sensor-crc", "sensor-nack", "sensor-timeout"].includes(outcome), outcome);
          else {
            const temperature = value(outcome, 0);
            assert.ok(temperature > 20 + beganS - 0.01 && temperature < 20 + clock.nowMs() / 1000 + 0.01, `${temperature}`);
          }
        }
      },
    ),
    { numRuns: 60 },
  );
});

test.run();
