// Joining the network, and joining it again: with an interface that does as it is told, and with the simulator's radio.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { Association } from "../../../firmware/link/association.js";
import type { WiFi, WiFiOptions } from "../../../firmware/ports.js";
import { createBoard } from "../../../host-sim/device.js";
import type { RadioOptions } from "../../../host-sim/hardware/radio.js";
import { VirtualClock } from "../../../host-sim/world/clock.js";
import { HandClock, LogBook } from "../hand-clock.js";
import { handDevice } from "../hand-device.js";

/** An interface that has an address when the test says so. */
class Scripted implements WiFi {
  static made: Scripted[] = [];
  static refuses: "construct" | "connect" | undefined;
  readonly options: WiFiOptions;
  readonly connects: object[] = [];
  address: string | undefined;
  connection = 200;
  disconnects = 0;
  closed = false;

  constructor(options: WiFiOptions) {
    if (Scripted.refuses === "construct") throw new Error("no radio");
    this.options = options;
    Scripted.made.push(this);
  }
  connect(options: { SSID: string; password?: string }): void {
    this.connects.push(options);
    if (Scripted.refuses === "connect") throw new Error("already connecting");
    this.connection = 300;
  }
  disconnect(): void {
    this.disconnects += 1;
    this.connection = 200;
  }
  close(): void {
    this.closed = true;
  }
}

function make(password: string | null = "secret") {
  Scripted.made = [];
  Scripted.refuses = undefined;
  const clock = new HandClock(70_000);
  const device = handDevice({ clock, network: { wifi: { io: Scripted } } });
  const { log } = device;
  let wakes = 0;
  const onWake = () => {
    wakes += 1;
  };
  const association = new Association({
    device,
    config: { wifi: password === null ? { ssid: "lab" } : { ssid: "lab", password } },
    onWake,
  });
  const wifi = () => Scripted.made[0] as Scripted;
  const connects = () => wifi().connects.length;
  const states = () => log.of("wifi").map((line) => line.state);
  return { clock, log, association, wifi, connects, states, wakes: () => wakes };
}

test("does nothing before its first step, then connects with what is configured", () => {
  const { association, wifi } = make();
  assert.equal(Scripted.made, []);
  assert.is(association.step(), 20_000);
  assert.equal(wifi().connects, [{ SSID: "lab", password: "secret" }]);
  assert.not(association.online);
  const open = make(null);
  open.association.step();
  assert.equal(open.wifi().connects, [{ SSID: "lab" }], "no password is no empty password");
});

test("where no network is named the station is started, for its noise, and joins nothing", () => {
  Scripted.refuses = undefined;
  const { clock, association, wifi, states } = make(null);
  const unnamed = new Association({
    device: handDevice({ clock, network: { wifi: { io: Scripted } } }),
    config: {},
    onWake: () => undefined,
  });
  assert.not(unnamed.started);
  Scripted.refuses = "construct";
  assert.is(unnamed.step(), 1000, "a radio that does not start is tried again");
  assert.not(unnamed.started);
  Scripted.refuses = undefined;
  assert.is(unnamed.step(), 1000);
  clock.pass(1000);
  assert.is(unnamed.step(), Number.POSITIVE_INFINITY);
  assert.ok(unnamed.started && !unnamed.online);
  clock.pass(3_600_000);
  assert.is(unnamed.step(), Number.POSITIVE_INFINITY);
  assert.is(Scripted.made.length, 1);
  assert.equal(wifi().connects, []);
  assert.equal(states(), []);
  assert.not(association.started);
  unnamed.close();
  assert.ok(wifi().closed && !unnamed.started);
});

test("is online exactly while the interface has an address, and says each change once", () => {
  const { clock, association, wifi, connects, states, wakes } = make();
  association.step();
  clock.pass(300);
  assert.is(association.step(), 19_700, "patient while the attempt is under way");
  assert.is(connects(), 1);
  wifi().address = "10.0.1.2";
  wifi().options.onChanged?.("address");
  assert.is(wakes(), 1);
  assert.is(association.step(), Number.POSITIVE_INFINITY);
  assert.ok(association.online);
  clock.pass(3_600_000);
  association.step();
  assert.is(connects(), 1);
  assert.equal(states(), ["up"]);
  wifi().address = undefined;
  assert.is(association.step(), 1000);
  assert.not(association.online);
  assert.equal(states(), ["up", "down"]);
  assert.is(connects(), 1, "not at once: the access point may be on its way back");
  clock.pass(1000);
  association.step();
  assert.is(connects(), 2);
  assert.is(Scripted.made.length, 1, "one interface for ever");
});

test("an attempt without an address is given up after 20 seconds; waits double from 1 second to a minute", () => {
  const { clock, association, log, connects } = make();
  const waits: number[] = [];
  for (let i = 0; i < 9; i += 1) {
    assert.is(association.step(), 20_000);
    assert.is(connects(), i + 1);
    clock.pass(19_999);
    assert.is(association.step(), 1);
    clock.pass(1);
    const waitMs = association.step();
    waits.push(waitMs / 1000);
    clock.pass(waitMs - 1);
    assert.is(association.step(), 1);
    assert.is(connects(), i + 1);
    clock.pass(1);
  }
  assert.equal(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
  assert.is(log.of("wifi").filter((line) => line.state === "failed").length, 9);
  assert.not.match(JSON.stringify(log.lines), "secret");
});

test("success sets the wait back", () => {
  const { clock, association, wifi } = make();
  for (let i = 0; i < 4; i += 1) {
    association.step();
    clock.pass(20_000);
    clock.pass(association.step());
  }
  association.step();
  wifi().address = "10.0.1.2";
  association.step();
  wifi().address = undefined;
  clock.pass(association.step());
  association.step();
  clock.pass(20_000);
  assert.is(association.step(), 1000);
});

test("an interface that cannot be made, or refuses to connect, is tried again with the same waits", () => {
  for (const refuses of ["construct", "connect"] as const) {
    const { clock, association, states, log } = make();
    Scripted.refuses = refuses;
    const waits: number[] = [];
    for (let i = 0; i < 3; i += 1) {
      waits.push(association.step());
      clock.pass(waits[i] as number);
    }
    assert.equal(waits, [1000, 2000, 4000], refuses);
    assert.equal(states(), ["failed", "failed", "failed"]);
    assert.is(log.lines[0]?.reason, refuses === "construct" ? "no radio" : "already connecting");
    Scripted.refuses = undefined;
    assert.is(association.step(), 20_000);
    (Scripted.made[0] as Scripted).address = "10.0.1.2";
    association.step();
    assert.ok(association.online);
  }
});

test("whatever ends an attempt, the interface is told to disconnect, and a second at least before the next one", () => {
  const { clock, association, wifi, connects } = make();
  association.step();
  clock.pass(20_000);
  assert.is(association.step(), 1000);
  assert.is(wifi().disconnects, 1, "no answer");
  clock.pass(1000);
  association.step();
  wifi().connection = 200;
  assert.is(association.step(), 2000);
  assert.is(wifi().disconnects, 2, "turned down");
  clock.pass(2000);
  association.step();
  wifi().connection = 400;
  wifi().address = "10.0.1.2";
  association.step();
  wifi().address = undefined;
  assert.is(association.step(), 1000);
  assert.is(wifi().disconnects, 3, "the address lost");
  assert.is(connects(), 3);
});

test("an attempt that is turned down ends at once; joined without an address, it has two minutes", () => {
  const { clock, association, wifi, log } = make();
  association.step();
  clock.pass(3000);
  wifi().connection = 200;
  assert.is(association.step(), 1000);
  clock.pass(1000);
  association.step();
  clock.pass(500);
  wifi().connection = 400;
  assert.is(association.step(), 5000, "it looks: not every address is told of");
  clock.pass(119_499);
  assert.is(association.step(), 1);
  clock.pass(1);
  assert.is(association.step(), 2000);
  assert.equal(
    log.lines.map(({ reason }) => reason),
    [
      "not let in: wifi.password is not that of lab, or no such network is in reach",
      "joined, but the router gave no address in time: look at its DHCP",
    ],
  );
});

test("an interface that throws when it is told to disconnect is no end of the mote", () => {
  const { clock, association, wifi, states } = make();
  association.step();
  wifi().disconnect = () => {
    throw new TypeError("invalid host object");
  };
  clock.pass(20_000);
  assert.is(association.step(), 1000);
  assert.equal(states(), ["failed", "leaving"]);
});

test("close lets the interface go", () => {
  const { association, wifi } = make();
  association.step();
  wifi().address = "10.0.1.2";
  association.step();
  association.close();
  assert.ok(wifi().closed);
  assert.not(association.online);
});

/** An association over the simulator's radio, stepped when it wants to be and when the radio wakes it. */
function overRadio(radio: RadioOptions = {}, password = "secret") {
  const world = new VirtualClock();
  const { device, board } = createBoard({ clock: world, radio: { accessPoints: { lab: { password: "secret" } }, ...radio } });
  const log = new LogBook();
  let dueMs = 0;
  const onWake = () => {
    dueMs = 0;
  };
  const association = new Association({ device: { ...device, log }, config: { wifi: { ssid: "lab", password } }, onWake });
  const run = async (durationMs: number) => {
    for (const endMs = world.nowMs() + durationMs; world.nowMs() < endMs; dueMs -= 10) {
      if (dueMs <= 0) dueMs = Math.min(60_000, association.step()); // as the mote does
      await world.advance(10);
    }
  };
  const states = () => log.of("wifi").map(({ state }) => state);
  return { board, log, association, run, states };
}

test("with the simulator's radio: up, lost with the access point, up again when it is back", async () => {
  const { board, association, run, states } = overRadio();
  await run(200);
  assert.ok(association.online);
  board.network.link = "down";
  await run(60_000);
  assert.not(association.online);
  board.network.link = "up";
  await run(70_000);
  assert.ok(association.online);
  assert.equal([states()[0], states()[1], states().pop()], ["up", "down", "up"]);
  association.close();
});

test("a wrong password is noticed when the radio tells of it; each attempt is one line, at the longest a minute apart", async () => {
  const { association, run, log } = overRadio({}, "wrong");
  await run(500);
  assert.equal(log.lines.length, 1, "not after 20 seconds");
  assert.match(String(log.lines[0]?.reason), /^not let in: wifi\.password is not that of lab/);
  await run(180_000);
  assert.not(association.online);
  const lines = log.of("wifi");
  assert.equal(
    lines.map(({ retryMs }) => retryMs),
    [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000],
  );
  assert.not.match(JSON.stringify(log.lines), "wrong");
});

test("a router without an address for a while: the station stays joined, and is up when one comes", async () => {
  const { association, run, states } = overRadio({ addressMs: 90_000 });
  await run(89_000);
  assert.equal(states(), []);
  await run(2000);
  assert.ok(association.online);
  assert.equal(states(), ["up"]);
});

test("a router that gives no address at all, then does: each attempt is one line, and the next one is not stuck", async () => {
  const { board, association, run, log } = overRadio({ addressMs: Number.POSITIVE_INFINITY });
  await run(370_000);
  assert.equal(
    log.of("wifi").map(({ reason }) => reason),
    Array(3).fill("joined, but the router gave no address in time: look at its DHCP"),
  );
  board.radio.addressMs = 50;
  await run(130_000);
  assert.ok(association.online);
});

test("an address that is taken back while joined is asked for anew", async () => {
  const { board, association, run, states } = overRadio();
  await run(200);
  board.radio.loseAddress();
  await run(65_000); // the SDK tells nothing: the mote looks at every step, a minute apart at the most
  assert.ok(association.online);
  assert.equal(states(), ["up", "down", "up"]);
});

test("an access point that changes its channel is followed", async () => {
  const { board, association, run, states } = overRadio();
  await run(200);
  board.radio.changeChannel(3000);
  await run(5900);
  assert.ok(association.online, "silence alone is no loss");
  await run(14_000);
  assert.ok(association.online);
  assert.equal([states()[0], states()[1], states().pop()], ["up", "down", "up"]);
});

test("a link-local address that is late, or never there, is not waited for", async () => {
  const { association, run } = overRadio({ linkLocalMs: 1_000_000 });
  await run(6000);
  assert.ok(association.online);
});

test.run();
