// From samples to SenML: nothing that was measured is rounded away or made up, times are relative, and the fullest record
// that a configuration can ask for fits.

import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { SAMPLES_PER_RECORD_MAX } from "../../../firmware/config.js";
import type { Sample } from "../../../firmware/ports.js";
import { RECORD_PAYLOAD_BYTES_MAX } from "../../../firmware/record/cose.js";
import { decimal, numericText } from "../../../firmware/record/decimal.js";
import { ENTRIES_PER_SAMPLE_MAX, measurementsOf, type TakenSample } from "../../../firmware/record/measurement.js";
import { decodeRecord, encodeRecord, type RecordFields } from "../../../firmware/record/record.js";
import { Rejection } from "../../../firmware/rejection.js";

const both = (temperature: number, humidity: number): Sample => ({ thermometer: { temperature }, hygrometer: { humidity } });
const taken = (sample: Sample, takenMs = 0): TakenSample => ({ sample, takenMs });

test("one sample: hundredths of a degree and of a percent, with units and without a time", () => {
  assert.equal(measurementsOf([taken(both(21.304, 0.45678))], 99_000), [
    { n: "temperature", u: "Cel", v: decimal(2130, -2) },
    { n: "humidity", u: "%RH", v: decimal(4568, -2) },
  ]);
});

test("what a sample does not have is not made up", () => {
  assert.equal(
    measurementsOf([taken({ thermometer: { temperature: -0.001 } })], 0).map(({ n, v }) => [n, numericText(v)]),
    [["temperature", "0.00"]],
  );
  assert.equal(
    measurementsOf([taken({ hygrometer: { humidity: 1 } })], 0).map(({ n, v }) => [n, numericText(v)]),
    [["humidity", "100.00"]],
  );
  assert.equal(measurementsOf([taken({})], 0), []);
});

test("several samples carry how many seconds before the record they were taken, whole ones", () => {
  const pack = measurementsOf(
    [taken(both(1, 0), 1000), taken(both(2, 0), 11_001), taken(both(3, 0), 20_001), taken(both(4, 0), 21_000)],
    21_000,
  );
  assert.equal(
    pack.map(({ n, t }) => [n, t]),
    [
      ["temperature", -20],
      ["humidity", -20],
      ["temperature", -9],
      ["humidity", -9],
      ["temperature", undefined],
      ["humidity", undefined],
      ["temperature", undefined],
      ["humidity", undefined],
    ],
  );
  assert.equal(
    pack.filter(({ n }) => n === "temperature").map(({ v }) => numericText(v)),
    ["1.00", "2.00", "3.00", "4.00"],
    "in the order in which they were taken",
  );
});

const FULL: Omit<RecordFields, "measurements"> = {
  stream: 2 ** 32 - 1,
  seq: 2 ** 32 - 1,
  prev: new Uint8Array(32).fill(255),
  boot: 2 ** 32 - 1,
  time: 2 ** 32 - 1,
  timeQuality: 3,
  head: { chain: `eip155:${"9".repeat(32)}`, number: Number.MAX_SAFE_INTEGER, hash: new Uint8Array(32).fill(255) },
  gap: Number.MAX_SAFE_INTEGER,
  fleet: { registry: new Uint8Array(20).fill(255), chain: `abcdefgh:${"Z".repeat(32)}` },
};
const DAY_MS = 86_400_000;

test("the fullest record that a configuration can ask for fits, and its samples come back", () => {
  const samples = Array.from({ length: SAMPLES_PER_RECORD_MAX }, (_, i) => taken(both(-45, 1), i * DAY_MS));
  const pack = measurementsOf(samples, SAMPLES_PER_RECORD_MAX * DAY_MS);
  assert.is(pack.length, SAMPLES_PER_RECORD_MAX * ENTRIES_PER_SAMPLE_MAX);
  const payload = encodeRecord({ ...FULL, measurements: pack });
  assert.ok(payload.length <= RECORD_PAYLOAD_BYTES_MAX, `${payload.length} bytes`);
  const record = decodeRecord(payload);
  if (record instanceof Rejection) throw new Error(String(record));
  assert.equal(record.measurements, pack);
});

test("any samples that the part can give make a pack that a reader takes, to the resolution that was measured", () => {
  const samples = fc.array(
    fc.record({
      temperature: fc.nat(65_535).map((raw) => -45 + (175 * raw) / 65_535),
      humidity: fc.nat(65_535).map((raw) => raw / 65_535),
      gapMs: fc.nat(DAY_MS),
    }),
    { minLength: 1, maxLength: SAMPLES_PER_RECORD_MAX },
  );
  fc.assert(
    fc.property(samples, fc.nat(DAY_MS), (values, laterMs) => {
      let nowMs = 0;
      const list = values.map(({ temperature, humidity, gapMs }) => {
        nowMs += gapMs;
        return taken(both(temperature, humidity), nowMs);
      });
      const record = decodeRecord(encodeRecord({ ...FULL, measurements: measurementsOf(list, nowMs + laterMs) }));
      if (record instanceof Rejection) throw new Error(String(record));
      for (const [i, { temperature, humidity }] of values.entries()) {
        const [warm, damp] = record.measurements.slice(2 * i, 2 * i + 2);
        assert.ok(Math.abs(Number(numericText(warm?.v ?? 0)) - temperature) <= 0.005_001);
        assert.ok(Math.abs(Number(numericText(damp?.v ?? 0)) - humidity * 100) <= 0.005_001);
        const ageS = values.length === 1 ? 0 : (nowMs + laterMs - (list[i] as TakenSample).takenMs) / 1000;
        assert.ok(Math.abs(-Number(warm?.t ?? 0) - ageS) < 1, "no more than a second off");
        assert.ok(Number(warm?.t ?? 0) <= 0, "never in the future");
        assert.is(warm?.t, damp?.t);
      }
    }),
  );
});

test.run();
