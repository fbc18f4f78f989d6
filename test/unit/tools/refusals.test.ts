// The collector's signed refusals: for what is final and nothing else, of the very message that came, within a quota; over a
// real broker. What the mote makes of them: test/sim/refused-records.test.ts.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import mqtt, { type MqttClient } from "mqtt";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { equal, toHex } from "../../../firmware/bytes.js";
import { encode } from "../../../firmware/codec/cbor.js";
import { verifySign1 } from "../../../firmware/record/cose.js";
import { decodeRefusal, isRefusal, REFUSED } from "../../../firmware/record/receipt.js";
import { Rejection } from "../../../firmware/rejection.js";
import { Collector } from "../../../tools/collector/collector.js";
import { openPglite } from "../../../tools/collector/database.js";
import { QUOTA, QUOTA_PER_MOTE, Refusals, reasonOf } from "../../../tools/collector/refusals.js";
import { RecordStore } from "../../../tools/collector/store.js";
import { engine } from "../../../tools/crypto/engine.js";
import { KeyFile } from "../../../tools/crypto/key-file.js";
import { LocalBroker } from "../../../tools/mqtt/broker.js";
import { signed, testKey } from "../record/signing.js";
import { eventually } from "./eventually.js";
import { FakeNode } from "./fake-node.js";
import { FLEET, TestMote } from "./records.js";

const folder = mkdtempSync(join(tmpdir(), "chainmote-refusals-"));
const key = KeyFile.openOrCreate(join(folder, "collector.key"));
const node = new FakeNode(20);
const answers: { topic: string; bytes: Uint8Array }[] = [];
const refused: string[] = [];
let store: RecordStore;
let broker: LocalBroker;
let collector: Collector;
let client: MqttClient;

test.before(async () => {
  await node.up();
  broker = await LocalBroker.start();
  store = await RecordStore.open(await openPglite());
  client = mqtt.connect(broker.url, { reconnectPeriod: 200 });
  client.on("message", (topic, payload) => answers.push({ topic, bytes: new Uint8Array(payload) }));
  client.subscribe("motes/+/receipts", { qos: 1 });
  collector = new Collector({
    ...{ store, key, engine, mqtt: broker.url, rpc: node.url, chain: "eip155:31337", fleet: FLEET },
    onEvent: (event) => {
      if (event.event === "refused") refused.push(event.code);
    },
  });
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

function send(address: Uint8Array, message: Uint8Array): void {
  client.publish(`motes/0x${toHex(address)}/records`, Buffer.from(message), { qos: 1 });
}

/** The refusals that came for a mote and hold. */
function refusalsFor(address: Uint8Array) {
  return answers.flatMap(({ topic, bytes }) => {
    if (topic !== `motes/0x${toHex(address)}/receipts`) return [];
    const verified = verifySign1(engine, bytes);
    if (verified instanceof Rejection || !equal(verified.kid, key.address) || !isRefusal(verified.payload)) return [];
    const refusal = decodeRefusal(verified.payload);
    return refusal instanceof Rejection ? [] : [refusal];
  });
}

function bent(message: Uint8Array): Uint8Array {
  const bytes = message.slice();
  bytes[bytes.length - 20] = (bytes[bytes.length - 20] as number) ^ 1;
  return bytes;
}

test("what is final is refused under its reason, the message named byte for byte; what is stored, and what has no place, is not", async () => {
  const mote = new TestMote();
  const other = new TestMote();
  const author = testKey("a mote of another version");
  const good = mote.next();
  const foreign = mote.next({ fleet: { ...FLEET, chain: "eip155:1" } });
  const later = signed(
    author,
    encode(
      new Map([
        [0, 10],
        [1, 7],
        [10, 3],
      ]),
    ),
  );
  const unfinished = signed(
    author,
    encode(
      new Map([
        [0, 1],
        [1, 8],
        [10, 3],
      ]),
    ),
  );
  const nameless = signed(
    author,
    encode(
      new Map([
        [0, 10],
        [1, 7],
      ]),
    ),
  );
  const cases: readonly (readonly [address: Uint8Array, message: Uint8Array, reason: number | undefined])[] = [
    [mote.address, good.sign1, undefined],
    [mote.address, foreign.sign1, REFUSED.fleet],
    [mote.address, bent(good.sign1), REFUSED.signature],
    [mote.address, other.next().sign1, REFUSED.address],
    [author.address, later, REFUSED.version],
    [author.address, unfinished, REFUSED.form],
    [author.address, nameless, undefined],
    [author.address, good.sign1.subarray(0, 100), undefined],
  ];
  for (const [address, message] of cases) send(address, message);
  const expected = cases.filter(([, , reason]) => reason !== undefined);
  const all = () => [...refusalsFor(mote.address), ...refusalsFor(author.address)];
  await eventually("what is refused", () => refused.length === cases.length - 1);
  await eventually("the refusals", () => all().length >= expected.length);
  await eventually("the receipt", () => answers.length === expected.length + 1);
  assert.equal(
    all().map(({ message, mote: address, reason }) => [toHex(address), toHex(message), reason]),
    expected.map(([address, message, reason]) => [toHex(address), toHex(engine.sha256(message)), reason]),
  );
  const { seq, stream } = all().find(({ reason }) => reason === REFUSED.version) as { seq: number; stream: number };
  assert.equal([seq, stream], [7, 3]);
});

test("what might be stored later is never refused for good", () => {
  for (const code of ["cose-malformed", "cose-header", "cose-too-long", "topic-malformed", "mote-not-allowed", "store-away", ""])
    assert.is(reasonOf(code), undefined, code);
});

test("a mote gets so many a minute, and all together so many; a minute later there are more", () => {
  let nowMs = 0;
  const refusals = new Refusals(engine, () => nowMs);
  const message = new TestMote().next().sign1;
  const why = new Rejection("fleet-foreign", "");
  const countFor = (address: Uint8Array, times: number): number =>
    Array.from({ length: times }, () => refusals.answer(address, message, why)).filter((payload) => payload !== undefined).length;
  const addressOf = (i: number): Uint8Array => Uint8Array.from({ length: 20 }, (_, k) => (k === 0 ? i : k === 1 ? i >> 8 : 0));
  assert.is(countFor(addressOf(0), 1_000), QUOTA_PER_MOTE);
  let sum = QUOTA_PER_MOTE;
  for (let i = 1; i < 2_500; i += 1) sum += countFor(addressOf(i), 1);
  assert.is(sum, QUOTA);
  nowMs += 60_000;
  assert.is(countFor(addressOf(0), 1_000), QUOTA_PER_MOTE);
});

test.run();
