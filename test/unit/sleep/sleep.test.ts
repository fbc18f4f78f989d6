// Deep sleep between samples: what counts of what the memory holds, when a board sleeps, and what is written when. What happens to a board by
// chance is in sleep-wakes.test.ts.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { crc32, readUint, writeUint } from "../../../firmware/bytes.js";
import type { Feature } from "../../../firmware/feature.js";
import type { ResetReason } from "../../../firmware/ports.js";
import { Rejection } from "../../../firmware/rejection.js";
import { pulses } from "../../../firmware/sensor/pulses/pulses.js";
import { AWAKE_AFTER_START_MS, SLEEP_DRIFT_PERCENT, sleepOf } from "../../../firmware/sleep/sleep.js";
import { decodeSnapshot, type Snapshot } from "../../../firmware/sleep/snapshot.js";
import { MoteBench, PoweredMote } from "../mote-bench.js";
import { SAMPLE_MS, SleepBench, type SleepBenchOptions } from "./sleep-bench.js";

async function asleep(options: SleepBenchOptions = {}): Promise<SleepBench> {
  const bench = new SleepBench(options);
  bench.boot("power-on");
  await bench.live();
  assert.ok(bench.asleepMs !== undefined, "it sleeps");
  return bench;
}

/** Asleep after its first wake, with two records. */
async function twice(options: SleepBenchOptions = {}): Promise<SleepBench> {
  const bench = await asleep(options);
  await bench.wake(1);
  return bench;
}

function snapshotOf(bench: SleepBench): Snapshot {
  const snapshot = decodeSnapshot(bench.rtc.memory as Uint8Array);
  if (snapshot instanceof Rejection) throw snapshot;
  return snapshot;
}

test("it sleeps between its samples, joins its network at every third wake, and goes on where it was", async () => {
  const bench = await asleep();
  await bench.wake(60);
  assert.equal(bench.reasons(), { resumed: 60 }, "through each sector that is full");
  assert.equal(
    bench.wakes.slice(0, 9).map(({ pending }) => pending),
    [0, 1, 2, 0, 1, 2, 0, 1, 2],
    "what was made without a network goes with the next connection",
  );
  assert.equal(
    [...bench.kept.keys()],
    Array.from({ length: 61 }, (_, i) => i + 1),
    "a record at each wake, and no number left out",
  );
  assert.equal(bench.lost(), []);
  assert.is(bench.lines.filter(({ event }) => event === "boot").length, 1, "a wake that goes on is no boot");
});

test("the memory is erased before anything else is written, and written last; without a network the store is not touched", async () => {
  const bench = await asleep();
  for (let wake = 1; wake <= 12; wake += 1) {
    const written: string[] = [];
    bench.onWrite = (what) => written.push(what);
    await bench.wake(1);
    assert.is(written[0], "memory erased");
    assert.is(written[written.length - 1], "memory");
    assert.is(written.filter((what) => what.startsWith("memory")).length, 2);
    const stored = written.filter((what) => what.startsWith("store"));
    if (wake % 3 !== 0) assert.equal(stored, [], `wake ${wake}`);
  }
});

test("a journal that goes on is read at its newest and its oldest sector alone, however many there are", async () => {
  const bench = await twice();
  let headers = new Set<number>();
  bench.bend = (device) => {
    const open: typeof device.flash.open = (options) => {
      const partition = device.flash.open(options);
      const read = (target: number | ArrayBuffer | Uint8Array, offset: number): never => {
        if (offset % 4096 === 0) headers.add(offset / 4096);
        return (partition.read as (target: unknown, offset: number) => never)(target, offset);
      };
      return { ...partition, status: () => partition.status(), read, close: () => partition.close() };
    };
    return { ...device, flash: { open } };
  };
  await bench.sleepOn();
  bench.boot("deep-sleep");
  assert.ok(headers.size <= 3, `${[...headers]}: the newest, the oldest, and the one that would come next`);
  headers = new Set();
  await bench.live();
  await bench.sleepOn("lost");
  bench.boot("deep-sleep");
  assert.is(headers.size, 8, "all of them at a mount");
});

test("after any other reset the memory counts for nothing", async () => {
  const reasons: readonly ResetReason[] = [
    "panic",
    "brown-out",
    "task-watchdog",
    "watchdog",
    "software",
    "external",
    "unknown",
    "power-on",
  ];
  for (const reason of reasons) {
    const bench = await twice();
    await bench.sleepOn();
    assert.ok(bench.holdsSnapshot);
    bench.boot(reason);
    await bench.live();
    assert.equal(bench.reasons(), { resumed: 1, reset: 1 }, reason);
    assert.equal(bench.lines.filter(({ event }) => event === "boot").length, 2, reason);
    await bench.wake(3);
    assert.equal(bench.lost(), [], reason);
  }
});

test("what the memory has become through noise, or a bit that turned, counts for nothing", async () => {
  for (let at = 0; at < 176; at += 1) {
    const bench = await cached(at);
    const memory = (bench.rtc.memory as Uint8Array).slice();
    memory[at] = (memory[at] as number) ^ (1 << (at % 8));
    bench.rtc.memory = memory;
    bench.boot("deep-sleep");
    const { reason } = bench.wakes[bench.wakes.length - 1] as { reason?: unknown };
    assert.ok(at < 4 ? reason === "absent" : reason === "malformed", `byte ${at}: ${reason}`);
    bench.powered?.cut();
  }
});

/** One bench for many looks at what it left: nothing of it is written by a start that is cut at once. */
let shared: SleepBench | undefined;
let left: Uint8Array | undefined;
async function cached(turn: number): Promise<SleepBench> {
  if (shared === undefined || turn === 0) {
    shared = await twice();
    await shared.sleepOn();
    left = shared.rtc.memory;
  }
  shared.rtc.memory = left;
  shared.rtc.asleep = {
    wallMs: snapshotOf(shared).wallMs,
    epochMs: shared.bench.world.epochMs() - SAMPLE_MS,
    sleepMs: SAMPLE_MS,
  };
  return shared;
}

test("what another image has left counts for nothing", async () => {
  const bench = await twice();
  await bench.wake(1);
  bench.update();
  await bench.sleepOn();
  bench.boot("deep-sleep");
  assert.is(bench.wakes[bench.wakes.length - 1]?.reason, "image");
  await bench.live(SAMPLE_MS);
  assert.is(bench.asleepMs, undefined, "its image is pending");
});

test("what an earlier sleep has left counts for nothing, though its clock would do: the journal has gone on", async () => {
  const bench = await twice();
  const earlier = (bench.rtc.memory as Uint8Array).slice();
  await bench.wake(1);
  await bench.sleepOn();
  bench.rtc.memory = earlier;
  bench.boot("deep-sleep");
  await bench.live();
  assert.is(bench.wakes[bench.wakes.length - 1]?.reason, "position");
  await bench.wake(3);
  assert.equal(bench.lost(), []);
});

test("a journal that was written to, or lost its clean end, is mounted", async () => {
  for (const harm of ["torn", "erased"]) {
    const bench = await twice();
    await bench.sleepOn();
    const { unit, sector } = snapshotOf(bench).journal;
    const journal = bench.storage.partitions.journal;
    // As a write that began behind the clean end leaves it; and what nobody but a person with a cable does.
    if (harm === "torn") journal?.write(new Uint8Array(32).fill(0x5a), sector * 4096 + (unit + 2) * 32);
    else journal?.eraseBlock(sector);
    bench.boot("deep-sleep");
    assert.is(bench.wakes[bench.wakes.length - 1]?.reason, "position", harm);
    await bench.live();
  }
});

/** The numbers in the store, with another mark. */
function setMark(bench: SleepBench, mark: number): void {
  const domain = (bench.powered as PoweredMote).board.device.store.open({ path: "mote", format: "buffer" });
  const bytes = new Uint8Array(domain.read("sequence") as ArrayBuffer);
  writeUint(bytes, mark, 9, 4);
  writeUint(bytes, crc32(bytes.subarray(0, 17)), 17, 4);
  domain.write("sequence", bytes);
}

test("a number at or above the mark in the store is not gone on with", async () => {
  const bench = await twice();
  await bench.sleepOn();
  const { next } = snapshotOf(bench).sequence;
  setMark(bench, next);
  bench.boot("deep-sleep");
  assert.is(bench.wakes[bench.wakes.length - 1]?.reason, "mark");
  await bench.live();
  await bench.wake(3);
  assert.equal(bench.lost(), []);
});

test("the numbers of a sleep are always below the mark: one is reserved before the board sleeps", async () => {
  const bench = await asleep({ wifiEvery: 100 });
  for (let wake = 0; wake < 40; wake += 1) {
    const domain = (bench.powered as PoweredMote).board.device.store.open({ path: "mote", format: "buffer" });
    if (bench.holdsSnapshot)
      assert.ok(snapshotOf(bench).sequence.next < readUint(new Uint8Array(domain.read("sequence") as ArrayBuffer), 9, 4));
    await bench.wake(1);
  }
  assert.not.ok(bench.reasons().mark);
});

test("a clock that is behind the sleep, or far ahead of it, is no clock to go on by", async () => {
  for (const offMs of [-SAMPLE_MS * 2, SAMPLE_MS * 4]) {
    const bench = await twice();
    await bench.sleepOn();
    const { wallMs, epochMs } = bench.rtc.asleep as { wallMs: number; epochMs: number };
    bench.rtc.asleep = { wallMs: wallMs + offMs, epochMs, sleepMs: 0 };
    bench.boot("deep-sleep");
    assert.is(bench.wakes[bench.wakes.length - 1]?.reason, "clock");
  }
});

test("power that comes on says nothing of a sleep", async () => {
  const bench = await asleep();
  bench.rtc.memory = undefined;
  bench.boot("power-on");
  assert.equal(bench.wakes, []);
});

test("it never sleeps while its image has to prove itself, nor while it is given a configuration, nor while a feature is busy", async () => {
  const feature = { busy: true, subscriptions: [], received: () => false, linkChanged: () => undefined, step: () => 1e9 };
  const bench = new SleepBench({ features: [{ fault: () => undefined, open: () => feature as Feature }] });
  bench.boot("power-on");
  await bench.live(3 * SAMPLE_MS);
  assert.is(bench.asleepMs, undefined, "busy");
  feature.busy = false;
  await bench.live();
  assert.ok(bench.asleepMs !== undefined);

  const pending = await twice();
  await pending.wake(1);
  await pending.sleepOn();
  pending.boot("deep-sleep");
  pending.update();
  pending.boot("software");
  await pending.live(3 * SAMPLE_MS);
  assert.is(pending.asleepMs, undefined, "pending");
  assert.ok(pending.kept.size >= 5, "and goes on measuring");
  pending.powered?.board.device.slots?.markValid();
  await pending.live();
  assert.ok(pending.asleepMs !== undefined, "proven");
});

test("held, it stays awake", () => {
  const bench = new MoteBench({ sleeps: true, sampleMs: SAMPLE_MS, config: { sleep: {} } });
  const { device } = new PoweredMote(bench, (device) => device).board;
  const sleep = sleepOf(device as never);
  const sleeper = { idle: true, restMs: () => SAMPLE_MS, isSettled: () => true };
  assert.ok(sleep?.isDue(sleeper, AWAKE_AFTER_START_MS));
  assert.not.ok(sleep?.isDue(sleeper, AWAKE_AFTER_START_MS - 1), "a button can be held for as long");
  assert.not.ok(sleep?.isDue({ ...sleeper, idle: false }, 60_000));
  assert.not.ok(sleep?.isDue({ ...sleeper, restMs: () => undefined }, 60_000), "while it measures");
  assert.not.ok(sleep?.isDue({ ...sleeper, isSettled: () => false }, 59_999), "while something is to come");
  assert.ok(sleep?.isDue({ ...sleeper, isSettled: () => false }, 60_000), "it does not wait for ever");
  if (sleep !== undefined) sleep.held = true;
  assert.not.ok(sleep?.isDue(sleeper, 60_000));
});

test("a broker that is away costs so much of a wake as is configured, and no record", async () => {
  const bench = await asleep({ wifiEvery: 2 });
  bench.brokerUp = false;
  for (let wake = 0; wake < 6; wake += 1) {
    await bench.sleepOn();
    bench.boot("deep-sleep");
    const beganMs = bench.bench.world.epochMs();
    await bench.live();
    assert.ok(bench.bench.world.epochMs() - beganMs <= (wake % 2 === 0 ? 1_000 : 31_000), `wake ${wake}`);
  }
  bench.brokerUp = true;
  await bench.wake(2);
  assert.is(bench.kept.size, 9);
  assert.equal(bench.lost(), []);
});

test("a key that wants the radio has it", async () => {
  const bench = await twice({ wifiEvery: 100 });
  await bench.sleepOn();
  bench.bend = (device) => ({
    ...device,
    keys: { ...device.keys, open: () => undefined, create: (slot) => device.keys.create(slot) },
  });
  bench.boot("deep-sleep");
  await bench.live(3_000);
  assert.ok((bench.powered as PoweredMote).board.board.radio.on);
});

test("the clock is known less with each sleep: so it says, and by so much more may NTP move it", async () => {
  for (const percent of [-SLEEP_DRIFT_PERCENT, SLEEP_DRIFT_PERCENT]) {
    const bench = await asleep({ wifiEvery: 8 });
    bench.bench.sleepDriftPpm = percent * 10_000;
    const qualities: unknown[] = [];
    const offs: number[] = [];
    for (let wake = 0; wake < 8; wake += 1) {
      await bench.sleepOn();
      bench.boot("deep-sleep");
      const { mote, board } = bench.powered as PoweredMote;
      offs.push(Math.abs(board.device.clock.nowMs() - bench.bench.world.epochMs()));
      assert.ok((offs[wake] as number) <= mote.uncertainMs + 1_000, `off by ${offs[wake]}, known to ${mote.uncertainMs} ms`);
      qualities.push(mote.nowS() === undefined ? "unknown" : "known");
      await bench.live();
    }
    assert.equal(qualities.slice(0, 2), ["known", "known"]);
    assert.equal(qualities.slice(4), ["unknown", "unknown", "unknown", "unknown"], "no rule of a chain is judged by it");
    assert.ok((offs[7] as number) > 20_000);
    await bench.wake(1);
    const { board } = bench.powered as PoweredMote;
    assert.ok(Math.abs(board.board.clock.nowMs() - bench.bench.world.epochMs()) < 6_000, "one server has set it");
  }
});

test("resets that nobody wanted are forgotten by the time that a board is asleep, too", async () => {
  const bench = await asleep();
  for (let i = 0; i < 4; i += 1) {
    bench.boot("panic");
    await bench.live();
  }
  const domain = (): Uint8Array =>
    new Uint8Array(
      (bench.powered as PoweredMote).board.device.store.open({ path: "boots", format: "buffer" }).read("resets") ??
        new ArrayBuffer(0),
    );
  const store = (bench.powered as PoweredMote).board.device.store.open({ path: "boots", format: "buffer" });
  store.write("resets", Uint8Array.of(0, 0, 0, 0));
  await bench.wake(5);
  const [age = 0] = domain();
  assert.ok(age >= 4 && age <= 6, `${age} minutes`);
  await bench.wake(8);
  assert.equal([...domain()], []);
});

test("a configuration that does not go with sleep is refused, and one that wants sleep of an image that has none", () => {
  const fault = (config: object, more: { sleeps?: boolean; sensors?: [typeof pulses] } = {}): string => {
    const { sleeps = true, ...sensors } = more;
    const bench = new MoteBench({ sleeps, config, ...sensors });
    try {
      new PoweredMote(bench, (device) => device);
    } catch (error) {
      return (error as Error).message;
    }
    return "none";
  };
  assert.match(fault({ sleep: { wifiEvery: 0 } }), "sleep.wifiEvery");
  assert.match(fault({ sleep: { awakeMs: 10 } }), "sleep.awakeMs");
  assert.match(fault({ sleep: 5 }), "sleep");
  assert.match(fault({ sleep: {}, sampling: { samplesPerRecord: 2 } }), "samplesPerRecord");
  assert.match(fault({ sleep: {}, sensors: [{ pin: 4 }] }, { sensors: [pulses] }), "counts between its samples");
  assert.match(fault({ sleep: {} }, { sleeps: false }), "does not sleep");
  assert.is(fault({}), "none");
});

test("nothing of it lives where it is not configured", async () => {
  const plain = new MoteBench({ sleeps: true, sampleMs: SAMPLE_MS });
  const powered = await plain.boot();
  let slept = false;
  plain.onSleep = () => {
    slept = true;
  };
  await powered.pass(10 * SAMPLE_MS);
  assert.not.ok(slept);
  assert.ok(powered.of("record").length >= 9);
});

test.run();
