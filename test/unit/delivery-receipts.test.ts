// What receipts and newest records cost, forged and true: the cheap checks first, a bounded number of signatures a minute,
// verification with a key that is known instead of its recovery. A whole mote on virtual time (mote-bench.ts).

import { test } from "uvu";
import * as assert from "uvu/assert";
import { FAILED_CHECKS_PER_MINUTE_MAX } from "../../firmware/delivery.js";
import { decodeSign1, encodeSign1 } from "../../firmware/record/cose.js";
import { decimal } from "../../firmware/record/decimal.js";
import { UNANSWERED_MAX } from "../../firmware/record/outbox.js";
import { encodeReceipt } from "../../firmware/record/receipt.js";
import { encodeRecord, TIME_NTP } from "../../firmware/record/record.js";
import { Rejection } from "../../firmware/rejection.js";
import { COLLECTOR, MoteBench, type PoweredMote, T } from "./mote-bench.js";
import { signed, testKey } from "./record/signing.js";

const FORGED = 3000;
const STRANGER = testKey("a stranger");

/** The records that have left, each once. */
function unique(powered: PoweredMote): Uint8Array[] {
  return [...new Map(powered.published("records").map((record) => [Buffer.from(record).toString("hex"), record])).values()];
}

/** A mote with so many records sent and taken by the broker, and no receipt. */
async function waiting(
  records: number,
  sampleMs = 1000,
): Promise<{ bench: MoteBench; powered: PoweredMote; sent: Uint8Array[] }> {
  const bench = new MoteBench({ sampleMs });
  const powered = await bench.boot();
  while (powered.of("record").length < records) {
    await powered.pass(1000);
    powered.acknowledge();
  }
  bench.engine.recovered = 0;
  bench.engine.verified = 0;
  return { bench, powered, sent: unique(powered) };
}

test("a receipt that names no record that waits, or not its digest, costs no signature at all", async () => {
  const { bench, powered, sent } = await waiting(3);
  const mote = powered.addressBytes;
  const digest = new Uint8Array(32).fill(7);
  for (let i = 0; i < FORGED; i += 1) {
    powered.give("receipts", signed(COLLECTOR, encodeReceipt({ seq: i, digest, mote, stream: 0 })));
    if (i % 20 === 0) await powered.pass(10);
  }
  assert.equal([bench.engine.recovered, bench.engine.verified], [0, 0]);
  assert.equal(powered.of("stored"), []);
  powered.give("receipts", powered.receiptFor(sent[0] as Uint8Array));
  await powered.pass(100);
  assert.is(powered.of("stored").length, 1);
  powered.cut();
});

for (const known of [false, true])
  test(`forged receipts for the very records that wait cost a bounded number of checks${known ? ", the collector's key being known" : ""}`, async () => {
    const { bench, powered, sent } = await waiting(4);
    const [first, second, third] = sent as [Uint8Array, Uint8Array, Uint8Array];
    if (known) {
      powered.give("receipts", powered.receiptFor(first));
      await powered.pass(100);
      assert.is(powered.of("stored").length, 1);
    }
    const { recovered, verified } = bench.engine;
    const startedMs = bench.world.nowMs();
    for (let i = 0; i < FORGED; i += 1) {
      powered.give("receipts", powered.receiptFor(i % 2 === 0 ? second : third, STRANGER, i));
      if (i % 10 === 0) await powered.pass(100);
    }
    const minutes = Math.ceil((bench.world.nowMs() - startedMs) / 60_000) + 1;
    const spent = bench.engine.recovered - recovered + bench.engine.verified - verified;
    assert.ok(spent >= 20 && spent <= minutes * FAILED_CHECKS_PER_MINUTE_MAX, `${spent} checks in ${minutes} minutes`);
    if (known) assert.is(bench.engine.recovered, recovered, "nothing is recovered any more");
    assert.ok(powered.of("refused").some(({ what, code }) => what === "receipt" && code === "signature-invalid"));
    assert.ok(powered.of("refused").some(({ what, code }) => what === "receipt" && code === "work-limit"));
    // The collector answers each time that the record comes: at most a minute later one of its receipts is looked at.
    await powered.pass(61_000);
    powered.give("receipts", powered.receiptFor(second));
    powered.give("receipts", powered.receiptFor(third));
    await powered.pass(100);
    assert.is(powered.of("stored").length, known ? 3 : 2);
    powered.cut();
  });

test("true receipts recover the collector's key once, and spend nothing of what forged ones may", async () => {
  const { bench, powered } = await waiting(3, 200);
  let given = 0;
  for (let second = 0; second < 30; second += 1) {
    for (const record of unique(powered).slice(given)) {
      powered.give("receipts", powered.receiptFor(record));
      given += 1;
    }
    await powered.pass(1000);
    powered.acknowledge();
  }
  assert.ok(given > 2 * FAILED_CHECKS_PER_MINUTE_MAX, `${given} receipts in half a minute`);
  assert.is(powered.of("stored").length, given);
  assert.ok(bench.engine.recovered <= 2, `${bench.engine.recovered} recoveries`);
  assert.is(bench.engine.verified, given - 1);
  powered.cut();
});

test("what claims to be the newest record costs a signature only where it would change something, and a bounded number of them", async () => {
  const { bench, powered, sent } = await waiting(3);
  const { recovered, verified } = bench.engine;
  for (const record of sent) {
    powered.give("latest", record);
    await powered.pass(10);
  }
  assert.equal([bench.engine.recovered, bench.engine.verified], [recovered, verified], "its own, which it knows");
  const parts = decodeSign1(sent[0] as Uint8Array);
  if (parts instanceof Rejection) throw new Error(String(parts));
  const fields = { stream: 0, prev: new Uint8Array(32), boot: 1, time: T, timeQuality: TIME_NTP };
  const measurements = [{ n: "temperature", u: "Cel", v: decimal(2150, -2) }];
  const head = { chain: "eip155:1337", number: 1, hash: new Uint8Array(32) };
  const fleet = { registry: new Uint8Array(20).fill(0xf1), chain: "eip155:1337" };
  for (let i = 0; i < 500; i += 1) {
    const payload = encodeRecord({ ...fields, measurements, head, fleet, seq: 1000 + i });
    const digestSigned = STRANGER.sign(new Uint8Array(32).fill(i & 255));
    powered.give("latest", encodeSign1(parts.kid, payload, digestSigned));
    await powered.pass(10);
  }
  const spent = bench.engine.recovered - recovered + bench.engine.verified - verified;
  assert.ok(spent >= 4 && spent <= 20, `${spent} signatures for 500 forged records`);
  assert.ok(Number(powered.of("record").at(-1)?.seq) < 100, "and nothing has moved");
  powered.cut();
});

test("receipts that come all at once, of every record that may wait for one, are all kept; forged ones beyond them are dropped", async () => {
  const { powered, sent } = await waiting(50);
  assert.is(sent.length, UNANSWERED_MAX, "no more wait for their receipts");
  for (const record of sent) powered.give("receipts", powered.receiptFor(record));
  await powered.pass(100);
  assert.is(powered.of("stored").length, UNANSWERED_MAX);

  await powered.pass(1000);
  powered.acknowledge();
  const more = unique(powered).slice(UNANSWERED_MAX);
  assert.ok(more.length >= 8, `${more.length} more`);
  for (let i = 0; i < UNANSWERED_MAX; i += 1) powered.give("receipts", Uint8Array.of(0x80));
  powered.give("receipts", powered.receiptFor(more[0] as Uint8Array));
  await powered.pass(100);
  assert.is(powered.of("stored").length, UNANSWERED_MAX, "there was no room for it");
  for (const record of more) {
    powered.give("receipts", powered.receiptFor(record));
    await powered.pass(10);
  }
  assert.is(powered.of("stored").length, UNANSWERED_MAX + more.length, "it counts when it comes again");
  powered.cut();
});

test.run();
