// Power off: nothing of a board runs after it, whatever was under way, and the board beside it notices nothing.

import { test } from "uvu";
import * as assert from "uvu/assert";
import type { MqttClient } from "../../../firmware/ports.js";
import { createBoard, type SimulatedDevice } from "../../../host-sim/device.js";
import { VirtualClock } from "../../../host-sim/world/clock.js";
import { SntpServer } from "../../../host-sim/world/sntp-server.js";
import { until } from "../../patience.js";
import { startBroker } from "../ports/broker.js";

/** A board that is connected, asks for the time, and counts every callback it gets. */
async function busy(network: Record<string, string>, id: string, calls: string[]): Promise<SimulatedDevice> {
  const simulated = createBoard({ network, radio: { associationMs: 1, addressMs: 1 } });
  const { timer, network: net } = simulated.device;
  const wifi = new net.wifi.io({ onChanged: (property) => calls.push(property) });
  wifi.connect({ SSID: "lab" });
  const tick = (): void => {
    calls.push("tick");
    timer.set(tick, 5);
  };
  tick();
  await until("an address", () => wifi.address !== undefined);
  let up = false;
  new net.mqtt.io({
    ...net.mqtt,
    host: "broker",
    id,
    keepAlive: 1000,
    onControl(this: MqttClient, { operation }) {
      calls.push(`control ${operation}`);
      if (operation === net.mqtt.io.CONNACK)
        this.write(null, { operation: net.mqtt.io.SUBSCRIBE, id: 1, items: [{ topic: "#" }] });
      up ||= operation === net.mqtt.io.SUBACK;
    },
    onReadable(this: MqttClient, count) {
      calls.push("message");
      this.read(count);
    },
    onWritable: () => calls.push("writable"),
    onError: () => calls.push("error"),
  });
  const ntp = new net.ntp.client.io({ ...net.ntp.client, servers: ["time"] });
  ntp.getTime(() => calls.push("time"));
  await until("a board at work", () => up && calls.includes("time"));
  return simulated;
}

test("after the power is gone no callback comes; the other board goes on", async () => {
  const broker = await startBroker();
  const sntp = await SntpServer.start();
  const network = { "broker:1883": broker.endpoint, "time:123": sntp.endpoint };
  const calls: string[] = [];
  const others: string[] = [];
  const first = await busy(network, "first", calls);
  const second = await busy(network, "second", others);
  broker.aedes.publish(
    { cmd: "publish", topic: "a", payload: Buffer.alloc(9000), qos: 0, retain: false, dup: false },
    () => undefined,
  );
  await until("a part of a message", () => calls.includes("message"));
  first.close();
  const before = calls.length;
  const othersBefore = others.length;
  await until("the end of one connection", () => broker.aedes.connectedClients === 1);
  await until("ticks of the other", () => others.slice(othersBefore).filter((call) => call === "tick").length >= 3);
  assert.equal(calls.slice(before), []);
  assert.not.ok(others.includes("error"));
  second.close();
  await Promise.all([broker.close(), sntp.close()]);
});

test("a board without power takes no more time from a shared clock", async () => {
  const clock = new VirtualClock();
  const calls: string[] = [];
  const [one, two] = ["one", "two"].map((name) => {
    const simulated = createBoard({ clock, seed: name });
    const tick = (): void => {
      calls.push(name);
      simulated.device.timer.set(tick, 10);
    };
    tick();
    return simulated;
  }) as [SimulatedDevice, SimulatedDevice];
  await clock.advance(10);
  one.close();
  one.device.timer.set(() => calls.push("late"), 1);
  await clock.advance(20);
  assert.equal(calls, ["one", "two", "one", "two", "two", "two"]);
  two.close();
  assert.is(clock.waiting, 0);
});

test.run();
