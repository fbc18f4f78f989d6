// What every timer and clock (firmware/ports.ts) must do.

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Clock, Timer } from "../../../firmware/ports.js";

export interface TimerWorld {
  readonly timer: Timer;
  readonly clock: Clock;
  /** Lets time pass. */
  pass(durationMs: number): Promise<void>;
}

export function timerContract(title: string, make: () => TimerWorld): void {
  const test = suite(`timer contract: ${title}`);

  test("calls back once, not from inside set, and not early", async () => {
    const { timer, clock, pass } = make();
    const beganMs = clock.ticksMs();
    const calls: number[] = [];
    timer.set(() => calls.push(clock.ticksMs() - beganMs), 30);
    timer.set(() => calls.push(-1), 0);
    assert.is(calls.length, 0);
    await pass(120);
    assert.is(calls.length, 2);
    assert.is(calls[0], -1);
    assert.ok((calls[1] as number) >= 29, `after ${calls[1]} ms`);
  });

  test("a cleared timer stays silent; clearing it twice, or nothing, is allowed", async () => {
    const { timer, pass } = make();
    let calls = 0;
    const handle = timer.set(() => {
      calls += 1;
    }, 10);
    timer.clear(handle);
    timer.clear(handle);
    timer.clear(undefined);
    await pass(60);
    assert.is(calls, 0);
  });

  test("a callback may set and clear timers", async () => {
    const { timer, pass } = make();
    const order: string[] = [];
    const late = timer.set(() => order.push("late"), 50);
    timer.set(() => {
      order.push("first");
      timer.clear(late);
      timer.set(() => order.push("second"), 10);
    }, 10);
    await pass(150);
    assert.equal(order, ["first", "second"]);
  });

  test("ticks only rise; the wall clock is what it was set to and goes on from there", async () => {
    const { clock, pass } = make();
    const before = clock.ticksMs();
    clock.set(1_700_000_000);
    assert.ok(Math.abs(clock.nowMs() - 1_700_000_000_000) < 1000);
    await pass(40);
    assert.ok(clock.ticksMs() >= before + 39);
    assert.ok(clock.nowMs() >= 1_700_000_000_000 + 39);
    clock.set(1_600_000_000);
    assert.ok(clock.nowMs() < 1_600_000_001_000);
    assert.ok(clock.ticksMs() >= before + 39, "setting the wall clock does not move the ticks");
  });

  test.run();
}
