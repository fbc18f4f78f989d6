// Time and its quality: NTP, the bound of verified headers, and what becomes of them while hours pass by hand.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { SAVE_DUE, SAVED } from "../../firmware/persistence.js";
import type { ByteBuffer, KeyValueDomain, NtpClient, NtpClientOptions } from "../../firmware/ports.js";
import { TIME_BOUNDED_BY_HEADER, TIME_NONE, TIME_NTP, TIME_OWN_CLOCK } from "../../firmware/record/record.js";
import { LONE_MS, NEAR_S, SAVE_INTERVAL_MS, STEP_S_MAX, Timekeeper, type TimekeeperOptions } from "../../firmware/timekeeper.js";
import { createBoard } from "../../host-sim/device.js";
import { VirtualClock } from "../../host-sim/world/clock.js";
import { SntpServer } from "../../host-sim/world/sntp-server.js";
import { pause } from "../patience.js";
import { HandClock, LogBook } from "./hand-clock.js";
import { handDevice } from "./hand-device.js";

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

class Store implements KeyValueDomain {
  readonly values = new Map<string, Uint8Array>();
  failing = false;
  writes = 0;
  read(key: string): ArrayBuffer | undefined {
    return this.values.get(key)?.slice().buffer as ArrayBuffer | undefined;
  }
  write(key: string, value: ByteBuffer): void {
    if (this.failing) throw new Error("ESP_ERR_NVS_NOT_ENOUGH_SPACE");
    this.values.set(key, new Uint8Array(value).slice());
    this.writes += 1;
  }
  delete(key: string): void {
    this.values.delete(key);
  }
  close(): void {}
}

const T = 1_800_000_000;
const HOUR_MS = 3_600_000;

function make(servers: readonly string[] = ["a"], store = new Store()) {
  Scripted.made = [];
  Scripted.failing = undefined;
  const clock = new HandClock(5000);
  const ntp = { client: { io: Scripted, servers: [], marker: "builtin" } };
  const device = handDevice({ clock, network: { ntp } });
  const { log } = device;
  let wakes = 0;
  const options: TimekeeperOptions = {
    device,
    config: { ntpServers: servers },
    store,
    onWake: () => {
      wakes += 1;
    },
  };
  const timekeeper = new Timekeeper(options);
  const last = () => Scripted.made[Scripted.made.length - 1] as Scripted;
  const asked = () => Scripted.made.length;
  const says = (timeS: number) => last().answer?.(null, timeS * 1000);
  /** One round: each server that is asked says what `answers` has for it, undefined being silence. */
  const round = (answers: Readonly<Record<string, number | (() => number) | undefined>>): void => {
    let before = asked();
    const waitMs = timekeeper.step(true);
    if (asked() === before) clock.pass(waitMs);
    timekeeper.step(true);
    while (asked() > before) {
      before = asked();
      const answer = answers[last().options.servers[0] as string];
      const timeS = typeof answer === "function" ? answer() : answer;
      last().answer?.(timeS === undefined ? new Error("silence") : null, timeS === undefined ? undefined : timeS * 1000);
      timekeeper.step(true);
    }
  };
  return { clock, log, timekeeper, store, last, asked, says, round, wakes: () => wakes };
}

test("knows nothing at first, and asks nobody before it is online", () => {
  const { timekeeper, asked } = make();
  assert.equal(timekeeper.now(), { timeS: 0, timeQuality: TIME_NONE });
  assert.is(timekeeper.trustedNowS(), undefined);
  assert.is(timekeeper.step(false), Number.POSITIVE_INFINITY);
  assert.is(asked(), 0);
});

test("asks the configured servers once online, sets the clock by the answer and wakes its owner", () => {
  const { clock, timekeeper, log, last, asked, says, wakes } = make();
  timekeeper.step(true);
  assert.equal(last().options, { io: Scripted, servers: ["a"], marker: "builtin" });
  timekeeper.step(true);
  assert.is(asked(), 1, "one request at a time");
  says(T);
  assert.equal(clock.settings, [T]);
  assert.ok(last().closed);
  assert.is(wakes(), 1);
  assert.equal(timekeeper.now(), { timeS: T, timeQuality: TIME_NTP });
  assert.equal(log.of("time"), [{ event: "time", timeS: T, timeQuality: TIME_NTP }]);
  clock.pass(7900);
  assert.equal(timekeeper.now(), { timeS: T + 7, timeQuality: TIME_NTP }, "it runs on, in whole seconds");
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
  assert.equal(timekeeper.now(), { timeS: T + 3590, timeQuality: TIME_NTP });
});

test("says its own clock once NTP has been silent for three hours, not before", () => {
  const { clock, timekeeper, says } = make();
  timekeeper.step(true);
  says(T);
  clock.pass(3 * HOUR_MS);
  assert.is(timekeeper.now().timeQuality, TIME_NTP);
  clock.pass(1);
  assert.equal(timekeeper.now(), { timeS: T + 10_800, timeQuality: TIME_OWN_CLOCK });
  assert.is(timekeeper.trustedNowS(), T + 10_800);
});

test("a header's bound stands in for an unset clock and runs on; an older bound changes nothing", () => {
  const { clock, timekeeper } = make();
  timekeeper.bound(T);
  assert.equal(timekeeper.now(), { timeS: T, timeQuality: TIME_BOUNDED_BY_HEADER });
  assert.is(timekeeper.trustedNowS(), undefined, "a bound from the chain is no clock from outside it");
  clock.pass(10_000);
  assert.is(timekeeper.now().timeS, T + 10);
  timekeeper.bound(T - 100);
  timekeeper.bound(T + 5);
  assert.is(timekeeper.now().timeS, T + 10);
  timekeeper.bound(T + 60);
  assert.equal(timekeeper.now(), { timeS: T + 60, timeQuality: TIME_BOUNDED_BY_HEADER });
  timekeeper.bound(0);
  assert.equal(timekeeper.now(), { timeS: T + 60, timeQuality: TIME_BOUNDED_BY_HEADER });
});

test("a clock that falls behind a verified header is overruled, and trusted no more", () => {
  const { clock, timekeeper, says } = make();
  timekeeper.step(true);
  says(T);
  timekeeper.bound(T + 500);
  assert.equal(timekeeper.now(), { timeS: T + 500, timeQuality: TIME_BOUNDED_BY_HEADER });
  assert.is(timekeeper.trustedNowS(), undefined);
  clock.pass(HOUR_MS);
  timekeeper.step(true);
  says(T + 9000);
  assert.equal(timekeeper.now(), { timeS: T + 9000, timeQuality: TIME_NTP }, "the next answer is above the bound");
});

test("NTP below the bound is refused, said so, and asked again later; at the bound it is taken", () => {
  const { clock, timekeeper, log, says, asked } = make();
  timekeeper.bound(T);
  timekeeper.step(true);
  says(T - 1);
  assert.equal(clock.settings, []);
  assert.is(log.of("refused")[0]?.code, "time-behind-header");
  assert.equal(timekeeper.now(), { timeS: T, timeQuality: TIME_BOUNDED_BY_HEADER });
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
  assert.equal(timekeeper.now(), { timeS: T + 99, timeQuality: TIME_NTP });
  timekeeper.bound(T + 90);
  assert.equal(timekeeper.now(), { timeS: T + 99, timeQuality: TIME_NTP }, "a newer header that the clock is ahead of");
  timekeeper.bound(T + 99);
  clock.pass(HOUR_MS);
  timekeeper.step(true);
  says(T + 98);
  assert.is(log.of("refused")[0]?.code, "time-behind-header", "the bound that came after the answer counts for the next one");
});

test("a bound that comes while NTP answers less counts at once", () => {
  const { timekeeper, log, says } = make();
  timekeeper.step(true);
  timekeeper.bound(T);
  says(T - 3600);
  assert.is(log.of("refused").length, 1);
  assert.equal(timekeeper.now(), { timeS: T, timeQuality: TIME_BOUNDED_BY_HEADER });
});

test("an answer that is no time is refused: 1970, the future beyond 32 bits, a fraction of nothing", () => {
  for (const timeMs of [0, 999, -2_208_988_800_000, -(2 ** 32) * 1000, 2 ** 32 * 1000, Number.NaN, Number.POSITIVE_INFINITY]) {
    const { clock, timekeeper, log, last } = make();
    timekeeper.step(true);
    last().answer?.(null, timeMs);
    assert.equal(clock.settings, [], String(timeMs));
    assert.is(log.of("refused")[0]?.code, "time-out-of-range");
    assert.equal(timekeeper.now(), { timeS: 0, timeQuality: TIME_NONE });
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

test("an answer of the second era of NTP, which the SDK's client makes negative, is a time after 2036-02-07T06:28:16Z", () => {
  for (const timeS of [2_085_978_497, 2_147_483_647, 2_147_483_648, 4_000_000_000, 2 ** 32 - 1]) {
    const { clock, timekeeper, says } = make();
    timekeeper.step(true);
    says(((timeS + 2_208_988_800) % 2 ** 32) - 2_208_988_800);
    assert.equal(clock.settings, [timeS]);
    assert.equal(timekeeper.now(), { timeS, timeQuality: TIME_NTP });
  }
});

test("the first second of the second era is not taken for the timestamp that is none", () => {
  const { clock, timekeeper, last } = make();
  timekeeper.step(true);
  last().answer?.(null, -2_208_988_800_000);
  assert.equal(clock.settings, []);
});

test("a clock at the end of its 32 bits goes on, and is persisted as their last second", () => {
  const { clock, timekeeper, store, says, log } = make();
  timekeeper.step(true);
  says(2 ** 32 - 1);
  clock.pass(10_000);
  assert.equal(timekeeper.now(), { timeS: 2 ** 32 + 9, timeQuality: TIME_NTP });
  timekeeper.persist();
  assert.is(make(["a"], store).timekeeper.now().timeS, 2 ** 32 - 1);
  timekeeper.bound(2 ** 33);
  assert.equal(timekeeper.now(), { timeS: 2 ** 33, timeQuality: TIME_BOUNDED_BY_HEADER });
  timekeeper.persist();
  assert.is(make(["a"], store).timekeeper.now().timeS, 2 ** 32 - 1);
  assert.equal(log.of("refused"), []);
});

test("after a boot the time starts no earlier than the last that was trusted, and one server cannot set it back", () => {
  const before = make();
  before.timekeeper.bound(T - 1_000_000);
  before.round({ a: T });
  before.clock.pass(100_000);
  before.timekeeper.persist();
  const { timekeeper, clock, log, round, store } = make(["a"], before.store);
  timekeeper.bound(T - 1_000_000);
  const certain = T + Math.floor((100 * 63) / 64);
  assert.equal(timekeeper.now(), { timeS: certain, timeQuality: TIME_BOUNDED_BY_HEADER });
  assert.is(timekeeper.trustedNowS(), undefined);
  assert.is(timekeeper.nowS(T + 200), undefined, "whether the trusting period is over is not known");
  assert.is(timekeeper.nowS(certain - 1), certain, "that much is certain");
  for (let i = 0; i < 10; i += 1) round({ a: T - 500_000 });
  assert.equal(clock.settings, []);
  assert.is(log.of("refused")[0]?.code, "time-alone");
  assert.ok(timekeeper.atLeastS() >= certain);
  timekeeper.persist();
  assert.ok(make(["a"], store).timekeeper.now().timeS >= certain);
  round({ a: T + 86_400 });
  assert.is(timekeeper.now().timeQuality, TIME_NTP, "forward one server is enough where only one is configured");
});

test("two servers that agree move the clock anywhere above the chain's bound: a spoofed far future is not for ever", () => {
  const spoofed = make(["a", "b", "c"]);
  spoofed.timekeeper.bound(T - 1000);
  spoofed.round({ a: T + 900_000_000, b: T + 900_000_003, c: T });
  assert.is(spoofed.timekeeper.now().timeQuality, TIME_NTP);
  spoofed.timekeeper.persist();
  const { timekeeper, clock, round, log } = make(["a", "b", "c"], spoofed.store);
  timekeeper.bound(T - 1000);
  assert.is(timekeeper.now().timeS, T + 900_000_003);
  round({ a: T, b: T - 900, c: T + 900 });
  assert.equal(clock.settings, [], "no two of them agree");
  assert.is(log.of("refused").length, 3);
  round({ a: T, b: undefined, c: T + 4 });
  assert.equal(timekeeper.now().timeQuality, TIME_NTP);
  assert.ok(timekeeper.now().timeS <= T + 20);
  timekeeper.persist();
  assert.ok(make(["a"], spoofed.store).timekeeper.now().timeS <= T + 20, "and so it stays");
});

test("nothing that two servers say moves the time below the chain's bound", () => {
  const { timekeeper, clock, round, log } = make(["a", "b"]);
  timekeeper.bound(T);
  round({ a: T - 1, b: T - 1 });
  assert.equal(clock.settings, []);
  assert.equal(
    log.of("refused").map(({ code }) => code),
    ["time-behind-header", "time-behind-header"],
  );
});

test("of several servers one alone is believed near the chain's time, and near a clock that is set; else not", () => {
  for (const [off, believed] of [
    [0, true],
    [NEAR_S, true],
    [NEAR_S + 2, false],
  ] as const) {
    const { timekeeper, clock, round } = make(["a", "b"]);
    timekeeper.bound(T);
    round({ a: T + off, b: undefined });
    assert.is(clock.settings.length, believed ? 1 : 0, `${off} seconds off`);
  }
  for (const [off, believed] of [
    [STEP_S_MAX, true],
    [-STEP_S_MAX, true],
    [STEP_S_MAX + 1, false],
    [-STEP_S_MAX - 1, false],
  ] as const)
    for (const servers of [["a"], ["a", "b"]]) {
      const { timekeeper, clock, round } = make(servers);
      timekeeper.bound(T);
      round({ a: T, b: T });
      round({ a: T + 3600 + off, b: undefined });
      assert.is(clock.settings.length, believed ? 2 : 1, `${off} seconds off, of ${servers.length}`);
    }
});

test("each round begins with the next server, and stops asking where one is believed", () => {
  const { timekeeper, round, log } = make(["a", "b", "c"]);
  timekeeper.bound(T);
  const firsts: unknown[] = [];
  for (let hour = 0; hour < 4; hour += 1) {
    Scripted.made = [];
    const timeS = T + 3600 * hour;
    round({ a: timeS, b: timeS, c: timeS });
    assert.is(Scripted.made.length, 1);
    firsts.push(...(Scripted.made[0] as Scripted).options.servers);
  }
  assert.equal(firsts, ["a", "b", "c", "a"]);
  assert.equal(log.of("refused"), []);
});

test("the only server that answers is believed once it has said the same for hours, not before", () => {
  for (const servers of [["a"], ["a", "b"]]) {
    const spoofed = make(["a"]);
    spoofed.timekeeper.bound(T - 1000);
    spoofed.round({ a: T + 900_000_000 });
    spoofed.timekeeper.persist();
    const { timekeeper, clock, round } = make(servers, spoofed.store);
    timekeeper.bound(T - 1000);
    const startedMs = clock.ticksMs();
    const truth = () => T + Math.floor(clock.ticksMs() / 1000);
    while (clock.settings.length === 0) {
      round({ a: truth, b: undefined });
    }
    const tookMs = clock.ticksMs() - startedMs;
    assert.ok(tookMs >= LONE_MS && tookMs < LONE_MS + 2 * HOUR_MS, `${tookMs}`);
    assert.ok(Math.abs(timekeeper.now().timeS - truth()) <= 1, `${timekeeper.now().timeS} where it is ${truth()}`);
  }
});

test("one that says something else each time is never believed, nor one whom another contradicts", () => {
  const { timekeeper, clock, round } = make(["a", "b"]);
  timekeeper.bound(T);
  round({ a: T, b: T });
  const settings = clock.settings.length;
  for (let i = 0; i < 200; i += 1) round({ a: T + 1_000_000 + 60 * i, b: undefined });
  for (let i = 0; i < 200; i += 1)
    round({ a: () => T + 5_000_000 + Math.floor(clock.ticksMs() / 1000), b: T + 9_000_000 + 60 * i });
  assert.is(clock.settings.length, settings);
});

test("the last trusted time is written hourly and when the clock was set anew, not more often", () => {
  const { timekeeper, clock, store, round } = make();
  assert.is(timekeeper.unsaved(), SAVED, "nothing is known yet");
  timekeeper.persist();
  assert.is(store.writes, 0);
  timekeeper.bound(T);
  assert.is(timekeeper.unsaved(), SAVED);
  round({ a: T + 10 });
  assert.is(timekeeper.unsaved(), SAVE_DUE);
  store.failing = true;
  assert.throws(() => timekeeper.persist(), /NOT_ENOUGH_SPACE/);
  assert.is(timekeeper.unsaved(), SAVE_DUE);
  store.failing = false;
  timekeeper.persist();
  assert.is(timekeeper.unsaved(), SAVED);
  clock.pass(SAVE_INTERVAL_MS - 1);
  assert.is(timekeeper.unsaved(), SAVED);
  clock.pass(1);
  assert.is(timekeeper.unsaved(), SAVE_DUE);
  timekeeper.persist();
  round({ a: T + 10 + Math.floor(clock.ticksMs() / 1000) - 5 });
  assert.is(timekeeper.unsaved(), SAVED, "a correction by some seconds can wait");
});

test("what is kept of the time and is not whole is said so, and is no time", () => {
  const before = make();
  before.round({ a: T });
  before.timekeeper.persist();
  const whole = before.store.values.get("time") as Uint8Array;
  for (let bit = 0; bit < whole.length * 8; bit += 1) {
    const bent = whole.slice();
    bent[bit >> 3] = (bent[bit >> 3] as number) ^ (1 << (bit & 7));
    before.store.values.set("time", bent);
    const { timekeeper, log } = make(["a"], before.store);
    assert.equal(timekeeper.now(), { timeS: 0, timeQuality: TIME_NONE });
    assert.is(log.of("refused")[0]?.code, "time-malformed");
  }
});

test("a client that throws when it is closed is gone all the same", () => {
  const { timekeeper, log, last, says } = make();
  timekeeper.step(true);
  last().close = () => {
    throw new Error("already gone");
  };
  says(T);
  assert.is(timekeeper.now().timeQuality, TIME_NTP);
  assert.is(log.of("refused")[0]?.code, "time-client");
});

test("nothing leaves the client's callback: what is thrown there is said, and the next round asks again", () => {
  const { clock, timekeeper, last, log } = make();
  timekeeper.step(true);
  const set = clock.set.bind(clock);
  clock.set = () => {
    throw new RangeError("no clock");
  };
  last().answer?.(null, T * 1000);
  clock.set = set;
  assert.is(log.of("refused").pop()?.code, "time-failed");
  clock.pass(timekeeper.step(true));
  timekeeper.step(true);
  last().answer?.(null, T * 1000);
  assert.is(timekeeper.now().timeQuality, TIME_NTP);
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
  const timekeeper = new Timekeeper({
    device: { ...device, log },
    config: { ntpServers: ["time"] },
    store: new Store(),
    onWake: () => undefined,
  });
  timekeeper.step(true);
  for (let i = 0; i < 100 && log.lines.length === 0; i += 1) {
    await world.advance(10);
    await pause(1);
  }
  const { timeS, timeQuality } = timekeeper.now();
  assert.is(timeQuality, TIME_NTP);
  assert.ok(Math.abs(timeS - world.epochMs() / 1000) <= 2, `${timeS} where it is ${world.epochMs() / 1000}`);
  close();
  await server.close();
});

test.run();
