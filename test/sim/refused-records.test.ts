// A collector that refuses a record for good ends the waiting for it: the others go on, nothing of it counts as stored, and
// it comes once more after a boot. Whoever else says so, or names another message, changes nothing; a receipt always does.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { fromHex, toHex } from "../../firmware/bytes.js";
import { nobleEngine } from "../../firmware/crypto/engine-noble.js";
import { decodeSign1, digestOf, encodeSign1 } from "../../firmware/record/cose.js";
import { encodeReceipt, encodeRefusal, REFUSED } from "../../firmware/record/receipt.js";
import { decodeRecord } from "../../firmware/record/record.js";
import { Rejection } from "../../firmware/rejection.js";
import { memoryStorage } from "../../host-sim/hardware/storage.js";
import { fastEngine } from "../../tools/crypto/engine-fast.js";
import { until } from "../patience.js";
import { signed, testKey } from "../unit/record/signing.js";
import { type Actor, Scene } from "./scene.js";

const COLLECTOR = testKey("the collector");
const OTHER = testKey("somebody else");

/** A record as it came. */
interface Arrived {
  readonly seq: number;
  readonly stream: number;
  readonly digest: Uint8Array;
  readonly message: Uint8Array;
}

function arrived(message: Uint8Array): Arrived {
  const parts = decodeSign1(message);
  if (parts instanceof Rejection) throw new Error(String(parts));
  const fields = decodeRecord(parts.payload);
  if (fields instanceof Rejection) throw new Error(String(fields));
  const { seq, stream } = fields;
  return { seq, stream, digest: digestOf(nobleEngine, parts.kid, parts.payload), message };
}

/** A stage whose collector answers each record as `answer` says; what came, in order. */
async function stage(answer: (record: Arrived, mote: Uint8Array) => readonly Uint8Array[]) {
  const scene = await Scene.open({ collector: `0x${toHex(COLLECTOR.address)}`, sampleIntervalMs: 50 });
  const client = await scene.client();
  const records: Arrived[] = [];
  client.on("message", (topic, message) => {
    const record = arrived(new Uint8Array(message));
    records.push(record);
    const mote = fromHex(topic.slice("motes/".length, -"/records".length)) as Uint8Array;
    for (const one of answer(record, mote)) give(mote, one);
  });
  const give = (mote: Uint8Array, message: Uint8Array): void =>
    void client.publish(`motes/0x${toHex(mote)}/receipts`, Buffer.from(message), { qos: 1 });
  await client.subscribeAsync("motes/+/records");
  return { scene, records, give };
}

const receiptOf = ({ seq, stream, digest }: Arrived, mote: Uint8Array): Uint8Array =>
  signed(COLLECTOR, encodeReceipt({ seq, stream, digest, mote }));

interface Change {
  readonly seq?: number;
  readonly message?: Uint8Array;
  readonly mote?: Uint8Array;
  readonly reason?: number;
}
function refusalOf({ seq, stream, message }: Arrived, mote: Uint8Array, change: Change = {}): Uint8Array {
  const hash = nobleEngine.sha256(change.message ?? message);
  return encodeRefusal({ seq, stream, mote, reason: REFUSED.fleet, ...change, message: hash });
}

const seqsOf = (actor: Actor, event: string): number[] => actor.of(event).map(({ seq }) => Number(seq));

test("a refused record ends its waiting, not that of others; after a boot it comes once more, and a receipt then counts", async () => {
  let refusing = true;
  const { scene, records } = await stage((record, mote) =>
    refusing && (record.seq === 2 || record.seq === 3)
      ? [signed(COLLECTOR, refusalOf(record, mote, { reason: record.seq === 2 ? REFUSED.fleet : 77 }))]
      : [receiptOf(record, mote)],
  );
  try {
    const storage = memoryStorage({ partitions: { journal: 16 * 4096 } });
    const one = scene.mote({ storage, engine: fastEngine });
    await until("many are stored", () => one.of("stored").length >= 50);
    assert.equal(
      one.of("not-stored").map(({ seq, reason }) => [seq, reason]),
      [
        [2, "fleet"],
        [3, "reason 77"],
      ],
    );
    assert.not.ok(seqsOf(one, "stored").includes(2) || seqsOf(one, "stored").includes(3));
    assert.is(records.filter(({ seq }) => seq === 2).length, 1, "it is not sent again");
    one.mote.close();
    one.board.close();

    const two = scene.mote({ storage, engine: fastEngine });
    assert.ok(Number(two.of("boot")[0]?.passed) > 2 && Number(two.of("boot")[0]?.pending) < 20);
    await until("it is refused again", () => two.of("not-stored").length === 2);
    await until("the others go on", () => two.of("stored").length >= 10);
    assert.is(records.filter(({ seq }) => seq === 2).length, 2, "once a boot");
    two.mote.close();
    two.board.close();

    refusing = false;
    const three = scene.mote({ storage, engine: fastEngine });
    const passed = Number(three.of("boot")[0]?.passed);
    await until("they are stored now", () => [2, 3].every((seq) => seqsOf(three, "stored").includes(seq)));
    await until("and all behind them", () => three.of("stored").length >= passed + 5);
    three.mote.close();
    three.board.close();
    const four = scene.mote({ storage, engine: fastEngine });
    assert.is(four.of("boot")[0]?.passed, 0);
    assert.equal(four.of("refused"), []);
  } finally {
    await scene.close();
  }
});

test("a refusal counts only from the collector, for the very message that is under way; a later receipt wins", async () => {
  let first: Arrived | undefined;
  const { scene, records, give } = await stage(() => []);
  try {
    const actor = scene.mote({ engine: fastEngine });
    await until("five records", () => records.length >= 5);
    first = records[0] as Arrived;
    const second = records[1] as Arrived;
    const mote = fromHex(actor.address()) as Uint8Array;
    const forged = (payload: Uint8Array): Uint8Array =>
      encodeSign1(COLLECTOR.address, payload, OTHER.sign(digestOf(nobleEngine, COLLECTOR.address, payload)));
    const otherwise = first.message.slice();
    otherwise[otherwise.length - 1] = (otherwise[otherwise.length - 1] as number) ^ 1;
    const bad: readonly (readonly [code: string | undefined, message: Uint8Array])[] = [
      ["receipt-foreign", signed(OTHER, refusalOf(first, mote))],
      ["signature-invalid", forged(refusalOf(first, mote))],
      ["receipt-foreign", signed(COLLECTOR, refusalOf(first, mote, { mote: OTHER.address }))],
      ["payload-malformed", signed(COLLECTOR, Uint8Array.of(0xa1, 0x00, 0x03))],
      [undefined, signed(COLLECTOR, refusalOf(first, mote, { message: second.message }))],
      [undefined, signed(COLLECTOR, refusalOf(first, mote, { message: otherwise }))],
      [undefined, signed(COLLECTOR, refusalOf(first, mote, { seq: 9_000 }))],
      [undefined, signed(COLLECTOR, refusalOf(first, mote, { seq: second.seq }))],
    ];
    for (const [, message] of bad) give(mote, message);
    give(mote, signed(COLLECTOR, refusalOf(second, mote)));
    await until("the one that holds", () => actor.of("not-stored").length >= 1);
    assert.equal(seqsOf(actor, "not-stored"), [second.seq]);
    assert.equal(
      actor.of("refused").map(({ code }) => code),
      bad.map(([code]) => code).filter((code) => code !== undefined),
    );
    assert.equal(actor.of("stored"), []);
    // What is stored cannot be refused; what was refused can be stored.
    give(mote, receiptOf(first, mote));
    give(mote, signed(COLLECTOR, refusalOf(first, mote)));
    give(mote, receiptOf(second, mote));
    give(mote, signed(COLLECTOR, refusalOf(second, mote)));
    await until("both are stored", () => actor.of("stored").length === 2);
    give(mote, signed(COLLECTOR, refusalOf(records[2] as Arrived, mote)));
    await until("the next is refused", () => actor.of("not-stored").length === 2);
    assert.equal(seqsOf(actor, "stored"), [first.seq, second.seq]);
    assert.equal(seqsOf(actor, "not-stored"), [second.seq, (records[2] as Arrived).seq]);
  } finally {
    await scene.close();
  }
});

test("a key is lost while the flash lives: the old records are set aside in one line, and the new ones delivered", async () => {
  const { scene, records } = await stage((record, mote) => [receiptOf(record, mote)]);
  try {
    const storage = memoryStorage({ partitions: { journal: 16 * 4096 } });
    const port = scene.port;
    scene.port = 1; // no broker: what is measured waits
    const relayless = scene.mote({ storage, engine: fastEngine });
    await until("records wait", () => relayless.of("record").length >= 20);
    relayless.mote.close();
    relayless.board.close();
    scene.port = port;
    const old = relayless.of("record").length;
    const { nvs } = memoryStorage({ partitions: {} });
    const actor = scene.mote({ storage: { ...storage, nvs }, engine: fastEngine });
    await until("new ones are stored", () => actor.of("stored").length >= 10);
    assert.equal(
      actor.of("set-aside").map((event) => event.records),
      [old],
    );
    assert.ok(Math.min(...seqsOf(actor, "stored")) > old);
    for (const { message } of records) {
      const parts = decodeSign1(message);
      assert.ok(!(parts instanceof Rejection) && `0x${toHex(parts.kid)}` === actor.address());
    }
    assert.equal(actor.of("error"), []);
  } finally {
    await scene.close();
  }
});

test.after(() => Scene.closeAll());
test.run();
