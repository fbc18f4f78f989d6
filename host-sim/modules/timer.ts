// Mirror of the SDK's `timer`: one-shot and repeating callbacks in milliseconds.
//
// Promises: a callback gets its timer; clearing anything that is no running timer is allowed. Never drifts by more than
// the world's clock does: a repetition is due one interval after the last was due.

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
    const scheduled = timer.scheduled;
    if (timer.repeatMs > 0) {
      timer.dueMs += timer.repeatMs;
      timer.scheduled = world.schedule(() => fire(timer), timer.dueMs - world.nowMs());
    } else timer.scheduled = undefined;
    timer.callback(timer);
    if (timer.scheduled === undefined || timer.scheduled === scheduled) timers.delete(timer);
  }

  function stop(timer: Running): void {
    if (timer.scheduled !== undefined) board().world.cancel(timer.scheduled);
    timer.scheduled = undefined;
  }

  function set(callback: TimerCallback, delayMs = 0, repeatMs = 0): Timer {
    const timer: Running = { callback, dueMs: 0, repeatMs: Math.trunc(repeatMs), scheduled: undefined };
    timers.add(timer);
    start(timer, Math.trunc(delayMs));
    return timer;
  }

  return {
    set,
    repeat: (callback, intervalMs) => set(callback, intervalMs, intervalMs),
    schedule(timer, delayMs, repeatMs = 0) {
      if (!timers.has(timer)) throw new TypeError("invalid timer");
      stop(timer as Running);
      (timer as Running).repeatMs = Math.trunc(repeatMs);
      if (delayMs !== undefined) start(timer as Running, Math.trunc(delayMs));
    },
    clear(timer) {
      if (typeof timer !== "object" || timer === null || !timers.delete(timer)) return;
      stop(timer as Running);
    },
    delay: (durationMs) => board().world.block(durationMs),
  };
}

export default timerFor(currentBoard);
