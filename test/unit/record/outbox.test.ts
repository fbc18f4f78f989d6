// The outbox over a real journal on simulated flash: order, windows, receipts in any order, reconnects, reboots.

import { hash } from "node:crypto";
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Journal } from "../../../firmware/record/journal.js";
import { AHEAD_MAX, Outbox, type OutboxOptions, type Publish, UNANSWERED_MAX } from "../../../firmware/record/outbox.js";
import { Rejection } from "../../../firmware/rejection.js";
import { NorFlash, UNIT_BYTES } from "../../../host-sim/hardware/flash.js";

const sha256 = (...parts: readonly Uint8Array[]): Uint8Array => hash("sha256", Buffer.concat(parts), "buffer");
const payloadOf = (seq: number): Uint8Array => Uint8Array.from({ length: 50 }, (_, i) => (seq * 31 + i) & 0xff);
const signatureOf = (seq: number): Uint8Array => new Uint8Array(64).fill(seq & 0xff);
const digestOf = (seq: number): Uint8Array => sha256(payloadOf(seq));
const messageOf = (seq: number): Uint8Array => Buffer.concat([payloadOf(seq), signatureOf(seq)]);

class Bench {
  readonly flash = new NorFlash({ sectors: 16 });
  readonly lost: number[] = [];
  readonly options: Partial<OutboxOptions>;
  journal: Journal;
  outbox: Outbox;
  constructor(records: number, options: Partial<OutboxOptions> = {}) {
    this.options = options;
    this.journal = this.mount();
    for (let seq = 1; seq <= records; seq += 1) this.record(seq);
    this.outbox = this.fresh();
  }
  mount(): Journal {
    const journal = Journal.mount(this.flash, { engine: { sha256 } });
    if (journal instanceof Rejection) throw new Error(String(journal));
    return journal;
  }
  fresh(): Outbox {
    return new Outbox({
      journal: this.journal,
      encode: (payload, signature) => Buffer.concat([payload, signature]),
      digest: (payload) => sha256(payload),
      onLost: (seq) => this.lost.push(seq),
      ...this.options,
    });
  }
  record(seq: number): void {
    const refusal = this.journal.append(0, seq, payloadOf(seq)) ?? this.journal.seal(seq, signatureOf(seq));
    if (refusal !== undefined) throw new Error(String(refusal));
  }
  reboot(): void {
    this.journal = this.mount();
    this.outbox = this.fresh();
  }
  /** All that the outbox gives now. */
  drain(nowMs = 0): Publish[] {
    const sent: Publish[] = [];
    for (let out = this.outbox.next(nowMs); out !== undefined; out = this.outbox.next(nowMs)) {
      assert.equal(new Uint8Array(out.bytes), new Uint8Array(messageOf(out.seq)));
      assert.ok(Number.isInteger(out.packetId) && out.packetId >= 1 && out.packetId <= 65_535);
      sent.push(out);
      assert.ok(sent.length <= 1_000);
    }
    return sent;
  }
}
const seqsOf = (sent: Publish[]): number[] => sent.map((out) => out.seq);

test("sends in order, no more than the window, each under its own packet id", () => {
  const bench = new Bench(20, { windowMax: 4 });
  const sent = bench.drain();
  assert.equal(seqsOf(sent), [1, 2, 3, 4]);
  assert.is(new Set(sent.map((out) => out.packetId)).size, 4);
  assert.ok(sent.every((out) => !out.duplicate));
  assert.is(bench.outbox.inFlight, 4);
});

test("a PUBACK moves only the window: nothing is stored by it", () => {
  const bench = new Bench(20, { windowMax: 4 });
  const [first, second] = bench.drain() as [Publish, Publish];
  assert.is(bench.outbox.acknowledged(second.packetId), 2);
  assert.is(bench.outbox.acknowledged(second.packetId), undefined, "once only");
  assert.is(bench.outbox.acknowledged(0), undefined);
  assert.is(bench.outbox.acknowledged(9_999), undefined);
  assert.equal(seqsOf(bench.drain()), [5]);
  assert.is(bench.outbox.acknowledged(first.packetId), 1);
  assert.equal(seqsOf(bench.drain()), [6]);
  assert.is(bench.journal.storedThrough, 0);
});

test("a receipt with the record's own digest makes it stored; any other does nothing", () => {
  const bench = new Bench(3);
  bench.drain();
  assert.not.ok(bench.outbox.receipt(1, digestOf(2)));
  assert.not.ok(bench.outbox.receipt(1, digestOf(1).subarray(0, 31)));
  assert.not.ok(bench.outbox.receipt(99, digestOf(99)));
  assert.not.ok(bench.outbox.receipt(0, digestOf(0)));
  assert.is(bench.journal.storedThrough, 0);
  assert.ok(bench.outbox.receipt(1, digestOf(1)));
  assert.is(bench.journal.storedThrough, 1);
  assert.not.ok(bench.outbox.receipt(1, digestOf(1)), "once only");
});

test("receipts in any order: the watermark moves when the oldest has come", () => {
  const bench = new Bench(6);
  bench.drain();
  for (const seq of [3, 2, 6]) assert.ok(bench.outbox.receipt(seq, digestOf(seq)));
  assert.is(bench.journal.storedThrough, 0);
  assert.ok(bench.outbox.receipt(1, digestOf(1)));
  assert.is(bench.journal.storedThrough, 3);
  for (const seq of [5, 4]) assert.ok(bench.outbox.receipt(seq, digestOf(seq)));
  assert.is(bench.journal.storedThrough, 6);
  assert.is(bench.journal.pendingCount, 0);
});

test("a receipt may come before the PUBACK, and before the record has been sent in this boot", () => {
  const bench = new Bench(5, { windowMax: 2 });
  const [first] = bench.drain() as [Publish];
  assert.ok(bench.outbox.receipt(1, digestOf(1)));
  assert.is(bench.outbox.acknowledged(first.packetId), undefined);
  bench.reboot();
  assert.ok(bench.outbox.receipt(4, digestOf(4)));
  assert.equal(seqsOf(bench.drain()).includes(4), false);
});

test("what has no receipt in time goes again, later and later, and at once when a collector answers", () => {
  const bench = new Bench(2, { receiptTimeoutMs: 1_000 });
  const sent = bench.drain(0);
  for (const out of sent) bench.outbox.acknowledged(out.packetId);
  assert.equal(bench.drain(999), []);
  const again = bench.drain(1_000);
  assert.equal(seqsOf(again), [1, 2]);
  assert.ok(
    again.every((out) => !out.duplicate),
    "delivered once: a new packet",
  );
  assert.ok(again.every((out) => !sent.some((old) => old.packetId === out.packetId)));
  assert.equal(bench.drain(2_999), []);
  const third = bench.drain(3_000);
  assert.equal(seqsOf(third), [1, 2]);
  assert.ok(third.every((out) => out.duplicate && again.some((old) => old.packetId === out.packetId && old.seq === out.seq)));
  assert.equal(bench.drain(6_999), []);
  bench.outbox.receipt(1, digestOf(1));
  assert.equal(seqsOf(bench.drain(4_000)), [2]);
});

test("a new connection begins at the stored watermark, in order, what was in flight marked as duplicate", () => {
  const bench = new Bench(10, { windowMax: 5 });
  const sent = bench.drain();
  bench.outbox.acknowledged((sent[1] as Publish).packetId);
  bench.outbox.receipt(1, digestOf(1));
  bench.outbox.receipt(4, digestOf(4));
  bench.outbox.reset();
  assert.is(bench.outbox.inFlight, 0);
  const again = bench.drain();
  assert.equal(seqsOf(again), [2, 3, 5, 6, 7]);
  assert.equal(
    again.map((out) => out.duplicate),
    [false, true, true, false, false],
  );
  assert.is((again[1] as Publish).packetId, (sent[2] as Publish).packetId);
  assert.is(new Set(again.map((out) => out.packetId)).size, 5);
});

test("an unsealed record holds back those after it", () => {
  const bench = new Bench(2);
  bench.journal.append(0, 3, payloadOf(3));
  bench.journal.append(0, 4, payloadOf(4));
  bench.journal.seal(4, signatureOf(4));
  assert.equal(seqsOf(bench.drain()), [1, 2]);
  bench.journal.seal(3, signatureOf(3));
  assert.equal(seqsOf(bench.drain()), [3, 4]);
});

/** Sends and has acknowledged all that the outbox gives now; their seqs. */
function deliver({ outbox }: Bench): number[] {
  const sent: number[] = [];
  for (let out = outbox.next(0); out !== undefined; out = outbox.next(0)) {
    outbox.acknowledged(out.packetId);
    sent.push(out.seq);
  }
  return sent;
}
const seqsFrom = (first: number, count: number): number[] => Array.from({ length: count }, (_, i) => first + i);

test("no more than UNANSWERED_MAX records wait for their receipts, in whatever order these come", () => {
  const bench = new Bench(AHEAD_MAX + 30);
  assert.equal(deliver(bench), seqsFrom(1, UNANSWERED_MAX));
  assert.ok(bench.outbox.receipt(1, digestOf(1)));
  assert.ok(bench.outbox.receipt(7, digestOf(7)));
  assert.equal(deliver(bench), seqsFrom(UNANSWERED_MAX + 1, 2));
});

test("no more than AHEAD_MAX records are in sight beyond the watermark", () => {
  const bench = new Bench(AHEAD_MAX + 30);
  let last = 1;
  for (let sent = deliver(bench); sent.length > 0; sent = deliver(bench)) {
    last = sent.at(-1) as number;
    for (const seq of sent) if (seq > 1) assert.ok(bench.outbox.receipt(seq, digestOf(seq)));
  }
  assert.is(last, AHEAD_MAX);
  assert.not.ok(bench.outbox.receipt(AHEAD_MAX + 1, digestOf(AHEAD_MAX + 1)), "beyond: it will be sent, and named again");
  assert.ok(bench.outbox.receipt(1, digestOf(1)));
  assert.equal(deliver(bench), seqsFrom(AHEAD_MAX + 1, 30));
});

test("packet ids go from 65,535 to 1, and pass over those in flight", () => {
  const bench = new Bench(2, { windowMax: 1 });
  const [first] = bench.drain() as [Publish];
  const seen = new Set<number>();
  for (let i = 0; i < 65_534; i += 1) {
    const id = bench.outbox.packetId();
    assert.ok(id >= 1 && id <= 65_535 && id !== first.packetId && !seen.has(id));
    seen.add(id);
  }
  assert.ok(bench.outbox.packetId() !== first.packetId);
});

test("no packet id is 0, with records in flight or without any", () => {
  for (const records of [0, 1]) {
    const bench = new Bench(records);
    bench.drain();
    for (let i = 0; i < 70_000; i += 1) assert.ok(bench.outbox.packetId() >= 1);
  }
});

/** Where the payload of record 2 lies, in bits: frames take 3 + 3 units. */
const SECOND_PAYLOAD_BIT = (96 + 6 * UNIT_BYTES + 30) * 8;

test("a record that the journal cannot read is asked for again, then reported, once; it holds up nothing and is not stored", () => {
  const bench = new Bench(4);
  bench.flash.flipBit(SECOND_PAYLOAD_BIT);
  assert.equal(seqsOf(bench.drain(0)), [1, 3, 4]);
  for (const seq of [1, 3, 4]) assert.ok(bench.outbox.receipt(seq, digestOf(seq)));
  for (const nowMs of [1_000, 2_999, 3_000, 6_999]) {
    assert.equal(bench.drain(nowMs), []);
    assert.equal(bench.lost, [], `at ${nowMs} ms`);
  }
  assert.is(bench.journal.pendingCount, 3, "those after it wait with it");
  assert.equal(bench.drain(7_000), []);
  assert.equal(bench.lost, [2]);
  assert.is(bench.journal.storedThrough, 1);
  assert.is(bench.journal.passedThrough, 4);
  assert.is(bench.journal.pendingCount, 0);
  bench.drain(100_000);
  assert.equal(bench.lost, [2]);
});

test("a record that reads again after a pause is sent, and so is one that reads again after the next boot", () => {
  const bench = new Bench(4);
  bench.flash.flipBit(SECOND_PAYLOAD_BIT);
  bench.drain(0);
  bench.drain(1_000);
  bench.flash.flipBit(SECOND_PAYLOAD_BIT);
  assert.equal(seqsOf(bench.drain(3_000)), [2]);
  for (const seq of [1, 2, 3, 4]) assert.ok(bench.outbox.receipt(seq, digestOf(seq)));
  assert.is(bench.journal.storedThrough, 4);

  bench.record(5);
  bench.record(6);
  const fifth = Buffer.from(bench.flash.dump()).indexOf(payloadOf(5)) * 8;
  bench.flash.flipBit(fifth);
  for (const nowMs of [10_000, 11_000, 13_000, 17_000]) bench.drain(nowMs);
  assert.equal(bench.lost, [5]);
  bench.outbox.receipt(6, digestOf(6));
  assert.is(bench.journal.storedThrough, 4);
  bench.flash.flipBit(fifth);
  bench.journal.close();
  bench.reboot();
  assert.is(bench.journal.passedThrough, 6);
  assert.equal(seqsOf(bench.drain()), [5, 6]);
  for (const seq of [5, 6]) assert.ok(bench.outbox.receipt(seq, digestOf(seq)));
  assert.is(bench.journal.storedThrough, 6);
});

test("whatever fails in between, every record is stored in the end, and none out of order within a connection", () => {
  const event = fc.oneof(
    { weight: 8, arbitrary: fc.constant("send" as const) },
    { weight: 4, arbitrary: fc.constant("puback" as const) },
    { weight: 4, arbitrary: fc.constant("receipt" as const) },
    { weight: 3, arbitrary: fc.constant("record" as const) },
    { weight: 1, arbitrary: fc.constantFrom("reconnect" as const, "reboot" as const, "time" as const, "clean" as const) },
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(event, fc.nat()), { maxLength: 200 }), fc.integer({ min: 1, max: 8 }), (events, windowMax) => {
      const bench = new Bench(3, { windowMax, receiptTimeoutMs: 100 });
      let last = 3;
      let nowMs = 0;
      let flight: Publish[] = []; // with the broker
      const arrived = new Set<number>(); // with the collector
      const stored = new Set<number>();
      const sentHere = new Set<number>(); // over this connection
      const send = (): Publish | undefined => {
        const out = bench.outbox.next(nowMs);
        if (out === undefined) return undefined;
        assert.not.ok(stored.has(out.seq) && out.seq <= bench.journal.storedThrough, `${out.seq} is stored`);
        if (!sentHere.has(out.seq))
          assert.ok(out.seq > Math.max(0, ...sentHere), `${out.seq} for the first time, after ${[...sentHere]}`);
        sentHere.add(out.seq);
        assert.ok(bench.outbox.inFlight <= windowMax);
        flight.push(out);
        arrived.add(out.seq);
        return out;
      };
      for (const [one, pick] of events) {
        if (one === "send") send();
        else if (one === "puback") {
          const out = flight.splice(pick % Math.max(1, flight.length), 1)[0];
          if (out !== undefined) bench.outbox.acknowledged(out.packetId);
        } else if (one === "receipt") {
          const seq = [...arrived][pick % Math.max(1, arrived.size)];
          if (seq !== undefined && bench.outbox.receipt(seq, digestOf(seq))) stored.add(seq);
        } else if (one === "record") {
          last += 1;
          bench.record(last);
        } else if (one === "time") nowMs += 5_000;
        else if (one === "reconnect") {
          flight = [];
          sentHere.clear();
          bench.outbox.reset();
        } else {
          flight = [];
          sentHere.clear();
          if (one === "clean") bench.journal.close();
          bench.reboot();
        }
        for (let seq = 1; seq <= bench.journal.storedThrough; seq += 1) assert.ok(stored.has(seq), `${seq} was never stored`);
      }
      // In the end all goes well.
      for (let round = 0; round < 1_000 && bench.journal.pendingCount > 0; round += 1) {
        const out = send();
        if (out === undefined) nowMs += 5_000;
        else {
          bench.outbox.acknowledged(out.packetId);
          if (bench.outbox.receipt(out.seq, digestOf(out.seq))) stored.add(out.seq);
        }
      }
      assert.is(bench.journal.pendingCount, 0);
      assert.is(bench.journal.storedThrough, last);
      assert.is(bench.journal.stream, 0);
      for (let seq = 1; seq <= last; seq += 1) assert.ok(stored.has(seq) && arrived.has(seq));
      assert.equal(bench.lost, []);
    }),
    { numRuns: 200 },
  );
});

test.run();
