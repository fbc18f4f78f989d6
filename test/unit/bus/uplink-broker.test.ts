// The uplink against a real broker on loopback, through the simulator's MQTT client, on virtual time.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { closable, type ResolverClass } from "../../../firmware/board/mqtt-client.js";
import { Uplink } from "../../../firmware/bus/uplink.js";
import { MESSAGE_BYTES_MAX } from "../../../firmware/bus/wire.js";
import type { MqttConfig } from "../../../firmware/config.js";
import { createBoard } from "../../../host-sim/device.js";
import { VirtualClock } from "../../../host-sim/world/clock.js";
import { pause, WAIT_MS_MAX } from "../../patience.js";
import { LogBook } from "../hand-clock.js";
import { startBroker, type TestBroker } from "../ports/broker.js";

type Segments = "even" | "ragged";

/** A board that is online, and an uplink on it that is stepped whenever that is due. */
async function make(broker: TestBroker, { segments = "even" as Segments, config = {} as Partial<MqttConfig> } = {}) {
  const world = new VirtualClock();
  const { device, board, close } = createBoard({ clock: world, network: { "broker:1883": broker.endpoint }, segments });
  board.radio.start();
  board.radio.connect("lab", undefined);
  await world.advance(100);
  const { clock, network } = device;
  const log = new LogBook();
  const heard = { messages: [] as { topic: string; message: Uint8Array }[], refused: [] as string[], acks: [] as number[] };
  let dueMs = 0;
  const Resolver = (network.mqtt.dns as { io: ResolverClass }).io;
  const uplink = new Uplink({
    mqtt: { ...network.mqtt, io: closable(network.mqtt.io, Resolver) },
    clock,
    log,
    config: { host: "broker", port: 1883, prefix: "", keepAliveMs: 30_000, ...config },
    id: "mote-1",
    will: { topic: "health", message: Uint8Array.of(0xa1, 0, 0) },
    subscriptions: ["to/me", "to/all"],
    ...{
      received: (topic, message) => void heard.messages.push({ topic, message }),
      refused: ({ code }) => void heard.refused.push(code),
      acknowledged: (packetId) => void heard.acks.push(packetId),
      linkChanged: () => undefined,
    },
    onWake: () => {
      dueMs = 0;
    },
  });
  /** Lets virtual time pass until `condition` holds, then `patienceMs` of real time at most; true if it came to hold. */
  const until = async (condition: () => boolean, limitMs: number, tickMs = 5, patienceMs = WAIT_MS_MAX) => {
    for (const endMs = world.nowMs() + limitMs; !condition() && world.nowMs() < endMs; dueMs -= tickMs) {
      if (dueMs <= 0) dueMs = uplink.step();
      await world.advance(tickMs, 3);
    }
    // Sockets live in real time.
    for (const endMs = performance.now() + patienceMs; !condition() && performance.now() < endMs; ) {
      uplink.step();
      await pause(1);
    }
    return condition();
  };
  const end = async () => {
    uplink.close();
    close();
    await broker.close();
  };
  return { world, board, uplink, log, heard, until, end };
}

function publish(broker: TestBroker, topic: string, payload: Uint8Array, retain = false): Promise<void> {
  return new Promise((resolve, reject) => {
    const packet = { cmd: "publish" as const, qos: 1 as const, dup: false, retain, topic, payload: Buffer.from(payload) };
    broker.aedes.publish(packet, (error) => (error ? reject(error) : resolve()));
  });
}

test("takes in what was retained, publishes with PUBACK, and leaves without a Last Will", async () => {
  const broker = await startBroker();
  await publish(broker, "to/me", Uint8Array.of(1, 2, 3), true);
  const { uplink, heard, until, end } = await make(broker);
  assert.ok(await until(() => uplink.up && heard.messages.length > 0, 5000));
  assert.equal(heard.messages, [{ topic: "to/me", message: Uint8Array.of(1, 2, 3) }]);
  assert.ok(uplink.publish("from/me", Uint8Array.of(9), { QoS: 1, packetId: 65_535 }));
  assert.ok(await until(() => heard.acks.length > 0, 5000));
  assert.equal(heard.acks, [65_535]);
  assert.equal(broker.published, [{ topic: "from/me", payload: Uint8Array.of(9), qos: 1, retain: false }]);
  uplink.close();
  await pause(20);
  assert.is(broker.published.length, 1);
  await end();
});

test("a lost connection publishes the Last Will, and comes back by itself", async () => {
  const broker = await startBroker();
  const { uplink, log, until, end } = await make(broker);
  assert.ok(await until(() => uplink.up, 5000));
  broker.cut();
  assert.ok(await until(() => !uplink.up, 5000));
  assert.not(uplink.publish("from/me", Uint8Array.of(9), {}));
  assert.ok(await until(() => uplink.up, 5000));
  assert.equal(
    log.of("link").map((line) => line.state),
    ["up", "down", "up"],
  );
  assert.equal(broker.published, [{ topic: "health", payload: Uint8Array.of(0xa1, 0, 0), qos: 1, retain: true }]);
  await end();
});

for (const segments of ["even", "ragged"] as const)
  test(`messages longer than the bound are read past and the next ones arrive, in ${segments} pieces`, async () => {
    const broker = await startBroker();
    const { uplink, heard, until, end } = await make(broker, { segments });
    assert.ok(await until(() => uplink.up, 5000));
    const edge = new Uint8Array(MESSAGE_BYTES_MAX).map((_, i) => i * 7);
    await publish(broker, "to/me", new Uint8Array(MESSAGE_BYTES_MAX + 1).fill(0x30));
    await publish(broker, "to/all", edge);
    await publish(broker, "to/me", new Uint8Array(100_000).fill(0x30));
    await publish(broker, "to/me", Uint8Array.of(5));
    assert.ok(await until(() => heard.messages.length === 2, 20_000));
    assert.equal(heard.messages[0], { topic: "to/all", message: edge });
    assert.equal(heard.messages[1], { topic: "to/me", message: Uint8Array.of(5) });
    assert.equal(heard.refused, ["message-too-long", "message-too-long"]);
    assert.ok(uplink.up);
    await end();
  });

test("a broker that refuses a subscription is tried again, with longer and longer waits", async () => {
  const broker = await startBroker();
  let refuses = true;
  const asked: number[] = [];
  const { world, uplink, until, end } = await make(broker);
  broker.aedes.authorizeSubscribe = (_client, subscription, callback) => {
    if (subscription.topic === "to/all") asked.push(world.nowMs());
    callback(null, refuses && subscription.topic === "to/all" ? null : subscription);
  };
  assert.not(await until(() => uplink.up, 20_000, 50, 200));
  assert.ok(asked.length >= 4 && asked.length <= 6, `${asked.length} attempts in 20 seconds`);
  refuses = false;
  assert.ok(await until(() => uplink.up, 20_000, 50));
  await end();
});

test("a broker that kicks for a publish that it does not allow is tried with longer and longer waits", async () => {
  const broker = await startBroker();
  const { world, uplink, log, until, end } = await make(broker);
  const logins: number[] = [];
  broker.aedes.authorizePublish = (client, packet, callback) => {
    callback(client !== null && packet.topic === "from/me" ? new Error("not allowed") : null);
  };
  broker.aedes.on("clientReady", () => logins.push(world.nowMs()));
  for (let turn = 0; turn < 300 && world.nowMs() < 60_000; turn += 1) {
    await until(() => uplink.up, 500, 100, 5);
    if (uplink.up) uplink.publish("from/me", Uint8Array.of(1), { QoS: 1, packetId: 7 });
    await until(() => !uplink.up, 500, 100, 5);
  }
  assert.ok(logins.length >= 4 && logins.length <= 7, `${logins.length} logins in a minute`);
  const retries = log.of("link").flatMap(({ retryMs }) => (retryMs === undefined ? [] : [Number(retryMs)]));
  assert.ok((retries[3] as number) >= 8000, retries.join(" "));
  await end();
});

test("two clients of one name evict each other ever more rarely", async () => {
  const broker = await startBroker();
  const one = await make(broker);
  const two = await make(broker);
  let logins = 0;
  broker.aedes.on("clientReady", () => {
    logins += 1;
  });
  for (let second = 0; second < 120; second += 1) for (const { until } of [one, two]) await until(() => false, 1000, 100, 2);
  assert.ok(logins >= 4 && logins <= 16, `${logins} logins in two minutes`);
  one.uplink.close();
  await two.end();
});

test("wrong credentials are refused by the broker and tried again; right ones are sent as configured", async () => {
  const broker = await startBroker();
  const seen: string[] = [];
  broker.aedes.authenticate = (_client, user, password, callback) => {
    seen.push(`${user}:${password?.toString()}`);
    callback(null, seen.length > 2);
  };
  const { uplink, log, until, end } = await make(broker, { config: { user: "mote", password: "s3cret" } });
  assert.ok(await until(() => uplink.up, 20_000, 50));
  assert.equal(seen, ["mote:s3cret", "mote:s3cret", "mote:s3cret"]);
  assert.not.match(JSON.stringify(log.lines), "s3cret");
  await end();
});

test("a link on which packets vanish is noticed by the keep-alive, and used again when it is back", async () => {
  const broker = await startBroker();
  const { world, board, uplink, until, end } = await make(broker, { config: { keepAliveMs: 10_000 } });
  assert.ok(await until(() => uplink.up, 5000));
  board.network.link = "stalled";
  const stalledMs = world.nowMs();
  assert.ok(await until(() => !uplink.up, 60_000, 50));
  assert.ok(world.nowMs() - stalledMs <= 25_000);
  board.network.link = "up";
  assert.ok(await until(() => uplink.up, 60_000, 50));
  await end();
});

test("closed while the broker's name is being resolved, or the connection made: nothing is thrown", async () => {
  for (const afterMs of [0, 1, 2]) {
    const broker = await startBroker();
    const { world, uplink, end } = await make(broker);
    uplink.step();
    await world.advance(afterMs, 1);
    uplink.close();
    await world.advance(100);
    await pause(5);
    assert.not(uplink.up);
    await end();
  }
});

test.run();
