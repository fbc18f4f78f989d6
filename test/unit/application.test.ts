// An application on the face of the runtime: its own sensors, its own records, its events; and whatever it does wrong is one clear line
// and a counted gap, and the mote goes on.

import { test } from "uvu";
import * as assert from "uvu/assert";
import type { MoteEvent } from "../../firmware/events.js";
import { Mote as Face, type Mote } from "../../firmware/index.js";
import { Mote as Runtime } from "../../firmware/mote.js";
import { decodeSign1 } from "../../firmware/record/cose.js";
import { decimal, fraction, numericText } from "../../firmware/record/decimal.js";
import { decodeRecord, type RecordFields } from "../../firmware/record/record.js";
import type { Entry } from "../../firmware/record/senml.js";
import { resolveSenml } from "../../firmware/record/senml.js";
import { Rejection } from "../../firmware/rejection.js";
import type { Sensor, SensorType } from "../../firmware/sensor/sensor.js";
import { MoteBench, type PoweredMote } from "./mote-bench.js";

const UP_MS = 6_000;

/** A sensor whose `sample` is as told. */
function sensorOf(type: string, sample: () => readonly Entry[] | undefined, more: Partial<Sensor> = {}): SensorType {
  const driver = { settleMs: 0, conversionMs: 0, start: () => undefined, sample, close: () => undefined, ...more };
  return { type, configure: () => ({ open: () => driver }) };
}

const good = sensorOf("good", () => [{ n: "level", u: "m", v: fraction(1.5, 2) }]);

/** What the mote has published, decoded, each record once. */
function recordsOf(powered: PoweredMote): RecordFields[] {
  const bySeq = new Map<number, RecordFields>();
  for (const message of powered.published("records")) {
    const parts = decodeSign1(message);
    const record = parts instanceof Rejection ? parts : decodeRecord(parts.payload);
    if (record instanceof Rejection) throw new Error(String(record));
    bySeq.set(record.seq, record);
  }
  return [...bySeq.values()];
}

const namesOf = (record: RecordFields): string[] =>
  resolveSenml(record.measurements).map(
    ({ name, value, unit }) => `${name} ${numericText(value)}${unit === undefined ? "" : ` ${unit}`}`,
  );

const gapsOf = (records: readonly RecordFields[]): number => records.reduce((sum, { gap = 0 }) => sum + gap, 0);

/** Time passes, and the broker takes what comes. */
async function pass(powered: PoweredMote, durationMs: number): Promise<void> {
  for (let passed = 0; passed < durationMs; passed += 100) {
    await powered.pass(100);
    powered.acknowledge();
  }
}

async function started(sensors: readonly SensorType[], config: object = {}, onEvent?: (event: MoteEvent) => void) {
  const bench = new MoteBench({ sensors, config, ...(onEvent === undefined ? {} : { onEvent }) });
  const powered = await bench.boot();
  await pass(powered, UP_MS);
  return powered;
}

test("the face is the runtime", () => {
  assert.is(Face, Runtime);
});

test("an application without a sensor makes records of its own, bound to the head, and knows address and head", async () => {
  const powered = await started([]);
  const mote: Mote = powered.mote;
  assert.equal(powered.of("record"), []);
  assert.is(mote.address?.length, 20);
  assert.is(mote.head.number, 0);
  assert.is(
    mote.record([
      { n: "door", v: 1 },
      { n: "weight", u: "kg", v: decimal(12_345, -3) },
    ]),
    undefined,
  );
  await pass(powered, 100);
  const [record] = recordsOf(powered);
  assert.equal(record && namesOf(record), ["door 1", "weight 12.345 kg"]);
  assert.is(record?.head?.number, 0);
  assert.is(record?.gap, undefined);
  assert.equal(powered.of("record")[0]?.values, ["door 1", "weight 12.345 kg"]);
  powered.cut();
});

test("what is recorded before the mote may sign waits, says how long, and is a copy", async () => {
  const powered = await new MoteBench({ sensors: [] }).boot();
  const entry = { n: "boot", v: 1 };
  powered.mote.record([entry]);
  entry.v = 2;
  await pass(powered, UP_MS);
  const [record] = recordsOf(powered);
  assert.is(record?.measurements[0]?.v, 1);
  assert.ok(Number(record?.measurements[0]?.t) <= -2, `${record?.measurements[0]?.t} s`);
  powered.cut();
});

test("several sensors, each at its own interval and under its own name", async () => {
  const config = {
    sensors: [
      { type: "good", name: "tank" },
      { type: "slow", name: "well/2", intervalMs: 5000 },
    ],
  };
  const powered = await started([good, sensorOf("slow", () => [{ n: "flow", v: 3 }])], config);
  await pass(powered, 20_000);
  const names = recordsOf(powered).map(namesOf);
  const of = (name: string): number => names.filter(([first]) => first === name).length;
  assert.ok(of("tank/level 1.50 m") >= 20, `${of("tank/level 1.50 m")} of the tank`);
  assert.ok(of("well/2/flow 3") >= 4 && of("well/2/flow 3") <= 6, `${of("well/2/flow 3")} of the well`);
  assert.is(gapsOf(recordsOf(powered)), 0);
  powered.cut();
});

test("samples of all sensors share a record, and where no more fit it is made without them", async () => {
  const wide = sensorOf("wide", () => Array.from({ length: 14 }, (_, i) => ({ n: `channel-${i}`, v: i })));
  const config = { sensors: [{ type: "wide" }, { type: "good" }], sampling: { intervalMs: 1000, samplesPerRecord: 12 } };
  const powered = await started([wide, good], config);
  await pass(powered, 20_000);
  const records = recordsOf(powered);
  assert.ok(records.length >= 8, `${records.length} records`);
  for (const { measurements } of records) assert.ok(measurements.length > 14 && measurements.length <= 32);
  assert.is(gapsOf(records), 0);
  powered.cut();
});

test("events come as the log has them, and the application may record and close from within", async () => {
  const told: MoteEvent[] = [];
  let powered: PoweredMote | undefined;
  powered = await started([good], {}, (event) => {
    told.push(event);
    if (event.event === "record" && event.values[0]?.startsWith("level")) powered?.mote.record([{ n: "seen", v: event.seq }]);
    if (event.event === "record" && event.seq >= 12) powered?.mote.close();
  });
  await pass(powered, 20_000);
  assert.equal(
    told.map(({ event }) => event),
    powered.log.lines.map(({ event }) => event),
  );
  assert.ok(told.some((event) => event.event === "boot" && event.boot === 1));
  assert.ok(recordsOf(powered).some((record) => namesOf(record)[0]?.startsWith("seen")));
  assert.is(powered.of("record").at(-1)?.seq, 12, "nothing after the close");
  assert.equal(powered.of("error"), []);
  powered.cut();
});

test("an onEvent that throws is one line each time, and the mote goes on", async () => {
  const powered = await started([good], {}, (event) => {
    if (event.event === "record") throw new Error("the application's own fault");
  });
  await pass(powered, 3000);
  const records = powered.of("record").length;
  assert.ok(records >= 3);
  assert.is(powered.of("error").length, records);
  assert.is(powered.of("error")[0]?.detail, "record: Error: the application's own fault");
  assert.is(gapsOf(recordsOf(powered)), 0);
  powered.cut();
});

for (const [what, bad, code] of [
  [
    "throws where it is opened",
    {
      type: "bad",
      configure: () => ({
        open: () => {
          throw new Error("nobody there");
        },
      }),
    },
    "sensor-error",
  ],
  [
    "throws where it begins",
    sensorOf("bad", () => [], {
      start: () => {
        throw new Error("write failed");
      },
    }),
    "sensor-error",
  ],
  [
    "throws where it is read",
    sensorOf("bad", () => {
      throw new Rejection("sensor-crc", "a wrong checksum");
    }),
    "sensor-crc",
  ],
  [
    "throws no error at all",
    sensorOf("bad", () => {
      throw undefined;
    }),
    "sensor-error",
  ],
  ["never answers", sensorOf("bad", () => undefined), "sensor-timeout"],
  [
    "never answers and promises never to",
    sensorOf("bad", () => undefined, { conversionMs: Number.NaN, settleMs: -1 }),
    "sensor-timeout",
  ],
  ["answers no list", sensorOf("bad", () => ({ temperature: 21 }) as never), "senml-malformed"],
  ["answers null", sensorOf("bad", () => null as never), "senml-malformed"],
  ["answers a float", sensorOf("bad", () => [{ n: "a", v: 21.3 }]), "senml-malformed"],
  ["measures no number", sensorOf("bad", () => [{ n: "a", v: fraction(Number.NaN, 2) }]), "value-unusable"],
  ["has a name that SenML forbids", sensorOf("bad", () => [{ n: "température", v: 1 }]), "senml-malformed"],
  ["has a unit that SenML forbids", sensorOf("bad", () => [{ n: "a", u: "°C", v: 1 }]), "senml-malformed"],
  [
    "says too much",
    sensorOf("bad", () => Array.from({ length: 32 }, (_, i) => ({ n: `${"x".repeat(60)}${i}`, v: i }))),
    "senml-too-long",
  ],
  [
    "cannot be closed either",
    sensorOf("bad", () => undefined, {
      close: () => {
        throw new Error("closed");
      },
    }),
    "sensor-timeout",
  ],
] as readonly (readonly [string, SensorType, string])[])
  test(`a sensor that ${what}: one line and a counted gap each interval, and the other goes on`, async () => {
    const powered = await started([good, bad]);
    await pass(powered, 10_000);
    const records = recordsOf(powered);
    const lines = powered.of("sensor").filter((line) => line.code !== "sensor-close");
    assert.ok(powered.of("record").length >= 10, `${powered.of("record").length} records`);
    assert.ok(lines.length >= 9 && lines.length <= 13, `${lines.length} lines`);
    assert.is(lines[0]?.code, code);
    assert.is(lines[0]?.sensor, "bad");
    assert.ok(Math.abs(gapsOf(records) - lines.length) <= 1, `${gapsOf(records)} counted, ${lines.length} said`);
    assert.ok(records.every((record) => namesOf(record).every((name) => name === "good/level 1.50 m")));
    assert.equal(powered.of("error"), []);
    powered.cut();
  });

test("a sensor that turns bad after its first sample costs its samples, not the mote", async () => {
  let count = 0;
  const turning = sensorOf("turning", () => {
    count += 1;
    return count > 2 && count < 6 ? [{ n: "a b", v: 0.5 }] : [{ n: "a", v: count }];
  });
  const powered = await started([turning]);
  await pass(powered, 10_000);
  const records = recordsOf(powered);
  assert.is(gapsOf(records), 3);
  assert.ok(records.length >= 8);
  assert.is(powered.of("refused").filter(({ what }) => what === "record").length, 3);
  assert.equal(powered.of("error"), []);
  powered.cut();
});

test("an application that records faster than a mote can write: refused by name, counted, and the sensors go on", async () => {
  const powered = await started([good]);
  const answers: (Rejection | undefined)[] = [];
  for (let second = 0; second < 5; second += 1) {
    for (let i = 0; i < 20; i += 1) answers.push(powered.mote.record([{ n: "spin", v: i }]));
    await pass(powered, 1000);
  }
  await pass(powered, 2000);
  const refused = answers.filter((answer) => answer !== undefined);
  assert.ok(refused.every((answer) => answer?.code === "records-waiting"));
  assert.is(refused.length, 5 * 16);
  const records = recordsOf(powered);
  assert.is(gapsOf(records), refused.length);
  assert.is(records.filter((record) => namesOf(record)[0]?.startsWith("spin")).length, 5 * 4);
  assert.ok(records.filter((record) => namesOf(record)[0]?.startsWith("level")).length >= 7);
  const said = powered.of("refused").reduce((sum, { unsaid }) => sum + 1 + Number(unsaid ?? 0), 0);
  assert.ok(powered.of("refused").length <= 10 && said <= refused.length, "a flood of refusals is no flood of lines");
  powered.cut();
});

test("what no record can hold is answered, said and counted", async () => {
  const powered = await started([]);
  const { mote } = powered;
  assert.is(mote.record([{ n: "a", v: 0.5 }])?.code, "senml-malformed");
  assert.is(mote.record([])?.code, "senml-malformed");
  assert.is(mote.record(undefined as never)?.code, "senml-malformed");
  assert.is(mote.record([{ n: "ok", v: 1 }]), undefined);
  await pass(powered, 100);
  assert.is(recordsOf(powered)[0]?.gap, 3);
  assert.is(powered.of("gap")[0]?.samples, 3);
  powered.cut();
});

test.run();
