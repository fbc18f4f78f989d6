// A tool's connection to a broker that lets in and then kicks, refuses a subscription, or has another client of the same name:
// a real broker. Judged by the waits that it says, not by how long they are.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { BrokerLink, type LinkOptions } from "../../../tools/mqtt/link.js";
import { startBroker, type TestBroker } from "../ports/broker.js";
import { eventually } from "./eventually.js";

interface Lost {
  readonly reason: string;
  readonly retryMs: number;
}

function open(broker: TestBroker, options: Partial<LinkOptions> = {}) {
  const lost: Lost[] = [];
  const link = new BrokerLink({
    url: `mqtt://${broker.endpoint}`,
    role: "tool",
    onFault: (_topic, error) => {
      throw error;
    },
    subscriptions: ["to/me"],
    onMessage: () => undefined,
    onLost: (reason, retryMs) => lost.push({ reason, retryMs }),
    ...options,
  });
  return { link, lost };
}

/** Each wait is the step of its turn, less a quarter at the most. */
function assertGrowing(lost: readonly Lost[]): void {
  lost.forEach(({ retryMs }, i) => {
    assert.ok(retryMs >= 150 * 2 ** i && retryMs <= 200 * 2 ** i, `wait ${i} is ${retryMs} ms`);
  });
}

test("a broker that kicks for a publish that it does not allow is asked ever more rarely, and the reason says what to look at", async () => {
  const broker = await startBroker();
  broker.aedes.authorizePublish = (_client, packet, callback) => callback(packet.topic === "from/me" ? new Error("no") : null);
  const { link, lost } = open(broker, {
    onConnected: () => void link.publish("from/me", Uint8Array.of(1), { qos: 1 }),
  });
  await eventually("four losses", () => lost.length >= 4);
  assertGrowing(lost);
  for (const { reason } of lost) assert.match(reason, /after login: .*does not allow a publish/);
  await link.close();
  await broker.close();
});

test("a session that another of the same name puts out comes back ever more rarely", async () => {
  const broker = await startBroker();
  // Our identifiers are made by chance, so that it takes a stranger to have the same.
  broker.aedes.on("clientReady", (client) => client.close());
  const { link, lost } = open(broker);
  await eventually("four losses", () => lost.length >= 4);
  assertGrowing(lost);
  await link.close();
  await broker.close();
});

test("a subscription that the broker refuses is named", async () => {
  const broker = await startBroker();
  broker.aedes.authorizeSubscribe = (_client, subscription, callback) =>
    callback(null, subscription.topic === "to/all" ? null : subscription);
  const { link, lost } = open(broker, { subscriptions: ["to/me", "to/all"] });
  await eventually("two losses", () => lost.length >= 2);
  assert.not(link.connected);
  assertGrowing(lost);
  for (const { reason } of lost) assert.match(reason, "refuses the subscription to to/all: its access list");
  await link.close();
  await broker.close();
});

test("waits begin anew once a session has lasted", async () => {
  const broker = await startBroker();
  const { link, lost } = open(broker, { lastedMs: 1 });
  for (let i = 1; i <= 3; i += 1) {
    await eventually("a session", () => link.connected);
    await new Promise((resolve) => setTimeout(resolve, 5));
    broker.cut();
    await eventually("its loss", () => lost.length === i);
  }
  for (const { retryMs } of lost) assert.ok(retryMs <= 200, `${retryMs} ms`);
  await link.close();
  await broker.close();
});

test("closing ends while a broker answers nothing any more, and nothing connects again", async () => {
  const broker = await startBroker();
  let logins = 0;
  broker.aedes.on("clientReady", () => {
    logins += 1;
  });
  // The acknowledgement never comes, which an orderly end waits for.
  broker.aedes.authorizePublish = () => undefined;
  const { link, lost } = open(broker);
  await eventually("a session", () => link.connected);
  const published = link.publish("from/me", Uint8Array.of(1), { qos: 1 });
  await link.close();
  assert.is(await published, false, "what was not acknowledged has not arrived");
  assert.not(link.connected);
  assert.is(await link.publish("from/me", Uint8Array.of(1), { qos: 1 }), false);
  assert.equal([lost, logins], [[], 1]);
  await broker.close();
});

test("closing before the first session, and between two attempts, ends as well", async () => {
  const broker = await startBroker();
  const { link: early } = open(broker);
  await early.close();
  await broker.close();
  const { link, lost } = open(broker);
  await eventually("a loss", () => lost.length >= 1);
  await link.close();
  await link.close();
  const { length } = lost;
  // Longer than the longest wait that was said.
  await new Promise((resolve) => setTimeout(resolve, 2 * Math.max(...lost.map(({ retryMs }) => retryMs))));
  assert.is(lost.length, length, "no further attempt");
});

test.run();
