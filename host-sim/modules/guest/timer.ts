// `timer` on the XS engine: the board's timers call back over the bridge.
//
// Promises, as ../timer.ts: a callback gets its timer; clearing anything that is no running timer is allowed.

import { bind, call, type Target, unbind } from "./bridge.js";

type TimerCallback = (timer: Timer) => void;

class Timer implements Target {
  readonly callback: TimerCallback;
  /** 0 once it is no timer any more. */
  number: number;
  /** Whether it outlives its callback: it repeats, or waits to be scheduled. */
  lasts = false;
  pending = false;

  constructor(callback: TimerCallback) {
    this.callback = callback;
    this.number = bind(this);
  }

  start(delayMs: number, repeatMs: number): void {
    this.lasts = (repeatMs | 0) !== 0;
    this.pending = true;
    call("timer.set", this.number, delayMs, repeatMs);
  }

  happened(): void {
    this.pending = this.lasts;
    this.callback(this);
    if (this.lasts || this.number === 0) return;
    if (this.pending) call("timer.clear", this.number);
    this.end();
  }

  end(): void {
    unbind(this.number);
    this.number = 0;
  }
}

function set(callback: TimerCallback, delayMs = 0, repeatMs = 0): Timer {
  if (typeof callback !== "function") throw new TypeError("no callback");
  const timer = new Timer(callback);
  timer.start(delayMs, repeatMs);
  return timer;
}

export default Object.freeze({
  set,
  repeat: (callback: TimerCallback, intervalMs: number) => set(callback, intervalMs, intervalMs),
  schedule(timer: Timer, delayMs?: number, repeatMs = 0): void {
    if (!(timer instanceof Timer) || timer.number === 0) throw new TypeError("invalid timer");
    if (delayMs !== undefined) timer.start(delayMs, repeatMs);
    else {
      call("timer.clear", timer.number);
      timer.pending = false;
      timer.lasts = true;
    }
  },
  clear(timer: unknown): void {
    if (!(timer instanceof Timer) || timer.number === 0) return;
    call("timer.clear", timer.number);
    timer.end();
  },
  delay(durationMs: number): void {
    call("timer.delay", durationMs);
  },
});
