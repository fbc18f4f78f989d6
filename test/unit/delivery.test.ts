// Delivery by itself, each promise of its head: over a journal on a simulated flash chip, with a bus that the test holds the other end of.
// What forged receipts cost a whole mote is in delivery-receipts.test.ts.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { topicsOf } from "../../firmware/bus/topics.js";
import type { Publishing } from "../../firmware/bus/uplink.js";
import { nobleEngine } from "../../firmware/crypto/engine-noble.js";
import { Delivery, FAILED_CHECKS_PER_MINUTE_MAX } from "../../firmware/delivery.js";
import { digestOf, encodeSign1, SIGN1_BYTES_MAX } from "../../firmware/record/cose.js";
import type { Journal } from "../../firmware/record/journal.js";
import { UNANSWERED_MAX } from "../../firmware/record/outbox.js";
import { Ownership } from "../../firmware/record/ownership.js";
import { encodeReceipt, encodeRefusal, REFUSED } from "../../firmware/record/receipt.js";
import { RefusalLog } from "../../firmware/refusal-log.js";
import type { Rejection } from "../../firmware/rejection.js";
import { HandClock } from "./hand-clock.js";
import { handDevice } from "./hand-device.js";
import { Bench, FLEET, held, KEY, write } from "./record/author-bench.js";
import { signed, type TestKey, testKey } from "./record/signing.js";

const COLLECTOR = testKey("the collector");
const OTHER = testKey("somebody else");
/** As delivery.ts has it. */
const RECEIPT_TIMEOUT_MS = 10_000;
const RECORDS_PER_STEP_MAX = 8;
const WINDOW = 8;

/** The bus, its other end in the test's hands. */
class HandBus {
  readonly topics = topicsOf("", KEY.address, "eip155:1337");
  readonly left: { topic: string; message: Uint8Array; options: Publishing }[] = [];
  up = true;
  /** Messages that still fit. */
  room = Number.POSITIVE_INFINITY;

  hasRoomFor(_topic: string, messageBytes: number): boolean {
    assert.is(messageBytes, SIGN1_BYTES_MAX);
    return this.up && this.room > 0;
  }
  publish(topic: string, message: Uint8Array, options: Publishing): boolean {
    if (!this.up || this.room === 0) return false;
    this.room -= 1;
    this.left.push({ topic, message: message.slice(), options });
    return true;
  }
}

class Refused extends RefusalLog {
  readonly codes: string[] = [];
  override write(what: string, rejection: Rejection): void {
    this.codes.push(`${what}: ${rejection.code}`);
  }
}

interface Made {
  readonly bench: Bench;
  readonly journal: Journal;
  readonly clock: HandClock;
  readonly bus: HandBus;
  readonly refused: Refused;
  readonly delivery: Delivery;
  /** The journal's records as they are sent, oldest first. */
  readonly records: readonly Uint8Array[];
  readonly of: (event: string) => readonly object[];
  /** Signatures that were looked at. */
  readonly checks: () => { recovered: number; verified: number };
  readonly wakes: () => number;
}

/** @param foreign whose journal the flash holds, where it is not this mote's own */
async function make(count: number, foreign?: "fleet"): Promise<Made> {
  const bench = new Bench();
  const { journal, sequence, author } = bench.boot();
  for (let i = 0; i < count; i += 1) await write(author, i);
  const records: Uint8Array[] = [];
  for (let seq = journal.after(0); seq !== undefined; seq = journal.after(seq)) {
    const { payload, signature } = held(journal.read(seq));
    records.push(encodeSign1(KEY.address, payload.slice(), (signature as Uint8Array).slice()));
  }
  let recovered = 0;
  let verified = 0;
  const engine = {
    ...nobleEngine,
    secp256k1: {
      recover(...parameters: Parameters<typeof nobleEngine.secp256k1.recover>) {
        recovered += 1;
        return nobleEngine.secp256k1.recover(...parameters);
      },
      verify(...parameters: Parameters<typeof nobleEngine.secp256k1.verify>) {
        verified += 1;
        return nobleEngine.secp256k1.verify(...parameters);
      },
    },
  };
  const clock = new HandClock(1_000_000);
  const device = handDevice({ clock });
  const bus = new HandBus();
  const refused = new Refused(clock, device.log);
  const fleet = foreign === "fleet" ? { ...FLEET, registry: new Uint8Array(20).fill(0xee) } : FLEET;
  let wakes = 0;
  const delivery = new Delivery({
    device,
    engine,
    config: { collector: COLLECTOR.address },
    own: KEY.address,
    bus,
    journal,
    ownership: new Ownership({ engine: nobleEngine, address: KEY.address, fleet, journal, sequence }, false),
    refusals: refused,
    onWake: () => {
      wakes += 1;
    },
  });
  return {
    ...{ bench, journal, clock, bus, refused, delivery, records },
    of: (event) => device.log.of(event),
    checks: () => ({ recovered, verified }),
    wakes: () => wakes,
  };
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const seqsOf = ({ bus, records }: Made): number[] =>
  bus.left.map(({ message }) => records.findIndex((record) => hex(record) === hex(message)) + 1);

/** A receipt for the record `seq`, signed by `by`; `digest` where it is to name another. */
function receipt(made: Made, seq: number, by: TestKey = COLLECTOR, digest?: Uint8Array, mote = KEY.address): Uint8Array {
  const { payload } = held(made.journal.read(seq));
  return signed(by, encodeReceipt({ seq, stream: 0, digest: digest ?? digestOf(nobleEngine, KEY.address, payload), mote }));
}

/** The same, in the collector's name and with nobody's signature. */
function forged(made: Made, seq: number, salt = 0): Uint8Array {
  const bytes = receipt(made, seq);
  const at = bytes.length - 20;
  bytes[at] = (bytes[at] as number) ^ 1 ^ salt;
  bytes[at + 1] = (bytes[at + 1] as number) ^ (salt >> 7);
  return bytes;
}

function give({ delivery, bus }: Made, message: Uint8Array): void {
  assert.ok(delivery.received(bus.topics.receipts, message));
}

test("takes in what comes on its own topic, and leaves the rest to others", async () => {
  const { delivery, bus } = await make(0);
  assert.equal(delivery.subscriptions, [bus.topics.receipts]);
  for (const [name, topic] of Object.entries(bus.topics))
    assert.is(delivery.received(topic, new Uint8Array(1)), name === "receipts", name);
});

test("records leave in order, each whole, once, with an id of its own, a window's worth ahead of their acknowledgements", async () => {
  const made = await make(2 * WINDOW + 3);
  const { delivery, bus } = made;
  for (let i = 0; i < 4; i += 1) delivery.step();
  assert.equal(seqsOf(made), [1, 2, 3, 4, 5, 6, 7, 8]);
  for (const { topic, options } of bus.left) {
    assert.is(topic, bus.topics.records);
    assert.equal(options, { QoS: 1, packetId: options.packetId, duplicate: false });
  }
  assert.is(new Set(bus.left.map(({ options }) => options.packetId)).size, WINDOW);
  const { options } = bus.left[0] as (typeof bus.left)[0];
  delivery.acknowledged(options.packetId as number);
  assert.equal(made.of("delivered"), [{ event: "delivered", seq: 1 }]);
  assert.is(made.wakes(), 1);
  delivery.acknowledged(options.packetId as number);
  delivery.acknowledged(12_345);
  assert.is(made.of("delivered").length, 1, "nor is it delivered twice, nor what was never sent");
  delivery.step();
  assert.equal(seqsOf(made).slice(WINDOW), [9]);
});

test("a step sends a bounded number, and asks for the next at once", async () => {
  const made = await make(RECORDS_PER_STEP_MAX);
  assert.is(made.delivery.step(), 0);
  assert.is(made.bus.left.length, RECORDS_PER_STEP_MAX);
  assert.ok(made.delivery.step() > 0);
});

test("nothing leaves while the link is down or full, and nothing is lost by that", async () => {
  const made = await make(3);
  made.bus.up = false;
  assert.is(made.delivery.step(), Number.POSITIVE_INFINITY);
  made.bus.up = true;
  made.bus.room = 1;
  made.delivery.step();
  assert.equal(seqsOf(made), [1]);
  made.bus.room = Number.POSITIVE_INFINITY;
  made.delivery.step();
  assert.equal(seqsOf(made), [1, 2, 3]);
});

test("what has no receipt leaves again: after a while, and on a new connection at once", async () => {
  const made = await make(2);
  const { delivery, bus, clock } = made;
  delivery.step();
  for (const { options } of bus.left) delivery.acknowledged(options.packetId as number);
  clock.pass(RECEIPT_TIMEOUT_MS - 1);
  delivery.step();
  assert.equal(seqsOf(made), [1, 2]);
  clock.pass(1);
  delivery.step();
  assert.equal(seqsOf(made), [1, 2, 1, 2]);
  delivery.linkChanged();
  delivery.step();
  assert.equal(seqsOf(made), [1, 2, 1, 2, 1, 2]);
  assert.ok(
    bus.left.slice(4).every(({ options }) => options.duplicate),
    "under the ids that were in flight",
  );
});

test("a record is stored by the pinned collector's receipt for its very digest, and then leaves no more", async () => {
  const made = await make(2);
  const { delivery, journal, clock } = made;
  delivery.step();
  give(made, receipt(made, 1));
  assert.is(journal.storedThrough, 0, "it waits for a step");
  delivery.step();
  assert.is(journal.storedThrough, 1);
  assert.equal(made.of("stored"), [
    { event: "stored", seq: 1, digest: hex(digestOf(nobleEngine, KEY.address, held(journal.read(1)).payload)) },
  ]);
  clock.pass(20 * RECEIPT_TIMEOUT_MS);
  delivery.step();
  assert.equal(seqsOf(made), [1, 2, 2]);
});

test("a receipt counts on a link that is down, too", async () => {
  const made = await make(1);
  made.delivery.step();
  give(made, receipt(made, 1));
  made.bus.up = false;
  made.delivery.step();
  assert.is(made.journal.storedThrough, 1);
});

test("nobody else's word stores a record, and none that cannot matter costs a signature", async () => {
  const made = await make(2);
  const { delivery, journal, refused } = made;
  delivery.step();
  const cases: readonly (readonly [Uint8Array, string | undefined])[] = [
    [receipt(made, 1, OTHER), "receipt-foreign"],
    [receipt(made, 1, COLLECTOR, undefined, OTHER.address), "receipt-foreign"],
    [receipt(made, 1, COLLECTOR, new Uint8Array(32)), undefined],
    [receipt(made, 1, COLLECTOR, digestOf(nobleEngine, KEY.address, held(journal.read(2)).payload)), undefined],
    [signed(COLLECTOR, encodeReceipt({ seq: 77, stream: 0, digest: new Uint8Array(32), mote: KEY.address })), undefined],
    [signed(COLLECTOR, Uint8Array.of(0xa0)), "payload-type"],
    [Uint8Array.of(0xd2, 0x84), "cbor-truncated"],
    [new Uint8Array(0), "cbor-truncated"],
  ];
  for (const [message, code] of cases) {
    refused.codes.length = 0;
    give(made, message);
    delivery.step();
    assert.is(refused.codes.length, code === undefined ? 0 : 1, `${refused.codes} for ${code}`);
  }
  assert.equal(made.checks(), { recovered: 0, verified: 0 });
  give(made, forged(made, 1));
  delivery.step();
  assert.equal(refused.codes.slice(-1), ["receipt: signature-invalid"]);
  assert.is(made.checks().recovered, 2, "two keys could have made it");
  assert.is(journal.storedThrough, 0);
});

test("once a receipt has held its key is known: the next are verified, and one that has been stored costs nothing again", async () => {
  const made = await make(3);
  made.delivery.step();
  for (const seq of [1, 2, 2, 1, 3]) {
    give(made, receipt(made, seq));
    made.delivery.step();
  }
  const { recovered, verified } = made.checks();
  assert.ok(recovered <= 2, `${recovered} recoveries of one key`);
  assert.is(verified, 2);
  assert.is(made.journal.storedThrough, 3);
});

for (const known of [false, true])
  test(`forged receipts cost a bounded number of checks a minute${known ? ", the collector's key being known" : ""}; the true one counts when it comes again`, async () => {
    const made = await make(2);
    const { delivery, refused, clock, journal } = made;
    delivery.step();
    if (known) give(made, receipt(made, 1));
    delivery.step();
    const before = made.checks();
    for (let i = 0; i < 2 * FAILED_CHECKS_PER_MINUTE_MAX; i += 1) {
      give(made, forged(made, 2, 2 * i));
      delivery.step();
    }
    const { recovered, verified } = made.checks();
    const spent = recovered - before.recovered + verified - before.verified;
    assert.is(spent, FAILED_CHECKS_PER_MINUTE_MAX, "to recover a key takes two");
    give(made, receipt(made, 2));
    delivery.step();
    assert.equal(refused.codes.slice(-1), ["receipt: work-limit"]);
    assert.is(journal.storedThrough, known ? 1 : 0);
    clock.pass(60_000);
    delivery.step();
    assert.is(seqsOf(made).at(-1), 2, "the record comes again, and its receipt with it");
    give(made, receipt(made, 2));
    delivery.step();
    assert.is(made.of("stored").length, known ? 2 : 1);
  });

test("receipts that come in one go: as many as wait at most are looked at, the others are dropped", async () => {
  const made = await make(0);
  const { delivery, refused } = made;
  const foreign = signed(OTHER, encodeReceipt({ seq: 1, stream: 0, digest: new Uint8Array(32), mote: KEY.address }));
  for (const count of [1, UNANSWERED_MAX, UNANSWERED_MAX + 1, 500]) {
    refused.codes.length = 0;
    for (let i = 0; i < count; i += 1) give(made, foreign);
    delivery.step();
    assert.is(refused.codes.length, Math.min(count, UNANSWERED_MAX), `of ${count}`);
    assert.ok(refused.codes.every((line) => line === "receipt: receipt-foreign"));
    delivery.step();
    assert.is(refused.codes.length, Math.min(count, UNANSWERED_MAX), "nothing is left of them");
  }
});

test("the collector's refusal of the very message ends the waiting, and stores nothing; a receipt that comes later counts", async () => {
  const made = await make(2);
  const { delivery, journal, clock, records } = made;
  const refusal = (seq: number, by: TestKey, message: Uint8Array, mote = KEY.address) =>
    signed(
      by,
      encodeRefusal({ seq, stream: 0, message: nobleEngine.sha256(message), mote, reason: Object.values(REFUSED)[0] as number }),
    );
  const first = records[0] as Uint8Array;
  give(made, refusal(1, COLLECTOR, first));
  delivery.step();
  assert.equal(made.of("not-stored"), [], "before it has been sent there is nothing to refuse");
  for (const wrong of [
    refusal(1, OTHER, first),
    refusal(1, COLLECTOR, records[1] as Uint8Array),
    refusal(1, COLLECTOR, first, OTHER.address),
    refusal(2, COLLECTOR, first),
  ])
    give(made, wrong);
  delivery.step();
  assert.equal([made.of("not-stored"), made.checks().recovered], [[], 0]);
  give(made, refusal(1, COLLECTOR, first));
  delivery.step();
  assert.is(made.of("not-stored").length, 1);
  assert.is(journal.storedThrough, 0);
  clock.pass(20 * RECEIPT_TIMEOUT_MS);
  delivery.step();
  assert.equal(seqsOf(made), [1, 2, 2]);
  give(made, receipt(made, 1));
  delivery.step();
  assert.is(journal.storedThrough, 1);
});

test("a refusal that somebody forged ends nothing", async () => {
  const made = await make(1);
  made.delivery.step();
  const message = nobleEngine.sha256(made.records[0] as Uint8Array);
  const reason = Object.values(REFUSED)[0] as number;
  const bytes = signed(COLLECTOR, encodeRefusal({ seq: 1, stream: 0, message, mote: KEY.address, reason }));
  bytes[bytes.length - 20] = (bytes[bytes.length - 20] as number) ^ 1;
  give(made, bytes);
  made.delivery.step();
  assert.equal([made.of("not-stored"), made.refused.codes], [[], ["receipt: signature-invalid"]]);
});

test("what another fleet's key has made is set aside, said once and never sent", async () => {
  const made = await make(20, "fleet");
  for (let i = 0; i < 10; i += 1) made.delivery.step();
  assert.equal(made.bus.left, []);
  const said = made.of("set-aside") as readonly { records: number }[];
  assert.is(said.length, 1);
  assert.is(said[0]?.records, 20);
  assert.equal(made.of("error"), []);
  assert.is(made.journal.storedThrough, 0);
});

test("what the journal cannot read back is said, passed over, and the rest leaves", async () => {
  const made = await make(3);
  made.bench.rot(held(made.journal.read(2)).payload.slice());
  for (let i = 0; i < 30; i += 1) {
    made.delivery.step();
    made.clock.pass(1000);
  }
  assert.equal([...new Set(seqsOf(made))], [1, 3]);
  assert.is(made.of("error").length, 1);
  assert.match(JSON.stringify(made.of("error")), "record 2");
});

test.run();
