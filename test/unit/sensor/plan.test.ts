// What a configuration asks of the sensors that an application includes: each named by its path where it is amiss, each with a name and
// an interval of its own.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { Rejection } from "../../../firmware/rejection.js";
import { planSensors } from "../../../firmware/sensor/plan.js";
import type { SensorType } from "../../../firmware/sensor/sensor.js";
import { sht3x } from "../../../firmware/sensor/sht3x/sht3x.js";

const part = {
  open() {
    throw new Error("not here");
  },
};
const leak: SensorType = { type: "leak", configure: (fields) => ({ ...part, pin: fields.uint("pin", 0, 48) }) };
const plan = (json: unknown, types: readonly SensorType[] = [sht3x, leak]) => {
  const planned = planSensors(json, types, 60_000);
  return planned instanceof Rejection
    ? `${planned.code} ${planned.detail}`
    : planned.map(({ name, intervalMs }) => [name, intervalMs]);
};

test("one alone needs neither name nor type; several are named by their type, or as they are told", () => {
  assert.equal(plan({ address: 0x45 }, [sht3x]), [["", 60_000]]);
  assert.equal(plan(undefined, [sht3x]), [["", 60_000]]);
  assert.equal(plan(undefined, []), []);
  assert.equal(plan([]), []);
  assert.equal(
    plan([{ type: "leak", pin: 4, intervalMs: 50 }, { type: "sht3x" }, { type: "sht3x", name: "out", address: 0x45 }]),
    [
      ["leak", 50],
      ["sht3x", 60_000],
      ["out", 60_000],
    ],
  );
});

test("a sensor's own options are its type's to read", () => {
  const planned = planSensors({ address: 0x45, clockStretching: true }, [sht3x], 1000);
  assert.equal({ ...(planned as readonly { part: object }[])[0]?.part }, { address: 0x45, clockStretching: true });
});

for (const [json, detail] of [
  [5, /^config-invalid sensor: expected an object/],
  ["sht3x", /^config-invalid sensor: expected an object/],
  [[5], /^config-invalid sensors\[0\]: expected an object/],
  [Array.from({ length: 9 }, () => ({})), /^config-invalid sensors: expected a list of at most 8 objects/],
  [[{}], /^config-invalid type: expected|^config-invalid sensors\[0\]\.type: expected/],
  [[{ type: "bme280" }], /^config-invalid sensors\[0\]\.type: expected sht3x or leak, which this application includes/],
  [[{ type: "leak" }], /^config-invalid sensors\[0\]\.pin: expected a whole number from 0 to 48; it is absent/],
  [[{ type: "sht3x" }, { type: "sht3x" }], /^config-invalid sensors\[1\]\.name: expected a name of its own/],
  [[{ type: "sht3x", name: "a b" }], /^config-invalid sensors\[0\]\.name: expected letters/],
  [[{ type: "sht3x", name: "_a" }], /^config-invalid sensors\[0\]\.name: expected letters/],
  [[{ type: "sht3x", name: "x".repeat(33) }], /^config-invalid sensors\[0\]\.name: expected a text of 1 to 32/],
  [[{ type: "sht3x", intervalMs: 49 }], /^config-invalid sensors\[0\]\.intervalMs: expected a whole number from 50/],
  [{ type: "sht3x", address: 7 }, /^config-invalid sensor\.address: expected a whole number from 8 to 119/],
  [{ type: "sht3x", clockStretching: "yes" }, /^config-invalid sensor\.clockStretching: expected true or false/],
] as const)
  test(`refused: ${JSON.stringify(json).slice(0, 60)}`, () => assert.match(String(plan(json)), detail));

test("an application without a type of sensor says so", () => {
  assert.match(
    String(plan({}, [])),
    /^config-invalid sensor\.type: expected no sensor: this application includes no type of one/,
  );
});

test.run();
