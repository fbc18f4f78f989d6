// The mirrors of the SDK's `timer` and `time`, beyond what the port needs of them.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { Board, type BoardOptions } from "../../../host-sim/hardware/board.js";
import { BoardAborted } from "../../../host-sim/hardware/power.js";
import { memoryStorage } from "../../../host-sim/hardware/storage.js";
import { timeFor } from "../../../host-sim/modules/time.js";
import { type Timer, timerFor } from "../../../host-sim/modules/timer.js";
import { VirtualClock } from "../../../host-sim/world/clock.js";

function board(options: Partial<BoardOptions> = {}) {
  const clock = new VirtualClock();
  const made = new Board({ clock, storage: memoryStorage({ partitions: {} }), ...options });
  return { clock, Timers: timerFor(() => made), Time: timeFor(() => made) };
}

test("repeats without drift, first after its first interval, until it is cleared", async () => {
  const { clock, Timers } = board();
  const calls: number[] = [];
  const timer = Timers.set(
    () => {
      calls.push(clock.nowMs());
      clock.block(3);
    },
    5,
    10,
  );
  await clock.advance(36);
  assert.equal(calls, [5, 15, 25, 35]);
  Timers.clear(timer);
  await clock.advance(100);
  assert.is(calls.length, 4);
  assert.is(clock.waiting, 0);
});

test("hands its callback the timer, which may clear itself", async () => {
  const { clock, Timers } = board();
  let calls = 0;
  const timer: Timer = Timers.repeat((own) => {
    calls += 1;
    assert.is(own, timer);
    if (calls === 3) Timers.clear(own);
  }, 10);
  await clock.advance(200);
  assert.is(calls, 3);
});

test("schedules anew, or not at all until it is scheduled again", async () => {
  const { clock, Timers } = board();
  const calls: number[] = [];
  const timer = Timers.repeat(() => calls.push(clock.nowMs()), 10);
  await clock.advance(10);
  Timers.schedule(timer);
  await clock.advance(100);
  assert.equal(calls, [10]);
  Timers.schedule(timer, 5, 20);
  await clock.advance(50);
  assert.equal(calls, [10, 115, 135, 155]);
  Timers.clear(timer);
  assert.throws(() => Timers.schedule(timer, 1));
});

test("a one-shot timer is gone after its callback, whatever that does, as on the SDK; a repetition keeps it", async () => {
  const { clock, Timers } = board();
  let calls = 0;
  const once = Timers.set((own) => {
    calls += 1;
    Timers.schedule(own, 10);
  }, 10);
  await clock.advance(100);
  assert.is(calls, 1);
  assert.throws(() => Timers.schedule(once, 10));
  const kept = Timers.set((own) => {
    calls += 1;
    if (calls === 2) Timers.schedule(own, 10, 20);
    else Timers.schedule(own);
  }, 10);
  await clock.advance(100);
  assert.is(calls, 3);
  Timers.schedule(kept, 10);
  await clock.advance(100);
  assert.is(calls, 4, "one that waits may be scheduled");
});

test("times are cut as the SDK cuts them: beyond 31 bits, or without an end, is at once", async () => {
  const { clock, Timers } = board();
  const calls: number[] = [];
  for (const delayMs of [2 ** 31, Number.POSITIVE_INFINITY, Number.NaN, -5, 2 ** 32 + 7])
    Timers.set(() => calls.push(clock.nowMs()), delayMs);
  await clock.advance(10);
  assert.equal(calls, [0, 0, 0, 0, 7]);
});

test("no function is no callback: a board would die of it later", () => {
  const { Timers } = board();
  assert.throws(() => Timers.set(undefined as never, 10), TypeError);
});

test("an exception that leaves a callback ends the board by name, and nothing of it runs any more", async () => {
  const reasons: BoardAborted[] = [];
  const { clock, Timers } = board({ onAbort: (reason) => reasons.push(reason) });
  const own = new RangeError("nobody catches this");
  let calls = 0;
  Timers.repeat(() => {
    calls += 1;
  }, 10);
  Timers.set(() => {
    throw own;
  }, 15);
  await clock.advance(100);
  assert.is(reasons.length, 1);
  assert.is(reasons[0]?.message, "unhandled exception in a callback of a timer: nobody catches this");
  assert.is(reasons[0]?.cause, own);
  assert.is(calls, 1);
  assert.is(clock.waiting, 0);
});

test("where nobody wants to know, an exception of the firmware goes to whoever turns the clock", async () => {
  const { clock, Timers } = board();
  Timers.set(() => {
    throw new Error("boom");
  }, 5);
  let thrown: unknown;
  await clock.advance(10).catch((error: unknown) => {
    thrown = error;
  });
  assert.instance(thrown, BoardAborted);
});

test("clearing what is no timer is allowed", () => {
  const { Timers } = board();
  for (const nothing of [undefined, null, 5, {}, "x"]) Timers.clear(nothing);
});

test("delay blocks: time passes and no timer runs", async () => {
  const { clock, Timers } = board();
  let calls = 0;
  Timers.set(() => {
    calls += 1;
  }, 10);
  Timers.delay(50);
  assert.is(clock.nowMs(), 50);
  assert.is(calls, 0);
  await clock.advance(0);
  assert.is(calls, 1);
});

test("ticks wrap as a signed number of 32 bits, and delta does not mind", async () => {
  const { clock, Time } = board({ clocks: { ticksAtBoot: 0x7ffffff0 } });
  const begin = Time.ticks;
  assert.is(begin, 0x7ffffff0);
  await clock.advance(100);
  assert.ok(Time.ticks < 0);
  assert.is(Time.delta(begin), 100);
  assert.is(Time.delta(begin, Time.ticks), 100);
});

test.run();
