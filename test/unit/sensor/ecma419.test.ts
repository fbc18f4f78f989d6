// The adapter for plain ECMA-419 sensor classes: every form of sample, every unit, every way to answer, and nothing but a reason for what is no value.

import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { fieldsOf } from "../../../firmware/fields.js";
import { numericText } from "../../../firmware/record/decimal.js";
import { entriesFault } from "../../../firmware/record/sample.js";
import type { Entry } from "../../../firmware/record/senml.js";
import { Rejection } from "../../../firmware/rejection.js";
import { type Ecma419Options, type Ecma419Sensor, ecma419 } from "../../../firmware/sensor/ecma419/ecma419.js";
import { QUANTITIES } from "../../../firmware/sensor/ecma419/quantities.js";
import { handDevice } from "../hand-device.js";
import { rejectionOf } from "./i2c-script.js";

const device = handDevice({ io: { i2c: { io: "the I2C class", data: 1, clock: 2 } } });

function opened(sample: Ecma419Sensor["sample"], options: Partial<Ecma419Options> = {}, json: object = {}) {
  const made: unknown[] = [];
  const configured: object[] = [];
  const calls: string[] = [];
  class Driver implements Ecma419Sensor {
    constructor(given: unknown) {
      made.push(given);
    }
    configure(given: object): void {
      configured.push(given);
    }
    sample(callback?: Parameters<Ecma419Sensor["sample"]>[0]): unknown {
      return sample(callback);
    }
    close(): void {
      calls.push("close");
    }
  }
  const type = ecma419({ type: "any", driver: Driver, ...options });
  const sensor = type.configure(fieldsOf(json, "sensor")).open(device);
  sensor.start();
  return { sensor, made, configured, calls };
}

const text = (entries: readonly Entry[] | undefined): string[] | undefined =>
  entries?.map(({ n, u, v }) => `${n} ${numericText(v)}${u === undefined ? "" : ` ${u}`}`);
const sampled = (sample: unknown, options: Partial<Ecma419Options> = {}, json: object = {}) =>
  text(opened(() => sample, options, json).sensor.sample());
const refused = (sample: unknown, options: Partial<Ecma419Options> = {}) =>
  rejectionOf(() => opened(() => sample, options).sensor.sample());

test("nested samples, flat ones, and those where a part did not answer", () => {
  assert.equal(sampled({ thermometer: { temperature: 21.304 }, hygrometer: { humidity: 0.455 } }), [
    "temperature 21.30 Cel",
    "humidity 45.50 %RH",
  ]);
  assert.equal(sampled({ temperature: -3.999, alert: undefined }), ["temperature -4.00 Cel"]);
  assert.equal(sampled({ hygrometer: {}, thermometer: { temperature: 1 } }), ["temperature 1.00 Cel"]);
  assert.equal(sampled({ barometer: { pressure: 101_325.4 } }), ["pressure 101325 Pa"]);
  assert.equal(sampled({ accelerometer: { x: 0, y: -9.81, z: 0.5 } }), [
    "acceleration/x 0.000 m/s2",
    "acceleration/y -9.810 m/s2",
    "acceleration/z 0.500 m/s2",
  ]);
  assert.equal(sampled({ proximity: { near: undefined, distance: 123 } }), ["distance 1.2300 m"]);
});

test("a driver's humidity per cent is told apart from the standard's ratio, and the wrong one is noticed", () => {
  assert.equal(sampled({ hygrometer: { humidity: 45.5 } }, { humidity: "percent" }), ["humidity 45.50 %RH"]);
  assert.is(refused({ hygrometer: { humidity: 45.5 } }), "value-unit");
});

test("what has no unit in the table is named in the configuration, or is said", () => {
  const entries = { "gasDetector.resistance": { name: "gas", unit: "Ohm", decimals: 0 }, near: { name: "near", decimals: 0 } };
  assert.equal(sampled({ gasDetector: { resistance: 5234.4 }, near: true }, {}, { entries }), ["gas 5234 Ohm", "near 1"]);
  assert.is(refused({ gasDetector: { resistance: 1 } }), "sample-unmapped");
  assert.is(refused({ x: 1, y: 2 }), "sample-unmapped");
  assert.is(refused({}), "sensor-error");
  assert.equal(sampled({ temperature: 1, near: true }), ["temperature 1.00 Cel"], "what is known is recorded all the same");
});

test("a quantity of the driver's own overrides the table", () => {
  const quantities = { "barometer.pressure": { name: "pressure", unit: "Pa", decimals: 0, factor: 100 } };
  assert.equal(sampled({ barometer: { pressure: 1013.25 } }, { quantities }), ["pressure 101325 Pa"]);
});

for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, "21", 10n, Symbol("s")])
  test(`${String(value)} is a lost sample`, () => assert.is(refused({ temperature: value }), "value-unusable"));

for (const sample of [null, 5, "x", true])
  test(`a sample that is ${sample} is a lost one`, () => assert.is(refused(sample), "sensor-error"));

test("not yet, by undefined; by a promise; by a callback; and what they fail with", async () => {
  let ready = false;
  const late = opened(() => (ready ? { temperature: 5 } : undefined)).sensor;
  assert.is(late.sample(), undefined);
  ready = true;
  assert.equal(text(late.sample()), ["temperature 5.00 Cel"]);

  const promised = opened(() => Promise.resolve({ temperature: 6 })).sensor;
  assert.is(promised.sample(), undefined);
  await Promise.resolve();
  assert.equal(text(promised.sample()), ["temperature 6.00 Cel"]);
  const broken = opened(() => Promise.reject(new Rejection("sensor-crc", "wrong"))).sensor;
  broken.sample();
  await Promise.resolve();
  await Promise.resolve();
  assert.is(
    rejectionOf(() => broken.sample()),
    "sensor-crc",
  );

  let called: Parameters<Ecma419Sensor["sample"]>[0];
  let asked = 0;
  const back = opened(
    (callback) => {
      asked += 1;
      called = callback;
    },
    { callback: true },
  ).sensor;
  assert.is(back.sample(), undefined);
  assert.is(back.sample(), undefined);
  assert.is(asked, 1, "asked once for each measurement");
  called?.(null, { temperature: 7 });
  assert.equal(text(back.sample()), ["temperature 7.00 Cel"]);
  back.start();
  back.sample();
  called?.(new Rejection("sensor-nack", "gone"));
  assert.is(
    rejectionOf(() => back.sample()),
    "sensor-nack",
  );
});

test("delays, the options of constructor and configure, and a measurement that has to be begun", () => {
  let begun = 0;
  const start = (): void => {
    begun += 1;
  };
  const options = { settleMs: 350, conversionMs: 75, start };
  const { sensor, made, configured } = opened(() => undefined, options, { address: 0x38, hz: 100_000, options: { mode: 1 } });
  assert.is(sensor.settleMs, 350);
  assert.is(sensor.conversionMs, 75);
  assert.is(begun, 1);
  assert.equal(made, [{ sensor: { io: "the I2C class", data: 1, clock: 2, address: 0x38, hz: 100_000 } }]);
  assert.equal(configured, [{ mode: 1 }]);
  assert.equal(opened(() => undefined, { io: "SMBus" }, { pin: 4 }).made, [
    { sensor: { io: "SMBus", data: 1, clock: 2, pin: 4 } },
  ]);
  assert.equal(opened(() => undefined, { options: () => ({ own: true }) }).made, [{ own: true }]);
});

test("a driver that will not be configured is closed", () => {
  const closed: string[] = [];
  class Stubborn implements Ecma419Sensor {
    configure(): void {
      throw new Error("no such mode");
    }
    sample(): undefined {}
    close(): void {
      closed.push("closed");
    }
  }
  const part = ecma419({ type: "any", driver: Stubborn }).configure(fieldsOf({ options: { mode: 9 } }));
  assert.throws(() => part.open(device), /no such mode/);
  assert.equal(closed, ["closed"]);
});

for (const [json, detail] of [
  [{ entries: { a: { name: "a b", decimals: 0 } } }, /^sensor\.entries\.a\.name: expected letters/],
  [{ entries: { a: { name: "a", unit: "°", decimals: 0 } } }, /^sensor\.entries\.a\.unit: expected a unit/],
  [{ entries: { a: { name: "a" } } }, /^sensor\.entries\.a\.decimals: expected a whole number/],
  [{ entries: 5 }, /^sensor\.entries: expected an object/],
  [{ address: 200 }, /^sensor\.address: expected a whole number/],
] as const)
  test(`refused: ${JSON.stringify(json)}`, () => {
    assert.throws(
      () => opened(() => undefined, {}, json),
      (error: unknown) => detail.test((error as Rejection).detail),
    );
  });

test("whatever a driver says is entries that a record can hold, nothing yet, or a reason", () => {
  const leaf = fc.oneof(fc.double(), fc.integer(), fc.constant(undefined), fc.constant(null), fc.boolean(), fc.string());
  const names = fc.constantFrom("temperature", "humidity", "pressure", "x", "illuminance", "thermometer", "accelerometer", "odd");
  const sample = fc.oneof(fc.dictionary(names, fc.oneof(leaf, fc.dictionary(names, leaf))), leaf);
  fc.assert(
    fc.property(sample, (said) => {
      const { sensor } = opened(() => said);
      let entries: readonly Entry[] | undefined;
      const code = rejectionOf(() => {
        entries = sensor.sample();
      });
      if (code !== "none") assert.ok(["value-unusable", "value-unit", "sample-unmapped", "sensor-error"].includes(code), code);
      else if (entries !== undefined) assert.is(entriesFault(entries), undefined);
    }),
    { numRuns: 1000 },
  );
});

/** RFC 8428 §12.1 and RFC 8798 §3 and §4, as far as the table uses them. */
const REGISTERED = new Set(["Cel", "%RH", "Pa", "lx", "m/s2", "rad/s", "T", "m", "/", "ppm", "V", "A", "W"]);

test("every unit of the table is in the registry, every name one that SenML allows", () => {
  for (const [path, { name, unit, decimals, factor }] of Object.entries(QUANTITIES)) {
    assert.ok(unit !== undefined && REGISTERED.has(unit), `${path}: ${unit}`);
    assert.is(entriesFault([{ n: name, u: unit as string, v: 0 }]), undefined);
    assert.ok(decimals >= 0 && decimals <= 9 && factor > 0, path);
  }
});

test.run();
