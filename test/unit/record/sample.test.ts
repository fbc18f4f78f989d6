// From what was measured to SenML: nothing is rounded away or made up, times are relative, several sensors keep their names apart, what
// no record can hold is refused before it is one, and the fullest record that a configuration can ask for fits.

import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { SAMPLES_PER_RECORD_MAX } from "../../../firmware/config.js";
import { RECORD_PAYLOAD_BYTES_MAX } from "../../../firmware/record/cose.js";
import { Decimal, decimal, fraction, numericText, wordOf } from "../../../firmware/record/decimal.js";
import { decodeRecord, encodeRecord, type RecordFields } from "../../../firmware/record/record.js";
import {
  bytesOf,
  countFitting,
  ENTRIES_BYTES_MAX,
  entriesFault,
  packOf,
  type Sample,
  valuesOf,
} from "../../../firmware/record/sample.js";
import { type Entry, resolveSenml, SENML_ENTRIES_MAX } from "../../../firmware/record/senml.js";
import { Rejection } from "../../../firmware/rejection.js";

const both = (temperature: number, humidity: number): readonly Entry[] => [
  { n: "temperature", u: "Cel", v: fraction(temperature, 2) },
  { n: "humidity", u: "%RH", v: fraction(humidity, 2) },
];
const taken = (entries: readonly Entry[], takenMs = 0, name = ""): Sample => ({ name, entries, takenMs });

test("one sample: its entries as they are, without a time", () => {
  assert.equal(packOf([taken(both(21.304, 45.678), 99_000)], 99_400), [
    { n: "temperature", u: "Cel", v: decimal(2130, -2) },
    { n: "humidity", u: "%RH", v: decimal(4568, -2) },
  ]);
});

test("a record that had to wait says how long", () => {
  assert.equal(packOf([taken([{ n: "door", v: 1 }], 1000)], 4500), [{ n: "door", v: 1, t: -3 }]);
});

test("several samples carry how many seconds before the record they were taken, whole ones", () => {
  const pack = packOf(
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

test("several sensors in one record keep their names apart, and none inherits another's", () => {
  const pack = packOf(
    [taken(both(1, 2), 0, "air"), taken(both(3, 4), 0, "soil"), taken([{ n: "door", v: 1 }], 0), taken(both(5, 6), 0, "air")],
    0,
  );
  assert.equal(
    resolveSenml(pack).map(({ name, unit, value }) => `${name} ${numericText(value)} ${unit}`),
    [
      ...["air/temperature 1.00 Cel", "air/humidity 2.00 %RH", "soil/temperature 3.00 Cel", "soil/humidity 4.00 %RH"],
      ...["door 1 undefined", "air/temperature 5.00 Cel", "air/humidity 6.00 %RH"],
    ],
  );
});

test("what is said of a record: every name, value and unit", () => {
  assert.equal(valuesOf([taken(both(-0.5, 45.678), 0, "air"), taken([{ n: "count", v: 7 }])]), [
    "air/temperature -0.50 Cel",
    "air/humidity 45.68 %RH",
    "count 7",
  ]);
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
  const samples = Array.from({ length: SAMPLES_PER_RECORD_MAX }, (_, i) => taken(both(-45, 100), i * DAY_MS));
  assert.is(countFitting(samples, SAMPLES_PER_RECORD_MAX), SAMPLES_PER_RECORD_MAX);
  const pack = packOf(samples, SAMPLES_PER_RECORD_MAX * DAY_MS);
  assert.is(pack.length, 2 * SAMPLES_PER_RECORD_MAX);
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
      humidity: fc.nat(65_535).map((raw) => (100 * raw) / 65_535),
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
      const record = decodeRecord(encodeRecord({ ...FULL, measurements: packOf(list, nowMs + laterMs) }));
      if (record instanceof Rejection) throw new Error(String(record));
      for (const [i, { temperature, humidity }] of values.entries()) {
        const [warm, damp] = record.measurements.slice(2 * i, 2 * i + 2);
        assert.ok(Math.abs(Number(numericText(warm?.v ?? 0)) - temperature) <= 0.005_001);
        assert.ok(Math.abs(Number(numericText(damp?.v ?? 0)) - humidity) <= 0.005_001);
        const ageS = (nowMs + laterMs - (list[i] as Sample).takenMs) / 1000;
        assert.ok(Math.abs(-Number(warm?.t ?? 0) - ageS) < 1, "no more than a second off");
        assert.ok(Number(warm?.t ?? 0) <= 0, "never in the future");
        assert.is(warm?.t, damp?.t);
      }
    }),
  );
});

test("any entries that pass make a record that a reader takes, and what goes beyond it is refused before", () => {
  const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9:._/-]{0,63}$/);
  const value = fc.oneof(
    fc.maxSafeInteger(),
    fc.tuple(fc.maxSafeInteger(), fc.integer({ min: -18, max: -1 })).map(([m, e]) => decimal(m, e)),
  );
  const entry = fc.record({ n: name, u: fc.stringMatching(/^[!-~]{1,16}$/), v: value }, { requiredKeys: ["n", "v"] });
  fc.assert(
    fc.property(
      fc.array(fc.array(entry, { minLength: 1, maxLength: 20 }), { minLength: 1, maxLength: 12 }),
      fc.nat(DAY_MS),
      (samples, laterMs) => {
        const list = samples.map((entries, i) => taken(entries as Entry[], i * 1000, i % 3 === 0 ? "" : `sensor-${i}`));
        for (const { entries } of list) if (entriesFault(entries) !== undefined) assert.ok(bytesOf(entries) > ENTRIES_BYTES_MAX);
        const fitting = list.filter(({ entries }) => entriesFault(entries) === undefined);
        if (fitting.length === 0) return;
        const batch = fitting.slice(0, countFitting(fitting, 12));
        const record = decodeRecord(encodeRecord({ ...FULL, measurements: packOf(batch, 12_000 + laterMs) }));
        if (record instanceof Rejection) throw new Error(String(record));
        assert.equal(
          resolveSenml(record.measurements).map(({ name: n }) => n),
          batch.flatMap((one) => one.entries.map(({ n }) => (one.name === "" ? n : `${one.name}/${n}`))),
        );
      },
    ),
    { numRuns: 300 },
  );
});

test("entries that no record can hold are refused by what is wrong with them", () => {
  const good = { n: "a", v: 1 };
  const cases: readonly (readonly [unknown, RegExp])[] = [
    ["text", /no list/],
    [[], /0 entries/],
    [Array.from({ length: SENML_ENTRIES_MAX + 1 }, () => good), /33 entries/],
    [[null], /entry 0 is no object/],
    [[good, { v: 1 }], /entry 1 has no name/],
    [[{ n: "_a", v: 1 }], /no name that RFC 8428 allows/],
    [[{ n: "wärme", v: 1 }], /no name that RFC 8428 allows/],
    [[{ n: "a".repeat(65), v: 1 }], /no name that RFC 8428 allows/],
    [[{ n: "a", u: "", v: 1 }], /a unit that is not/],
    [[{ n: "a", u: "°C", v: 1 }], /a unit that is not/],
    [[{ n: "a", u: 5, v: 1 }], /a unit that is not/],
    [[{ n: "a", v: 21.3 }], /no integer: fraction/],
    [[{ n: "a", v: Number.NaN }], /no integer/],
    [[{ n: "a", v: Number.POSITIVE_INFINITY }], /no integer/],
    [[{ n: "a", v: "1" }], /no number/],
    [[{ n: "a" }], /no number/],
    [[{ n: "a", v: 1n << 64n }], /beyond 64 bits/],
    [[{ n: "a", v: new Decimal(1, 0) }], /decimal\(\) did not make/],
    [[{ n: "a", v: new Decimal(1.5, -2) }], /no integer/],
    [[{ n: "a", v: 1, bn: "b" }], /a field bn/],
    [Array.from({ length: 20 }, (_, i) => ({ n: `${"long".repeat(9)}${i}`, v: 1 })), /fewer, or shorter names/],
  ];
  for (const [entries, detail] of cases) assert.match(String(entriesFault(entries)), detail);
  assert.is(entriesFault([good, { n: "b", u: "Cel", v: decimal(1n, -2) }]), undefined);
});

test("a float becomes digits as asked for; no number, and one without digits, is a rejection", () => {
  assert.equal(fraction(21.304, 2), decimal(2130, -2));
  assert.equal(fraction(-0.001, 2), decimal(0, -2));
  assert.is(fraction(7.4, 0), 7);
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e300, 9e15]) {
    let thrown: unknown;
    try {
      fraction(value, 2);
    } catch (error) {
      thrown = error;
    }
    assert.ok(thrown instanceof Rejection && thrown.code === "value-unusable", String(thrown));
  }
  fc.assert(
    fc.property(fc.integer({ min: -(2 ** 40), max: 2 ** 40 }), fc.integer({ min: -9, max: -1 }), (mantissa, exponent) => {
      const value = decimal(mantissa, exponent);
      assert.is(wordOf(value), numericText(value));
    }),
  );
});

test.run();
