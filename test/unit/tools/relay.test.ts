// The relay against a made-up node and a real broker: what it publishes, what it answers and how much, and that it comes
// back when either side was away.

import fc from "fast-check";
import mqtt, { type MqttClient } from "mqtt";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { decodeReply, encodeRequest, type HeaderReply, type HeaderRequest } from "../../../firmware/bus/wire.js";
import { equal, toHex } from "../../../firmware/bytes.js";
import { Rejection } from "../../../firmware/rejection.js";
import { LocalBroker } from "../../../tools/mqtt/broker.js";
import { ALL_HEADERS, MOTE_HEADERS, Relay, type RelayEvent } from "../../../tools/relay/relay.js";
import { Buckets, TokenBucket } from "../../../tools/relay/token-bucket.js";
import { eventually } from "./eventually.js";
import { FakeNode } from "./fake-node.js";

const HEAD = "t/chains/eip155:31337/head";
const REQUESTS = "t/chains/eip155:31337/requests";
const node = new FakeNode(40);
let broker: LocalBroker;
let relay: Relay;
let client: MqttClient;
const events: RelayEvent[] = [];
let heads: Uint8Array[] = [];
const replies: { topic: string; bytes: Uint8Array }[] = [];
let requestId = 0;

function connect(): MqttClient {
  const client = mqtt.connect(broker.url, { reconnectPeriod: 200 });
  client.on("message", (topic, payload) => {
    if (topic === HEAD) heads.push(payload);
    else replies.push({ topic, bytes: payload });
  });
  client.subscribe([HEAD, "t/motes/+/replies"]);
  return client;
}

async function ask(to: Uint8Array, fields: Partial<HeaderRequest>, topic = REQUESTS): Promise<HeaderReply> {
  requestId += 1;
  const id = requestId;
  const request = { id, to, from: 0, count: 1, bytesMax: 4096, ...fields };
  client.publish(topic, Buffer.from(encodeRequest(request)));
  return eventually(`the reply to ${JSON.stringify(fields)}`, () => {
    for (const { topic, bytes } of replies) {
      const reply = decodeReply(bytes);
      if (reply instanceof Rejection || reply.id !== id) continue;
      assert.is(topic, `t/motes/0x${toHex(to)}/replies`);
      assert.ok(bytes.length <= request.bytesMax);
      return reply;
    }
    return undefined;
  });
}

test.before(async () => {
  await node.up();
  broker = await LocalBroker.start();
  relay = new Relay({ rpc: node.url, mqtt: broker.url, prefix: "t/", name: "north", onEvent: (event) => events.push(event) });
  client = connect();
});
test.after(async () => {
  await client.endAsync(true);
  await relay.close();
  await broker.close();
  await node.down();
});

test("the newest header is on the head topic, retained and raw, and follows the node", async () => {
  await eventually("the head", () => heads.some((head) => equal(head, node.raw(39))));
  node.mine();
  await eventually("the next head", () => heads.some((head) => equal(head, node.raw(40))));
  heads = [];
  const late = connect();
  await eventually("a head for who comes late", () => heads.some((head) => equal(head, node.raw(40))));
  await late.endAsync(true);
});

test("a request gets consecutive headers, within what it asks for", async () => {
  const mote = new Uint8Array(20).fill(1);
  const reply = await ask(mote, { from: 3, count: 4 });
  assert.is(reply.from, 3);
  assert.equal(
    reply.headers.map(toHex),
    [3, 4, 5, 6].map((number) => toHex(node.raw(number))),
  );
});

test("an answer fits bytesMax, whatever that is; beyond the head it is short or empty", async () => {
  const mote = new Uint8Array(20).fill(2);
  const size = node.raw(0).length;
  assert.is((await ask(mote, { count: 16, bytesMax: 4096 })).headers.length, Math.floor((4096 - 20) / (size + 3)));
  assert.is((await ask(mote, { count: 16, bytesMax: 2 * size + 30 })).headers.length, 2);
  assert.is((await ask(mote, { count: 16, bytesMax: 100 })).headers.length, 0);
  assert.is((await ask(mote, { from: 39, count: 16 })).headers.length, 2);
  assert.is((await ask(mote, { from: 41, count: 16 })).headers.length, 0);
  assert.is((await ask(mote, { from: Number.MAX_SAFE_INTEGER, count: 1 })).headers.length, 0);
});

test("one mote gets no more than its share, and others are not affected", async () => {
  const greedy = new Uint8Array(20).fill(3);
  const before = replies.length;
  for (let i = 0; i < 60; i += 1)
    client.publish(REQUESTS, Buffer.from(encodeRequest({ id: 1, to: greedy, from: 0, count: 16, bytesMax: 4096 })));
  await eventually("a refusal", () => events.some((event) => event.event === "refused" && event.code === "request-limit"));
  const other = await ask(new Uint8Array(20).fill(4), { from: 1, count: 2 });
  assert.is(other.headers.length, 2);
  const answered = replies.length - before - 1;
  assert.ok(answered >= MOTE_HEADERS.burst / 16 && answered < 60, `${answered} of 60 answered`);
});

test("a relay with a name is asked by it as well, and not by another's", async () => {
  const mote = new Uint8Array(20).fill(5);
  assert.is((await ask(mote, { from: 7, count: 1 }, `${REQUESTS}/north`)).headers.length, 1);
  const before = replies.length;
  const request = { id: 4_000_000_000, to: mote, from: 7, count: 1, bytesMax: 4096 };
  client.publish(`${REQUESTS}/south`, Buffer.from(encodeRequest(request)));
  await ask(mote, { from: 8, count: 1 });
  assert.is(replies.length, before + 1);
});

test("noise on the requests topic is refused and answered by nothing", async () => {
  const before = replies.length;
  const refused = (): number => events.filter((event) => event.event === "refused" && event.code === "request-malformed").length;
  const start = refused();
  const noise = fc.sample(fc.uint8Array({ maxLength: 300 }), 50);
  for (const bytes of noise) client.publish(REQUESTS, Buffer.from(bytes));
  client.publish(REQUESTS, Buffer.alloc(1 << 20, 0xa5));
  for (const fields of [{ count: 17 }, { count: 0 }, { bytesMax: 4097 }, { id: 0 }])
    client.publish(
      REQUESTS,
      Buffer.from(encodeRequest({ id: 1, to: new Uint8Array(20), from: 0, count: 1, bytesMax: 1, ...fields })),
    );
  await eventually("the refusals", () => refused() - start === noise.length + 5);
  assert.is(replies.length, before);
});

test("a node without debug_getRawHeader: the header is rebuilt, byte for byte", async () => {
  const other = new FakeNode(3);
  other.rawHeaders = false;
  await other.up();
  const seen: RelayEvent[] = [];
  const second = new Relay({ rpc: other.url, mqtt: broker.url, prefix: "r/", onEvent: (event) => seen.push(event) });
  const got: Uint8Array[] = [];
  const listener = mqtt.connect(broker.url);
  listener.on("message", (_topic, payload) => got.push(payload));
  listener.subscribe("r/chains/eip155:31337/head");
  await eventually("the head", () => got.some((head) => equal(head, other.raw(2))));
  assert.ok(seen.some((event) => event.event === "head" && event.rebuilt));
  other.mine();
  await eventually("the next head", () => got.some((head) => equal(head, other.raw(3))));
  assert.is(other.calls.filter((method) => method === "debug_getRawHeader").length, 1, "asked for once, then not again");
  await listener.endAsync(true);
  await second.close();
  await other.down();
});

test("a header whose Keccak is not the node's hash is passed on, and told", async () => {
  const other = new FakeNode(2);
  other.lies = true;
  await other.up();
  const seen: RelayEvent[] = [];
  const second = new Relay({ rpc: other.url, mqtt: broker.url, prefix: "l/", onEvent: (event) => seen.push(event) });
  const told = await eventually("the warning", () => seen.find((event) => event.event === "hash-differs"));
  assert.match((told as { detail: string }).detail, /is not the block's hash 0xeeee/);
  await second.close();
  await other.down();
});

test("node away and back, broker away and back: it goes on by itself, and retains the head again", async () => {
  await node.down();
  await eventually("the loss of the node", () => events.some((event) => event.event === "lost" && event.to === "node"));
  await node.up();
  node.mine();
  heads = [];
  await eventually("the head after the node's return", () => heads.some((head) => equal(head, node.raw(node.blocks.length - 1))));
  const { port } = broker;
  await broker.close();
  await eventually("the loss of the broker", () => events.some((event) => event.event === "lost" && event.to === "broker"));
  heads = [];
  broker = await LocalBroker.start(port);
  await eventually("the head on the new broker", () => heads.length > 0);
  assert.is((await ask(new Uint8Array(20).fill(9), { from: 5, count: 1 })).headers.length, 1);
});

test("a token bucket never gives more than burst and rate allow", () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ wanted: fc.integer({ min: 0, max: 40 }), afterMs: fc.integer({ min: 0, max: 3000 }) })),
      (takes) => {
        const limits = { burst: 30, perSecond: 5 };
        const bucket = new TokenBucket(limits, 0);
        let nowMs = 0;
        let given = 0;
        for (const { wanted, afterMs } of takes) {
          nowMs += afterMs;
          const got = bucket.take(wanted, nowMs);
          assert.ok(got >= 0 && got <= wanted);
          given += got;
          assert.ok(given <= limits.burst + (nowMs / 1000) * limits.perSecond + 1e-6);
        }
      },
    ),
  );
});

test("only so many motes are remembered, and those that asked last", () => {
  const buckets = new Buckets({ burst: 1, perSecond: 0 }, 3);
  for (const mote of ["a", "b", "c"]) assert.is(buckets.take(mote, 1, 0), 1);
  assert.is(buckets.take("a", 1, 0), 0);
  buckets.take("d", 1, 0);
  assert.is(buckets.size, 3);
  assert.is(buckets.take("a", 1, 0), 0, "a asked after b, so b was forgotten");
  assert.is(buckets.take("b", 1, 0), 1);
  assert.ok(ALL_HEADERS.burst > MOTE_HEADERS.burst);
});

test.run();
