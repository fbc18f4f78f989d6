// A board's share of the world's time, which ends when its power does.
//
// Promises: after `cut` no callback of this board runs and none is taken; other boards on the same clock notice nothing.

import type { Scheduled, WorldClock } from "../world/clock.js";

export class PoweredClock implements WorldClock {
  readonly #world: WorldClock;
  readonly #waiting = new Set<Scheduled>();
  #on = true;

  constructor(world: WorldClock) {
    this.#world = world;
  }

  get on(): boolean {
    return this.#on;
  }

  /** How many callbacks of this board wait: timers that run. */
  get waiting(): number {
    return this.#waiting.size;
  }

  nowMs(): number {
    return this.#world.nowMs();
  }

  epochMs(): number {
    return this.#world.epochMs();
  }

  schedule(callback: () => void, delayMs: number): Scheduled {
    if (!this.#on) return { dueMs: Number.POSITIVE_INFINITY };
    const scheduled = this.#world.schedule(() => {
      this.#waiting.delete(scheduled);
      callback();
    }, delayMs);
    this.#waiting.add(scheduled);
    return scheduled;
  }

  cancel(scheduled: Scheduled): void {
    if (this.#waiting.delete(scheduled)) this.#world.cancel(scheduled);
  }

  block(durationMs: number): void {
    this.#world.block(durationMs);
  }

  /** The power goes. */
  cut(): void {
    this.#on = false;
    for (const scheduled of this.#waiting) this.#world.cancel(scheduled);
    this.#waiting.clear();
  }
}
