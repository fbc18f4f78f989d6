// The sampler's grid, and its count of what it could not take, with a sensor that does as it is told.

import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { fieldsOf } from "../../firmware/fields.js";
import { numericText } from "../../firmware/record/decimal.js";
import type { Entry } from "../../firmware/record/senml.js";
import { Rejection } from "../../firmware/rejection.js";
import { Sampler } from "../../firmware/sampler.js";
import type { Part, Sensor } from "../../firmware/sensor/sensor.js";
import { sht3x } from "../../firmware/sensor/sht3x/sht3x.js";
import { createBoard } from "../../host-sim/device.js";
import { VirtualClock } from "../../host-sim/world/clock.js";
import { HandClock, LogBook } from "./hand-clock.js";
import { handDevice } from "./hand-device.js";

const INTERVAL_MS = 1000;
const SETTLE_MS = 2;
const CONVERSION_MS = 16;
const SAMPLE: readonly Entry[] = [{ n: "temperature", u: "Cel", v: 20 }];

type Fault = "none" | "open" | "start" | "sample" | "stuck" | "close";

/** A sensor on a clock turned by hand, and everything that was done to it. */
function make(intervalMs = INTERVAL_MS) {
  const clock = new HandClock(123);
  const log = new LogBook();
  const state = {
    fault: "none" as Fault,
    conversionMs: CONVERSION_MS,
    statedMs: CONVERSION_MS,
    opened: 0,
    closed: 0,
    starts: [] as number[],
  };
  const part: Part = {
    open(): Sensor {
      if (state.fault === "open") throw new Rejection("sensor-nack", "nobody there");
      state.opened += 1;
      const openedMs = clock.ticksMs();
      let startedMs: number | undefined;
      return {
        settleMs: SETTLE_MS,
        conversionMs: state.statedMs,
        start() {
          assert.ok(clock.ticksMs() - openedMs >= SETTLE_MS, "no command while it settles");
          assert.is(startedMs, undefined, "one measurement at a time");
          if (state.fault === "start") throw new Error("write failed");
          startedMs = clock.ticksMs();
          state.starts.push(startedMs - 123);
        },
        sample(): readonly Entry[] | undefined {
          if (state.fault === "sample") throw new Rejection("sensor-crc", "a wrong checksum");
          assert.ok(startedMs !== undefined, "read only what was begun");
          if (state.fault === "stuck" || clock.ticksMs() - startedMs < state.conversionMs) return undefined;
          startedMs = undefined;
          return SAMPLE;
        },
        close() {
          state.closed += 1;
          if (state.fault === "close") throw new Error("already closed");
        },
      };
    },
  };
  const sampler = new Sampler(handDevice({ clock, log }), { name: "", intervalMs, part });
  let samples = 0;
  let lost = 0;
  /** Steps whenever a step is due, for `durationMs`. */
  const run = (durationMs: number) => {
    const endMs = clock.ticksMs() + durationMs;
    for (let idle = 0; ; ) {
      const dueMs = sampler.step();
      assert.ok(dueMs >= 0, `due in ${dueMs} ms`);
      lost += sampler.takeLost();
      const sample = sampler.takeSample();
      if (sample !== undefined) samples += 1;
      idle = sample === undefined && dueMs === 0 ? idle + 1 : 0;
      assert.ok(idle <= 1, "a step with nothing to do does not ask to be called at once, again and again");
      const waitMs = sample === undefined ? Math.ceil(dueMs) : 0;
      if (clock.ticksMs() + waitMs >= endMs) break;
      clock.pass(waitMs);
    }
    clock.pass(endMs - clock.ticksMs());
  };
  return { clock, log, state, sampler, run, counts: () => ({ samples, lost }) };
}

test("one sample each interval, on a grid that begins with the first step", () => {
  const { state, run, counts } = make();
  run(10 * INTERVAL_MS);
  assert.equal(counts(), { samples: 10, lost: 0 });
  assert.equal(state.starts, [2, 1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000, 9000]);
  assert.is(state.opened, 1);
});

test("a sample is handed out once", () => {
  const { clock, sampler } = make();
  sampler.step();
  clock.pass(SETTLE_MS);
  sampler.step();
  assert.is(sampler.takeSample(), undefined, "not before it is measured");
  clock.pass(CONVERSION_MS);
  assert.is(sampler.step(), 0);
  assert.equal(sampler.takeSample(), { name: "", entries: SAMPLE, takenMs: clock.ticksMs() });
  assert.is(sampler.takeSample(), undefined);
});

test("asks to be called when the measurement is ready, and soon again where it is late", () => {
  const { clock, state, sampler } = make();
  state.conversionMs = CONVERSION_MS + 3;
  assert.is(sampler.step(), SETTLE_MS);
  clock.pass(SETTLE_MS);
  assert.is(sampler.step(), CONVERSION_MS);
  clock.pass(CONVERSION_MS);
  assert.is(sampler.step(), 2);
  clock.pass(2);
  assert.is(sampler.step(), 2);
  clock.pass(2);
  assert.is(sampler.step(), 0);
});

test("a slow step shifts no later sample, and every interval that it slept through is lost", () => {
  const { clock, state, run, counts } = make();
  run(3 * INTERVAL_MS);
  clock.pass(2 * INTERVAL_MS + 300);
  run(3 * INTERVAL_MS);
  assert.equal(state.starts, [2, 1000, 2000, 5300, 6000, 7000, 8000]);
  assert.equal(counts(), { samples: 7, lost: 2 });
});

test("a measurement that takes longer than the interval costs the samples that it covers", () => {
  const { run, counts } = make(10);
  run(1000);
  const { samples, lost } = counts();
  assert.ok(samples >= 49 && samples + lost >= 99 && samples + lost <= 100, `${samples} taken, ${lost} lost`);
});

for (const [fault, code, detail] of [
  ["open", "sensor-nack", "nobody there"],
  ["start", "sensor-error", "write failed"],
  ["sample", "sensor-crc", "a wrong checksum"],
] as const)
  test(`a sensor that fails at "${fault}" is closed, counted each interval, said so, and opened anew`, () => {
    const { log, state, run, counts } = make();
    run(2 * INTERVAL_MS);
    state.fault = fault === "open" ? "sample" : fault;
    run(INTERVAL_MS);
    state.fault = fault;
    run(3 * INTERVAL_MS);
    assert.equal(counts(), { samples: 2, lost: 4 });
    const lines = log.of("sensor");
    assert.is(lines.length, 4);
    assert.is(lines[3]?.code, code);
    assert.is(lines[3]?.detail, detail);
    assert.is(state.closed, state.opened, "whatever was opened is closed");
    state.fault = "none";
    run(2 * INTERVAL_MS);
    assert.equal(counts(), { samples: 4, lost: 4 });
    assert.is(state.closed, state.opened - 1);
  });

test("a measurement that never ends is given up 200 ms after its time", () => {
  const { clock, log, state, sampler } = make();
  sampler.step();
  clock.pass(SETTLE_MS);
  sampler.step();
  state.fault = "stuck";
  clock.pass(CONVERSION_MS + 200);
  sampler.step();
  assert.is(sampler.takeLost(), 0, "patient up to there");
  clock.pass(1);
  sampler.step();
  assert.is(sampler.takeLost(), 1);
  assert.is(log.of("sensor")[0]?.code, "sensor-timeout");
  assert.is(state.closed, 1);
});

test("a driver that states nonsense for its measurement is given up all the same: after a minute at most", () => {
  for (const [statedMs, lateMs] of [
    [1e12, 60_000],
    [Number.POSITIVE_INFINITY, 60_000],
    [Number.NaN, 0],
    [-5, 0],
  ] as const) {
    const { state, log, run } = make(200_000);
    state.fault = "stuck";
    state.statedMs = statedMs;
    run(SETTLE_MS + lateMs + 200);
    assert.equal(log.of("sensor"), [], `${statedMs}`);
    run(20);
    assert.equal(
      log.of("sensor").map(({ code }) => code),
      ["sensor-timeout"],
      `${statedMs}`,
    );
  }
});

test("a sensor that cannot even be closed is let go", () => {
  const { clock, log, state, sampler, run, counts } = make();
  run(INTERVAL_MS);
  state.fault = "sample";
  clock.pass(0);
  sampler.step();
  clock.pass(CONVERSION_MS);
  state.fault = "close";
  // Fails on the read that never comes, and then on the close.
  for (let i = 0; i < 3 && log.of("sensor").length === 0; i += 1) {
    state.conversionMs = Number.POSITIVE_INFINITY;
    clock.pass(CONVERSION_MS + 201);
    sampler.step();
  }
  assert.equal(
    log.of("sensor").map((line) => line.code),
    ["sensor-timeout", "sensor-close"],
  );
  state.fault = "none";
  state.conversionMs = CONVERSION_MS;
  assert.is(sampler.takeLost(), 1);
  run(2 * INTERVAL_MS);
  assert.is(counts().samples, 3);
  assert.is(state.opened, 2);
});

test("whatever fails and however slow the steps are: each interval is sampled or counted", () => {
  const faults = fc.constantFrom<Fault>("none", "none", "open", "start", "sample", "stuck", "close");
  const turn = fc.record({ fault: faults, sleepMs: fc.oneof(fc.constant(0), fc.nat(3500)), runMs: fc.nat(2500) });
  fc.assert(
    fc.property(fc.array(turn, { minLength: 1, maxLength: 12 }), (turns) => {
      const { clock, state, run, counts } = make();
      for (const { fault, sleepMs, runMs } of turns) {
        state.fault = fault;
        clock.pass(sleepMs);
        run(runMs);
      }
      state.fault = "none";
      // What was under way ends, and the last interval is begun.
      const elapsed = () => clock.ticksMs() - 123 - (turns[0]?.sleepMs ?? 0);
      run(2 * INTERVAL_MS - (elapsed() % INTERVAL_MS) - 1);
      const due = Math.floor(elapsed() / INTERVAL_MS) + 1;
      const { samples, lost } = counts();
      assert.is(samples + lost, due, `${samples} taken, ${lost} lost`);
    }),
    { numRuns: 300 },
  );
});

test("close lets the sensor go, and a later step begins anew", () => {
  const { state, sampler, run, counts } = make();
  run(INTERVAL_MS);
  sampler.close();
  assert.is(state.closed, 1);
  sampler.close();
  assert.is(state.closed, 1);
  run(INTERVAL_MS);
  assert.is(state.opened, 2);
  assert.is(counts().samples, 2);
});

for (const clockStretching of [false, true])
  test(`the real driver on the simulated part, clock stretching ${clockStretching}: unplugged and back`, async () => {
    const world = new VirtualClock();
    const { device, board } = createBoard({ clock: world, sensor: { trace: [[0, 21.3, 45.5]] } });
    const log = new LogBook();
    const part = sht3x.configure(fieldsOf({ clockStretching }));
    const sampler = new Sampler({ ...device, keys: undefined as never, log }, { name: "", intervalMs: 100, part });
    await world.advance(5);
    const taken: (readonly Entry[])[] = [];
    let lost = 0;
    const run = async (durationMs: number) => {
      for (const endMs = world.nowMs() + durationMs; world.nowMs() < endMs; ) {
        world.block(Math.max(1, Math.min(sampler.step(), 100)));
        const sample = sampler.takeSample();
        if (sample !== undefined) taken.push(sample.entries);
        lost += sampler.takeLost();
      }
    };
    await run(1000);
    assert.is(taken.length, 10);
    assert.is(lost, 0);
    assert.ok(Math.abs(Number(numericText(taken[0]?.[0]?.v ?? 0)) - 21.3) < 0.01);
    assert.ok(Math.abs(Number(numericText(taken[0]?.[1]?.v ?? 0)) - 45.5) < 0.01);
    board.i2c.unplugged = true;
    await run(1000);
    board.i2c.unplugged = false;
    await run(1000);
    assert.ok(lost >= 9 && lost <= 11, `${lost} lost`);
    assert.ok(taken.length + lost >= 29 && taken.length + lost <= 31, `${taken.length} taken, ${lost} lost`);
    assert.ok(log.of("sensor").length >= 9);
  });

test.run();
