// What the collector says of the heads that records name, against nodes that fail, lie, catch up, forget and change their mind; and
// that strangers cost nobody else anything.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import mqtt, { type IPublishPacket, type MqttClient } from "mqtt";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { fromHex, toHex } from "../../../firmware/bytes.js";
import { Rejection } from "../../../firmware/rejection.js";
import { Collector, type CollectorEvent, type CollectorOptions } from "../../../tools/collector/collector.js";
import { type Database, openPglite } from "../../../tools/collector/database.js";
import { exportVerdicts } from "../../../tools/collector/export.js";
import { headStateAt } from "../../../tools/collector/heads.js";
import { checkRecord } from "../../../tools/collector/intake.js";
import { HEAD_FOREIGN, HEAD_KNOWN, HEAD_ORPHANED } from "../../../tools/collector/schema.js";
import { type CheckedRecord, RecordStore } from "../../../tools/collector/store.js";
import { collectorText } from "../../../tools/commands/collect.js";
import { engine } from "../../../tools/crypto/engine.js";
import { KeyFile } from "../../../tools/crypto/key-file.js";
import { LocalBroker } from "../../../tools/mqtt/broker.js";
import { JsonRpc, RpcError } from "../../../tools/rpc/json-rpc.js";
import { eventually } from "./eventually.js";
import { type Failure, FakeNode } from "./fake-node.js";
import { FLEET, TestMote, type TestRecord } from "./records.js";

const CHAIN = "eip155:31337";
/** Short, so that what waits for the next question waits for nothing else. */
const SOON = { firstMs: 50, maxMs: 200 };
const test = suite("verdicts");
const folder = mkdtempSync(join(tmpdir(), "chainmote-verdicts-"));
const key = KeyFile.openOrCreate(join(folder, "collector.key"));
let node: FakeNode;
let broker: LocalBroker;
let database: Database;
let store: RecordStore;
let client: MqttClient;
let collector: Collector;
let events: CollectorEvent[] = [];
const watchers: MqttClient[] = [];

async function begin(more: Partial<CollectorOptions> = {}): Promise<void> {
  collector = new Collector({
    ...{ store, key, engine, mqtt: broker.url, rpc: node.url, chain: CHAIN, fleet: FLEET },
    ...{ settledDepth: 3, pollMs: 50, unknownRetry: SOON },
    onEvent: (event) => events.push(event),
    ...more,
  });
  await eventually("the connection", () => collector.connected && client.connected);
}

const hashOf = (number: number): Uint8Array => fromHex(node.blocks[number]?.hash ?? "") as Uint8Array;
const headAt = (number: number, hash = hashOf(number)) => ({ chain: CHAIN, number, hash });
const made = (fill: number): Uint8Array => new Uint8Array(32).fill(fill);

function send(mote: TestMote, ...records: readonly TestRecord[]): void {
  const topic = `motes/0x${toHex(mote.address)}/records`;
  for (const { sign1 } of records) client.publish(topic, Buffer.from(sign1), { qos: 1 });
}

const told = (name: CollectorEvent["event"], number: number): boolean =>
  events.some((event) => event.event === name && "number" in event && event.number === number);
const isVerified = (record: TestRecord): boolean =>
  events.some((event) => event.event === "verified" && event.digest === toHex(record.digest));

/** What is exported of each record's head. */
async function verdicts(): Promise<Map<string, { head: string; settled: boolean; number?: number; hash?: string }>> {
  const path = join(folder, "verdicts.jsonl");
  await exportVerdicts(store, path);
  const lines = readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line !== "");
  return new Map(lines.map((line) => JSON.parse(line)).map((verdict) => [verdict.digest, verdict]));
}

const headOf = async (record: TestRecord): Promise<string | undefined> => (await verdicts()).get(toHex(record.digest))?.head;

/** Somebody else who listens; ended with the test, however that ends. */
async function watch(
  filter: string,
  onMessage: (topic: string, payload: Uint8Array, packet: IPublishPacket) => void,
): Promise<void> {
  const watcher = mqtt.connect(broker.url);
  watchers.push(watcher);
  watcher.on("message", (topic, payload, packet) => onMessage(topic, new Uint8Array(payload), packet));
  await watcher.subscribeAsync(filter, { qos: 1 });
}

test.before(async () => {
  database = await openPglite();
  store = await RecordStore.open(database);
  broker = await LocalBroker.start();
  client = mqtt.connect(broker.url);
});
test.before.each(async () => {
  node = new FakeNode(20);
  await node.up();
  await database.query("TRUNCATE records, evidence, node_trail, measurements");
  events = [];
});
test.after.each(async () => {
  for (const watcher of watchers.splice(0)) await watcher.endAsync(true);
  await collector.close();
  await node.down();
});
test.after(async () => {
  await client.endAsync(true);
  await store.close();
  await broker.close();
  rmSync(folder, { recursive: true, force: true });
});

const FAILURES: readonly (readonly [string, Failure])[] = [
  ["an error of the node", { code: -32000, message: "header not found" }],
  ["no such method", { code: -32601, message: "the method does not exist" }],
  ["limit exceeded", { code: -32005, message: "limit exceeded" }],
  ["HTTP 403", { status: 403 }],
  ["HTTP 429", { status: 429, headers: { "retry-after": "0" } }],
  ["HTTP 503 around a null", { status: 503, body: '{"jsonrpc":"2.0","id":1,"result":null}' }],
  ["a closed socket", "closes"],
  [
    "another block",
    { result: { number: "0x1", hash: `0x${"ab".repeat(32)}`, parentHash: `0x${"ab".repeat(32)}`, timestamp: "0x1" } },
  ],
  ["no block at all", { result: "yes" }],
];
test("no failure of a method is an answer", async () => {
  await begin();
  const head = headAt(4, made(0xbb));
  const rpc = new JsonRpc(node.url);
  const state = (): Promise<number | undefined> =>
    headStateAt(rpc, CHAIN, head).catch((error: unknown) => {
      assert.instance(error, RpcError);
      return undefined;
    });
  assert.is(await state(), HEAD_FOREIGN);
  for (const method of ["eth_getBlockByHash", "eth_getBlockByNumber", "eth_syncing"])
    for (const [what, failure] of FAILURES) {
      if (method === "eth_syncing" && what === "no such method") continue; // a node that never catches up
      node.fails.set(method, failure);
      assert.is(await state(), undefined, `${method}: ${what}`);
      node.fails.clear();
    }
});

for (const [what, failure] of FAILURES.filter((_, i) => i % 3 === 0))
  test(`${what} is no answer: the head stays unknown, is asked for again, and others are not held up`, async () => {
    await begin();
    const [mote, other] = [new TestMote(), new TestMote()];
    node.fails.set("eth_getBlockByHash", failure);
    const forged = mote.next({ head: headAt(4, made(0xbb)) });
    node.reorganise(2, 7);
    const orphaned = mote.next({ head: headAt(18, fromHex(node.left[0]?.hash ?? "") as Uint8Array) });
    send(mote, forged, orphaned);
    await eventually("both unknown", () => told("head-unknown", 4) && told("head-unknown", 18));
    const honest = other.next({ head: headAt(5) });
    send(other, honest);
    await eventually("the honest one", () => isVerified(honest));
    assert.not.ok(told("head-foreign", 4) || told("head-orphaned", 18));
    assert.is(await headOf(forged), "unknown");
    node.fails.clear();
    await eventually("the answers", () => told("head-foreign", 4) && told("head-orphaned", 18));
    assert.equal([await headOf(forged), await headOf(orphaned)], ["foreign", "orphaned"]);
    const texts = ["head-unknown", "head-foreign", "head-orphaned"].map((name) =>
      collectorText(events.find((event) => event.event === name) as CollectorEvent),
    );
    assert.match(texts[0] as string, /is unknown/);
    assert.match(texts[1] as string, /is foreign/);
    assert.match(texts[2] as string, /is orphaned/);
  });

test("a node that fails at one height, or looks for a block without end, holds up nobody else", async () => {
  node.fails.set("eth_getBlockByHash", "hangs");
  await begin({ byHashTimeoutMs: 300, unknownRetry: { firstMs: 600_000, maxMs: 600_000 } });
  const [stranger, mote] = [new TestMote(), new TestMote()];
  send(stranger, ...Array.from({ length: 8 }, (_, i) => stranger.next({ head: headAt(3 + i, made(0xb0 + i)) })));
  await eventually("the question", () => node.calls.includes("eth_getBlockByHash"));
  const first = mote.next({ head: headAt(3) });
  send(mote, first);
  // One question is under way and ends after the client's own limit; the others are not asked meanwhile.
  await eventually("the honest one", () => isVerified(first));
  assert.is(node.calls.filter((method) => method === "eth_getBlockByHash").length, 1);
});

test("what a node that catches up does not know is not foreign; once it has caught up it says so twice, and that is settled", async () => {
  node.syncing = true;
  await begin();
  const mote = new TestMote();
  const record = mote.next({ head: headAt(4, made(0xbb)) });
  send(mote, record);
  await eventually("unknown", () => told("head-unknown", 4));
  node.syncing = false;
  await eventually("foreign", () => told("head-foreign", 4));
  assert.is((await verdicts()).get(toHex(record.digest))?.settled, false, "heard once");
  node.mine();
  await eventually("settled", async () => (await verdicts()).get(toHex(record.digest))?.settled);
  const asked = node.calls.filter((method) => method === "eth_getBlockByHash").length;
  node.mine();
  const after = mote.next({ head: headAt(21) });
  send(mote, after);
  await eventually("a later one", () => isVerified(after));
  assert.is(node.calls.filter((method) => method === "eth_getBlockByHash").length, asked, "not asked for ever");
});

test("verdicts of a node whose chain goes another way are judged again, settled ones too, and end as its chain is", async () => {
  await begin();
  const mote = new TestMote();
  const records = Array.from({ length: 12 }, (_, i) => mote.next({ head: headAt(8 + i) }));
  send(mote, ...records);
  await eventually("all verified", () => records.every(isVerified));
  await eventually("the older ones settled", async () => (await verdicts()).get(toHex(records[0]?.digest ?? made(0)))?.settled);
  // The partition heals: eight of its blocks are gone, more than the depth at which a verdict is settled.
  node.reorganise(8, 9);
  await eventually("the reorganisation", () => events.some((event) => event.event === "reorganised"));
  await eventually("rejudged", () => events.filter((event) => event.event === "rejudged").length === 8);
  const late = mote.next({ head: headAt(20) });
  send(mote, late);
  await eventually("the late one", () => isVerified(late));
  for (const { number = -1, hash, head } of (await verdicts()).values())
    assert.is(head, node.blocks[number]?.hash === hash ? "known" : "orphaned", `#${number}`);
  assert.is((await store.counts()).verified, 5);
  // And back, while no collector looked.
  await collector.close();
  node.blocks.splice(12);
  node.blocks.push(...node.left.splice(0));
  for (let i = 0; i < 4; i += 1) node.mine();
  events = [];
  await begin();
  await eventually(
    "judged again",
    () => events.filter((event) => event.event === "rejudged" && event.to === "known").length === 8,
  );
  await eventually("the late one orphaned or foreign", async () => ["foreign", "orphaned"].includes((await headOf(late)) ?? ""));
});

test("a node that is merely behind, or answers now with an older block, has not changed its mind", async () => {
  await begin();
  const mote = new TestMote();
  const records = Array.from({ length: 5 }, (_, i) => mote.next({ head: headAt(15 + i) }));
  send(mote, ...records);
  await eventually("all verified", () => records.every(isVerified));
  const newest = node.blocks.splice(17);
  const before = node.calls.length;
  await eventually("some looks", () => node.calls.length > before + 3);
  node.blocks.push(...newest);
  node.mine();
  const after = mote.next({ head: headAt(20) });
  send(mote, after);
  await eventually("the next one", () => isVerified(after));
  assert.not.ok(events.some((event) => event.event === "rejudged" || event.event === "reorganised"));
  assert.ok((await verdicts()).size === 6 && [...(await verdicts()).values()].every(({ head }) => head === "known"));
});

test("heads above the node's are not asked for, whoever names however many; they wait for the node", async () => {
  await begin();
  const strangers = Array.from({ length: 10 }, () => new TestMote());
  for (const [i, stranger] of strangers.entries())
    send(stranger, ...Array.from({ length: 20 }, (_, k) => stranger.next({ head: headAt(1_000_000 + 100 * i + k, made(k)) })));
  const mote = new TestMote();
  const honest = mote.next({ head: headAt(6) });
  const ahead = mote.next({ head: headAt(20, made(0)) });
  send(mote, honest, ahead);
  await eventually("the honest one", () => isVerified(honest));
  await eventually("all stored", async () => (await store.counts()).stored === 202);
  const looks = (): number => node.asked.filter((call) => call.includes("latest")).length;
  const before = looks();
  await eventually("three more looks", () => looks() >= before + 3);
  const heights = node.asked
    .filter((call) => call.startsWith("eth_getBlockByNumber 0x"))
    .map((call) => Number(call.split(" ")[1]));
  assert.ok(
    heights.every((height) => height < 20),
    `asked for ${Math.max(...heights)}`,
  );
  node.mine();
  await eventually("judged once the node is there", () => told("head-foreign", 20));
});

test("a mote that names many heads takes its turn with the others", async () => {
  const [stranger, mote] = [new TestMote(), new TestMote()];
  const flood = Array.from({ length: 200 }, (_, i) =>
    stranger.next({ head: headAt(1 + (i % 18), Uint8Array.from([i, ...made(9).slice(1)])) }),
  );
  const honest = mote.next({ head: headAt(7) });
  const checked = [...flood, honest].map(({ sign1 }) => checkRecord(engine, sign1) as CheckedRecord);
  await store.add(checked);
  await begin();
  await eventually("the honest one", () => isVerified(honest));
  // At most a few rounds of the stranger's share came before it.
  const before = events.findIndex((event) => event.event === "verified");
  assert.ok(events.slice(0, before).filter((event) => event.event === "head-foreign").length <= 8);
});

test("with a list of motes others are refused before anything is looked at, and get no answer", async () => {
  const [listed, stranger] = [new TestMote(), new TestMote()];
  const answered: string[] = [];
  await watch("motes/+/receipts", (topic) => answered.push(topic));
  await begin({ allow: new Set([toHex(listed.address)]) });
  const record = listed.next({ head: headAt(6) });
  send(stranger, stranger.next({ head: headAt(6) }), stranger.next({ fleet: { ...FLEET, chain: "eip155:1" } }));
  send(listed, record);
  await eventually("the receipt", () => answered.length > 0);
  assert.equal(answered, [`motes/0x${toHex(listed.address)}/receipts`]);
  await eventually("the listed one", () => isVerified(record));
  await eventually("the refusal", () => events.some((event) => event.event === "refused" && event.code === "mote-not-allowed"));
  assert.is((await store.counts()).stored, 1);
});

test("a mote known before the store was lost is linked from its first record here, and the gap is told, and closed", async () => {
  await begin({ gapAfterMs: 300 });
  const mote = new TestMote();
  mote.next();
  const [missing, a, b] = [mote.next(), mote.next({ head: headAt(6) }), mote.next({ head: headAt(7) })] as [
    TestRecord,
    TestRecord,
    TestRecord,
  ];
  send(mote, a, b);
  await eventually("both verified", () => isVerified(a) && isVerified(b));
  const gaps = events.filter((event) => event.event === "gap");
  assert.equal(
    gaps.map((event) => "seq" in event && event.seq),
    [2],
  );
  send(mote, missing);
  await eventually("closed", () => events.some((event) => event.event === "gap-closed" && event.seq === 2));
});

test("`latest` never goes back: motes that deliver while the store is read again, and a late record after a restart", async () => {
  const motes = Array.from({ length: 60 }, () => new TestMote());
  const [first, second] = [motes.map((mote) => mote.next()), motes.map((mote) => mote.next())];
  await store.add(first.map(({ sign1 }) => checkRecord(engine, sign1) as CheckedRecord));
  const seen = new Map<string, number[]>();
  await watch("motes/+/latest", (topic, payload, { retain }) => {
    if (retain) return; // what stood there when the subscription began: this broker sends it after what has come since
    const record = checkRecord(engine, payload);
    seen.set(topic, [...(seen.get(topic) ?? []), record instanceof Rejection ? -1 : record.fields.seq]);
  });
  await begin({
    onEvent(event) {
      events.push(event);
      if (event.event === "connected") for (const [i, mote] of motes.entries()) send(mote, second[i] as TestRecord);
    },
  });
  const stored = (): number => events.filter((event) => event.event === "stored").length;
  await eventually("all stored", () => stored() === motes.length);
  const topicOf = (mote: TestMote): string => `motes/0x${toHex(mote.address)}/latest`;
  await eventually("all out", () => motes.every((mote) => seen.get(topicOf(mote))?.includes(1)));
  await collector.close();
  // A collector that has just begun knows nobody; what it gets first is late.
  const late = motes.map((mote) => mote.make({ seq: 0, time: 1_900_000_000 }));
  events = [];
  await begin();
  for (const [i, mote] of motes.entries()) send(mote, late[i] as TestRecord);
  await eventually("all late ones stored", () => stored() === motes.length);
  await collector.close();
  for (const mote of motes) {
    const seqs = seen.get(topicOf(mote)) ?? [];
    assert.equal(seqs, [...seqs].sort(), "in order");
    assert.is(seqs.at(-1), 1);
  }
});

const BITCOIN = "bip122:0f9188f13cb7b2c71f2a335e3a4fc328";
const shown = (fill: number): string => toHex(made(fill));

test("Bitcoin: an error is an answer only where it says that there is no such block", async () => {
  await begin();
  const head = { chain: BITCOIN, number: 5, hash: made(5) };
  const state = (answers: Readonly<Record<string, unknown>>): Promise<number | undefined> =>
    headStateAt(
      {
        async call(method) {
          const answer = { getblockchaininfo: { initialblockdownload: false }, getblockhash: shown(6), ...answers }[method];
          if (answer instanceof Error) throw answer;
          return answer;
        },
      },
      BITCOIN,
      head,
    );
  const error = (code: number, message = "no"): RpcError => new RpcError(message, code);
  assert.is(await state({ getblockhash: shown(5) }), HEAD_KNOWN);
  assert.is(await state({ getblockheader: { height: 5, confirmations: -1 } }), HEAD_ORPHANED);
  assert.is(await state({ getblockheader: error(-5, "Block not found") }), HEAD_FOREIGN);
  for (const [what, answers] of Object.entries({
    "warming up": { getblockheader: error(-28) },
    "out of memory": { getblockheader: error(-7) },
    "an internal error": { getblockheader: error(-1, "Database error") },
    "no height": { getblockheader: {} },
    "it catches up": { getblockheader: error(-5), getblockchaininfo: { initialblockdownload: true } },
    "it does not say whether it catches up": { getblockheader: error(-5), getblockchaininfo: null },
    "no block at that height": { getblockhash: error(-8) },
    "a height that it does not show": { getblockhash: error(-28) },
  }))
    assert.is(
      await state(answers).catch((reason: unknown) => (reason instanceof RpcError ? undefined : reason)),
      undefined,
      what,
    );
});

test.run();
