// Mirror of the SDK's `timer`: one-shot and repeating callbacks in milliseconds.
//
// Promises: a callback gets its timer; clearing anything that is no running timer is allowed. Never drifts by more than
// the world's clock does: a repetition is due one interval after the last was due.
// Quirks of the SDK's, kept: a one-shot timer is gone after its callback, also where that has scheduled it anew without a
// repetition; times are cut to signed numbers of 32 bits, and what is then below 0 is due at once, as `Infinity` is.

import type { Board } from "../hardware/board.js";
import type { Scheduled } from "../world/clock.js";
import { currentBoard } from "./current.js";

export type TimerCallback = (timer: Timer) => void;

export interface Timer {
  readonly callback: TimerCallback;
}

interface Running extends Timer {
  dueMs: number;
  repeatMs: number;
  scheduled: Scheduled | undefined;
}

export interface TimerModule {
  set(callback: TimerCallback, delayMs?: number, repeatMs?: number): Timer;
  repeat(callback: TimerCallback, intervalMs: number): Timer;
  /** Without a delay the timer waits until it is scheduled again. */
  schedule(timer: Timer, delayMs?: number, repeatMs?: number): void;
  clear(timer: unknown): void;
  delay(durationMs: number): void;
}

export function timerFor(board: () => Board): TimerModule {
  const timers = new WeakSet<object>();

  function start(timer: Running, delayMs: number): void {
    const world = board().world;
    timer.dueMs = world.nowMs() + delayMs;
    timer.scheduled = world.schedule(() => fire(timer), delayMs);
  }

  function fire(timer: Running): void {
    const world = board().world;
    if (timer.repeatMs > 0) {
      timer.dueMs += timer.repeatMs;
      timer.scheduled = world.schedule(() => fire(timer), timer.dueMs - world.nowMs());
    } else timer.scheduled = undefined;
    board().world.enter("a callback of a timer", () => timer.callback(timer));
    if (timer.repeatMs === 0) {
      stop(timer);
      timers.delete(timer);
    }
  }

  function stop(timer: Running): void {
    if (timer.scheduled !== undefined) board().world.cancel(timer.scheduled);
    timer.scheduled = undefined;
  }

  function set(callback: TimerCallback, delayMs = 0, repeatMs = 0): Timer {
    // The SDK takes anything, and the board dies of it when the timer is due.
    if (typeof callback !== "function") throw new TypeError("no callback");
    const timer: Running = { callback, dueMs: 0, repeatMs: repeatMs | 0, scheduled: undefined };
    timers.add(timer);
    start(timer, delayMs | 0);
    return timer;
  }

  return {
    set,
    repeat: (callback, intervalMs) => set(callback, intervalMs, intervalMs),
    schedule(timer, delayMs, repeatMs = 0) {
      if (!timers.has(timer)) throw new TypeError("invalid timer");
      stop(timer as Running);
      // One that waits is not over when its callback returns.
      (timer as Running).repeatMs = delayMs === undefined ? -1 : repeatMs | 0;
      if (delayMs !== undefined) start(timer as Running, delayMs | 0);
    },
    clear(timer) {
      if (typeof timer !== "object" || timer === null || !timers.delete(timer)) return;
      stop(timer as Running);
    },
    delay: (durationMs) => board().world.block(durationMs),
  };
}

export default timerFor(currentBoard);
