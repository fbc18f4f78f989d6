// The SDK's MQTT client made safe to close: at the moments at which it throws, the mirror like the SDK's own file. Whatever ends a
// client, no socket, no timer and no exception stays.

import { createServer } from "node:net";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { networkOver } from "../../../firmware/board/network.js";
import type { MqttBase, MqttClient, MqttClientClass, MqttOptions } from "../../../firmware/ports.js";
import { createBoard } from "../../../host-sim/device.js";
import type { Board } from "../../../host-sim/hardware/board.js";
import { pause, until } from "../../patience.js";
import { networkModules, SOURCES, type Source } from "../../sdk/network.js";
import { listen, startBroker, type TestBroker } from "../ports/broker.js";

/**
 * A board, its client as the SDK has it (`base`), and as the firmware has it (`ours`, whose class is `Client`).
 * @param of what the SDK's class is instead
 */
async function board(endpoint?: string, source: Source = "mirror", of = (Class: MqttClientClass) => Class) {
  const simulated = createBoard({
    network: endpoint === undefined ? {} : { "broker:1883": endpoint },
    radio: { associationMs: 1, addressMs: 1 },
  });
  const { device, board: hardware, close } = simulated;
  const wifi = new device.network.wifi.io({});
  wifi.connect({ SSID: "lab" });
  await until("an address", () => wifi.address?.includes(".") === true);
  const modules = await networkModules(source, () => hardware);
  const MQTTClient = of(modules.MQTTClient as MqttClientClass);
  const ours = networkOver(
    { ...modules, MQTTClient },
    () => ["10.0.1.1"],
    () => undefined,
    device,
  ).mqtt;
  // Nothing of it covered: what the device's own sockets let escape no more would be waited for in vain.
  const dns = { io: modules.Resolver, servers: ["10.0.0.1"], socket: { io: modules.UDP } };
  const base: MqttBase = { io: MQTTClient, dns, socket: { io: modules.TCP } };
  return { base, ours, Client: ours.io, simulated: device.network.mqtt.io, hardware, close };
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

function assertNothingLeft({ network, world }: Board): void {
  assert.equal({ ...network.sockets, timers: world.waiting }, { tcp: 0, udp: 0, timers: 0 });
}

test("the constants of the class are there", async () => {
  const { Client, base, close } = await board();
  for (const name of ["CONNACK", "PUBLISH", "PUBACK", "SUBSCRIBE", "SUBACK", "DISCONNECT"] as const)
    assert.is(Client[name], base.io[name]);
  close();
});

for (const source of SOURCES) {
  test(`closing while the name is being resolved: the SDK's class lets an error escape, ours does not (${source})`, async () => {
    const broker = await startBroker();
    const { base, ours, simulated, hardware, close } = await board(broker.endpoint, source);
    for (const [network, Class, expected] of [
      [ours, ours.io, 0],
      [base, simulated, 0],
      [base, base.io, 1],
    ] as const) {
      let calls = 0;
      const count = (): void => {
        calls += 1;
      };
      const errors = await escaped(expected, () => {
        new Class(options(network, { onError: count, onControl: count })).close();
        if (network === ours) assertNothingLeft(hardware);
      });
      assert.equal([Math.min(errors.length, 1), calls], [expected, 0]);
    }
    close();
    await broker.close();
  });

  test(`closing inside onReadable: the SDK's class lets an error escape, ours does not (${source})`, async () => {
    const broker = await startBroker();
    const { base, ours, simulated, hardware, close } = await board(broker.endpoint, source);
    for (const [network, Class, expected] of [
      [ours, ours.io, 0],
      [base, simulated, 0],
      [base, base.io, 1], // it ends the board
    ] as const) {
      let readable = 0;
      let errors = 0;
      const errorsEscaped = await escaped(expected, async () => {
        const client = new Class(
          options(network, {
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
      assert.equal([errorsEscaped.length, readable, errors], [expected, 1, 0]);
      await until("the connection's end", () => broker.aedes.connectedClients === 0);
      assertNothingLeft(hardware);
    }
    close();
    await broker.close();
  });
}

/** Bytes of a broker whose every word is the test's, and how the client ends. */
const WORDS: Readonly<Record<string, readonly number[]>> = {
  "bytes after a CONNACK that refuses": [0x20, 2, 0, 5, 0xd0, 0],
  "a topic that is no UTF-8": [0x20, 2, 0, 0, 0x30, 4, 0, 1, 0xff, 1],
  "a message that is empty": [0x20, 2, 0, 0, 0x30, 3, 0, 1, 0x61, 0xd0, 0],
};

for (const [name, bytes, source] of Object.entries(WORDS).flatMap((one) => SOURCES.map((source) => [...one, source] as const)))
  test(`${name}, and the broker's end: the SDK's class lets an error escape, ours does not and ends once (${source})`, async () => {
    const server = createServer((socket) => {
      socket.on("error", () => undefined); // the board's end may break
      socket.once("data", () => socket.end(Uint8Array.from(bytes)));
    });
    const { base, ours, hardware, close } = await board(await listen(server), source);
    for (const network of [ours, base]) {
      let errors = 0;
      const expected = network === ours ? 0 : 1;
      const errorsEscaped = await escaped(expected, async () => {
        const onError = (): void => {
          errors += 1;
        };
        // The ping that is due after a second finds the connection over, and its end not told.
        const client = new network.io(options(network, { keepAlive: 1000, onError }));
        if (network === ours) await until("the end", () => errors > 0);
        if (network === ours) client.close();
      });
      assert.ok(network === ours ? errorsEscaped.length === 0 : errorsEscaped.length >= 1, String(errorsEscaped));
      if (network === ours) {
        assert.is(errors, 1);
        assertNothingLeft(hardware);
      }
    }
    close();
    await new Promise((resolve) => server.close(resolve));
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
    let released = 0;
    // The SDK's class ends its error path with `this.close()`: what counts is that its own `close` is reached through ours.
    const counted = (Class: MqttClientClass): MqttClientClass =>
      class extends Class {
        override close(): void {
          released += 1;
          super.close();
        }
      } as MqttClientClass;
    const { base, ours, Client, hardware, close } = await board(broker.endpoint, source, counted);
    let lost = 0;
    const errorsEscaped = await escaped(0, async () => {
      const client = new Client(
        options(ours, {
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
    assertNothingLeft(hardware);
    close();
    await broker.close();
  });

test("closing inside onError, after it, and twice", async () => {
  const { Client, ours, hardware, close } = await board();
  let errors = 0;
  const errorsEscaped = await escaped(0, async () => {
    const client: MqttClient = new Client(
      options(ours, {
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
  assertNothingLeft(hardware);
  close();
});

test.run();
