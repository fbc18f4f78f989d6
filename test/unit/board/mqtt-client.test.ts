// The SDK's MQTT client made safe to close: at the moments at which the mirror, like the SDK's own, throws.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { closable, type ResolverClass } from "../../../firmware/board/mqtt-client.js";
import type { MqttBase, MqttClient, MqttClientClass, MqttOptions } from "../../../firmware/ports.js";
import { createBoard } from "../../../host-sim/device.js";
import { mqttClientFor } from "../../../host-sim/modules/mqtt-client.js";
import { pause, until } from "../../patience.js";
import { sdkMqttClient } from "../../sdk/network.js";
import { startBroker, type TestBroker } from "../ports/broker.js";

/** Where firmware gets its client from: the mirror, and where MODDABLE names an SDK, the SDK's own file over our sockets. */
const SOURCES: readonly ("mirror" | "SDK")[] = process.env.MODDABLE ? ["mirror", "SDK"] : ["mirror"];

async function board(endpoint?: string, source: "mirror" | "SDK" = "mirror") {
  const {
    device,
    board: hardware,
    close,
  } = createBoard({
    network: endpoint === undefined ? {} : { "broker:1883": endpoint },
    radio: { associationMs: 1, addressMs: 1 },
  });
  const wifi = new device.network.wifi.io({});
  wifi.connect({ SSID: "lab" });
  await until("an address", () => wifi.address?.includes(".") === true);
  // The mirror as it is, with the edges of the SDK's client, or that itself.
  const mirror = mqttClientFor(() => hardware) as unknown as MqttClientClass;
  const io = source === "mirror" ? mirror : ((await sdkMqttClient(() => hardware)) as MqttClientClass);
  const base: MqttBase = { ...device.network.mqtt, io };
  const Resolver = (base.dns as { io: ResolverClass }).io;
  const Client = closable(base, Resolver, device.timer);
  return { base, Client, simulated: device.network.mqtt.io, timer: device.timer, close };
}

function options(base: MqttBase, more: Partial<MqttOptions>): MqttOptions {
  return { ...base, host: "broker", id: "closable", keepAlive: 30_000, ...more };
}

/** What escapes to the process while `action` runs and for a while after, until it is as much as `expected`: on a board, a restart. */
async function escaped(expected: number, action: () => Promise<void> | void): Promise<unknown[]> {
  const errors: unknown[] = [];
  const note = (error: unknown): void => {
    errors.push(error);
  };
  process.on("uncaughtException", note);
  await action();
  await until("what escapes", () => errors.length >= expected);
  await pause(60);
  process.off("uncaughtException", note);
  return errors;
}

/** Whose client it is, and how many errors it lets escape. */
const KINDS = [
  ["the SDK's", 1],
  ["ours", 0],
  ["the simulated device's", 0],
] as const;

function classOf(
  { base, Client, simulated }: Awaited<ReturnType<typeof board>>,
  name: (typeof KINDS)[number][0],
): MqttClientClass {
  return name === "ours" ? Client : name === "the SDK's" ? base.io : simulated;
}

test("the constants of the class are there", async () => {
  const { Client, base, close } = await board();
  for (const name of ["CONNACK", "PUBLISH", "PUBACK", "SUBSCRIBE", "SUBACK", "DISCONNECT"] as const)
    assert.is(Client[name], base.io[name]);
  close();
});

test("closing while the name is being resolved: the SDK's class lets an error escape, ours and the simulated device's do not", async () => {
  for (const [name, expected] of KINDS) {
    const made = await board(); // one that lets an error out ends its board
    const { base, close } = made;
    const Class = classOf(made, name);
    let calls = 0;
    const count = (): void => {
      calls += 1;
    };
    const errorsEscaped = await escaped(expected, () => new Class(options(base, { onError: count, onControl: count })).close());
    assert.is(errorsEscaped.length, expected);
    assert.is(calls, 0);
    close();
  }
});

test("closing inside onReadable: the SDK's class lets an error escape, ours and the simulated device's do not, and they close", async () => {
  const broker = await startBroker();
  for (const [name, expected] of KINDS) {
    const made = await board(broker.endpoint);
    const { base, close } = made;
    const Class = classOf(made, name);
    let readable = 0;
    let errors = 0;
    const errorsEscaped = await escaped(expected, async () => {
      const client = new Class(
        options(base, {
          onControl(this: MqttClient, { operation }) {
            if (operation === base.io.CONNACK)
              this.write(null, { operation: base.io.SUBSCRIBE, id: 1, items: [{ topic: "in" }] });
            if (operation === base.io.SUBACK)
              for (let i = 0; i < 3; i += 1)
                broker.aedes.publish(
                  { cmd: "publish", topic: "in", payload: Buffer.from("x"), qos: 0, retain: false, dup: false },
                  () => undefined,
                );
          },
          onReadable(this: MqttClient) {
            readable += 1;
            this.close();
            client.close();
          },
          onError() {
            errors += 1;
          },
        }),
      );
      await until("a message", () => readable > 0);
    });
    assert.is(errorsEscaped.length, expected);
    assert.is(readable, 1);
    assert.is(errors, 0);
    close();
    await until("the connection's end", () => broker.aedes.connectedClients === 0);
  }
  await broker.close();
});

/** What a broker may do to a session, and in which state of the client it then ends. */
const LOSSES: Readonly<Record<string, (broker: TestBroker) => void>> = {
  "the login is refused": ({ aedes }) => {
    aedes.authenticate = (_client, _user, _password, done) => done(null, false);
  },
  "cut after CONNACK": (broker) => broker.aedes.once("clientReady", () => broker.cut()),
  "cut at SUBSCRIBE": (broker) => {
    broker.aedes.authorizeSubscribe = (_client, _subscription, done) => {
      broker.cut();
      done(null, null);
    };
  },
  "cut when idle": (broker) => broker.aedes.once("subscribe", () => setTimeout(() => broker.cut(), 20)),
  "cut in the middle of a message": (broker) =>
    broker.aedes.once("subscribe", () => {
      const packet = {
        cmd: "publish" as const,
        topic: "in",
        payload: Buffer.alloc(60_000),
        qos: 0 as const,
        retain: false,
        dup: false,
      };
      broker.aedes.publish(packet, () => setTimeout(() => broker.cut(), 5));
    }),
};

for (const [name, lose, source] of Object.entries(LOSSES).flatMap((loss) => SOURCES.map((source) => [...loss, source] as const)))
  test(`a session that is lost lets go of its socket and its timers, once (${name}; ${source})`, async () => {
    const broker = await startBroker();
    lose(broker);
    const { base, timer, close } = await board(broker.endpoint, source);
    let released = 0;
    // The SDK's class ends its error path with `this.close()`: what counts is that its own `close` is reached through ours.
    class Counted extends base.io {
      override close(): void {
        released += 1;
        super.close();
      }
    }
    const counted: MqttBase = { ...base, io: Counted as MqttClientClass };
    const Client = closable(counted, (base.dns as { io: ResolverClass }).io, timer);
    let lost = 0;
    const errorsEscaped = await escaped(0, async () => {
      const client = new Client(
        options(counted, {
          onControl(this: MqttClient, { operation }) {
            if (operation === base.io.CONNACK)
              this.write(null, { operation: base.io.SUBSCRIBE, id: 1, items: [{ topic: "in" }] });
          },
          onReadable(this: MqttClient, count) {
            this.read(count);
          },
          onError() {
            lost += 1;
          },
        }),
      );
      await until("the loss", () => lost > 0);
      await pause(20);
      client.close();
    });
    assert.equal([errorsEscaped, lost, released], [[], 1, 1]);
    close();
    await broker.close();
  });

test("closing inside onError, after it, and twice", async () => {
  const { Client, base, close } = await board();
  let errors = 0;
  const errorsEscaped = await escaped(0, async () => {
    const client: MqttClient = new Client(
      options(base, {
        onError(this: MqttClient) {
          errors += 1;
          this.close();
          client.close();
        },
      }),
    );
    await until("onError", () => errors > 0);
    client.close();
  });
  assert.equal(errorsEscaped, []);
  assert.is(errors, 1);
  close();
});

test.run();
