// The pacer on virtual time: when it steps, what wakes it, and what becomes of a step that fails.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { Pacer } from "../../firmware/pacer.js";
import { createBoard } from "../../host-sim/device.js";
import { VirtualClock } from "../../host-sim/world/clock.js";
import { LogBook } from "./hand-clock.js";

/** A pacer whose steps are noted; `step` says what each does, by its number from 0. */
function make(step: (index: number) => number | Promise<number>) {
  const clock = new VirtualClock();
  const { device } = createBoard({ clock });
  const log = new LogBook();
  const times: number[] = [];
  let under = 0;
  const pacer = new Pacer(device.timer, log, {
    step() {
      times.push(clock.nowMs());
      under += 1;
      assert.is(under, 1, "one step at a time");
      const ended = <T>(dueMs: T): T => {
        under -= 1;
        return dueMs;
      };
      try {
        const dueMs = step(times.length - 1);
        return typeof dueMs === "number" ? ended(dueMs) : dueMs.finally(() => ended(0));
      } catch (error) {
        under -= 1;
        throw error;
      }
    },
  });
  return { clock, log, times, pacer, pass: (durationMs: number) => clock.advance(durationMs) };
}

/** A promise that the test fulfils. */
function gate(): { opened: Promise<void>; open: () => void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}

test("steps at once, and then as each step asks", async () => {
  const { pacer, times, pass } = make((index) => [100, 250, 0, 1000][index] ?? 1000);
  await pass(10);
  assert.equal(times, [], "not before it is run");
  pacer.run();
  assert.equal(times, [], "never from inside run");
  await pass(1400);
  assert.equal(times, [10, 110, 360, 360, 1360]);
});

test("something that arrives brings the next step forward, and many such things bring one", async () => {
  const { pacer, times, pass } = make(() => 1000);
  pacer.run();
  await pass(300);
  pacer.wake();
  pacer.wake();
  pacer.wake();
  await pass(999);
  assert.equal(times, [0, 300]);
  await pass(1);
  assert.equal(times, [0, 300, 1300], "the step that was due before is not made besides");
});

test("a wake-up while a step is under way is not lost, and makes no second step beside it", async () => {
  const held = gate();
  const { pacer, times, pass } = make(async (index) => {
    if (index === 0) await held.opened;
    return 1000;
  });
  pacer.run();
  await pass(50);
  pacer.wake();
  await pass(50);
  assert.equal(times, [0]);
  held.open();
  await pass(0);
  await pass(0);
  assert.equal(times, [0, 100]);
  await pass(999);
  assert.equal(times, [0, 100], "it counts once");
});

test("a stopped pacer steps no more, whatever wakes it; one that is run again goes on", async () => {
  const { pacer, times, pass } = make(() => 100);
  pacer.run();
  await pass(150);
  pacer.stop();
  pacer.wake();
  await pass(1000);
  assert.equal(times, [0, 100]);
  pacer.run();
  await pass(100);
  assert.equal(times, [0, 100, 1150, 1250]);
});

test("stopped while a step is under way, it does not begin another", async () => {
  const held = gate();
  const { pacer, times, pass } = make(async () => {
    await held.opened;
    return 10;
  });
  pacer.run();
  await pass(5);
  pacer.wake();
  pacer.stop();
  held.open();
  await pass(1000);
  assert.equal(times, [0]);
});

test("a step that fails is said so and tried again after ten seconds, even while messages pour in", async () => {
  let failing = true;
  const { pacer, times, log, pass } = make(() => {
    if (failing) throw new Error("flash is busy");
    return 1000;
  });
  pacer.run();
  await pass(0);
  for (let i = 0; i < 20; i += 1) {
    pacer.wake();
    await pass(100);
  }
  assert.equal(times, [0]);
  assert.equal(log.lines, [{ event: "error", what: "step", detail: "flash is busy", failures: 1 }]);
  await pass(8000);
  assert.equal(times, [0, 10_000]);
  failing = false;
  await pass(10_000);
  assert.equal(times, [0, 10_000, 20_000]);
  pacer.wake();
  await pass(1);
  assert.equal(times, [0, 10_000, 20_000, 20_000], "it can be woken again");
});

/** What reaches the process as an unhandled rejection while `during` runs. */
async function unhandled(during: () => Promise<void>): Promise<unknown[]> {
  const heard: unknown[] = [];
  const others = process.listeners("unhandledRejection");
  const hear = (reason: unknown) => heard.push(reason);
  process.removeAllListeners("unhandledRejection");
  process.on("unhandledRejection", hear);
  await during();
  process.off("unhandledRejection", hear);
  for (const other of others) process.on("unhandledRejection", other);
  return heard;
}

test("after five failures in a row the error goes up, and no step follows", async () => {
  const { pacer, times, log, pass } = make((index) => {
    throw new Error(`failure ${index}`);
  });
  const early = await unhandled(async () => {
    pacer.run();
    await pass(39_999);
  });
  assert.equal(early, []);
  assert.is(times.length, 4);
  const late = await unhandled(() => pass(100_000));
  assert.is(times.length, 5);
  assert.is(log.lines.length, 5);
  assert.is(late.length, 1);
  assert.match(String(late[0]), "failure 4");
});

test("failures that are not in a row add up to nothing", async () => {
  const { pacer, times, pass } = make((index) => {
    if (index % 5 !== 4) throw "no Error at all";
    return 1000;
  });
  const heard = await unhandled(async () => {
    pacer.run();
    await pass(200_000);
  });
  assert.equal(heard, []);
  assert.ok(times.length > 20);
});

test.run();
