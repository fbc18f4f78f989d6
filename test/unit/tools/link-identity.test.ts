// The tools' connection to a broker: no two put each other out, and one message that trips its handler harms nobody else.

import { type AddressInfo, createServer } from "node:net";
import { Aedes } from "aedes";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { BrokerLink } from "../../../tools/mqtt/link.js";
import { eventually } from "./eventually.js";

test("links of one role, be they of processes with one number, have identifiers of their own, which every broker takes", async () => {
  const names: string[] = [];
  const aedes = await Aedes.createBroker();
  aedes.on("client", ({ id }) => names.push(id));
  const server = createServer(aedes.handle);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const lost: string[] = [];
  const links = ["relay", "relay", "relay", "collector", "collector"].map(
    (role) =>
      new BrokerLink({
        ...{ url, role, subscriptions: [], onMessage: () => undefined, onFault: () => undefined },
        onLost: (reason) => lost.push(reason),
      }),
  );
  await eventually("all connected", () => links.every(({ connected }) => connected));
  // One that puts another out does so while it connects; the publish that follows goes out on a connection that stands.
  for (const link of links) assert.ok(await link.publish("t", new Uint8Array(1), { qos: 1 }));
  assert.equal(lost, []);
  assert.is(new Set(names).size, 5);
  for (const name of names) assert.match(name, /^(relay|collector)-[0-9a-f]{12}$/);
  assert.ok(names.every(({ length }) => length <= 23));
  for (const link of links) await link.close();
  await new Promise<void>((resolve) => aedes.close(() => resolve()));
  await new Promise((resolve) => server.close(resolve));
});

test("a message whose handler throws, at once or later, is told; those behind it are handled, and the link stands", async () => {
  const aedes = await Aedes.createBroker();
  const server = createServer(aedes.handle);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`;
  let acknowledged = 0;
  aedes.on("ack", () => {
    acknowledged += 1;
  });
  const faults: string[] = [];
  const handled: number[] = [];
  const lost: string[] = [];
  const link = new BrokerLink({
    ...{ url, role: "relay", subscriptions: ["t"] },
    async onMessage(_topic, [number]) {
      if (number === 1) throw new Error("at once");
      await Promise.resolve();
      if (number === 2) throw "no error at all";
      handled.push(number as number);
    },
    onFault: (topic, { message }) => faults.push(`${topic}: ${message}`),
    onLost: (reason) => lost.push(reason),
  });
  await eventually("the link", () => link.connected);
  for (let number = 0; number < 40; number += 1)
    assert.ok(await link.publish("t", Uint8Array.of(number % 4), { qos: number % 2 === 0 ? 1 : 0 }));
  await eventually("the last", () => handled.length === 20);
  assert.is(faults.length, 20);
  // What is not acknowledged comes again for ever, or fills the window of those under way.
  await eventually("every acknowledgement", () => acknowledged === 20);
  assert.equal([...new Set(faults)].sort(), ["t: at once", "t: no error at all"]);
  assert.equal(lost, []);
  await link.close();
  await new Promise<void>((resolve) => aedes.close(() => resolve()));
  await new Promise((resolve) => server.close(resolve));
});

test.run();
