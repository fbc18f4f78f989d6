// A Sensirion SHT3x as its datasheet describes it ("SHT3x-DIS", version 6, sections 2.2, 4.1 to 4.13), and a room to measure.
//
// Promises: NACK while it measures and while it has nothing to say; a clock held low instead where the command asked for
// that; each word followed by its CRC-8; the result handed out once. Temperature and humidity follow a recorded or a
// generated trace.
// Faults it may cause: absent, unacknowledged commands, flipped bits on the wire, a measurement that never ends.

import type { WorldClock } from "../world/clock.js";
import type { Prng } from "../world/prng.js";
import type { Peripheral } from "./i2c.js";

export interface Climate {
  /** Degrees Celsius. */
  readonly temperature: number;
  /** Per cent. */
  readonly humidity: number;
}

/** The climate at a time, in seconds. */
export type ClimateTrace = (seconds: number) => Climate;

export interface Sht3xFaults {
  /** Does not answer at all. */
  absent?: boolean;
  /** Share of writes that are not acknowledged, 0 to 1. */
  nackWrites?: number;
  /** Share of results with a flipped bit, 0 to 1. */
  corrupt?: number;
  /** Begins measurements and never ends one. */
  stuck?: boolean;
}

const SINGLE_SHOT_HIGH = 0x2400;
const SINGLE_SHOT_HIGH_STRETCHED = 0x2c06;
const SOFT_RESET = 0x30a2;
const READ_STATUS = 0xf32d;
const CLEAR_STATUS = 0x3041;
/** "System reset detected", set at power-on. */
const STATUS_RESET = 0x0010;
const RESET_MS = 1;
const MEASURE_MS_MIN = 12.5;
const MEASURE_MS_MAX = 15;

export class Sht3x implements Peripheral {
  readonly address: number;
  readonly faults: Sht3xFaults;
  readonly #clock: WorldClock;
  readonly #prng: Prng;
  readonly #room: () => Climate;
  #status = STATUS_RESET;
  #busyUntilMs: number;
  #stretched = false;
  #result: Uint8Array | undefined;

  /** @param isNew its power has just come on; a board that was asleep has left it on */
  constructor(clock: WorldClock, prng: Prng, room: () => Climate, address = 0x44, faults: Sht3xFaults = {}, isNew = true) {
    this.address = address;
    this.faults = faults;
    this.#clock = clock;
    this.#prng = prng;
    this.#room = room;
    this.#busyUntilMs = isNew ? clock.nowMs() + RESET_MS : 0;
  }

  write(bytes: Uint8Array): boolean {
    if (this.faults.absent || this.#busy() || this.#prng.chance(this.faults.nackWrites ?? 0)) return false;
    const command = bytes.length === 2 ? ((bytes[0] as number) << 8) | (bytes[1] as number) : -1;
    if (command === SINGLE_SHOT_HIGH || command === SINGLE_SHOT_HIGH_STRETCHED)
      this.#measure(command === SINGLE_SHOT_HIGH_STRETCHED);
    else if (command === SOFT_RESET) {
      this.#result = undefined;
      this.#status = STATUS_RESET;
      this.#busyUntilMs = this.#clock.nowMs() + RESET_MS;
    } else if (command === READ_STATUS) this.#result = word(this.#status);
    else if (command === CLEAR_STATUS) this.#status = 0;
    else return bytes.length === 0;
    return true;
  }

  read(byteLength: number): { bytes: Uint8Array; stretchMs: number } | undefined {
    const result = this.#result;
    if (this.faults.absent || result === undefined) return undefined;
    const stretchMs = Math.max(this.#busyUntilMs - this.#clock.nowMs(), 0);
    if (stretchMs > 0 && !this.#stretched) return undefined;
    if (!Number.isFinite(stretchMs)) return { bytes: new Uint8Array(byteLength), stretchMs };
    this.#result = undefined;
    const bytes = new Uint8Array(byteLength).fill(0xff); // beyond the result the bus floats high
    bytes.set(result.subarray(0, byteLength));
    if (this.#prng.chance(this.faults.corrupt ?? 0)) {
      const bit = this.#prng.below(8 * byteLength);
      bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
    }
    return { bytes, stretchMs };
  }

  #busy(): boolean {
    return this.#clock.nowMs() < this.#busyUntilMs;
  }

  #measure(stretched: boolean): void {
    const climate = this.#room();
    this.#stretched = stretched;
    const durationMs = MEASURE_MS_MIN + (MEASURE_MS_MAX - MEASURE_MS_MIN) * this.#prng.real();
    this.#busyUntilMs = this.faults.stuck ? Number.POSITIVE_INFINITY : this.#clock.nowMs() + durationMs;
    this.#result = new Uint8Array(6);
    this.#result.set(word(raw((climate.temperature + 45) / 175)), 0);
    this.#result.set(word(raw(climate.humidity / 100)), 3);
  }
}

function raw(share: number): number {
  return Math.min(Math.max(Math.round(share * 65_535), 0), 65_535);
}

function word(value: number): Uint8Array {
  const bytes = new Uint8Array([value >> 8, value & 255, 0]);
  bytes[2] = crc8(bytes.subarray(0, 2));
  return bytes;
}

/** Polynomial 0x31 (x⁸ + x⁵ + x⁴ + 1), initial value 0xFF, no reflection: 0xBEEF gives 0x92 (datasheet, table 20). */
export function crc8(bytes: Uint8Array): number {
  let crc = 0xff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 0x80 ? ((crc << 1) ^ 0x31) & 0xff : crc << 1;
  }
  return crc;
}

const DAY_S = 86_400;
/** A draught, a door, people: how long the room remembers. */
const GUST_S = 300;

/** A room over the day: warm and dry in the afternoon, cool and damp before dawn, with gusts. Pure in `seconds`. */
export function generatedTrace(prng: Prng): ClimateTrace {
  const phases = Array.from({ length: 4 }, () => prng.real() * 2 * Math.PI);
  const mean = 19 + 4 * prng.real();
  return (seconds) => {
    const day = Math.sin((2 * Math.PI * seconds) / DAY_S + (phases[0] as number));
    let gusts = 0;
    for (let i = 1; i < phases.length; i += 1)
      gusts += Math.sin((2 * Math.PI * seconds * i * i) / GUST_S + (phases[i] as number)) / i;
    return { temperature: mean + 3 * day + 0.3 * gusts, humidity: Math.min(Math.max(48 - 9 * day - 1.5 * gusts, 0), 100) };
  };
}

/** Points `[seconds, °C, %]` in order of time, joined by straight lines and repeated from the beginning. */
export function recordedTrace(points: readonly (readonly [number, number, number])[]): ClimateTrace {
  const first = points[0];
  const last = points[points.length - 1];
  if (first === undefined || last === undefined) throw new RangeError("a recorded trace has at least one point");
  const span = last[0] - first[0];
  return (seconds) => {
    const at = span > 0 ? first[0] + (seconds % span) : first[0];
    let after = points.findIndex((point) => point[0] > at);
    if (after < 1) after = Math.min(1, points.length - 1);
    const a = points[Math.max(after - 1, 0)] ?? first;
    const b = points[after] ?? last;
    const share = b[0] > a[0] ? (at - a[0]) / (b[0] - a[0]) : 0;
    return { temperature: a[1] + (b[1] - a[1]) * share, humidity: a[2] + (b[2] - a[2]) * share };
  };
}
