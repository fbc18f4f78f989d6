// A clock that a test turns by hand, and a log that it can read: for modules that only ask what time it is.

import type { Clock, Log } from "../../firmware/ports.js";
import type { LogValue } from "../../host-sim/device.js";

/** Time passes where the test says so. The wall clock starts in 1970 and runs on from what it is set to. */
export class HandClock implements Clock {
  #ticksMs: number;
  #wallOffsetMs = 0;
  /** Every setting of the wall clock, in seconds. */
  readonly settings: number[] = [];

  constructor(ticksMs = 0) {
    this.#ticksMs = ticksMs;
  }

  pass(durationMs: number): void {
    this.#ticksMs += durationMs;
  }

  ticksMs(): number {
    return this.#ticksMs;
  }

  nowMs(): number {
    return this.#ticksMs + this.#wallOffsetMs;
  }

  set(seconds: number): void {
    this.settings.push(seconds);
    this.#wallOffsetMs = seconds * 1000 - this.#ticksMs;
  }
}

export interface LogLine {
  readonly event: string;
  readonly [field: string]: LogValue;
}

export class LogBook implements Log {
  readonly lines: LogLine[] = [];

  write(event: string, fields: Readonly<Record<string, LogValue>>): void {
    this.lines.push({ ...fields, event });
  }

  /** The lines of one event, in order. */
  of(event: string): LogLine[] {
    return this.lines.filter((line) => line.event === event);
  }
}
