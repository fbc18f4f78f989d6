// Home Assistant over a real broker: discovery that its own schema takes, a state for a mote's newest record alone, and what comes late never
// shown as now.

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import mqtt, { type MqttClient } from "mqtt";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { toHex } from "../../../firmware/bytes.js";
import { decimal } from "../../../firmware/record/decimal.js";
import type { RecordFields } from "../../../firmware/record/record.js";
import type { ShownRecord } from "../../../tools/collector/shown.js";
import { discovery, HomeAssistant, type HomeAssistantEvent } from "../../../tools/exports/home-assistant.js";
import { valuesOf } from "../../../tools/exports/values.js";
import { LocalBroker } from "../../../tools/mqtt/broker.js";
import { eventually } from "./eventually.js";
import { TestMote } from "./records.js";

const START_S = 1_800_000_000;
const EXPIRE_S = 300;
const PYTHON = fileURLToPath(new URL("../../../build/home-assistant/bin/python", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "chainmote-home-assistant-"));
const messages: { topic: string; text: string; retain: boolean }[] = [];
const events: HomeAssistantEvent[] = [];
const born: string[] = [];
const nowS = START_S;
let broker: LocalBroker;
let client: MqttClient;
let home: HomeAssistant;

test.before(async () => {
  broker = await LocalBroker.start();
  client = mqtt.connect(broker.url);
  client.on("message", (topic, payload, { retain }) => messages.push({ topic, text: payload.toString(), retain }));
  await client.subscribeAsync(["homeassistant/#", "p/#"], { qos: 1 });
  home = new HomeAssistant({
    ...{ url: broker.url, prefix: "p/", version: "0.1.0", expireAfterS: EXPIRE_S, nowMs: () => nowS * 1000 },
    onBirth: (mote) => born.push(mote),
    onEvent: (event) => events.push(event),
  });
});
test.after(async () => {
  await home.close();
  await client.endAsync(true);
  await broker.close();
  rmSync(folder, { recursive: true, force: true });
});

function shown(mote: TestMote, change: Partial<RecordFields> = {}): ShownRecord {
  const { fields, digest } = mote.next(change);
  const flags = { verified: true, bounded: true, settled: false, anchored: false };
  return { mote: `0x${toHex(mote.address)}`, digest: toHex(digest), fields, ...flags };
}
const statesOf = (mote: TestMote) => messages.filter(({ topic }) => topic.startsWith(`p/motes/0x${toHex(mote.address)}/values/`));
const configsOf = (mote: TestMote) =>
  messages.filter(({ topic }) => topic.startsWith(`homeassistant/sensor/chainmote_${toHex(mote.address)}/`));
/** What was given before it has been seen to. */
async function through(): Promise<void> {
  const probe = new TestMote();
  home.newest(shown(probe, { time: nowS }));
  await eventually("the probe", () => statesOf(probe).length > 0);
}

test("a value is announced once, retained, and its state is JSON with its time and digest, not retained", async () => {
  const mote = new TestMote();
  const record = shown(mote, { time: nowS });
  home.newest(record);
  home.newest(shown(mote, { time: nowS }));
  await eventually("states", () => statesOf(mote).filter(({ text }) => JSON.parse(text).seq === 1).length === 2);
  assert.is(configsOf(mote).length, 2);
  const name = "mote_2ftemperature";
  const config = JSON.parse(configsOf(mote).find(({ topic }) => topic.endsWith(`/${name}/config`))?.text ?? "");
  assert.is(config.state_topic, `p/motes/${record.mote}/values/${name}`);
  assert.equal(
    [config.expire_after, config.unit_of_measurement, config.device_class, config.object_id],
    [EXPIRE_S, "°C", "temperature", undefined],
  );
  assert.match(config.default_entity_id, /^sensor\.mote_[0-9a-f]{8}_mote_temperature$/);
  const state = statesOf(mote)
    .filter(({ topic }) => topic === config.state_topic)
    .at(-1);
  assert.match(state?.text ?? "", /^\{"value":21\.31,/);
  const { time, digest, seq, verified, bounded, anchored, after_block } = JSON.parse(state?.text ?? "");
  assert.equal([time, seq, verified, bounded, anchored, after_block], ["2027-01-15T08:00:00Z", 1, true, true, false, 7]);
  assert.match(digest, /^[0-9a-f]{64}$/);
  const late = mqtt.connect(broker.url);
  const retained: string[] = [];
  late.on("message", (topic) => retained.push(topic));
  await late.subscribeAsync([`p/motes/${record.mote}/values/#`, `homeassistant/sensor/chainmote_${record.mote.slice(2)}/#`], {
    qos: 1,
  });
  await eventually("what is retained", () => retained.length >= 2);
  await late.endAsync();
  assert.equal(
    retained.map((topic) => topic.split("/")[0]),
    ["homeassistant", "homeassistant"],
    "no state is retained",
  );
});

test("what an outage held back is not shown as now, and the first that is now is", async () => {
  const mote = new TestMote();
  for (let i = 0; i < 20; i += 1) home.newest(shown(mote, { time: nowS - 7200 + 60 * i }));
  await through();
  assert.equal([statesOf(mote), configsOf(mote)], [[], []]);
  const told = events.filter((event) => event.event === "not-shown" && event.mote === `0x${toHex(mote.address)}`);
  assert.is(told.length, 1, "said once");
  for (const change of [{ time: nowS - EXPIRE_S - 1 }, { time: nowS + EXPIRE_S + 1 }, { time: 0, timeQuality: 0 as const }])
    home.newest(shown(mote, change));
  await through();
  assert.equal(statesOf(mote), [], "a second too old, too far ahead, without a time");
  home.newest(shown(mote, { time: nowS - 5 }));
  await eventually("what is now", () => statesOf(mote).length === 2);
  assert.ok(statesOf(mote).every(({ text }) => JSON.parse(text).seq === 23));
});

test("of many values of one name in a record the last one shows, and of those too old none", async () => {
  const mote = new TestMote();
  const measurements = [-400, -60, -1, -30].map((t, i) => ({ n: "x", u: "V", v: decimal(i, -1), t }));
  home.newest(shown(mote, { time: nowS, measurements: [...measurements, { n: "old", v: 1, t: -EXPIRE_S - 1 }] }));
  await through();
  assert.equal(
    statesOf(mote).map(({ topic, text }) => [topic.split("/").at(-1), JSON.parse(text).value]),
    [["x", 0.2]],
  );
});

test("when Home Assistant starts anew each mote is looked at again, and announced again", async () => {
  const mote = new TestMote();
  home.newest(shown(mote, { time: nowS }));
  await eventually("the first", () => statesOf(mote).length === 2);
  born.length = 0;
  await client.publishAsync("homeassistant/status", "offline", { qos: 1 });
  await client.publishAsync("homeassistant/status", "online", { qos: 1 });
  await eventually("the birth", () => born.includes(`0x${toHex(mote.address)}`));
  home.newest(shown(mote, { time: nowS }));
  await eventually("announced again", () => configsOf(mote).length === 4);
});

test("a broker that was away gets the newest, not all that came meanwhile", async () => {
  const mote = new TestMote();
  const { port } = broker;
  await broker.close();
  for (let i = 0; i < 50; i += 1) home.newest(shown(mote, { time: nowS }));
  broker = await LocalBroker.start(port);
  const seqs: number[] = [];
  await broker.subscribe(`p/motes/0x${toHex(mote.address)}/values/#`, (_, payload) => {
    seqs.push(JSON.parse(Buffer.from(payload).toString()).seq);
  });
  await eventually("the newest", () => seqs.length >= 2);
  assert.ok(
    seqs.every((seq) => seq === 49),
    seqs.join(),
  );
});

const HOSTILE = ['=1+1|",x', "{{7*7}}", "\\u0000", "</a>"];
const SENML_UNITS = [
  "Cel",
  "K",
  "%RH",
  "%EL",
  "%",
  "Pa",
  "hPa",
  "V",
  "A",
  "W",
  "Hz",
  "lx",
  "m",
  "kg",
  "m/s",
  "toString",
  ...HOSTILE,
];

test("whatever a name holds, topics and templates have letters and digits alone, and different names stay different", () => {
  const mote = `0x${"ab".repeat(20)}`;
  const names = ["a/b", "a_b", "a.b", "a_2fb", "a:b", "A/B", "a-b", "0"];
  const made = names.map((name) =>
    discovery({ mote, name, value: "1", unit: "{{7*7}}", timeS: "1", time: "" }, { prefix: "", version: "1" }, 60),
  );
  for (const { topic, message } of made) {
    assert.match(topic, /^homeassistant\/sensor\/[A-Za-z0-9_-]+\/[A-Za-z0-9_-]+\/config$/);
    const config = JSON.parse(message);
    assert.equal([config.value_template, config.unit_of_measurement], ["{{ value_json.value }}", "{{7*7}}"]);
  }
  assert.is(new Set(made.map(({ topic }) => topic)).size, names.length);
  assert.is(new Set(made.map(({ message }) => JSON.parse(message).unique_id)).size, names.length);
});

if (existsSync(PYTHON))
  test("Home Assistant's own schema takes every discovery message whole, and no unit is wrong for its kind of sensor", () => {
    const mote = new TestMote();
    const record = shown(mote, { measurements: SENML_UNITS.map((u, i) => ({ n: `n/${i}.x:y_z`, u, v: 1 })) });
    const { measurements } = shown(mote, { measurements: [{ n: "without-unit", v: 1 }] }).fields;
    const all = [...valuesOf(record), ...valuesOf({ ...record, fields: { ...record.fields, measurements } })];
    const path = join(folder, "discovery.json");
    writeFileSync(path, JSON.stringify(all.map((value) => discovery(value, { prefix: "p/", version: "0.1.0" }, EXPIRE_S))));
    const program = `
import asyncio, json, sys
from homeassistant.components.mqtt import discovery, sensor
from homeassistant.components.sensor.const import DEVICE_CLASS_STATE_CLASSES, DEVICE_CLASS_UNITS
from homeassistant.const import __version__
from homeassistant.core import HomeAssistant

async def judge(messages):
    HomeAssistant(sys.argv[2])
    for message in messages:
        topic, config = message["topic"], json.loads(message["message"])
        prefix, rest = topic.split("/", 1)
        found = discovery.TOPIC_MATCHER.match(rest)
        assert prefix == "homeassistant" and found and found.group("component") == "sensor", topic
        taken = sensor.DISCOVERY_SCHEMA(config)
        assert not set(config) - set(taken), set(config) - set(taken)
        assert "object_id" not in config
        kind = taken.get("device_class")
        if kind is not None:
            assert taken["unit_of_measurement"] in DEVICE_CLASS_UNITS[kind], config
            assert taken["state_class"] in DEVICE_CLASS_STATE_CLASSES[kind], config
    try:
        sensor.DISCOVERY_SCHEMA({**json.loads(messages[0]["message"]), "expire_after": "soon"})
        raise SystemExit("it takes anything")
    except sensor.vol.Invalid:
        print(__version__, len(messages))

asyncio.run(judge(json.load(open(sys.argv[1]))))`;
    const result = spawnSync(PYTHON, ["-c", program, path, folder], { encoding: "utf8" });
    assert.is(result.status, 0, result.stderr);
    assert.match(result.stdout, new RegExp(`^2026\\.\\d+\\.\\d+ ${SENML_UNITS.length + 1}$`, "m"));
  });
else console.log("skipped: no Home Assistant in build/home-assistant (test/home-assistant-packages.txt says how to get it)");

test.run();
