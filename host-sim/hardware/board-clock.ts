// A board's two clocks: a millisecond counter of 32 bits that wraps after 49.7 days, and a wall clock that begins in
// 1970 at power-on, is set in whole seconds, and drifts. Through deep sleep it goes on by another oscillator, which drifts otherwise.
//
// Never corrects itself: only `set` does.

import type { WorldClock } from "../world/clock.js";
import type { Asleep } from "./entropy.js";

export interface BoardClockOptions {
  /** How fast the crystal is, in parts per million. */
  readonly driftPpm?: number;
  /** What the counter reads at power-on; near 2³² to see it wrap. */
  readonly ticksAtBoot?: number;
  /** How fast the slow oscillator is that counts while the board sleeps, in parts per million. */
  readonly sleepDriftPpm?: number;
}

export class BoardClock {
  readonly #world: WorldClock;
  readonly #rate: number;
  readonly #ticksAtBoot: number;
  readonly #bootMs: number;
  #wallMs: number;

  /** @param asleep since when the board was asleep; absent after any other reset */
  constructor(world: WorldClock, options: BoardClockOptions = {}, asleep?: Asleep) {
    const rate = 1 + (options.sleepDriftPpm ?? 0) / 1_000_000;
    // A world that runs faster than this machine begins anew with each process; the board has slept as long as it meant to at least.
    this.#wallMs =
      asleep === undefined ? 0 : Math.floor(asleep.wallMs + Math.max((world.epochMs() - asleep.epochMs) * rate, asleep.sleepMs));
    this.#world = world;
    this.#rate = 1 + (options.driftPpm ?? 0) / 1_000_000;
    this.#ticksAtBoot = options.ticksAtBoot ?? 0;
    this.#bootMs = world.nowMs();
  }

  /** Milliseconds since power-on by the board's own crystal. */
  elapsedMs(): number {
    return Math.floor((this.#world.nowMs() - this.#bootMs) * this.#rate);
  }

  /** The counter as the SDK's `Time.ticks` hands it over: a signed 32-bit number. */
  ticks(): number {
    return (this.#ticksAtBoot + this.elapsedMs()) | 0;
  }

  /** Wall clock, in milliseconds since the Unix epoch. */
  nowMs(): number {
    return this.#wallMs + this.elapsedMs();
  }

  /** @param seconds since the Unix epoch; what is beyond 32 bits, or below a second, is lost as on the board */
  set(seconds: number): void {
    this.#wallMs = (seconds >>> 0) * 1000 - this.elapsedMs();
  }
}
