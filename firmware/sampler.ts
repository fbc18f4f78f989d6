// Takes a sample from the sensor at each interval, and counts those that it could not take.
//
// Promises: one sample per interval, on a grid that a slow step does not shift; a sensor that fails is closed and
// opened anew at the next interval; every sample that was due and is not there is counted (`lost`). Never blocks: a
// measurement under way is asked for again later.

import type { Clock, Log, Sample, Sensor } from "./ports.js";
import { Rejection } from "./rejection.js";

/** How much longer than its stated time a measurement may take before it counts as failed, in milliseconds. */
const CONVERSION_GRACE_MS = 200;
const RETRY_READ_MS = 2;

/** Its functions are called as its methods: what implements it spares a board a closure for each. */
export interface SamplerOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Opens the sensor; may throw. */
  openSensor(): Sensor;
  readonly intervalMs: number;
}

export class Sampler {
  readonly #options: SamplerOptions;
  #sensor: Sensor | undefined;
  #openedMs = 0;
  #startedMs: number | undefined;
  #dueMs: number | undefined;
  #lost = 0;
  #sample: Sample | undefined;

  constructor(options: SamplerOptions) {
    this.#options = options;
  }

  /** Samples that were due and could not be taken since the last call. */
  takeLost(): number {
    const lost = this.#lost;
    this.#lost = 0;
    return lost;
  }

  /** The sample that `step` finished, once. */
  takeSample(): Sample | undefined {
    const sample = this.#sample;
    this.#sample = undefined;
    return sample;
  }

  /** Does what is due. Answers the milliseconds until it wants to be called again; 0 where a sample can be taken. */
  step(): number {
    const nowMs = this.#options.clock.ticksMs();
    this.#dueMs ??= nowMs;
    if (this.#startedMs === undefined) {
      if (nowMs < this.#dueMs) return this.#dueMs - nowMs;
      const settlingMs = this.#open(nowMs);
      if (settlingMs > 0) return settlingMs;
      this.start(nowMs);
    } else {
      this.read(nowMs);
    }
    if (this.#sample !== undefined) return 0;
    if (this.#startedMs === undefined) return Math.max(0, this.#dueMs - nowMs);
    const readyMs = this.#startedMs + (this.#sensor?.conversionMs ?? 0) - nowMs;
    return readyMs > 0 ? readyMs : RETRY_READ_MS;
  }

  close(): void {
    this.#sensor?.close();
    this.#sensor = undefined;
    this.#startedMs = undefined;
  }

  /** Opens the sensor where it is not open. Answers the milliseconds that it still takes no command. */
  #open(nowMs: number): number {
    if (this.#sensor === undefined) {
      try {
        this.#sensor = this.#options.openSensor();
        this.#openedMs = nowMs;
      } catch (error) {
        this.skip(nowMs);
        this.failed(error);
        return Math.max(1, (this.#dueMs as number) - nowMs);
      }
    }
    return this.#openedMs + this.#sensor.settleMs - nowMs;
  }

  /** Moves on to the next interval; whole intervals that have passed unused are lost samples. */
  private skip(nowMs: number): void {
    const { intervalMs } = this.#options;
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
      this.#sample = sensor.sample();
      if (this.#sample !== undefined) this.#startedMs = undefined;
      else if (nowMs - startedMs > sensor.conversionMs + CONVERSION_GRACE_MS)
        throw new Rejection("sensor-timeout", `no measurement after ${nowMs - startedMs} ms`);
    } catch (error) {
      this.failed(error);
    }
  }

  private failed(error: unknown): void {
    this.#lost += 1;
    const code = error instanceof Rejection ? error.code : "sensor-error";
    const detail = error instanceof Rejection ? error.detail : error instanceof Error ? error.message : String(error);
    this.#options.log.write("sensor", { code, detail });
    try {
      this.close();
    } catch (closing) {
      this.#options.log.write("sensor", { code: "sensor-close", detail: String(closing) });
      this.#sensor = undefined;
      this.#startedMs = undefined;
    }
  }
}
