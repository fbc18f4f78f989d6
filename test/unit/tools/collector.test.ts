// The collector with a real broker, PGlite in memory and a made-up node: receipts, `latest`, reordering, duplicates,
// equivocation, node, store and broker away, and what it refuses.

import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import mqtt, { type MqttClient } from "mqtt";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { equal, fromHex, toHex } from "../../../firmware/bytes.js";
import { verifySign1 } from "../../../firmware/record/cose.js";
import { decodeReceipt, isRefusal } from "../../../firmware/record/receipt.js";
import type { RecordHead } from "../../../firmware/record/record.js";
import { Rejection } from "../../../firmware/rejection.js";
import { Collector, type CollectorEvent, type CollectorOptions } from "../../../tools/collector/collector.js";
import { type Database, openPglite } from "../../../tools/collector/database.js";
import { exportRecords } from "../../../tools/collector/export.js";
import { RecordStore } from "../../../tools/collector/store.js";
import { engine } from "../../../tools/crypto/engine.js";
import { KeyFile } from "../../../tools/crypto/key-file.js";
import { LocalBroker } from "../../../tools/mqtt/broker.js";
import { readInput } from "../../../tools/verify/input.js";
import { Judge } from "../../../tools/verify/judge.js";
import { pieces } from "../../../tools/verify/sequence.js";
import { eventually } from "./eventually.js";
import { FakeNode } from "./fake-node.js";
import { FLEET, TestMote, type TestRecord } from "./records.js";

const folder = mkdtempSync(join(tmpdir(), "chainmote-collector-"));
const key = KeyFile.openOrCreate(join(folder, "collector.key"));
const node = new FakeNode(20);
const events: CollectorEvent[] = [];
const receipts: { topic: string; bytes: Uint8Array }[] = [];
const latest = new Map<string, string[]>();
let database: Database;
let store: RecordStore;
let broker: LocalBroker;
let collector: Collector;
let client: MqttClient;
let storeFails = false;

function begin(more: Partial<CollectorOptions> = {}): Collector {
  return new Collector({
    ...{ store, key, engine, mqtt: broker.url, rpc: node.url, chain: "eip155:31337", fleet: FLEET },
    onEvent: (event) => events.push(event),
    ...more,
  });
}

function connect(): MqttClient {
  const client = mqtt.connect(broker.url, { reconnectPeriod: 200 });
  client.on("message", (topic, payload) => {
    if (topic.endsWith("/receipts")) receipts.push({ topic, bytes: payload });
    else latest.set(topic, [...(latest.get(topic) ?? []), toHex(payload)]);
  });
  client.subscribe(["motes/+/receipts", "motes/+/latest"], { qos: 1 });
  return client;
}

const address = (mote: TestMote): string => `0x${toHex(mote.address)}`;

function send(mote: TestMote, ...records: readonly (TestRecord | Uint8Array)[]): void {
  for (const record of records)
    client.publish(`motes/${address(mote)}/records`, Buffer.from(record instanceof Uint8Array ? record : record.sign1), {
      qos: 1,
    });
}

function headAt(number: number): RecordHead {
  return { chain: "eip155:31337", number, hash: fromHex(node.blocks[number]?.hash ?? "") as Uint8Array };
}

/** How many receipts came that name this record and hold. */
function receiptsFor(mote: TestMote, record: TestRecord): number {
  return receipts.filter(({ topic, bytes }) => {
    if (topic !== `motes/${address(mote)}/receipts`) return false;
    const signed = verifySign1(engine, bytes);
    if (signed instanceof Rejection || !equal(signed.kid, key.address)) return false;
    const receipt = decodeReceipt(signed.payload);
    if (receipt instanceof Rejection) return false;
    const { seq, stream } = record.fields;
    return (
      equal(receipt.digest, record.digest) &&
      equal(receipt.mote, mote.address) &&
      receipt.seq === seq &&
      receipt.stream === stream
    );
  }).length;
}

const isVerified = (record: TestRecord): boolean =>
  events.filter((event) => event.event === "verified" && event.digest === toHex(record.digest)).length === 1;
const lastRefusal = (code: string): boolean => events.some((event) => event.event === "refused" && event.code === code);

test.before(async () => {
  await node.up();
  broker = await LocalBroker.start();
  const inner = await openPglite();
  database = {
    ...inner,
    transaction: (work) => (storeFails ? Promise.reject(new Error("the store is away")) : inner.transaction(work)),
  };
  store = await RecordStore.open(database);
  client = connect();
  collector = begin();
  await eventually("the connection", () => collector.connected && client.connected);
});
test.after(async () => {
  await client.endAsync(true);
  await collector.close();
  await store.close();
  await broker.close();
  await node.down();
  rmSync(folder, { recursive: true, force: true });
});

test("a record is stored, verified against the node, and answered with a receipt that holds", async () => {
  const mote = new TestMote();
  const record = mote.next({ head: headAt(5) });
  send(mote, record);
  await eventually("the receipt", () => receiptsFor(mote, record) === 1);
  await eventually("the verification", () => isVerified(record));
  assert.is(statSync(join(folder, "collector.key")).mode & 0o777, 0o600);
});

test("delivered again, it is not stored again, and its mote gets the receipt again", async () => {
  const mote = new TestMote();
  const record = mote.next({ head: headAt(5) });
  send(mote, record, record);
  await eventually("a receipt", () => receiptsFor(mote, record) >= 1);
  send(mote, record);
  await eventually("another receipt", () => receiptsFor(mote, record) >= 2);
  const stored = events.filter((event) => event.event === "stored" && event.digest === toHex(record.digest) && !event.duplicate);
  assert.is(stored.length, 1);
});

test("delivered in any order, all are stored at once and verified once the chain is whole", async () => {
  const mote = new TestMote();
  const records = Array.from({ length: 6 }, (_, i) => mote.next({ head: headAt(5 + i) }));
  const order = [3, 5, 1, 4, 2];
  send(mote, ...order.map((i) => records[i] as TestRecord));
  await eventually("the receipts", () => order.every((i) => receiptsFor(mote, records[i] as TestRecord) === 1));
  assert.not.ok(records.some(isVerified), "the first is missing");
  send(mote, records[0] as TestRecord);
  await eventually("all verified", () => records.every(isVerified));
});

test("`latest` moves forward only, and is there again after the broker lost it", async () => {
  const mote = new TestMote();
  const [a, b, c] = [mote.next(), mote.next(), mote.next()] as [TestRecord, TestRecord, TestRecord];
  const topic = `motes/${address(mote)}/latest`;
  send(mote, a, c);
  await eventually("c on latest", () => latest.get(topic)?.at(-1) === toHex(c.sign1));
  send(mote, b);
  await eventually("b's receipt", () => receiptsFor(mote, b) === 1);
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.is(latest.get(topic)?.at(-1), toHex(c.sign1));
  assert.not.ok(latest.get(topic)?.includes(toHex(b.sign1)));
  const { port } = broker;
  await broker.close();
  latest.clear();
  broker = await LocalBroker.start(port);
  await eventually("c retained on the new broker", () => latest.get(topic)?.at(-1) === toHex(c.sign1));
});

test("two payloads for one seq are both stored, answered, and kept as evidence", async () => {
  const mote = new TestMote();
  const record = mote.next();
  const twin = mote.make({ seq: 0, prev: new Uint8Array(32), time: 1_900_000_000 });
  send(mote, record, twin);
  await eventually("both receipts", () => receiptsFor(mote, record) === 1 && receiptsFor(mote, twin) === 1);
  const evidence = await eventually("the evidence", () =>
    events.find((event) => event.event === "evidence" && event.a.mote === address(mote)),
  );
  assert.is((evidence as { kind: string }).kind, "equivocation");
});

test("what does not hold is refused with its reason and gets no receipt", async () => {
  const [mote, other] = [new TestMote(), new TestMote()];
  const bent = mote.next().sign1.slice();
  bent[bent.length - 5] = (bent[bent.length - 5] as number) ^ 1;
  send(
    mote,
    bent,
    other.next(),
    mote.make({ fleet: { ...FLEET, chain: "eip155:1" } }).sign1,
    new Uint8Array(0),
    new Uint8Array(1 << 20),
  );
  client.publish("motes/0xZZ/records", "x", { qos: 1 });
  for (const code of [
    "signature-invalid",
    "address-foreign",
    "fleet-foreign",
    "cose-malformed",
    "cose-too-long",
    "topic-malformed",
  ])
    await eventually(code, () => lastRefusal(code));
  // What is refused for good is answered, by a refusal and nothing else (refusals.test.ts); never the mote that did not send it.
  const payloads = (to: TestMote): Uint8Array[] =>
    receipts
      .filter(({ topic }) => topic === `motes/${address(to)}/receipts`)
      .map(({ bytes }) => (verifySign1(engine, bytes) as { payload: Uint8Array }).payload);
  await eventually("three refusals", () => payloads(mote).length === 3);
  assert.ok(payloads(mote).every((payload) => isRefusal(payload) && decodeReceipt(payload) instanceof Rejection));
  assert.equal(payloads(other), []);
});

test("a head that the node does not know is told and never verified; one that is ahead of the node waits for it", async () => {
  const mote = new TestMote();
  const foreign = mote.next({ head: { ...headAt(3), hash: new Uint8Array(32).fill(0xbb) } });
  const future: FakeNode = new FakeNode(node.blocks.length + 2);
  const ahead = mote.next({
    head: {
      chain: "eip155:31337",
      number: node.blocks.length + 1,
      hash: fromHex(future.blocks.at(-1)?.hash ?? "") as Uint8Array,
    },
  });
  send(mote, foreign, ahead);
  await eventually("the warning", () => events.some((event) => event.event === "head-foreign" && event.number === 3));
  await eventually("the receipt", () => receiptsFor(mote, ahead) === 1);
  assert.not.ok(isVerified(ahead));
  node.mine();
  node.mine();
  await eventually("verified once the node is there", () => isVerified(ahead));
  assert.not.ok(isVerified(foreign));
});

test("node down: records are stored and answered; back: they are verified", async () => {
  const mote = new TestMote();
  await node.down();
  const record = mote.next({ head: headAt(11) });
  send(mote, record);
  await eventually("the receipt", () => receiptsFor(mote, record) === 1);
  await eventually("the loss", () => events.some((event) => event.event === "lost" && event.to === "node"));
  assert.not.ok(isVerified(record));
  await node.up();
  await eventually("the verification", () => isVerified(record));
});

test("store down: no receipt for what is not stored; back: all is stored", async () => {
  const mote = new TestMote();
  storeFails = true;
  const records = Array.from({ length: 4 }, () => mote.next({ head: headAt(7) }));
  send(mote, ...records);
  await eventually("the loss", () => events.some((event) => event.event === "lost" && event.to === "store"));
  assert.is(records.filter((record) => receiptsFor(mote, record) > 0).length, 0);
  storeFails = false;
  await eventually("the receipts", () => records.every((record) => receiptsFor(mote, record) === 1));
});

test("with a limit it stores so many new records and leaves the rest to their motes", async () => {
  await collector.close();
  const mote = new TestMote();
  const records = Array.from({ length: 5 }, () => mote.next({ head: headAt(8) }));
  collector = begin({ recordsMax: 3 });
  await eventually("the connection", () => collector.connected);
  send(mote, ...records);
  await eventually("three receipts", () => records.filter((record) => receiptsFor(mote, record) === 1).length === 3);
  send(mote, records[0] as TestRecord);
  await eventually("a duplicate's receipt", () => receiptsFor(mote, records[0] as TestRecord) === 2);
  assert.equal(
    records.map((record) => receiptsFor(mote, record) > 0),
    [true, true, true, false, false],
  );
});

test("the export is a sequence in order that verifies, but for what a mote did wrong", async () => {
  const path = join(folder, "records.cborseq");
  const count = await exportRecords(store, path);
  const judge = new Judge(engine);
  const verdicts = [...pieces(readInput(path))].map((piece) => judge.judge(piece));
  assert.is(verdicts.length, count);
  assert.is((await store.counts()).stored, count);
  const faults = verdicts.filter((verdict) => verdict.fault !== undefined).map((verdict) => verdict.fault?.code);
  assert.equal(faults, ["equivocation"]);
});

test.run();
