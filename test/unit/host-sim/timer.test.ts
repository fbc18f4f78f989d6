// The mirrors of the SDK's `timer` and `time`, beyond what the port needs of them.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { Board, type BoardOptions } from "../../../host-sim/hardware/board.js";
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

test("a one-shot timer can be set again from its own callback", async () => {
  const { clock, Timers } = board();
  let calls = 0;
  Timers.set((own) => {
    calls += 1;
    if (calls < 3) Timers.schedule(own, 10);
  }, 10);
  await clock.advance(100);
  assert.is(calls, 3);
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
