// Time and its quality: NTP, the bound of verified headers, and what becomes of them while hours pass by hand.

import { test } from "uvu";
import * as assert from "uvu/assert";
import type { NtpClient, NtpClientOptions } from "../../firmware/ports.js";
import {
  QUALITY_HEADER,
  QUALITY_NONE,
  QUALITY_NTP,
  QUALITY_OWN_CLOCK,
  Timekeeper,
  type TimekeeperOptions,
} from "../../firmware/timekeeper.js";
import { createBoard } from "../../host-sim/device.js";
import { VirtualClock } from "../../host-sim/world/clock.js";
import { SntpServer } from "../../host-sim/world/sntp-server.js";
import { pause } from "../patience.js";
import { HandClock, LogBook } from "./hand-clock.js";

type Answer = (error: Error | null, timeMs?: number) => void;

/** An NTP client that says what the test says, when the test says it. */
class Scripted implements NtpClient {
  static made: Scripted[] = [];
  static failing: "construct" | "ask" | undefined;
  readonly options: NtpClientOptions;
  answer: Answer | undefined;
  closed = false;

  constructor(options: NtpClientOptions) {
    if (Scripted.failing === "construct") throw new Error("no sockets left");
    this.options = options;
    Scripted.made.push(this);
  }
  getTime(callback: Answer): void {
    if (Scripted.failing === "ask") throw new Error("in use");
    this.answer = callback;
  }
  close(): void {
    this.closed = true;
  }
}

const T = 1_800_000_000;
const HOUR_MS = 3_600_000;

function make() {
  Scripted.made = [];
  Scripted.failing = undefined;
  const clock = new HandClock(5000);
  const log = new LogBook();
  let wakes = 0;
  const options: TimekeeperOptions = {
    clock,
    log,
    ntp: { io: Scripted, servers: [], marker: "builtin" },
    servers: ["a", "b"],
    onWake: () => {
      wakes += 1;
    },
  };
  const timekeeper = new Timekeeper(options);
  const last = () => Scripted.made[Scripted.made.length - 1] as Scripted;
  const asked = () => Scripted.made.length;
  const says = (timeS: number) => last().answer?.(null, timeS * 1000);
  return { clock, log, timekeeper, last, asked, says, wakes: () => wakes };
}

test("knows nothing at first, and asks nobody before it is online", () => {
  const { timekeeper, asked } = make();
  assert.equal(timekeeper.now(), { timeS: 0, quality: QUALITY_NONE });
  assert.is(timekeeper.trustedNowS(), undefined);
  assert.is(timekeeper.step(false), Number.POSITIVE_INFINITY);
  assert.is(asked(), 0);
});

test("asks the configured servers once online, sets the clock by the answer and wakes its owner", () => {
  const { clock, timekeeper, log, last, asked, says, wakes } = make();
  timekeeper.step(true);
  assert.equal(last().options, { io: Scripted, servers: ["a", "b"], marker: "builtin" });
  timekeeper.step(true);
  assert.is(asked(), 1, "one request at a time");
  says(T);
  assert.equal(clock.settings, [T]);
  assert.ok(last().closed);
  assert.is(wakes(), 1);
  assert.equal(timekeeper.now(), { timeS: T, quality: QUALITY_NTP });
  assert.equal(log.of("time"), [{ event: "time", timeS: T, quality: QUALITY_NTP }]);
  clock.pass(7900);
  assert.equal(timekeeper.now(), { timeS: T + 7, quality: QUALITY_NTP }, "it runs on, in whole seconds");
  assert.is(timekeeper.trustedNowS(), T + 7);
});

test("asks again every hour, and takes a correction in either direction", () => {
  const { clock, timekeeper, says, asked } = make();
  timekeeper.step(true);
  says(T);
  assert.is(timekeeper.step(true), HOUR_MS);
  clock.pass(HOUR_MS - 1);
  assert.is(timekeeper.step(true), 1);
  assert.is(asked(), 1);
  clock.pass(1);
  timekeeper.step(true);
  assert.is(asked(), 2);
  says(T + 3590);
  assert.equal(timekeeper.now(), { timeS: T + 3590, quality: QUALITY_NTP });
});

test("says its own clock once NTP has been silent for three hours, not before", () => {
  const { clock, timekeeper, says } = make();
  timekeeper.step(true);
  says(T);
  clock.pass(3 * HOUR_MS);
  assert.is(timekeeper.now().quality, QUALITY_NTP);
  clock.pass(1);
  assert.equal(timekeeper.now(), { timeS: T + 10_800, quality: QUALITY_OWN_CLOCK });
  assert.is(timekeeper.trustedNowS(), T + 10_800);
});

test("a header's bound stands in for an unset clock and runs on; an older bound changes nothing", () => {
  const { clock, timekeeper } = make();
  timekeeper.bound(T);
  assert.equal(timekeeper.now(), { timeS: T, quality: QUALITY_HEADER });
  assert.is(timekeeper.trustedNowS(), undefined, "a bound from the chain is no clock from outside it");
  clock.pass(10_000);
  assert.is(timekeeper.now().timeS, T + 10);
  timekeeper.bound(T - 100);
  timekeeper.bound(T + 5);
  assert.is(timekeeper.now().timeS, T + 10);
  timekeeper.bound(T + 60);
  assert.equal(timekeeper.now(), { timeS: T + 60, quality: QUALITY_HEADER });
  timekeeper.bound(0);
  assert.equal(timekeeper.now(), { timeS: T + 60, quality: QUALITY_HEADER });
});

test("a clock that falls behind a verified header is overruled, and trusted no more", () => {
  const { clock, timekeeper, says } = make();
  timekeeper.step(true);
  says(T);
  timekeeper.bound(T + 500);
  assert.equal(timekeeper.now(), { timeS: T + 500, quality: QUALITY_HEADER });
  assert.is(timekeeper.trustedNowS(), undefined);
  clock.pass(HOUR_MS);
  timekeeper.step(true);
  says(T + 3600);
  assert.equal(timekeeper.now(), { timeS: T + 3600, quality: QUALITY_NTP }, "the next answer is above the bound");
});

test("NTP below the bound is refused, said so, and asked again later; at the bound it is taken", () => {
  const { clock, timekeeper, log, says, asked } = make();
  timekeeper.bound(T);
  timekeeper.step(true);
  says(T - 1);
  assert.equal(clock.settings, []);
  assert.is(log.of("refused")[0]?.code, "time-behind-header");
  assert.equal(timekeeper.now(), { timeS: T, quality: QUALITY_HEADER });
  clock.pass(5000);
  timekeeper.step(true);
  assert.is(asked(), 2);
  says(T);
  assert.equal(clock.settings, [T]);
});

test("a fast crystal does not turn the bound into a refusal of the true time", () => {
  const { clock, timekeeper, log, says } = make();
  timekeeper.bound(T);
  clock.pass(100_000); // by the mote's own count; truly less
  timekeeper.step(true);
  says(T + 99);
  assert.equal(log.of("refused"), []);
  assert.equal(timekeeper.now(), { timeS: T + 99, quality: QUALITY_NTP });
  timekeeper.bound(T + 90);
  assert.equal(timekeeper.now(), { timeS: T + 99, quality: QUALITY_NTP }, "a newer header that the clock is ahead of");
  timekeeper.bound(T + 99);
  clock.pass(HOUR_MS);
  timekeeper.step(true);
  says(T + 98);
  assert.is(log.of("refused").length, 1, "the bound that came after the answer counts for the next one");
});

test("a bound that comes while NTP answers less counts at once", () => {
  const { timekeeper, log, says } = make();
  timekeeper.step(true);
  timekeeper.bound(T);
  says(T - 3600);
  assert.is(log.of("refused").length, 1);
  assert.equal(timekeeper.now(), { timeS: T, quality: QUALITY_HEADER });
});

test("an answer that is no time is refused: 1970, the future beyond 32 bits, a fraction of nothing", () => {
  for (const timeMs of [0, 999, -2_208_988_800_000, 2 ** 32 * 1000, Number.NaN, Number.POSITIVE_INFINITY]) {
    const { clock, timekeeper, log, last } = make();
    timekeeper.step(true);
    last().answer?.(null, timeMs);
    assert.equal(clock.settings, [], String(timeMs));
    assert.is(log.of("refused")[0]?.code, "time-out-of-range");
    assert.equal(timekeeper.now(), { timeS: 0, quality: QUALITY_NONE });
  }
  const { clock, timekeeper, last } = make();
  timekeeper.step(true);
  last().answer?.(null, (2 ** 32 - 1) * 1000 + 999);
  assert.equal(clock.settings, [2 ** 32 - 1]);
});

test("failures are met with a wait that doubles from 5 seconds to 10 minutes, and an answer sets it back", () => {
  const { clock, timekeeper, log, last, says, asked, wakes } = make();
  const waits: number[] = [];
  for (let i = 0; i < 9; i += 1) {
    timekeeper.step(true);
    assert.is(asked(), i + 1);
    last().answer?.(new Error("nobody"));
    assert.ok(last().closed);
    const waitMs = timekeeper.step(true);
    waits.push(waitMs);
    clock.pass(waitMs);
  }
  assert.equal(
    waits,
    [5, 10, 20, 40, 80, 160, 320, 600, 600].map((s) => s * 1000),
  );
  assert.is(wakes(), 9);
  assert.is(log.of("time").length, 9);
  timekeeper.step(true);
  says(T);
  clock.pass(HOUR_MS);
  timekeeper.step(true);
  last().answer?.(null, undefined);
  assert.is(timekeeper.step(true), 5000);
});

test("a client that says nothing is given up after a minute; its late answer is not heard", () => {
  const { clock, timekeeper, log, last, asked, wakes } = make();
  assert.is(timekeeper.step(true), 60_000);
  clock.pass(59_999);
  assert.is(timekeeper.step(true), 1);
  assert.not(last().closed);
  clock.pass(1);
  assert.is(timekeeper.step(true), 5000);
  assert.ok(last().closed);
  assert.match(String(log.of("time")[0]?.reason), "no answer");
  last().answer?.(null, T * 1000);
  assert.equal(clock.settings, []);
  assert.is(wakes(), 0);
  clock.pass(5000);
  timekeeper.step(true);
  assert.is(asked(), 2);
  (Scripted.made[0] as Scripted).answer?.(null, T * 1000);
  assert.equal(clock.settings, [], "nor while a successor is asking");
});

test("a client that cannot be made, or asked, is a failure like any other", () => {
  for (const failing of ["construct", "ask"] as const) {
    const { clock, timekeeper, log, asked } = make();
    Scripted.failing = failing;
    timekeeper.step(true);
    assert.is(timekeeper.step(true), 5000);
    assert.is(log.of("time").length, 1);
    for (const client of Scripted.made) assert.ok(client.closed);
    Scripted.failing = undefined;
    const before = asked();
    clock.pass(5000);
    timekeeper.step(true);
    assert.is(asked(), before + 1);
  }
});

test("close ends the request under way", () => {
  const { clock, timekeeper, last } = make();
  timekeeper.step(true);
  timekeeper.close();
  assert.ok(last().closed);
  last().answer?.(null, T * 1000);
  assert.equal(clock.settings, []);
});

test("with the simulator's client and a real server on loopback", async () => {
  const world = new VirtualClock();
  const server = await SntpServer.start({ epochMs: () => world.epochMs() });
  const { device, board, close } = createBoard({ clock: world, network: { "time:123": server.endpoint } });
  board.radio.start();
  board.radio.connect("lab", undefined);
  await world.advance(100);
  const log = new LogBook();
  const { clock, network } = device;
  const timekeeper = new Timekeeper({ clock, log, ntp: network.ntp.client, servers: ["time"], onWake: () => undefined });
  timekeeper.step(true);
  for (let i = 0; i < 100 && log.lines.length === 0; i += 1) {
    await world.advance(10);
    await pause(1);
  }
  const { timeS, quality } = timekeeper.now();
  assert.is(quality, QUALITY_NTP);
  assert.ok(Math.abs(timeS - world.epochMs() / 1000) <= 2, `${timeS} where it is ${world.epochMs() / 1000}`);
  close();
  await server.close();
});

test.run();
