// A count per minute, for work that others can cause.
//
// Promises: what was spent is forgotten a minute after the first of it. Never blocks and never waits: its owner decides.

import { assert, Rejection } from "../rejection.js";

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

  get spent(): number {
    const now = this.#clock.ticksMs();
    if (now - this.#since >= MINUTE_MS) {
      this.#since = now;
      this.#spent = 0;
    }
    return this.#spent;
  }

  spend(count = 1): void {
    if (this.spent === 0) this.#since = this.#clock.ticksMs();
    this.#spent += count;
  }

  /** Spends `count` signature checks where a minute allows them, or says why not (work-limit). */
  charge(count: number): Rejection | undefined {
    const max = FRUITLESS_CHECKS_PER_MINUTE_MAX;
    if (this.spent + count > max) return new Rejection("work-limit", `${max} signature checks within a minute led nowhere`);
    this.spend(count);
    return undefined;
  }

  refund(count: number): void {
    assert(count >= 0, "a refund that adds nothing");
    this.#spent = Math.max(0, this.#spent - count);
  }
}
