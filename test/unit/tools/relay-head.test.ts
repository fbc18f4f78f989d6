// What the relay retains, against nodes whose auxiliary methods fail in every way, that count calls, that are behind or change their
// mind, and against others who publish to the same topic.

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import mqtt, { type MqttClient } from "mqtt";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import WebSocket from "ws";
import { equal } from "../../../firmware/bytes.js";
import { relayText } from "../../../tools/commands/relay.js";
import { HeaderSource, rebuildHeader } from "../../../tools/ethereum/raw-header.js";
import { LocalBroker } from "../../../tools/mqtt/broker.js";
import { HeadKeeper } from "../../../tools/relay/head-keeper.js";
import { Relay, type RelayEvent, type RelayOptions } from "../../../tools/relay/relay.js";
import { JsonRpc, RETRY_AFTER_MS_MAX, RpcError, retryAfterMs } from "../../../tools/rpc/json-rpc.js";
import { PollPace } from "../../../tools/rpc/pace.js";
import { BftChain } from "../../chains/bft-generator.js";
import { accounts, hexOf } from "../../chains/clique-generator.js";
import { WAIT_MS_MAX } from "../../patience.js";
import { eventually } from "./eventually.js";
import { type Failure, FakeNode } from "./fake-node.js";

const HEAD = "chains/eip155:31337/head";
const test = suite("relay head");
let node: FakeNode;
let broker: LocalBroker;
let client: MqttClient;
let relays: Relay[] = [];
let events: RelayEvent[] = [];
let heads: Uint8Array[] = [];

function begin(more: Partial<RelayOptions> = {}): Relay {
  const relay = new Relay({ rpc: node.url, mqtt: broker.url, pollMs: 50, onEvent: (event) => events.push(event), ...more });
  relays.push(relay);
  return relay;
}

const newest = (): Uint8Array => node.raw(node.blocks.length - 1);
const stands = (raw: Uint8Array): boolean => heads.length > 0 && equal(heads.at(-1) as Uint8Array, raw);
const happened = (name: RelayEvent["event"]): number => events.filter(({ event }) => event === name).length;

test.before.each(async () => {
  node = new FakeNode(10);
  await node.up();
  broker = await LocalBroker.start();
  [events, heads, relays] = [[], [], []];
  client = mqtt.connect(broker.url);
  client.on("message", (_topic, payload) => heads.push(new Uint8Array(payload)));
  await client.subscribeAsync(HEAD, { qos: 1 });
});
test.after.each(async () => {
  for (const relay of relays) await relay.close();
  await client.endAsync(true);
  await broker.close();
  await node.down();
});

const FAILURES: Readonly<Record<string, Failure>> = {
  "HTTP 403": { status: 403 },
  "HTTP 200 and HTML": { status: 200 },
  "HTTP 429 for an hour": { status: 429, headers: { "retry-after": "3600" } },
  "a redirection": { status: 302, headers: { location: "http://127.0.0.1:9/" } },
  "a closed socket": "closes",
  "no answer": "hangs",
  "-32601": { code: -32601 },
  "-32604": { code: -32604 },
  "-32000": { code: -32000 },
  "no hexadecimal": { result: "yes" },
  "another header": { result: `0x${"c0".repeat(20)}` },
  null: { result: null },
};
for (const [what, failure] of Object.entries(FAILURES))
  test(`debug_getRawHeader fails with ${what}: the header is rebuilt, and the method is left alone for a while`, async () => {
    node.fails.set("debug_getRawHeader", failure);
    begin();
    await eventually("the head", () => stands(newest()));
    node.mine();
    await eventually("the next head", () => stands(newest()));
    node.mine();
    await eventually("the third head", () => stands(newest()));
    // A read whose connection is gone is asked once more by another one.
    const asked = failure === "closes" ? 2 : 1;
    assert.is(node.calls.filter((method) => method === "debug_getRawHeader").length, asked);
    assert.is(happened("lost") + happened("hash-differs"), 0);
  });

test("the auxiliary method is asked again after a minute, then more seldom, and at once where nothing else will do", async () => {
  let nowMs = 0;
  const source = new HeaderSource(new JsonRpc(node.url), WAIT_MS_MAX, () => nowMs);
  const asked = (): number => node.calls.filter((method) => method === "debug_getRawHeader").length;
  node.fails.set("debug_getRawHeader", { status: 403 });
  for (const [atMs, calls] of [
    [0, 1],
    [40_000, 1],
    [61_000, 2],
    [100_000, 2],
    [190_000, 3],
  ] as const) {
    nowMs = atMs;
    assert.is((await source.header(3))?.rebuilt, true);
    assert.is(asked(), calls, `at ${atMs} ms`);
  }
  node.fails.clear();
  // A field that we do not know: the node's own bytes are needed, though it is not the method's time.
  const block = node.blocks[4] as { hash: string };
  node.fails.set("eth_getBlockByNumber", { result: { ...block, withdrawalsRoot: `0x${"12".repeat(32)}` } });
  const header = await source.header(4);
  assert.equal([header?.rebuilt, header?.hashed], [false, true]);
});

test("a redirected endpoint is refused in one message that says what to do, without the path", async () => {
  for (const status of [301, 302, 307, 308]) {
    node.fails.set("eth_chainId", { status, headers: { location: "https://other.example/v3/secret-key" } });
    const error = await new JsonRpc(node.url).call("eth_chainId").catch((reason: unknown) => reason);
    assert.instance(error, RpcError);
    assert.match(String(error), /redirects to https:\/\/other\.example \(HTTP 30\d\): give that one with --rpc/);
    assert.not.match(String(error), /secret/);
  }
  assert.is(node.calls.length, 4, "not followed");
});

test("Retry-After, in seconds or as a date, is kept to, within a bound", async () => {
  const now = Date.parse("2026-01-01T00:00:00Z");
  assert.is(retryAfterMs("7", now), 7000);
  assert.is(retryAfterMs("Thu, 01 Jan 2026 00:00:09 GMT", now), 9000);
  assert.is(retryAfterMs("Thu, 01 Jan 2015 00:00:09 GMT", now), 0);
  assert.is(retryAfterMs("999999999", now), RETRY_AFTER_MS_MAX);
  for (const nonsense of [null, "", "soon", "-5", "1e3", "99999999999999999999"])
    assert.is(retryAfterMs(nonsense, now), undefined);
  node.fails.set("eth_getBlockByNumber", { status: 429, headers: { "retry-after": "2" } });
  const beganMs = performance.now();
  begin();
  const lost = await eventually("the loss", () => events.find((event) => event.event === "lost"));
  assert.ok((lost as { retryMs: number }).retryMs >= 2000);
  node.fails.clear();
  await eventually("the head", () => stands(newest()));
  assert.ok(performance.now() - beganMs >= 1900, "not before its time");
  assert.is(node.calls.filter((method) => method === "eth_getBlockByNumber").length >= 2, true);
});

test("polling by need: a handful of questions a block, however long a block takes", () => {
  for (const periodS of [1, 2, 5, 12, 15]) {
    const pace = new PollPace();
    let [nowMs, calls, number] = [0, 0, 0];
    pace.changed(0, 0);
    let waitMs = pace.changed(1, periodS);
    for (number = 1; number < 50; ) {
      nowMs += waitMs;
      calls += 1;
      const at = Math.floor(nowMs / (periodS * 1000)) + 1;
      waitMs = at > number ? pace.changed(at, at * periodS) : pace.unchanged();
      number = Math.max(number, at);
    }
    assert.ok(calls / 49 <= Math.max(4, periodS / 4), `${calls / 49} a block of ${periodS} s`);
  }
  const idle = new PollPace();
  idle.changed(1, 0);
  idle.changed(2, 2);
  const waits = Array.from({ length: 20 }, () => idle.unchanged());
  assert.is(waits.at(-1), 2000, "ever more seldom");
  assert.is(new PollPace(77).changed(1, 1), 77);
});

test("the raw header is asked for once a block, not at every look", async () => {
  begin({ pollMs: 30 });
  for (let i = 0; i < 3; i += 1) {
    await eventually("the head", () => stands(newest()));
    const looks = node.calls.length;
    await eventually("more looks", () => node.calls.length > looks + 5);
    node.mine();
  }
  await eventually("the last head", () => stands(newest()));
  assert.is(node.calls.filter((method) => method === "debug_getRawHeader").length, 4);
});

test("calls of the node are as far apart as told", async () => {
  const rpc = new JsonRpc(node.url, { callsPerSecond: 20 });
  const beganMs = performance.now();
  await Promise.all(Array.from({ length: 11 }, () => rpc.call("eth_chainId")));
  assert.ok(performance.now() - beganMs >= 490);
});

test("a node that is behind takes nothing back; a chain that went another way does, and it is said", async () => {
  begin();
  await eventually("the head", () => stands(newest()));
  const before = newest();
  const kept = node.blocks.splice(7);
  await eventually("told", () => happened("behind") === 1);
  const looks = node.calls.length;
  await eventually("many looks", () => node.calls.length > looks + 20);
  assert.ok(stands(before));
  node.blocks.push(...kept);
  node.mine();
  await eventually("the next head", () => stands(newest()));
  assert.is(happened("reorganised"), 0);
  node.reorganise(3, 5, -1); // a shorter branch
  await eventually("the other branch", () => stands(newest()));
  assert.is(happened("reorganised"), 1);
  assert.match(relayText(events.find(({ event }) => event === "reorganised") as RelayEvent), /went another way/);
});

test("of two blocks of one height the lighter one is no news, unless the node stays with it", () => {
  const keeper = new HeadKeeper();
  const block = (number: number, fill: number, parent: number, total: bigint) => ({
    ...{ number, hash: new Uint8Array(32).fill(fill), parentHash: new Uint8Array(32).fill(parent), timeS: 0 },
    ...{ totalDifficulty: total, raw: new Uint8Array(1), rebuilt: false, hashed: true },
  });
  assert.is(keeper.offer(block(1, 1, 0, 2n)), "newer");
  assert.is(keeper.offer(block(2, 2, 1, 4n)), "newer");
  assert.is(keeper.offer(block(2, 3, 1, 3n)), "behind");
  assert.is(keeper.offer(block(2, 2, 1, 4n)), "same");
  assert.is(keeper.offer(block(2, 4, 1, 5n)), "reorganised");
  assert.is(keeper.offer(block(1, 1, 0, 2n)), "behind");
  assert.is(keeper.offer(block(0, 9, 8, 1n)), "behind");
  for (let i = 0; i < 6; i += 1) assert.is(keeper.offer(block(2, 5, 1, 4n)), "behind");
  assert.is(keeper.offer(block(2, 5, 1, 4n)), "reorganised");
  assert.is(keeper.offer(block(3, 7, 6, 6n)), "reorganised", "its parent is another block than the one before");
});

test("a block that was there before is no news, however long the node stays with it and whether or not it tells weights", () => {
  const keeper = new HeadKeeper();
  const block = (number: number, fill: number) => ({
    ...{ number, hash: new Uint8Array(32).fill(fill), parentHash: new Uint8Array(32).fill(fill - 1), timeS: 0 },
    ...{ raw: new Uint8Array(1), rebuilt: false, hashed: true },
  });
  for (const number of [4, 5, 6]) assert.is(keeper.offer(block(number, number)), "newer");
  for (let i = 0; i < 50; i += 1) assert.is(keeper.offer(block(5, 5)), "behind");
  assert.is(keeper.offer(block(5, 50)), "reorganised");
});

test("a forged head is replaced at once: noise, an old one, another of the same height, one far ahead, one that is next", async () => {
  begin();
  await eventually("the head", () => stands(newest()));
  const other = new FakeNode(10);
  other.reorganise(1, 3, 0);
  const far = rebuildHeader({ ...node.blocks[9], number: "0xffffff" }) as Uint8Array;
  const next = rebuildHeader({ ...node.blocks[9], number: "0xa", parentHash: node.blocks[9]?.hash }) as Uint8Array;
  for (const forged of [Uint8Array.of(1, 2, 3), node.raw(4), other.raw(9), far, next]) {
    const times = happened("put-back");
    await client.publishAsync(HEAD, Buffer.from(forged), { qos: 1, retain: true });
    await eventually("put back", () => happened("put-back") === times + 1 && stands(newest()));
  }
});

test("whoever floods the topic gets no flood in return", async () => {
  begin();
  await eventually("the head", () => stands(newest()));
  for (let i = 0; i < 200; i += 1) client.publish(HEAD, Buffer.from([i]), { qos: 1, retain: true });
  await eventually("put back", () => happened("put-back") >= 1 && stands(newest()));
  assert.ok(happened("put-back") <= 10, `${happened("put-back")} times`);
});

test("a relay that starts anew, on a node that catches up, leaves the newer head that is retained", async () => {
  const first = begin();
  await eventually("the head", () => stands(newest()));
  const kept = newest();
  await first.close();
  node.blocks.splice(5);
  node.syncing = true;
  begin({ name: "again" });
  await eventually("connected", () => happened("connected") >= 2);
  const looks = node.calls.length;
  await eventually("many looks", () => node.calls.length > looks + 20);
  assert.ok(stands(kept));
});

test("two relays of one chain, one of them a block ahead, do not take the head back", async () => {
  const behind = new FakeNode(10);
  await behind.up();
  node.mine();
  begin();
  await eventually("the head", () => stands(newest()));
  begin({ rpc: behind.url, onEvent: () => undefined });
  const looks = behind.calls.length;
  await eventually("some looks", () => behind.calls.length > looks + 20);
  behind.mine();
  await eventually("the same block", () => equal(behind.raw(10), newest()));
  assert.ok(
    heads.every((head) => equal(head, newest())),
    "nothing else was there",
  );
  await behind.down();
});

for (const kind of ["ibft", "ibft2", "qbft"] as const)
  test(`${kind}: the hash of a block is what its nodes make it, given or rebuilt`, async () => {
    const chain = new BftChain({ kind, validators: accounts(4), epoch: 20 });
    const blocks = chain.grow(chain.genesis, 3, () => ({}));
    const block = blocks[2] as (typeof blocks)[number];
    const { draft } = block;
    const { decodeHeader } = await import("../../../firmware/chain/ethereum/header.js");
    const { engine } = await import("../../../tools/crypto/engine.js");
    const header = decodeHeader(engine, block.raw);
    assert.ok("extraData" in header);
    const bytes = {
      ...{ parentHash: draft.parentHash, sha3Uncles: draft.ommersHash, miner: draft.coinbase, stateRoot: draft.stateRoot },
      ...{ transactionsRoot: draft.transactionsRoot, receiptsRoot: draft.receiptsRoot, logsBloom: draft.logsBloom },
      ...{ mixHash: draft.mixHash, nonce: draft.nonce, extraData: header.extraData, hash: block.hash },
    };
    const told = {
      ...Object.fromEntries(Object.entries(bytes).map(([name, value]) => [name, hexOf(value)])),
      ...{ difficulty: "0x1", gasLimit: "0x7a1200", gasUsed: "0x0", number: "0x3", timestamp: `0x${block.timeS.toString(16)}` },
    };
    for (const raw of [hexOf(block.raw), null]) {
      const rpc = { call: async (method: string) => (method === "eth_getBlockByNumber" ? told : raw) };
      const given = await new HeaderSource(rpc).header("latest");
      assert.equal([given?.hashed, given?.rebuilt], [true, raw === null]);
      assert.ok(equal(given?.raw ?? new Uint8Array(0), block.raw));
    }
  });

test("newHeads over WebSocket: the node says that there is a new block; where it stops saying so, polling goes on", async () => {
  const http = createServer();
  const server = new WebSocket.Server({ server: http });
  const sockets: WebSocket[] = [];
  server.on("connection", (socket) => {
    sockets.push(socket);
    socket.on("message", (data) => {
      const { id } = JSON.parse(String(data)) as { id: number };
      socket.send(JSON.stringify({ jsonrpc: "2.0", id, result: "0x1" }));
    });
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const relay = new Relay({
    ...{ rpc: node.url, mqtt: broker.url, ws: `ws://127.0.0.1:${(http.address() as AddressInfo).port}` },
    onEvent: (event) => events.push(event),
  });
  relays.push(relay);
  const tell = (): void => {
    for (const socket of sockets) socket.send(JSON.stringify({ jsonrpc: "2.0", method: "eth_subscription", params: {} }));
  };
  await eventually("the head", () => stands(newest()));
  await eventually("the subscription", () => sockets.length === 1);
  for (let i = 0; i < 3; i += 1) {
    node.mine();
    tell();
    await eventually("the next head", () => stands(newest()));
  }
  assert.ok(node.calls.filter((method) => method === "eth_getBlockByNumber").length <= 10, "asked when told");
  for (const socket of sockets) socket.terminate();
  server.close();
  await new Promise((resolve) => http.close(resolve));
  node.mine();
  await eventually("found by polling", () => stands(newest()));
});

test("a hash that is none by any known rule is told once, not at every block", async () => {
  node.lies = true;
  begin();
  await eventually("the head", () => heads.length > 0);
  node.mine();
  const before = heads.length;
  await eventually("another head", () => heads.length > before);
  assert.is(happened("hash-differs"), 1);
});

test.run();
