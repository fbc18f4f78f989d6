// A board's share of the world's time, which ends when its power does, and the way from its hardware into its firmware.
//
// Promises: after `cut` no callback of this board runs and none is taken; other boards on the same clock notice nothing.
// What firmware lets out of a callback ends the board, as it ends XS on a chip (`fxAbort`), by a name that says which
// callback it was. Never goes on with a board that has let an exception out.

import type { Scheduled, WorldClock } from "../world/clock.js";

/** Why a board ended that nobody switched off; `cause` is what its firmware threw. */
export class BoardAborted extends Error {
  constructor(callback: string, cause: unknown) {
    super(`unhandled exception in ${callback}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

export class PoweredClock implements WorldClock {
  readonly #world: WorldClock;
  readonly #onAbort: (reason: BoardAborted) => void;
  readonly #waiting = new Set<Scheduled>();
  #on = true;
  #inside = false;

  /** @param onAbort told once, when the power is gone already; throws where nobody else is to know */
  constructor(world: WorldClock, onAbort: (reason: BoardAborted) => void) {
    this.#world = world;
    this.#onAbort = onAbort;
  }

  /** Calls the firmware from outside it. A call from inside another is part of that one. */
  enter(name: string, callback: () => void): void {
    if (!this.#on) return;
    if (this.#inside) {
      callback();
      return;
    }
    this.#inside = true;
    try {
      callback();
    } catch (error) {
      this.cut();
      this.#onAbort(new BoardAborted(name, error));
    } finally {
      this.#inside = false;
    }
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
