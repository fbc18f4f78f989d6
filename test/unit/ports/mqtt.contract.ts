// What every MQTT port (firmware/ports.ts; the SDK's client of MQTT 3.1.1) must do, against a real broker.

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { equal } from "../../../firmware/bytes.js";
import type { MqttBase, MqttClient, MqttControl, MqttOptions } from "../../../firmware/ports.js";
import { pause, until } from "../../patience.js";
import { startBroker, type TestBroker } from "./broker.js";

export interface MqttWorld {
  readonly mqtt: MqttBase;
  readonly host: string;
  close(): void;
}

interface Heard {
  controls: MqttControl[];
  messages: { topic: string; payload: Uint8Array; parts: number[] }[];
  writable: number;
  errors: number;
}

export function mqttContract(title: string, make: (broker: TestBroker) => Promise<MqttWorld>): void {
  const test = suite<{ broker: TestBroker; world: MqttWorld }>(`mqtt contract: ${title}`);

  test.before.each(async (context) => {
    context.broker = await startBroker();
    context.world = await make(context.broker);
  });
  test.after.each(async (context) => {
    context.world.close();
    await context.broker.close();
  });

  /** A client that reads whole messages. */
  function open(world: MqttWorld, options: Partial<MqttOptions> = {}): { client: MqttClient; heard: Heard } {
    const heard: Heard = { controls: [], messages: [], writable: 0, errors: 0 };
    const client = new world.mqtt.io({
      ...world.mqtt,
      host: world.host,
      id: "contract",
      keepAlive: 30_000,
      onReadable(count, { topic, byteLength, more }) {
        if (topic !== undefined) heard.messages.push({ topic, payload: new Uint8Array(byteLength as number), parts: [] });
        const message = heard.messages[heard.messages.length - 1];
        assert.ok(message !== undefined, "the first part names the topic");
        const part = new Uint8Array(this.read(count));
        assert.is(part.length, count);
        const at = message.parts.reduce((sum, length) => sum + length, 0);
        message.payload.set(part, at);
        message.parts.push(count);
        assert.is(more, at + count < message.payload.length);
      },
      onWritable(count) {
        heard.writable = count;
      },
      onControl: (message) => heard.controls.push({ ...message }),
      onError() {
        heard.errors += 1;
      },
      ...options,
    });
    return { client, heard };
  }

  async function connected(world: MqttWorld, options: Partial<MqttOptions> = {}) {
    const { client, heard } = open(world, options);
    await until("CONNACK", () => heard.controls.length > 0 && heard.writable > 0);
    assert.is(heard.controls[0]?.operation, world.mqtt.io.CONNACK);
    assert.is(heard.controls[0]?.returnCode, 0);
    return { client, heard };
  }

  async function subscribed(world: MqttWorld, topic: string, QoS = 1, options: Partial<MqttOptions> = {}) {
    const { client, heard } = await connected(world, options);
    client.write(null, { operation: world.mqtt.io.SUBSCRIBE, id: 7, items: [{ topic, QoS }] });
    await until("SUBACK", () => heard.controls.some((message) => message.operation === world.mqtt.io.SUBACK));
    const suback = heard.controls.find((message) => message.operation === world.mqtt.io.SUBACK);
    assert.is(suback?.id, 7);
    assert.equal([...(suback?.payload ?? [])], [QoS]);
    return { client, heard };
  }

  test("a publish with QoS 1 reaches the broker whole and is acknowledged under its id", async ({ broker, world }) => {
    const { client, heard } = await connected(world);
    const payload = Uint8Array.from({ length: 300 }, (_, i) => i & 255);
    const room = client.write(payload, { topic: "a/b", QoS: 1, id: 1234, retain: true });
    assert.ok(room > 0);
    await until("PUBACK", () => heard.controls.some((message) => message.operation === world.mqtt.io.PUBACK));
    assert.is(heard.controls.find((message) => message.operation === world.mqtt.io.PUBACK)?.id, 1234);
    assert.is(broker.published.length, 1);
    const { topic, qos, retain } = broker.published[0] as TestBroker["published"][0];
    assert.equal({ topic, qos, retain }, { topic: "a/b", qos: 1, retain: true });
    assert.ok(equal(broker.published[0]?.payload as Uint8Array, payload));
    client.close();
  });

  test("messages come in parts, in order, each announced with its length once", async ({ broker, world }) => {
    const { client, heard } = await subscribed(world, "in/#");
    const sizes = [1, 100, 1023, 1024, 1025, 5000, 20_000, 1];
    for (const [i, size] of sizes.entries())
      broker.aedes.publish(
        { cmd: "publish", topic: `in/${i}`, payload: Buffer.alloc(size, i + 1), qos: 1, retain: false, dup: false },
        () => undefined,
      );
    await until(
      () => `${sizes.length} messages`,
      () => heard.messages.length === sizes.length && heard.messages.at(-1)?.parts.length === 1,
    );
    for (const [i, size] of sizes.entries()) {
      assert.is(heard.messages[i]?.topic, `in/${i}`);
      assert.ok(equal(heard.messages[i]?.payload as Uint8Array, new Uint8Array(size).fill(i + 1)));
      assert.is(
        heard.messages[i]?.parts.reduce((sum, length) => sum + length, 0),
        size,
      );
    }
    assert.ok((heard.messages[6]?.parts.length as number) > 1, "20,000 bytes do not come at once");
    client.close();
  });

  test("a delivery with QoS 1 is acknowledged: the broker does not send it again", async ({ broker, world }) => {
    const { client, heard } = await subscribed(world, "in", 1, { clean: false });
    let acknowledged = false;
    broker.aedes.on("ack", () => {
      acknowledged = true;
    });
    broker.aedes.publish(
      { cmd: "publish", topic: "in", payload: Buffer.from("x"), qos: 1, retain: false, dup: false },
      () => undefined,
    );
    await until("the message", () => heard.messages.length === 1);
    await until("the acknowledgement, which leaves by a timer", () => acknowledged);
    client.close();
    const again = await connected(world, { clean: false });
    await pause(150);
    assert.is(again.heard.messages.length, 0);
    again.client.close();
  });

  test("what is not read stops what comes after it, and reading later goes on", async ({ broker, world }) => {
    const announced: number[] = [];
    const { client } = await subscribed(world, "in", 0, { onReadable: (count) => announced.push(count) });
    for (let i = 0; i < 3; i += 1)
      broker.aedes.publish(
        { cmd: "publish", topic: "in", payload: Buffer.alloc(10, i), qos: 0, retain: false, dup: false },
        () => undefined,
      );
    await until("the first message", () => announced.length === 1);
    await pause(100);
    assert.equal(announced, [10]);
    assert.is(client.read(4).byteLength, 4);
    assert.is(client.read(6).byteLength, 6);
    await until("the second message", () => announced.length === 2);
    assert.is(new Uint8Array(client.read(10))[0], 1);
    await until("the third message", () => announced.length === 3);
    client.close();
  });

  test("a write that does not fit throws and sends nothing", async ({ broker, world }) => {
    const { client, heard } = await connected(world);
    assert.throws(() => client.write(new Uint8Array(heard.writable + 100), { topic: "t", QoS: 0, id: 1 }));
    client.write(Uint8Array.of(5), { topic: "t", QoS: 1, id: 2 });
    await until("PUBACK", () => heard.controls.length === 2);
    assert.equal(
      broker.published.map(({ payload }) => payload.length),
      [1],
    );
    client.close();
  });

  test("a broker that goes is told once, after which the client is closed", async ({ broker, world }) => {
    const { client, heard } = await connected(world);
    broker.cut();
    await until("onError", () => heard.errors > 0);
    await pause(50);
    assert.is(heard.errors, 1);
    assert.throws(() => client.write(Uint8Array.of(1), { topic: "t", id: 1 }));
    client.close();
  });

  test("a refused login is an error, and no CONNACK is told", async ({ broker, world }) => {
    broker.aedes.authenticate = (_client, user, password, done) =>
      done(null, user === "mote" && password?.toString() === "secret");
    const { heard } = open(world, { user: "mote", password: "wrong" });
    await until("onError", () => heard.errors > 0);
    assert.is(heard.controls.length, 0);
    const good = await connected(world, { user: "mote", password: "secret" });
    good.client.close();
  });

  test("an unknown host and a closed port are errors, never exceptions", async ({ world }) => {
    const unknown = open(world, { host: "nobody" });
    const closed = open(world, { port: 1 });
    await until("two errors", () => unknown.heard.errors === 1 && closed.heard.errors === 1);
  });

  test("the Will is published when the connection is cut, not when it ends in order", async ({ broker, world }) => {
    const will = { topic: "gone", message: Uint8Array.of(1, 2, 3).buffer as ArrayBuffer, QoS: 1, retain: true };
    const orderly = await connected(world, { will, id: "orderly" });
    orderly.client.write(null, { operation: world.mqtt.io.DISCONNECT });
    await until("the end of the session", () => broker.aedes.connectedClients === 0);
    orderly.client.close();
    const wills: Uint8Array[] = [];
    broker.aedes.on("publish", ({ topic, payload }) => {
      if (topic === "gone") wills.push(new Uint8Array(Buffer.from(payload as Buffer)));
    });
    const abrupt = await connected(world, { will, id: "abrupt" });
    assert.is(wills.length, 0);
    abrupt.client.close();
    await until("the Will", () => wills.length === 1);
    assert.ok(equal(wills[0] as Uint8Array, Uint8Array.of(1, 2, 3)));
  });

  test("closing is silent, and may be done twice", async ({ world }) => {
    const { client, heard } = await connected(world);
    client.close();
    client.close();
    await pause(50);
    assert.is(heard.errors, 0);
  });

  test("a target is the client's own, for callbacks that are nobody's closures", async ({ world }) => {
    const target = { heard: [] as unknown[] };
    const { client } = open(world, {
      target,
      onControl() {
        target.heard.push(this.target);
      },
    });
    assert.is(client.target, target);
    await until("a callback", () => target.heard.length > 0);
    assert.is(target.heard[0], target);
    client.close();
  });

  test.run();
}
