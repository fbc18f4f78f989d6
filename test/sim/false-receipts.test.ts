// Receipts that are not the pinned collector's word about this very record free nothing; the true one does, and only that
// record. What has no receipt is sent again.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { fromHex, toHex } from "../../firmware/bytes.js";
import { nobleEngine } from "../../firmware/crypto/engine-noble.js";
import { decodeSign1, digestOf, encodeSign1 } from "../../firmware/record/cose.js";
import { encodeReceipt } from "../../firmware/record/receipt.js";
import { Rejection } from "../../firmware/rejection.js";
import { pause, until } from "../patience.js";
import { signed, type TestKey, testKey } from "../unit/record/signing.js";
import { Scene } from "./scene.js";

const COLLECTOR = testKey("the collector");
const OTHER = testKey("somebody else");

test("only the pinned collector's receipt for the record's own digest makes it stored", async () => {
  const scene = await Scene.open({ collector: `0x${toHex(COLLECTOR.address)}`, sampleIntervalMs: 100 });
  try {
    const client = await scene.client();
    const records: Uint8Array[] = [];
    client.on("message", (_, message) => records.push(new Uint8Array(message)));
    await client.subscribeAsync("motes/+/records");
    const actor = scene.mote();
    await until("three records", () => records.length >= 3);
    const [first, second, third] = records.slice(0, 3).map((record) => {
      const parts = decodeSign1(record);
      if (parts instanceof Rejection) throw new Error(String(parts));
      return digestOf(nobleEngine, parts.kid, parts.payload);
    }) as [Uint8Array, Uint8Array, Uint8Array];
    const mote = fromHex(actor.address()) as Uint8Array;
    const receipt = (change: { seq?: number; digest?: Uint8Array; mote?: Uint8Array } = {}): Uint8Array =>
      encodeReceipt({ seq: 1, digest: first, mote, stream: 0, ...change });
    const by = (key: TestKey, payload: Uint8Array): Uint8Array => signed(key, payload);
    const forged = encodeSign1(COLLECTOR.address, receipt(), OTHER.sign(digestOf(nobleEngine, COLLECTOR.address, receipt())));
    const bent = by(COLLECTOR, receipt());
    bent[bent.length - 1] = (bent[bent.length - 1] as number) ^ 1;
    const bad: readonly (readonly [code: string, message: Uint8Array])[] = [
      ["receipt-foreign", by(OTHER, receipt())],
      ["signature-invalid", forged],
      ["signature-invalid", bent],
      ["receipt-foreign", by(COLLECTOR, receipt({ mote: OTHER.address }))],
      ["payload-type", by(COLLECTOR, Uint8Array.of(0xa1, 0x00, 0x01))],
      ["", by(COLLECTOR, receipt({ digest: second }))],
      ["", by(COLLECTOR, receipt({ seq: 2 }))],
      ["", by(COLLECTOR, receipt({ seq: 9_000 }))],
      ["", new Uint8Array(4096).fill(0xd2)],
    ];
    const topic = `motes/${actor.address()}/receipts`;
    const give = (message: Uint8Array): void => void client.publish(topic, Buffer.from(message), { qos: 1 });
    for (const [, message] of bad) give(message);
    await until("refusals", () => actor.of("refused").length >= 5);
    await pause(300);
    const codes = actor.of("refused").map(({ code }) => code);
    assert.equal(
      codes.slice(0, 5),
      bad.slice(0, 5).map(([code]) => code),
    );
    assert.equal(actor.of("stored"), []);

    give(by(COLLECTOR, receipt({ seq: 2, digest: second })));
    await until("the second is stored", () => actor.of("stored").length === 1);
    give(by(COLLECTOR, receipt()));
    give(by(COLLECTOR, receipt()));
    give(by(COLLECTOR, receipt({ seq: 3, digest: third })));
    await until("three are stored", () => actor.of("stored").length === 3);
    await pause(300);
    assert.equal(
      actor.of("stored").map(({ seq, digest }) => [seq, digest]),
      [
        [2, toHex(second)],
        [1, toHex(first)],
        [3, toHex(third)],
      ],
    );
  } finally {
    await scene.close();
  }
});

test("a record without a receipt comes again over a new connection, the same bytes", async () => {
  const scene = await Scene.open({ sampleIntervalMs: 200 });
  try {
    const client = await scene.client();
    const times = new Map<string, number>();
    client.on("message", (_, message) => times.set(message.toString("hex"), (times.get(message.toString("hex")) ?? 0) + 1));
    await client.subscribeAsync("motes/+/records");
    const actor = scene.mote();
    await until("three records", () => times.size >= 3);
    const before = [...times.keys()].slice(0, 3);
    actor.board.board.network.link = "down";
    await pause(500);
    actor.board.board.network.link = "up";
    await until("they come again", () => before.every((record) => (times.get(record) as number) >= 2));
    const seqs = actor.of("record").length;
    assert.ok(times.size <= seqs, `${times.size} different messages of ${seqs} records`);
  } finally {
    await scene.close();
  }
});

test.after(() => Scene.closeAll());
test.run();
