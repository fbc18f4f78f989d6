// The configuration: what is complete passes as it is meant, what is not is refused by the path of its first wrong field,
// and no value, which may be a password, is ever shown.

import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type MoteConfig, parseConfig, SAMPLES_PER_RECORD_MAX } from "../../firmware/config.js";
import { Rejection } from "../../firmware/rejection.js";

type Json = Record<string, unknown>;

/** What must be there, and nothing else. */
const least = () => ({
  wifi: { ssid: "lab" } as Json,
  ntp: { servers: ["time"] } as Json,
  mqtt: { host: "broker" } as Json,
  checkpoint: { consensus: "clique" } as unknown,
  fleet: { registry: `0x${"a1".repeat(20)}`, chain: "eip155:1337" } as Json,
  collector: "c0".repeat(20) as unknown,
});

function accepted(json: unknown): MoteConfig {
  const config = parseConfig(json);
  if (config instanceof Rejection) throw new Error(String(config));
  return config;
}

/** `least` with the value at `path` replaced, or taken away where it is undefined. */
function bent(path: string, value: unknown): Json {
  const json = least() as Json;
  const names = path.split(".");
  const last = names.pop() as string;
  let part = json;
  for (const name of names) {
    part[name] ??= {};
    part = part[name] as Json;
  }
  if (value === undefined) delete part[last];
  else part[last] = value;
  return json;
}

function refusal(json: unknown): Rejection {
  const refused = parseConfig(json);
  if (!(refused instanceof Rejection)) throw new Error(`accepted: ${JSON.stringify(json)}`);
  assert.is(refused.code, "config-invalid");
  return refused;
}

test("the least configuration passes, with the documented defaults and none for a secret", () => {
  const config = accepted(least());
  assert.equal(config, {
    wifi: { ssid: "lab" },
    ntpServers: ["time"],
    mqtt: { host: "broker", port: 1883, prefix: "", keepAliveMs: 30_000 },
    checkpoint: { consensus: "clique" },
    fleet: { registry: new Uint8Array(20).fill(0xa1), chain: "eip155:1337" },
    collector: new Uint8Array(20).fill(0xc0),
    sampling: { intervalMs: 60_000, samplesPerRecord: 1 },
    journal: { partition: "journal", full: "stop", keep: "stored" },
    healthIntervalMs: 60_000,
  });
});

test("everything that is given is taken over", () => {
  const config = accepted({
    wifi: { ssid: "lab", password: "wlan" },
    ntp: { servers: ["a", "b", "c", "d"] },
    mqtt: { host: "h", port: 1, user: "u", password: "p", prefix: "site/a/", ca: "0x3082", keepAliveMs: 1000 },
    checkpoint: 5,
    relays: ["north", "South_2-b"],
    fleet: { registry: "a1".repeat(20), chain: "cosmos:hub-4" },
    collector: "C0".repeat(20),
    sensor: { address: 0x45, clockStretching: true },
    sampling: { intervalMs: 50, samplesPerRecord: SAMPLES_PER_RECORD_MAX },
    journal: { partition: "log", full: "thin", keep: "anchored" },
    health: { intervalMs: 1000 },
    ledger: { intervalMs: 60_000 },
  });
  assert.equal(config, {
    wifi: { ssid: "lab", password: "wlan" },
    ntpServers: ["a", "b", "c", "d"],
    mqtt: { host: "h", port: 1, user: "u", password: "p", prefix: "site/a/", ca: Uint8Array.of(0x30, 0x82), keepAliveMs: 1000 },
    checkpoint: 5,
    relays: ["north", "South_2-b"],
    fleet: { registry: new Uint8Array(20).fill(0xa1), chain: "cosmos:hub-4" },
    collector: new Uint8Array(20).fill(0xc0),
    sensors: { address: 0x45, clockStretching: true },
    sampling: { intervalMs: 50, samplesPerRecord: SAMPLES_PER_RECORD_MAX },
    journal: { partition: "log", full: "thin", keep: "anchored" },
    healthIntervalMs: 1000,
    ledger: { intervalMs: 60_000 },
  });
  assert.is(accepted(bent("mqtt.ca", "3082")).mqtt.port, 8883, "with a certificate authority the port is that of TLS");
});

const text = (max: number) => [5, true, [], {}, "x".repeat(max + 1)];
const required = (max: number) => [undefined, "", ...text(max)];
const uint = (min: number, max: number) => [min - 1, max + 1, min + 0.5, "5", true, [], Number.NaN, Number.POSITIVE_INFINITY];
const bytes = (count: number) => ["", "0x", "ab".repeat(count - 1), "ab".repeat(count + 1), "zz".repeat(count), "a", 5, []];

/** Wrong values by path. */
const WRONG: Readonly<Record<string, readonly unknown[]>> = {
  wifi: [5, "lab", [], null],
  "wifi.ssid": [...required(32), "ü".repeat(17), "€".repeat(11), "😀".repeat(9)],
  "wifi.password": text(64),
  ntp: [undefined, ["time"], "time"],
  "ntp.servers": [undefined, "time", [], ["a", "b", "c", "d", "e"], ["a", ""], ["a", "b", "a"], ["a", 5], ["x".repeat(254)]],
  relays: [5, "north", [], [""], ["a/b"], ["+"], ["#"], ["a b"], ["\u00e4"], ["x".repeat(33)], ["a", "a"], [..."abcdefghi"]],
  mqtt: [undefined, 5, null, []],
  "mqtt.host": required(253),
  "mqtt.port": uint(1, 65_535),
  "mqtt.user": text(64),
  "mqtt.password": text(128),
  "mqtt.prefix": [...text(64), "site", "/site", "a/+/", "a/#/", "+/", "#/", "caf\u00e9/", "a\u0000/", "a b\n/", "\ud800/"],
  "mqtt.ca": ["", "0x", "zz", "abc", "ab".repeat(4097), 5, []],
  "mqtt.keepAliveMs": uint(1000, 3_600_000),
  checkpoint: [undefined],
  fleet: [undefined, 5, []],
  "fleet.registry": [undefined, ...bytes(20)],
  "fleet.chain": [undefined, "", 5, "1337", "eip155:", "eip155:a b", "EIP:1", "x".repeat(42)],
  collector: [undefined, ...bytes(20)],
  sensor: [5, [], "sht31"],
  sensors: [5, {}, "sht31", Array.from({ length: 9 }, () => ({}))],
  sampling: [5, []],
  "sampling.intervalMs": uint(50, 86_400_000),
  "sampling.samplesPerRecord": uint(1, SAMPLES_PER_RECORD_MAX),
  journal: [5, []],
  "journal.partition": [5, [], "x".repeat(17), ""],
  "journal.full": [5, "", "overwrite", "STOP", []],
  health: [5, []],
  "health.intervalMs": uint(1000, 86_400_000),
};

for (const [path, values] of Object.entries(WRONG))
  test(`${path}: each wrong value is refused by this path`, () => {
    for (const value of values) {
      const { detail } = refusal(bent(path, value));
      assert.ok(detail.startsWith(`${path}: expected `), `${JSON.stringify(value)}: ${detail}`);
    }
  });

test("a board that is told no network is no mistake; one that is told half of it is", () => {
  const config = accepted(bent("wifi", undefined));
  assert.is(config.wifi, undefined);
  assert.not("wifi" in config);
  assert.match(refusal(bent("wifi", {})).detail, /^wifi\.ssid: expected /);
});

test("the edges of each range pass", () => {
  for (const [path, values] of [
    ["wifi.ssid", ["s", "s".repeat(32), "ü".repeat(16), "€".repeat(10), "😀".repeat(8)]],
    ["wifi.password", ["", "p".repeat(64)]],
    ["mqtt.port", [1, 65_535]],
    ["mqtt.prefix", ["", "/", "a/", `${"x".repeat(63)}/`]],
    ["mqtt.ca", ["00", "ab".repeat(4096)]],
    ["mqtt.keepAliveMs", [1000, 3_600_000]],
    ["sensor.address", [8, 119]],
    ["sampling.intervalMs", [50, 86_400_000]],
    ["sampling.samplesPerRecord", [1, SAMPLES_PER_RECORD_MAX]],
    ["health.intervalMs", [1000, 86_400_000]],
  ] as const)
    for (const value of values) accepted(bent(path, value));
});

test("no configuration at all is refused as such", () => {
  for (const json of [undefined, null, 5, "text", [], true])
    assert.match(refusal(json).detail, /^the configuration: expected an object/);
});

test("the first wrong field is named, the others are not", () => {
  const { detail } = refusal({ ...least(), mqtt: { host: 5, port: 0 }, collector: 7 });
  assert.match(detail, /^mqtt\.port|^mqtt\.host/);
  assert.not.match(detail, /collector/);
});

test("no value is shown, whatever stands in whichever field: it may be a password in the wrong place", () => {
  const paths = Object.keys(WRONG);
  const secret = fc.oneof(
    fc.stringMatching(/^[A-Z]{6,12}$/),
    fc.integer({ min: 10_000_000, max: 2 ** 40 }),
    fc.bigInt({ min: 10n ** 20n, max: 10n ** 22n }).map(Number),
  );
  const wrapped = fc.tuple(secret, fc.constantFrom("plain", "long", "list", "object")).map(([value, how]) => ({
    value: String(value),
    json: how === "plain" ? value : how === "long" ? String(value).repeat(900) : how === "list" ? [value] : { [value]: value },
  }));
  let refused = 0;
  fc.assert(
    fc.property(fc.constantFrom(...paths), wrapped, (path, { value, json }) => {
      const config = parseConfig(bent(path, json));
      if (!(config instanceof Rejection)) return;
      refused += 1;
      assert.not.match(config.detail, value);
      assert.ok(config.detail.length < 200, "the detail is short whatever was found");
    }),
    { numRuns: 2000 },
  );
  assert.ok(refused > 500, `only ${refused} of 2000 were refused`);
});

test("noise in any field never throws", () => {
  fc.assert(
    fc.property(fc.constantFrom(...Object.keys(WRONG)), fc.jsonValue({ maxDepth: 2 }), (path, value) => {
      const config = parseConfig(bent(path, value));
      if (config instanceof Rejection) assert.is(config.code, "config-invalid");
    }),
    { numRuns: 1000 },
  );
});

test.run();
