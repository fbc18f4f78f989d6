// Motes' newest values for Home Assistant: MQTT discovery, and a JSON state for each value.
//
// Promises: a state is of its mote's newest record alone, verified, and no older than `expireAfterS` when it is sent, so that what comes after an
// outage never shows as now; Home Assistant takes a state back that is not followed by another in that time. States are not retained, discovery
// is. Memory for the newest record of at most `MOTES_MAX` motes, and `NAMES_MAX` names of each. Never: takes text of a board into a template or a topic
// but in letters and digits.

import type { ShownRecord } from "../collector/shown.js";
import { BrokerLink } from "../mqtt/link.js";
import { Bell } from "../processes/bell.js";
import { type ExportedValue, valuesOf } from "./values.js";

const EXPIRE_AFTER_S = 600;
const DISCOVERY_PREFIX = "homeassistant";
const MOTES_MAX = 1000;
const NAMES_MAX = 64;
const RETRY_MS = 500;
const IDLE_MS = 60_000;
const MS = 1000;

/** SenML's units (RFC 8428 §12.1) as Home Assistant has them, and what kind of sensor tells by them. */
const UNITS: Readonly<Record<string, readonly [unit: string, deviceClass?: string]>> = {
  Cel: ["°C", "temperature"],
  K: ["K", "temperature"],
  "%RH": ["%", "humidity"],
  "%EL": ["%", "battery"],
  "%": ["%"],
  Pa: ["Pa", "pressure"],
  hPa: ["hPa", "pressure"],
  V: ["V", "voltage"],
  A: ["A", "current"],
  W: ["W", "power"],
  Hz: ["Hz", "frequency"],
  lx: ["lx", "illuminance"],
  m: ["m", "distance"],
  kg: ["kg", "weight"],
  "m/s": ["m/s", "speed"],
};

export type HomeAssistantEvent =
  /** Its newest record is too old, or its clock too far ahead, to show as now. */
  | { readonly event: "not-shown"; readonly mote: string; readonly digest: string; readonly ageS: number }
  | { readonly event: "lost"; readonly to: "home-assistant"; readonly reason: string; readonly retryMs: number };

export interface HomeAssistantOptions {
  /** Of the broker that Home Assistant has, mqtt(s)://. */
  readonly url: string;
  readonly ca?: string | undefined;
  readonly prefix: string;
  readonly version: string;
  readonly expireAfterS?: number | undefined;
  /** Milliseconds since the Unix epoch. */
  readonly nowMs?: () => number;
  /** Home Assistant has started anew and knows no state: each mote, 0x…, is to be looked at again. */
  readonly onBirth: (mote: string) => void;
  readonly onEvent: (event: HomeAssistantEvent) => void;
}

interface KnownMote {
  /** Encoded names that were announced on this connection. */
  readonly announced: Set<string>;
  /** Its newest record was not shown, and that was told. */
  told: boolean;
}

export class HomeAssistant {
  readonly #options: HomeAssistantOptions;
  readonly #link: BrokerLink;
  readonly #expireAfterS: number;
  readonly #nowMs: () => number;
  readonly #motes = new Map<string, KnownMote>();
  readonly #waiting = new Map<string, ShownRecord>();
  readonly #bell = new Bell();
  readonly #running: Promise<void>;
  #stopped = false;

  constructor(options: HomeAssistantOptions) {
    this.#options = options;
    this.#expireAfterS = options.expireAfterS ?? EXPIRE_AFTER_S;
    this.#nowMs = options.nowMs ?? Date.now;
    const { url, ca, onEvent } = options;
    this.#link = new BrokerLink({
      ...{ url, ...(ca === undefined ? {} : { ca }), role: "homeassist", subscriptions: [`${DISCOVERY_PREFIX}/status`] },
      onMessage: (_, payload) => {
        if (Buffer.from(payload).toString("latin1") === "online") this.#anew();
      },
      onFault: () => undefined,
      onConnected: () => this.#anew(),
      onLost: (reason, retryMs) => onEvent({ event: "lost", to: "home-assistant", reason, retryMs }),
    });
    this.#running = this.#run();
  }

  /** A mote's newest record, verified. */
  newest(record: ShownRecord): void {
    if (!this.#motes.has(record.mote)) {
      if (this.#motes.size >= MOTES_MAX) return;
      this.#motes.set(record.mote, { announced: new Set(), told: false });
    }
    this.#waiting.set(record.mote, record);
    this.#bell.ring();
  }

  async close(): Promise<void> {
    this.#stopped = true;
    this.#bell.ring();
    await this.#link.close();
    await this.#running;
  }

  /** The broker, or Home Assistant, has begun anew. */
  #anew(): void {
    for (const [mote, { announced }] of this.#motes) {
      announced.clear();
      this.#options.onBirth(mote);
    }
    this.#bell.ring();
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      let idle = true;
      for (const [mote, record] of this.#waiting) {
        if (this.#stopped) return;
        if (!(await this.#show(record))) continue;
        if (this.#waiting.get(mote) === record) this.#waiting.delete(mote);
        else idle = false;
      }
      if (idle) await this.#bell.wait(this.#waiting.size === 0 ? IDLE_MS : RETRY_MS);
    }
  }

  /** False where the broker did not take it. */
  async #show(record: ShownRecord): Promise<boolean> {
    const known = this.#motes.get(record.mote) as KnownMote;
    const fresh = newestValues(record).filter(({ timeS }) => Math.abs(this.#ageS(timeS)) <= this.#expireAfterS);
    if (fresh.length === 0) {
      const [first] = valuesOf(record);
      if (!known.told && first !== undefined)
        this.#options.onEvent({
          event: "not-shown",
          mote: record.mote,
          digest: record.digest,
          ageS: Math.round(this.#ageS(first.timeS)),
        });
      known.told = true;
      return true;
    }
    known.told = false;
    for (const value of fresh) {
      const name = encoded(value.name);
      if (!known.announced.has(name)) {
        if (known.announced.size >= NAMES_MAX) continue;
        const { topic, message } = discovery(value, this.#options, this.#expireAfterS);
        if (!(await this.#publish(topic, message, true))) return false;
        known.announced.add(name);
      }
      if (!(await this.#publish(stateTopic(this.#options.prefix, value), stateOf(value, record), false))) return false;
    }
    return true;
  }

  /** Of a value without a time, infinite. */
  #ageS(timeS: string | undefined): number {
    return timeS === undefined ? Number.POSITIVE_INFINITY : this.#nowMs() / MS - Number(timeS);
  }

  #publish(topic: string, message: string, retain: boolean): Promise<boolean> {
    return this.#link.publish(topic, Buffer.from(message), { qos: 1, retain });
  }
}

/** Of each name the value that was measured last. */
function newestValues(record: ShownRecord): ExportedValue[] {
  const byName = new Map<string, ExportedValue>();
  for (const value of valuesOf(record)) {
    const other = byName.get(value.name);
    if (other === undefined || Number(value.timeS ?? 0) >= Number(other.timeS ?? 0)) byName.set(value.name, value);
  }
  return [...byName.values()];
}

/** The message that makes an entity of a value, and its topic. */
export function discovery(
  value: ExportedValue,
  { prefix, version }: Pick<HomeAssistantOptions, "prefix" | "version">,
  expireAfterS: number,
): { readonly topic: string; readonly message: string } {
  const { mote, name, unit } = value;
  const id = `chainmote_${mote.slice(2)}`;
  const [unitText, deviceClass] = unit === undefined ? [] : Object.hasOwn(UNITS, unit) ? (UNITS[unit] ?? []) : [unit];
  const state = stateTopic(prefix, value);
  const message = {
    name,
    unique_id: `${id}_${encoded(name)}`,
    default_entity_id: `sensor.mote_${mote.slice(2, 10)}_${name.toLowerCase().replace(/[^a-z0-9]+/g, "_")}`,
    state_topic: state,
    value_template: "{{ value_json.value }}",
    json_attributes_topic: state,
    state_class: "measurement",
    expire_after: expireAfterS,
    ...(unitText === undefined ? {} : { unit_of_measurement: unitText }),
    ...(deviceClass === undefined ? {} : { device_class: deviceClass }),
    device: {
      identifiers: [id],
      name: `mote ${mote.slice(0, 6)}…${mote.slice(-4)}`,
      manufacturer: "chainmote",
      serial_number: mote,
    },
    origin: { name: "chainmote", sw_version: version },
  };
  return { topic: `${DISCOVERY_PREFIX}/sensor/${id}/${encoded(name)}/config`, message: JSON.stringify(message) };
}

function stateOf({ value, time }: ExportedValue, { digest, fields, verified, bounded, anchored }: ShownRecord): string {
  const { stream, seq, head } = fields;
  const about = { time, stream, seq, digest, verified, bounded, anchored, ...(bounded ? { after_block: head?.number } : {}) };
  return `{"value":${value},${JSON.stringify(about).slice(1)}`;
}

function stateTopic(prefix: string, { mote, name }: ExportedValue): string {
  return `${prefix}motes/${mote}/values/${encoded(name)}`;
}

/** A name in letters, digits, `-` and `_` alone; different names stay different. */
function encoded(name: string): string {
  return name.replace(/[^A-Za-z0-9-]/g, (character) => `_${character.charCodeAt(0).toString(16).padStart(2, "0")}`);
}
