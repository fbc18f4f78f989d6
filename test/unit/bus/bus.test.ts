// The bus: which part of the mote has which message, and what each is told of the link.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { Bus, type BusUser } from "../../../firmware/bus/bus.js";
import { topicsOf } from "../../../firmware/bus/topics.js";
import { decodeHealth, encodeWill } from "../../../firmware/bus/wire.js";
import type { MqttConfig } from "../../../firmware/config.js";
import type { Rejection } from "../../../firmware/rejection.js";
import { HandClock } from "../hand-clock.js";
import { handDevice } from "../hand-device.js";
import { Scripted } from "./scripted-client.js";

const MOTE = new Uint8Array(20).fill(0xab);
const TOPICS = topicsOf("site/", MOTE, "eip155:1");

/** A part with topics of its own, that remembers what it is told. */
class Part implements BusUser {
  readonly subscriptions: readonly string[];
  readonly heard: unknown[] = [];
  constructor(...subscriptions: readonly string[]) {
    this.subscriptions = subscriptions;
  }
  received(topic: string, message: Uint8Array): boolean {
    if (!this.subscriptions.includes(topic)) return false;
    this.heard.push([topic, ...message]);
    return true;
  }
  linkChanged(up: boolean): void {
    this.heard.push(up ? "up" : "down");
  }
}

class Sender extends Part {
  acknowledged(packetId: number): void {
    this.heard.push(packetId);
  }
}

function make(mqtt: Partial<MqttConfig> = {}, network: object = { mqtt: { io: Scripted } }) {
  Scripted.made = [];
  Scripted.unmakable = false;
  const state = { wakes: 0, refused: [] as string[] };
  const device = handDevice({ clock: new HandClock(1000), network });
  const write = (what: string, { code }: Rejection) => state.refused.push(`${what}: ${code}`);
  const bus = new Bus(
    {
      device,
      config: { mqtt: { host: "broker", port: 1883, prefix: "site/", keepAliveMs: 30_000, ...mqtt } },
      own: MOTE,
      refusals: { write } as never,
      onWake: () => {
        state.wakes += 1;
      },
    },
    TOPICS,
  );
  const first = new Sender("one", "two");
  const second = new Part("three", "two");
  bus.join(first);
  bus.join(second);
  const up = () => {
    bus.step();
    const client = Scripted.made.at(-1) as Scripted;
    client.accept([1, 1, 1, 1]);
    return client;
  };
  return { bus, first, second, state, up };
}

test("subscribes to the topics of all that have joined, under the mote's own name and with its Last Will", () => {
  const { bus, up } = make();
  const client = up();
  assert.equal(
    client.writes[0]?.options.items?.map(({ topic }) => topic),
    ["one", "two", "three", "two"],
  );
  assert.is(client.options.id, `mote-${"ab".repeat(20)}`);
  assert.is(client.options.will?.topic, TOPICS.health);
  assert.equal(new Uint8Array(client.options.will?.message as ArrayBuffer), encodeWill());
  assert.is((decodeHealth(encodeWill()) as { online: boolean }).online, false);
  assert.ok(bus.up);
});

test("a message goes to the part whose topic it is, the first that joined, and to no other; one of nobody's topics to none", () => {
  const { first, second, state, up } = make();
  const client = up();
  const { wakes } = state;
  client.message("two", Uint8Array.of(2));
  client.message("three", Uint8Array.of(3));
  client.message("four", Uint8Array.of(4));
  assert.equal(first.heard, ["up", ["two", 2]]);
  assert.equal(second.heard, ["up", ["three", 3]]);
  assert.is(state.wakes - wakes, 3);
});

test("each part is told of the link, and of acknowledgements where it wants to be", () => {
  const { first, second, state, up } = make();
  const client = up();
  assert.is(state.wakes, 1, "what waited for the link is due");
  client.control({ operation: Scripted.PUBACK, id: 7 });
  client.options.onError?.call(client);
  assert.equal(first.heard, ["up", 7, "down"]);
  assert.equal(second.heard, ["up", "down"]);
});

test("a message that is too long is refused by the bus, for all", () => {
  const { first, second, state, up } = make();
  up().part(new Uint8Array(100), true, { topic: "one", byteLength: 4097, QoS: 1 });
  assert.equal(state.refused, ["message: message-too-long"]);
  assert.equal([first.heard, second.heard], [["up"], ["up"]]);
});

test("what a part throws ends the session, not the board", () => {
  const { bus, second, up } = make();
  const client = up();
  second.received = () => {
    throw new Error("a mistake of ours");
  };
  client.message("three", Uint8Array.of(3));
  assert.ok(client.closed && !bus.up);
  assert.equal(second.heard, ["up", "down"]);
});

test("the client is TLS's where an authority is named, and a build without it says so", () => {
  class Secure extends Scripted {}
  const ca = Uint8Array.of(0x30);
  const { up } = make({ ca }, { mqtt: { io: Scripted }, mqtts: { io: Secure } });
  assert.instance(up(), Secure);
  const without = make({ ca });
  assert.throws(() => without.bus.step(), "this build has no TLS");
});

test("publishing, room and closing are the connection's", () => {
  const { bus, up } = make();
  assert.not(bus.publish("t", Uint8Array.of(1), {}));
  const client = up();
  assert.ok(bus.hasRoomFor("t", 1) && !bus.hasRoomFor("t", 1e9));
  assert.ok(bus.publish("t", Uint8Array.of(1), { retain: true }));
  assert.equal([client.writes.at(-1)?.options.topic, client.writes.at(-1)?.options.retain], ["t", true]);
  bus.close();
  assert.ok(client.closed && !bus.up);
});

test.run();
