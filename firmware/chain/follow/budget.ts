// A count per minute, for work that others can cause.
//
// Promises: what was spent comes back bit by bit, all of it within a minute: whoever keeps spending all there is leaves the
// next cause a moment to wait, never the rest of a minute. Never blocks and never waits: its owner decides.

import { assert, Rejection } from "../../rejection.js";

const MINUTE_MS = 60_000;
/** Signature checks a minute that may fail, or end on a branch that does not win. */
export const FRUITLESS_CHECKS_PER_MINUTE_MAX = 120;

export class MinuteBudget {
  readonly #clock: { ticksMs(): number };
  #since: number;
  #spent = 0;

  constructor(clock: { ticksMs(): number }) {
    this.#clock = clock;
    this.#since = clock.ticksMs();
  }

  /** The clock's ticks, in milliseconds. */
  get nowMs(): number {
    return this.#clock.ticksMs();
  }

  /** One of its own, by the same clock. */
  another(): MinuteBudget {
    return new MinuteBudget(this.#clock);
  }

  /** How much of `max` a minute is left. */
  left(max: number): number {
    const now = this.#clock.ticksMs();
    this.#spent = Math.max(0, this.#spent - (max * (now - this.#since)) / MINUTE_MS);
    this.#since = now;
    return max - this.#spent;
  }

  spend(count = 1): void {
    this.#spent += count;
  }

  /** Spends `count` signature checks where a minute allows them, or says why not (work-limit). */
  charge(count: number): Rejection | undefined {
    const max = FRUITLESS_CHECKS_PER_MINUTE_MAX;
    if (this.left(max) < count) return new Rejection("work-limit", `${max} signature checks within a minute led nowhere`);
    this.spend(count);
    return undefined;
  }

  refund(count: number): void {
    assert(count >= 0, "a refund that adds nothing");
    this.#spent = Math.max(0, this.#spent - count);
  }
}
