// The hardware bridge without an engine: the guest's proxies on one side, the board's end on the other, and all ports'
// contracts over them. What XS makes of it is test/xs/ports.test.ts.

import type { AddressInfo } from "node:net";
import { createServer } from "node:tls";
import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { closable, type ResolverClass } from "../../../firmware/board/mqtt-client.js";
import type { BoardNetwork, Clock, FlashStorage, I2CBus, KeyValueStorage, MqttBase, Timer } from "../../../firmware/ports.js";
import { answerCall, Notices } from "../../../host-sim/engine/bridge/bridge.js";
import { Board, type BoardOptions } from "../../../host-sim/hardware/board.js";
import { type BoardStorage, memoryStorage } from "../../../host-sim/hardware/storage.js";
import builtin from "../../../host-sim/modules/guest/builtin.js";
import * as guestEntropy from "../../../host-sim/modules/guest/entropy.js";
import guestFlash from "../../../host-sim/modules/guest/flash.js";
import guestValues from "../../../host-sim/modules/guest/key-value.js";
import MQTTClient from "../../../host-sim/modules/guest/mqtt-client.js";
import guestNet from "../../../host-sim/modules/guest/net.js";
import NTP from "../../../host-sim/modules/guest/ntp-client.js";
import { Resolver, TCP } from "../../../host-sim/modules/guest/sockets.js";
import guestTime from "../../../host-sim/modules/guest/time.js";
import GuestTimer from "../../../host-sim/modules/guest/timer.js";
import WiFi from "../../../host-sim/modules/guest/wifi.js";
import { VirtualClock } from "../../../host-sim/world/clock.js";
import { SntpServer } from "../../../host-sim/world/sntp-server.js";
import { decodeValues, encodeValues, type Value } from "../../../host-sim/xs/wire.js";
import { pause, until } from "../../patience.js";
import { startBroker } from "../ports/broker.js";
import { entropyContract } from "../ports/entropy.contract.js";
import { flashContract } from "../ports/flash.contract.js";
import { i2cContract } from "../ports/i2c.contract.js";
import { keyValueContract } from "../ports/key-value.contract.js";
import { mqttContract } from "../ports/mqtt.contract.js";
import { ntpContract } from "../ports/ntp.contract.js";
import { timerContract } from "../ports/timer.contract.js";
import { wifiContract } from "../ports/wifi.contract.js";
import { makeCertificate } from "./certificate.js";
import { joinBridge } from "./loopback.js";

let leave: () => void = () => undefined;

/** A board that the proxies of this process reach from now on. */
function joined(options: Omit<BoardOptions, "storage">, storage: BoardStorage = memoryStorage()): Board {
  leave();
  const board = new Board({ ...options, storage });
  leave = joinBridge(board);
  return board;
}

const timer = GuestTimer as unknown as Timer;

function clockOf(): Clock {
  const began = guestTime.ticks;
  const setMs = { wall: 0, at: 0 };
  return {
    ticksMs: () => guestTime.delta(began),
    nowMs: () => setMs.wall + guestTime.ticks - setMs.at,
    set(seconds) {
      guestTime.set(seconds);
      setMs.wall = seconds * 1000;
      setMs.at = guestTime.ticks;
    },
  };
}

flashContract("over the bridge", () => {
  joined({});
  return { storage: guestFlash as FlashStorage, path: "journal" };
});

keyValueContract("over the bridge", () => {
  const storage = memoryStorage();
  return {
    boot() {
      joined({}, storage);
      return guestValues as KeyValueStorage;
    },
  };
});

i2cContract("over the bridge", async () => {
  const clock = new VirtualClock();
  joined({ clock });
  await clock.advance(10); // power-up
  return builtin.I2C.default as unknown as I2CBus;
});

timerContract("over the bridge", () => {
  joined({});
  return { timer, clock: clockOf(), pass: pause };
});

entropyContract("over the bridge", () => {
  joined({});
  return { entropy: guestEntropy, feed: () => new WiFi().close() };
});

/** The SDK's class with the address of IPv4 alone, as firmware/board/provider.ts has it. */
class Station extends WiFi {
  override get address(): string | undefined {
    return super.address?.includes(":") ? undefined : super.address;
  }
}

wifiContract("over the bridge", () => {
  const clock = new VirtualClock();
  const board = joined({ clock, radio: { accessPoints: { lab: { password: "right" } } } });
  return {
    wifi: { io: Station } as BoardNetwork["wifi"],
    setAccessPoint(present) {
      board.network.link = present ? "up" : "down";
    },
    pass: (durationMs) => clock.advance(durationMs, 4),
    ssid: "lab",
    password: "right",
  };
});

ntpContract("over the bridge", async () => {
  const clock = new VirtualClock();
  const good = await SntpServer.start({ epochMs: () => clock.epochMs() });
  const silent = await SntpServer.start();
  silent.fault = "silent";
  const board = joined({ clock, network: { "good:123": good.endpoint, "silent:123": silent.endpoint } });
  new WiFi().connect({ SSID: "lab" });
  await clock.advance(200);
  assert.ok(board.radio.online);
  return {
    ntp: { client: { io: NTP, servers: [] } } as unknown as BoardNetwork["ntp"],
    names: { good: "good", silent: "silent", unknown: "unknown" },
    trueMs: () => clock.epochMs(),
    async pass(durationMs, done) {
      for (let passed = 0; passed < durationMs && done?.() !== true; passed += 100) {
        await clock.advance(100);
        if (passed < 3000) await pause(5);
      }
    },
    async close() {
      board.stop();
      await Promise.all([good.close(), silent.close()]);
    },
  };
});

mqttContract("over the bridge", async (broker) => {
  const board = joined({ network: { "broker:1883": broker.endpoint }, radio: { associationMs: 1, addressMs: 1 } });
  const wifi = new Station();
  wifi.connect({ SSID: "lab" });
  await until("an address", () => wifi.address !== undefined);
  const dns = { io: Resolver, servers: guestNet.get("DNS") };
  const base = { io: MQTTClient, dns, socket: { io: TCP } } as unknown as MqttBase;
  const io = closable(base.io, Resolver as unknown as ResolverClass);
  return { mqtt: { ...base, io }, host: "broker", close: () => board.stop() };
});

const test = suite("bridge");
const value = fc.oneof<fc.Arbitrary<Value>[]>(
  fc.constantFrom(undefined, null, true, false, 0, -0, -1, 2 ** 31 - 1, -(2 ** 31), 2 ** 31, 0.5, Number.NaN, 1e300),
  fc.integer(),
  fc.double(),
  fc.string({ unit: "grapheme" }),
  fc.uint8Array(),
);

test("values come back as they were", () => {
  fc.assert(fc.property(fc.array(value), (values) => assert.equal(decodeValues(encodeValues(values)), values)));
});

test("bytes that are no values are an error, whatever they are", () => {
  fc.assert(
    fc.property(fc.array(value, { minLength: 1 }), fc.nat(), fc.uint8Array(), (values, cut, noise) => {
      const whole = encodeValues(values);
      for (const bytes of [whole.subarray(0, cut % whole.length), Buffer.from(noise)])
        try {
          decodeValues(bytes);
        } catch (error) {
          assert.instance(error, RangeError);
        }
    }),
  );
});

test("an operation that is not there, and one that throws, answer an error", () => {
  const operations = {
    fails() {
      throw new TypeError("mine");
    },
  };
  assert.match(answerCall(operations, encodeValues(["nothing"])).toString(), /no operation nothing/);
  assert.match(answerCall(operations, encodeValues(["toString"])).toString(), /no operation toString/);
  assert.equal([...answerCall(operations, encodeValues(["fails"]))], [11, 4, 0, 0, 0, ...Buffer.from("mine")]);
});

test("notices keep their order; those of an object that was let go, and those with nothing to say, do not come", async () => {
  const notices = new Notices();
  notices.post(1, "first");
  notices.post(2, "forgotten");
  notices.post(1, "nothing", () => undefined);
  notices.post(3, "second", () => [7]);
  notices.forget(2);
  const next = async (): Promise<Value[]> => decodeValues(((await notices.next()) as Buffer).subarray(5));
  assert.equal([await next(), await next()], [["first"], ["second", 7]]);
  const waiting = notices.next();
  notices.post(1, "third");
  assert.ok((await waiting)?.includes("third"));
  const last = notices.next();
  notices.stop();
  assert.is(await last, undefined);
});

test("a repeating timer, a timer set anew in its callback, and one that waits to be scheduled", async () => {
  joined({});
  const calls: string[] = [];
  const repeating = GuestTimer.repeat(() => calls.push("repeat"), 10);
  const again = GuestTimer.set((own) => {
    calls.push("again");
    if (calls.filter((call) => call === "again").length < 3) GuestTimer.schedule(own, 5, 5);
    else GuestTimer.schedule(own, 5); // a one-shot timer is gone after its callback, scheduled or not
  }, 5);
  const waits = GuestTimer.set(() => calls.push("waits"), 5);
  GuestTimer.schedule(waits);
  const times = (name: string): number => calls.filter((call) => call === name).length;
  await until("three calls of each", () => times("repeat") >= 3 && times("again") >= 3);
  GuestTimer.clear(repeating);
  const before = calls.length;
  assert.is(times("again"), 3);
  assert.is(calls.includes("waits"), false);
  assert.throws(() => GuestTimer.schedule(again, 1), /invalid timer/);
  GuestTimer.schedule(waits, 1);
  await until("the one that waited", () => calls.length > before);
  assert.equal(calls.slice(before), ["waits"]);
});

test("MQTT over TLS: the pinned certificate crosses the bridge, and holds only at a believable time", async () => {
  const broker = await startBroker();
  const certificate = makeCertificate("broker");
  const key = certificate.key.export({ type: "pkcs8", format: "pem" });
  const server = createServer({ key, cert: certificate.pem }, (socket) => broker.aedes.handle(socket));
  const port = await new Promise<number>((resolve) =>
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port)),
  );
  joined({ network: { "broker:8883": `127.0.0.1:${port}` }, radio: { associationMs: 1, addressMs: 1 } });
  const wifi = new Station();
  wifi.connect({ SSID: "lab" });
  await until("an address", () => wifi.address !== undefined);
  const heard: string[] = [];
  const dial = (der: Uint8Array): MQTTClient =>
    new MQTTClient({
      ...{ host: "broker", port: 8883, id: "tls", keepAlive: 30_000, dns: { servers: guestNet.get("DNS") as string[] } },
      socket: { io: {}, secure: { certificate: der } },
      onControl: ({ operation }) => void heard.push(`control ${operation}`),
      onError: () => void heard.push("error"),
    });
  dial(certificate.der);
  await until("what comes of it in 1970", () => heard.length > 0);
  guestTime.set(Date.now() / 1000);
  dial(makeCertificate("broker").der);
  await until("what comes of another certificate", () => heard.length > 1);
  const client = dial(certificate.der);
  await until("CONNACK", () => heard.length > 2);
  assert.equal(heard, ["error", "error", `control ${MQTTClient.CONNACK}`]);
  client.close();
  await broker.close();
  await new Promise<void>((resolve) => server.close(() => resolve()));
});

test("what firmware cannot have here says so", () => {
  assert.throws(() => new TCP(), /across the bridge/);
  assert.throws(() => new Resolver(), /across the bridge/);
});

test.after(() => leave());
test.run();
