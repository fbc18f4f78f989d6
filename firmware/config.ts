// The mote's configuration: what a person writes into the manifest (on the host: `board.json`), checked field by field.
//
// Promises: a configuration that passes is complete, bounded and typed; one that does not is refused with the path of
// the first field that is wrong and what was expected there (`config-invalid`). Never: a default for a secret, an
// address or a chain. The checkpoint is left to the consensus that it names (`chain/`), each sensor to its type (`sensor/`).

import { type Fields, fieldsOf } from "./fields.js";
import { isChainId } from "./record/record.js";
import { Rejection } from "./rejection.js";
import { INTERVAL_MS_MAX, INTERVAL_MS_MIN, SENSORS_MAX } from "./sensor/plan.js";

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
  /** What to measure by, as the types of sensor read it (sensor/plan.ts): a list, or one alone; absent: the application's own choice. */
  readonly sensors?: unknown;
  readonly sampling: { readonly intervalMs: number; readonly samplesPerRecord: number };
  readonly journal: JournalConfig;
  readonly healthIntervalMs: number;
  /** For the features that read the chain's state or write to it (`ledger/`), which look at it themselves. */
  readonly ledger?: unknown;
  /** For the feature that takes new images (`update/`). */
  readonly update?: unknown;
  /** For an image that sleeps between its samples (`sleep/`). */
  readonly sleep?: unknown;
}

export interface JournalConfig {
  /** Name of the flash partition that holds it. */
  readonly partition: string;
  /**
   * What happens to samples where room runs out: `stop` refuses once there is none, `thin` refuses more and more of them
   * from half full on (docs/journal-format.md, "Full"). Either way they are counted in the next record (`gap`).
   */
  readonly full: "stop" | "thin";
  /** What a record waits for before its room may be used again: that the collector has it, or that the chain holds it as well. */
  readonly keep: "stored" | "anchored";
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
export const RELAYS_MAX = 8;
const RELAY_NAME_CHARACTERS_MAX = 32;
const CA_BYTES_MAX = 4096;
const DAY_MS = 86_400_000;

/** Checks the parsed JSON of a configuration. */
export function parseConfig(json: unknown): MoteConfig | Rejection {
  try {
    const root = fieldsOf(json);
    const wifi = root.has("wifi") ? root.section("wifi") : undefined;
    const mqtt = root.section("mqtt");
    const fleet = root.section("fleet");
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
      ...sensorsOf(root),
      sampling: {
        intervalMs: sampling.uint("intervalMs", INTERVAL_MS_MIN, INTERVAL_MS_MAX, 60_000),
        samplesPerRecord: sampling.uint("samplesPerRecord", 1, SAMPLES_PER_RECORD_MAX, 1),
      },
      journal: {
        partition: journal.text("partition", 16, "journal"),
        full: journal.choice("full", ["stop", "thin"]),
        keep: journal.choice("keep", ["stored", "anchored"]),
      },
      ...(root.has("ledger") ? { ledger: root.value("ledger") } : {}),
      ...(root.has("update") ? { update: root.value("update") } : {}),
      ...(root.has("sleep") ? { sleep: root.value("sleep") } : {}),
      healthIntervalMs: root.section("health", {}).uint("intervalMs", 1000, DAY_MS, 60_000),
    };
  } catch (error) {
    if (error instanceof Rejection) return error;
    throw error;
  }
}

function sensorsOf(root: Fields): { readonly sensors?: unknown } {
  if (root.sections("sensors", SENSORS_MAX) === undefined)
    return root.has("sensor") ? { sensors: root.section("sensor").json } : {};
  if (root.has("sensor")) throw root.wrong("sensor", "nothing beside sensors");
  return { sensors: root.value("sensors") };
}

/** ASCII alone: what a topic takes on the wire is then its length (bus/uplink.ts). */
function isPrefix(text: string): boolean {
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (code <= 0x20 || code >= 0x7f || text[i] === "+" || text[i] === "#") return false;
  }
  return text.endsWith("/");
}

/** Fit to be one level of a topic. */
export function isRelayName(name: string): boolean {
  if (name.length > RELAY_NAME_CHARACTERS_MAX) return false;
  for (let i = 0; i < name.length; i += 1) {
    const code = name.charCodeAt(i);
    const isLetter = (code >= 65 && code <= 90) || (code >= 97 && code <= 122);
    if (!isLetter && (code < 48 || code > 57) && name[i] !== "-" && name[i] !== "_") return false;
  }
  return true;
}
