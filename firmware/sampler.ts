// Takes a sample from one sensor at each of its intervals, and counts those that it could not take.
//
// Promises: one sample per interval, on a grid that a slow step does not shift; a sensor that fails, that never answers or that says
// what no record can hold is closed and opened anew at the next interval, with one line on the log; every sample that was due and
// is not there is counted (`lost`). Never blocks: a measurement under way is asked for again later.

import type { Device } from "./ports.js";
import { entriesFault, type Sample } from "./record/sample.js";
import type { Entry } from "./record/senml.js";
import { Rejection } from "./rejection.js";
import type { Planned } from "./sensor/plan.js";
import type { Part, Sensor } from "./sensor/sensor.js";

/** How much longer than its stated time a measurement may take before it counts as failed, in milliseconds. */
const CONVERSION_GRACE_MS = 200;
/** A measurement takes, and a sensor settles, so long at the most, in milliseconds. */
const CONVERSION_MS_MAX = 60_000;
const RETRY_READ_MS = 2;

export class Sampler {
  readonly #device: Device;
  readonly #part: Part;
  readonly #name: string;
  #intervalMs: number;
  #sensor: Sensor | undefined;
  /** When it was opened, until its first sample has been looked at. */
  #openedMs: number | undefined;
  #startedMs: number | undefined;
  #dueMs: number | undefined;
  #lost = 0;
  #entries: readonly Entry[] | undefined;

  constructor(device: Device, { name, intervalMs, part }: Planned) {
    this.#device = device;
    this.#part = part;
    this.#name = name;
    this.#intervalMs = intervalMs;
  }

  /** From the next sample on. */
  takeEvery(intervalMs: number): void {
    const nowMs = this.#device.clock.ticksMs();
    // One that is due already stays so.
    if (this.#dueMs !== undefined) this.#dueMs = Math.min(this.#dueMs, nowMs + intervalMs);
    this.#intervalMs = intervalMs;
  }

  /** Milliseconds until the next sample is due; undefined while one is being taken. */
  restMs(nowMs: number): number | undefined {
    if (this.#dueMs === undefined || this.#startedMs !== undefined || this.#entries !== undefined) return undefined;
    return this.#dueMs - nowMs;
  }

  /** The first sample is not due at once, but in so many milliseconds; below 0 where it should have been taken. */
  resume(restMs: number): void {
    this.#dueMs = this.#device.clock.ticksMs() + restMs;
  }

  /** Samples that were due and could not be taken since the last call. */
  takeLost(): number {
    const lost = this.#lost;
    this.#lost = 0;
    return lost;
  }

  /** The sample that `step` finished, once. */
  takeSample(): Sample | undefined {
    const entries = this.#entries;
    if (entries === undefined) return undefined;
    this.#entries = undefined;
    return { name: this.#name, entries, takenMs: this.#device.clock.ticksMs() };
  }

  /** Does what is due. Answers the milliseconds until it wants to be called again; 0 where a sample can be taken. */
  step(): number {
    const nowMs = this.#device.clock.ticksMs();
    this.#dueMs ??= nowMs;
    if (this.#startedMs === undefined) {
      if (nowMs < this.#dueMs) return this.#dueMs - nowMs;
      const settlingMs = this.open(nowMs);
      if (settlingMs > 0) return settlingMs;
      this.start(nowMs);
    } else {
      this.read(nowMs);
    }
    if (this.#entries !== undefined) return 0;
    if (this.#startedMs === undefined) return Math.max(0, this.#dueMs - nowMs);
    const readyMs = this.#startedMs + bounded(this.#sensor?.conversionMs) - nowMs;
    return readyMs > 0 ? readyMs : RETRY_READ_MS;
  }

  close(): void {
    this.#sensor?.close();
    this.#sensor = undefined;
    this.#startedMs = undefined;
  }

  /** Opens the sensor where it is not open. Answers the milliseconds that it still takes no command. */
  private open(nowMs: number): number {
    if (this.#sensor === undefined) {
      try {
        this.#sensor = this.#part.open(this.#device);
        this.#openedMs = nowMs;
      } catch (error) {
        this.skip(nowMs);
        this.failed(error);
        return Math.max(1, (this.#dueMs as number) - nowMs);
      }
    }
    const openedMs = this.#openedMs;
    return openedMs === undefined ? 0 : openedMs + bounded(this.#sensor.settleMs) - nowMs;
  }

  /** Moves on to the next interval; whole intervals that have passed unused are lost samples. */
  private skip(nowMs: number): void {
    const intervalMs = this.#intervalMs;
    const slots = Math.floor((nowMs - (this.#dueMs as number)) / intervalMs);
    this.#lost += slots;
    this.#dueMs = (this.#dueMs as number) + (slots + 1) * intervalMs;
  }

  private start(nowMs: number): void {
    this.skip(nowMs);
    try {
      (this.#sensor as Sensor).start();
      this.#startedMs = nowMs;
    } catch (error) {
      this.failed(error);
    }
  }

  private read(nowMs: number): void {
    const sensor = this.#sensor as Sensor;
    const startedMs = this.#startedMs as number;
    try {
      const entries = sensor.sample();
      if (entries !== undefined) {
        if (this.#openedMs !== undefined || !Array.isArray(entries)) this.look(entries);
        this.#startedMs = undefined;
        if (entries.length > 0) this.#entries = entries;
      } else if (nowMs - startedMs > bounded(sensor.conversionMs) + CONVERSION_GRACE_MS)
        throw new Rejection("sensor-timeout", `no measurement after ${nowMs - startedMs} ms`);
    } catch (error) {
      this.failed(error);
    }
  }

  /** At a driver's first sample, whether a record can hold what it says: names and units are the same from then on. */
  private look(entries: readonly Entry[]): void {
    if (Array.isArray(entries) && entries.length === 0) return;
    const fault = entriesFault(entries);
    if (fault !== undefined) throw fault;
    this.#openedMs = undefined;
  }

  private failed(error: unknown): void {
    this.#lost += 1;
    const code = error instanceof Rejection ? error.code : "sensor-error";
    const detail = error instanceof Rejection ? error.detail : error instanceof Error ? error.message : String(error);
    this.say(code, detail);
    try {
      this.close();
    } catch (closing) {
      this.say("sensor-close", String(closing));
      this.#sensor = undefined;
      this.#startedMs = undefined;
    }
  }

  private say(code: string, detail: string): void {
    const sensor = this.#name;
    this.#device.log.write("sensor", sensor === "" ? { code, detail } : { sensor, code, detail });
  }
}

/** A time that a driver states, which may be anything. */
function bounded(ms: number | undefined): number {
  return typeof ms === "number" && ms >= 0 ? Math.min(ms, CONVERSION_MS_MAX) : 0;
}
