// The mote's configuration: what a person writes into the manifest (on the host: `board.json`), checked field by field.
//
// Promises: a configuration that passes is complete, bounded and typed; one that does not is refused with the path of
// the first field that is wrong and what was expected there (`config-invalid`). Never: a default for a secret, an
// address or a chain. The checkpoint is left to the consensus that it names (`chain/`).

import { fromHex } from "./bytes.js";
import { isChainId } from "./record/record.js";
import { Rejection } from "./rejection.js";

export interface MoteConfig {
  /** Absent on a board that is not told its network yet, or has an Ethernet: it makes its key, measures and keeps. */
  readonly wifi?: { readonly ssid: string; readonly password?: string };
  readonly ntpServers: readonly string[];
  readonly mqtt: MqttConfig;
  /** Checkpoint of the chain to follow, as its consensus module reads it. */
  readonly checkpoint: unknown;
  /** Names of the relays that may be asked for headers, none of them trusted; absent: whoever listens on the common topic. */
  readonly relays?: readonly string[];
  /** Binds every record to one fleet: the registry's address (20 bytes) and its chain (CAIP-2). */
  readonly fleet: { readonly registry: Uint8Array; readonly chain: string };
  /** Address (20 bytes) of the key that signs receipts. */
  readonly collector: Uint8Array;
  readonly sensor: { readonly address: number; readonly clockStretching: boolean };
  readonly sampling: { readonly intervalMs: number; readonly samplesPerRecord: number };
  readonly journal: JournalConfig;
  readonly healthIntervalMs: number;
}

export interface JournalConfig {
  /** Name of the flash partition that holds it. */
  readonly partition: string;
  /**
   * What happens to samples where room runs out: `stop` refuses once there is none, `thin` refuses more and more of them
   * from half full on (docs/journal-format.md, "Full"). Either way they are counted in the next record (`gap`).
   */
  readonly full: "stop" | "thin";
}

export interface MqttConfig {
  readonly host: string;
  readonly port: number;
  readonly user?: string;
  readonly password?: string;
  /** Put before every topic; empty or ending in "/". */
  readonly prefix: string;
  /** DER certificate that the broker's chain must end in; its presence turns TLS on. */
  readonly ca?: Uint8Array;
  readonly keepAliveMs: number;
}

export const SAMPLES_PER_RECORD_MAX = 12;
const NTP_SERVERS_MAX = 4;
const RELAYS_MAX = 8;
const RELAY_NAME_CHARACTERS_MAX = 32;
const CA_BYTES_MAX = 4096;
const DAY_MS = 86_400_000;

/** Checks the parsed JSON of a configuration. */
export function parseConfig(json: unknown): MoteConfig | Rejection {
  try {
    const root = section(json, "");
    const wifi = root.has("wifi") ? root.section("wifi") : undefined;
    const mqtt = root.section("mqtt");
    const fleet = root.section("fleet");
    const sensor = root.section("sensor", {});
    const sampling = root.section("sampling", {});
    const journal = root.section("journal", {});
    const ssid = wifi?.text("ssid", 32);
    const password = wifi?.text("password", 64, "") ?? "";
    const user = mqtt.text("user", 64, "");
    const mqttPassword = mqtt.text("password", 128, "");
    const ca = mqtt.has("ca") ? mqtt.bytes("ca", 1, CA_BYTES_MAX) : undefined;
    const prefix = mqtt.text("prefix", 64, "");
    if (prefix !== "" && !isPrefix(prefix))
      throw mqtt.wrong("prefix", `empty, or printable ASCII that ends in "/" and has no wildcard`);
    const relays = root.has("relays") ? root.texts("relays", RELAYS_MAX) : undefined;
    if (relays !== undefined && !relays.every((name, i) => isRelayName(name) && relays.indexOf(name) === i))
      throw root.wrong(
        "relays",
        `names of 1 to ${RELAY_NAME_CHARACTERS_MAX} letters, digits, hyphens and underscores, each once`,
      );
    const ntp = root.section("ntp");
    const ntpServers = ntp.texts("servers", NTP_SERVERS_MAX);
    // One that is named twice would agree with itself (timekeeper.ts).
    if (!ntpServers.every((name, i) => ntpServers.indexOf(name) === i)) throw ntp.wrong("servers", "names, each once");
    const chain = fleet.text("chain", 41);
    if (!isChainId(chain)) throw fleet.wrong("chain", "a CAIP-2 identifier such as eip155:1337");
    return {
      ...(ssid === undefined ? {} : { wifi: { ssid, ...(password === "" ? {} : { password }) } }),
      ntpServers,
      mqtt: {
        host: mqtt.text("host", 253),
        port: mqtt.uint("port", 1, 65_535, ca === undefined ? 1883 : 8883),
        ...(user === "" ? {} : { user }),
        ...(mqttPassword === "" ? {} : { password: mqttPassword }),
        prefix,
        ...(ca === undefined ? {} : { ca }),
        keepAliveMs: mqtt.uint("keepAliveMs", 1000, 3_600_000, 30_000),
      },
      checkpoint: root.value("checkpoint"),
      ...(relays === undefined ? {} : { relays }),
      fleet: { registry: fleet.bytes("registry", 20, 20), chain },
      collector: root.bytes("collector", 20, 20),
      sensor: { address: sensor.uint("address", 8, 119, 0x44), clockStretching: sensor.flag("clockStretching", false) },
      sampling: {
        intervalMs: sampling.uint("intervalMs", 50, DAY_MS, 60_000),
        samplesPerRecord: sampling.uint("samplesPerRecord", 1, SAMPLES_PER_RECORD_MAX, 1),
      },
      journal: { partition: journal.text("partition", 16, "journal"), full: journal.choice("full", ["stop", "thin"]) },
      healthIntervalMs: root.section("health", {}).uint("intervalMs", 1000, DAY_MS, 60_000),
    };
  } catch (error) {
    if (error instanceof Rejection) return error;
    throw error;
  }
}

interface Section {
  has(name: string): boolean;
  value(name: string): unknown;
  section(name: string, otherwise?: object): Section;
  text(name: string, lengthMax: number, otherwise?: string): string;
  texts(name: string, countMax: number): readonly string[];
  uint(name: string, min: number, max: number, otherwise?: number): number;
  flag(name: string, otherwise: boolean): boolean;
  /** One of these words; the first where it is absent. */
  choice<Word extends string>(name: string, words: readonly [Word, ...Word[]]): Word;
  bytes(name: string, lengthMin: number, lengthMax: number): Uint8Array;
  wrong(name: string, expected: string): Rejection;
}

/** Bytes of UTF-8, in which Wi-Fi and MQTT count; a surrogate is half of four. */
function utf8Bytes(text: string): number {
  let bytes = 0;
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    bytes += unit < 0x80 ? 1 : unit < 0x800 || (unit >= 0xd800 && unit < 0xe000) ? 2 : 3;
  }
  return bytes;
}

/** Reads one object of the configuration; every method throws the `Rejection` that names the field. */
function section(json: unknown, path: string): Section {
  if (typeof json !== "object" || json === null || Array.isArray(json))
    throw new Rejection("config-invalid", `${path === "" ? "the configuration" : path}: expected an object`);
  const fields = json as Readonly<Record<string, unknown>>;
  const at = (name: string): string => (path === "" ? name : `${path}.${name}`);
  const wrong = (name: string, expected: string): Rejection => {
    const found = fields[name] === undefined ? "it is absent" : `found ${describe(fields[name])}`;
    return new Rejection("config-invalid", `${at(name)}: expected ${expected}; ${found}`);
  };
  const text = (name: string, lengthMax: number, otherwise?: string): string => {
    const value = fields[name] ?? otherwise;
    const fits = typeof value === "string" && utf8Bytes(value) <= lengthMax && (value !== "" || otherwise === "");
    if (!fits) throw wrong(name, `a text of 1 to ${lengthMax} bytes`);
    return value;
  };
  return {
    has: (name) => fields[name] !== undefined,
    value(name) {
      if (fields[name] === undefined) throw wrong(name, "a value");
      return fields[name];
    },
    section: (name, otherwise) => section(fields[name] ?? otherwise, at(name)),
    text,
    texts(name, countMax) {
      const value = fields[name];
      const fits = Array.isArray(value) && value.length >= 1 && value.length <= countMax;
      if (!fits || !value.every((item) => typeof item === "string" && item !== "" && item.length <= 253))
        throw wrong(name, `a list of 1 to ${countMax} texts`);
      return value as readonly string[];
    },
    uint(name, min, max, otherwise) {
      const value = fields[name] ?? otherwise;
      if (typeof value !== "number" || !Number.isInteger(value) || value < min || value > max)
        throw wrong(name, `a whole number from ${min} to ${max}`);
      return value;
    },
    flag(name, otherwise) {
      const value = fields[name] ?? otherwise;
      if (typeof value !== "boolean") throw wrong(name, "true or false");
      return value;
    },
    choice(name, words) {
      const value = fields[name] ?? words[0];
      const word = words.find((word) => word === value);
      if (word === undefined) throw wrong(name, words.join(" or "));
      return word;
    },
    bytes(name, lengthMin, lengthMax) {
      const length = lengthMin === lengthMax ? `${lengthMin}` : `${lengthMin} to ${lengthMax}`;
      const value = fields[name];
      const bytes = typeof value === "string" && value.length <= 2 + 2 * lengthMax ? fromHex(value) : undefined;
      if (!(bytes instanceof Uint8Array) || bytes.length < lengthMin || bytes.length > lengthMax)
        throw wrong(name, `${length} bytes in hexadecimal`);
      return bytes;
    },
    wrong,
  };
}

/** ASCII alone: what a topic takes on the wire is then its length (link/uplink.ts). */
function isPrefix(text: string): boolean {
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (code <= 0x20 || code >= 0x7f || text[i] === "+" || text[i] === "#") return false;
  }
  return text.endsWith("/");
}

/** Fit to be one level of a topic. */
function isRelayName(name: string): boolean {
  if (name.length > RELAY_NAME_CHARACTERS_MAX) return false;
  for (let i = 0; i < name.length; i += 1) {
    const code = name.charCodeAt(i);
    const isLetter = (code >= 65 && code <= 90) || (code >= 97 && code <= 122);
    if (!isLetter && (code < 48 || code > 57) && name[i] !== "-" && name[i] !== "_") return false;
  }
  return true;
}

/** Names a value's kind, never the value: it may be a password in the wrong place. */
function describe(value: unknown): string {
  if (typeof value === "string") return `a text of ${value.length} characters`;
  return Array.isArray(value) ? `a list of ${value.length}` : value === null ? "null" : `a ${typeof value}`;
}
