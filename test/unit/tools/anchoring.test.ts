// The collector's anchors on a real EVM, broker and store: which records a leaf stands for, what a mote is sent and may ask, reorganisations,
// ends at any moment, and stores that are another tree's.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import mqtt, { type MqttClient } from "mqtt";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { toHex } from "../../../firmware/bytes.js";
import { type AnchorMessage, decodeAnchorMessage, encodeAnchorQuestion } from "../../../firmware/ledger/anchor-wire.js";
import { verifyAnchorReceipt } from "../../../firmware/record/anchor-receipt.js";
import { Rejection } from "../../../firmware/rejection.js";
import { Collector, type CollectorEvent } from "../../../tools/collector/collector.js";
import { type Database, openPglite } from "../../../tools/collector/database.js";
import { RecordStore } from "../../../tools/collector/store.js";
import { anchoredSize, deployAnchor, openAnchor } from "../../../tools/contracts/anchor.js";
import { engine } from "../../../tools/crypto/engine.js";
import { KeyFile } from "../../../tools/crypto/key-file.js";
import { LocalBroker } from "../../../tools/mqtt/broker.js";
import { Anvil, signerOf } from "../../contracts/anvil.js";
import { pause } from "../../patience.js";
import { eventually } from "./eventually.js";
import { FLEET, TestMote, type TestRecord } from "./records.js";

const folder = mkdtempSync(join(tmpdir(), "chainmote-anchoring-"));
const key = KeyFile.openOrCreate(join(folder, "collector.key"));
const anvil = await Anvil.start();
const onAnvil = anvil === undefined ? test.skip : test;
const events: CollectorEvent[] = [];
const messages: (AnchorMessage & { readonly topic: string })[] = [];
let database: Database;
let store: RecordStore;
let broker: LocalBroker;
let client: MqttClient;
let collector: Collector;
let contract: Uint8Array;
let head: { chain: string; number: number; hash: Uint8Array };

function begin(more: { settledDepth?: number; contract?: Uint8Array; key?: KeyFile } = {}): Collector {
  return new Collector({
    ...{ store, key: more.key ?? key, engine, mqtt: broker.url, rpc: rpcUrl, chain: "eip155:31337", fleet: FLEET },
    ...{ settledDepth: more.settledDepth ?? 1, pollMs: 50, gapAfterMs: 0 },
    anchoring: { contract: more.contract ?? contract, intervalMs: 50 },
    onEvent: (event) => events.push(event),
  });
}
let rpcUrl = "";

const topicOf = (mote: TestMote, last: string): string => `motes/0x${toHex(mote.address)}/${last}`;
const send = (mote: TestMote, ...records: readonly TestRecord[]): void => {
  for (const record of records) client.publish(topicOf(mote, "records"), Buffer.from(record.sign1), { qos: 1 });
};
const toldOf = (mote: TestMote): Extract<CollectorEvent, { event: "anchored" }>[] =>
  events.filter((event) => event.event === "anchored" && event.mote === `0x${toHex(mote.address)}`) as never;
/** Blocks are made as long as `condition` does not hold. */
async function mined<T>(what: string, condition: () => T | undefined | Promise<T | undefined>): Promise<T> {
  return eventually(what, async () => {
    await anvil?.mine(1);
    await pause(100); // so that the collector keeps up with the chain
    return condition();
  });
}

test.before(async () => {
  if (anvil === undefined) return;
  const account = await anvil.account(signerOf("who deploys"));
  await anvil.account(key);
  contract = (await deployAnchor(account)).address;
  const block = (await anvil.rpc.call("eth_getBlockByNumber", "latest", false)) as { number: string; hash: string };
  head = { chain: "eip155:31337", number: Number(block.number), hash: Uint8Array.from(Buffer.from(block.hash.slice(2), "hex")) };
  rpcUrl = anvil.url;
  database = await openPglite();
  store = await RecordStore.open(database);
  broker = await LocalBroker.start();
  client = mqtt.connect(broker.url);
  client.on("message", (topic, payload) => {
    const message = decodeAnchorMessage(new Uint8Array(payload));
    if (!(message instanceof Rejection)) messages.push({ ...message, topic });
  });
  client.subscribe("motes/+/anchors", { qos: 1 });
  collector = begin();
  await eventually("connected", () => collector.connected || undefined);
});
test.after(async () => {
  await collector?.close();
  await client?.endAsync(true);
  await broker?.close();
  await store?.close();
  await anvil?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const mote = new TestMote();
const made: TestRecord[] = [];

onAnvil("a mote's newest verified record is the leaf for all before it, and its receipt holds", async () => {
  for (let i = 0; i < 5; i += 1) made.push(mote.next({ seq: i + 1, head }));
  send(mote, ...made);
  await mined("all five have a leaf that is settled", async () =>
    (await store.anchors.counts()).covered === 5 && toldOf(mote).some(({ seq }) => seq === 5) ? true : undefined,
  );
  const message = await eventually("its receipt", () =>
    messages.find(({ topic, seq }) => topic === topicOf(mote, "anchors") && seq === 5),
  );
  const verified = verifyAnchorReceipt(engine, message.receipt, (made[4] as TestRecord).digest);
  assert.not.instance(verified, Rejection, String(verified));
  assert.is(toHex((verified as { kid: Uint8Array }).kid), toHex(key.address));
  assert.ok(toldOf(mote).length <= 5);
});

onAnvil(
  "a mote that asks for any of its records gets the receipt of its leaf; another mote, or of what is not anchored, nothing",
  async () => {
    messages.length = 0;
    const ask = (of: TestMote, digest: Uint8Array): void =>
      void client.publish(topicOf(of, "unanchored"), Buffer.from(encodeAnchorQuestion(digest)));
    ask(new TestMote(), (made[0] as TestRecord).digest);
    ask(mote, new Uint8Array(32).fill(1));
    client.publish(topicOf(mote, "unanchored"), Buffer.from("no question"));
    ask(mote, (made[0] as TestRecord).digest);
    const message = await eventually("a receipt", () => messages[0]);
    const leaf = made.find(({ fields }) => fields.seq === message.seq) as TestRecord;
    assert.not.instance(verifyAnchorReceipt(engine, message.receipt, leaf.digest), Rejection);
    await pause(200);
    assert.is(messages.length, 1);
    assert.ok(events.some((event) => event.event === "refused" && event.code === "request-malformed"));
    const next = mote.next({ head });
    made.push(next);
    send(mote, next);
    await eventually("what comes behind a question", () =>
      events.some((event) => event.event === "stored" && event.digest === toHex(next.digest)),
    );
    assert.not.ok(
      events.some((event) => event.event === "lost" && event.to === "broker"),
      "the answer holds up nothing",
    );
  },
);

onAnvil("streams, forks and records behind a gap each have a leaf; nothing verified is left out", async () => {
  const other = new TestMote();
  const [a, b] = [other.next({ seq: 1, head }), other.next({ seq: 2, head })];
  const fork = other.make({ seq: 2, prev: a.digest, boot: 7, head });
  const behind = other.make({ seq: 9, prev: new Uint8Array(32).fill(3), head });
  const begun = other.make({ seq: 10, stream: 1, prev: new Uint8Array(32), head });
  send(other, a, b, fork, behind, begun);
  await mined("each of them has a leaf", async () => {
    const leaves = await Promise.all(
      [a, b, fork, behind, begun].map(({ digest }) => store.anchors.leafOf(other.address, digest)),
    );
    return leaves.every((leaf) => leaf !== undefined) ? true : undefined;
  });
  await mined("and their receipts", () => (toldOf(other).length >= 4 ? true : undefined));
});

onAnvil("a record whose head the node does not have is anchored by nobody's word", async () => {
  const stranger = new TestMote();
  const record = stranger.next({ seq: 1, head: { ...head, hash: new Uint8Array(32).fill(0xee) } });
  send(stranger, record);
  await eventually(
    "it is stored",
    () => events.some((event) => event.event === "stored" && event.mote === `0x${toHex(stranger.address)}`) || undefined,
  );
  for (let i = 0; i < 5; i += 1) {
    await anvil?.mine(1);
    await pause(100);
  }
  assert.is(await store.anchors.leafOf(stranger.address, record.digest), undefined);
});

onAnvil("an anchor that a reorganisation takes is made again, of the same leaves", async () => {
  const rpc = (anvil as Anvil).rpc;
  const anchors = openAnchor(rpc, contract);
  const before = await anchoredSize(anchors, key.address);
  const snapshot = await rpc.call("evm_snapshot");
  const record = mote.next({ head });
  send(mote, record);
  await mined("it is anchored", async () => ((await anchoredSize(anchors, key.address)) > before ? true : undefined));
  const told = await mined("and settled", () => toldOf(mote).find(({ digest }) => digest === toHex(record.digest)));
  await rpc.call("evm_revert", snapshot);
  assert.is(await anchoredSize(anchors, key.address), before);
  await mined("again", async () => ((await anchoredSize(anchors, key.address)) >= told.size ? true : undefined));
  assert.ok(events.some((event) => event.event === "anchor-gone"));
  // The contract has it before the collector knows and says so.
  const roots = await mined("said twice", () => {
    const said = events.filter((event) => event.event === "anchor" && event.size === told.size) as { root: string }[];
    return said.length >= 2 ? said : undefined;
  });
  assert.ok(
    roots.every(({ root }) => root === told.root),
    "the same root",
  );
  messages.length = 0;
  await mined("who asks gets the same receipt", () => {
    client.publish(topicOf(mote, "unanchored"), Buffer.from(encodeAnchorQuestion(record.digest)));
    return messages.find(({ receipt }) => toHex(receipt) === told.receipt);
  });
});

onAnvil("ended at any moment it goes on: no leaf is lost, none is there twice", async () => {
  const sent: TestRecord[] = [];
  for (let round = 0; round < 6; round += 1) {
    const record = mote.next({ head });
    sent.push(record);
    send(mote, record);
    await pause(40 * round);
    await anvil?.mine(1);
    await collector.close();
    collector = begin();
    await eventually("connected", () => collector.connected || undefined);
    send(mote, record);
  }
  await mined("all have leaves, told", async () => {
    const leaves = await Promise.all(sent.map(({ digest }) => store.anchors.leafOf(mote.address, digest)));
    // What reached a collector that was ending is nowhere: a mote sends again what it has no receipt for.
    send(mote, ...sent.filter((_, i) => leaves[i] === undefined));
    const told = new Set(toldOf(mote).map(({ leaf }) => leaf));
    return leaves.every((leaf) => leaf !== undefined && told.has(leaf)) ? true : undefined;
  });
  const leaves: string[] = [];
  for await (const leaf of store.anchors.leaves()) leaves.push(toHex(leaf));
  assert.is(new Set(leaves).size, leaves.length);
});

onAnvil("a store without the leaves that the contract has, and one of another contract, anchor nothing and say so", async () => {
  await collector.close();
  const fresh = await RecordStore.open(await openPglite());
  const held = store;
  store = fresh;
  events.length = 0;
  const lost = begin();
  await eventually("it says so", () =>
    events.find((event) => event.event === "lost" && /the store has not: put the store back/.test(event.reason)),
  );
  await lost.close();
  await fresh.close();
  store = held;
  const wrong = begin({ contract: new Uint8Array(20).fill(9) });
  await eventually("it says whose tree it is", () =>
    events.find((event) => event.event === "lost" && /the store holds the tree that/.test(event.reason)),
  );
  await wrong.close();
  collector = begin();
});

test.run();
