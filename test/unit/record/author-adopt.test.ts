// Where the numbers go on when someone else still holds what the mote has lost: its own newest record, and nothing else.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { nobleEngine } from "../../../firmware/crypto/engine-noble.js";
import { digestOf, encodeSign1 } from "../../../firmware/record/cose.js";
import { encodeRecord, type RecordFields } from "../../../firmware/record/record.js";
import type { Rejection } from "../../../firmware/rejection.js";
import { assertLinked, Bench, FLEET, held, inputOf, KEY, type ReadRecord, recordsOf, write } from "./author-bench.js";
import { signed, testKey } from "./signing.js";

/** The mote's own record with these numbers, as a collector would have it. */
function own(fields: Partial<RecordFields>): { message: Uint8Array; digest: Uint8Array } {
  const payload = encodeRecord({
    ...inputOf(1),
    fleet: FLEET,
    prev: new Uint8Array(32),
    boot: 9,
    seq: 100,
    stream: 0,
    ...fields,
  });
  return { message: signed(KEY, payload), digest: digestOf(nobleEngine, KEY.address, payload) };
}

test("adopt: the mote's own newer record moves the numbers above it, and the next record links to it", async () => {
  for (const [stream, seq] of [
    [0, 100],
    [3, 100],
    [3, 1],
  ] as const) {
    const bench = new Bench();
    const { author, journal, sequence } = bench.boot();
    await write(author, 1);
    const { message, digest } = own({ stream, seq });
    assert.is(author.adopt(message), true);
    const written = await write(author, 2);
    assert.is(written.seq, Math.max(seq, 1) + 1);
    assert.is(written.stream, stream);
    const kept = recordsOf(journal);
    assert.equal(kept[kept.length - 1]?.fields.prev, digest);
    assert.is(author.adopt(message), false, "it is behind now");
    sequence.close();
    const again = bench.boot();
    assert.is((await write(again.author, 3)).seq, written.seq + 1, "and it lasts");
  }
});

test("adopt: boots go on above those that the record's mote had counted, and only where the counters had been put back", async () => {
  const bench = new Bench();
  const { author, sequence, journal } = bench.boot();
  await write(author, 1);
  const { payload, signature } = held(journal.read(1));
  assert.is(author.adopt(encodeSign1(KEY.address, payload, signature as Uint8Array)), false);
  assert.is(sequence.boot, 1, "its own record of this boot");
  assert.is(author.adopt(own({ boot: 9 }).message), true);
  await write(author, 2);
  assert.equal(
    recordsOf(journal).map(({ fields }) => fields.boot),
    [1, 10],
  );
  assert.is(bench.boot().sequence.boot, 11, "and it lasts");
});

test("adopt: what the journal is at or above changes nothing", async () => {
  const { author, journal } = new Bench().boot();
  for (let i = 1; i <= 5; i += 1) await write(author, i);
  const { payload, signature } = held(journal.read(5));
  assert.is(author.adopt(encodeSign1(KEY.address, payload, signature as Uint8Array)), false);
  assert.is(author.adopt(own({ seq: 3 }).message), false);
  await write(author, 6);
  assertLinked(recordsOf(journal));
});

test("adopt: of a record of an older stream boots alone go on above it, however high its number", async () => {
  const bench = new Bench();
  await write(bench.boot().author, 1);
  bench.erase();
  const { author, sequence } = bench.boot();
  const next = sequence.next;
  assert.is(sequence.stream, 1);
  assert.is(author.adopt(own({ stream: 0, seq: 10_000, boot: 1 }).message), false);
  assert.is(author.adopt(own({ stream: 0, seq: 10_000, boot: 9 }).message), true);
  assert.equal([sequence.next, sequence.stream, sequence.boot], [next, 1, 10]);
});

test("adopt: nothing that others can make moves the numbers", async () => {
  const { author, sequence, journal } = new Bench().boot();
  await write(author, 1);
  const { message } = own({});
  const other = testKey("other");
  const payload = encodeRecord({ ...inputOf(1), fleet: FLEET, prev: new Uint8Array(32), boot: 9, seq: 100, stream: 0 });
  const byOther = signed(other, payload);
  const claimed = encodeSign1(KEY.address, payload, other.sign(digestOf(nobleEngine, KEY.address, payload)));
  const bad: [string, Uint8Array][] = [
    ["latest-foreign", byOther],
    ["signature-invalid", claimed],
    ["latest-foreign", own({ fleet: { registry: new Uint8Array(20), chain: FLEET.chain } }).message],
    ["latest-foreign", own({ fleet: { registry: FLEET.registry, chain: "eip155:1" } }).message],
    ["latest-range", own({ seq: 0xffffffff }).message],
    ["latest-range", own({ stream: 2 ** 40 }).message],
    ["latest-range", own({ boot: 0xffffffff }).message],
    ["cose-malformed", message.subarray(0, message.length - 1)],
    ["cose-malformed", new Uint8Array(0)],
    ["cose-too-long", new Uint8Array(4096)],
    ["payload-type", signed(KEY, Uint8Array.of(0xa1, 0x00, 0x02))],
    ["cbor-truncated", signed(KEY, new Uint8Array(0))],
  ];
  const next = sequence.next;
  for (const [code, bytes] of bad) assert.is((author.adopt(bytes) as Rejection).code, code);
  for (let bit = 0; bit < message.length * 8; bit += 101) {
    const flipped = message.slice();
    flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
    assert.is.not(author.adopt(flipped), true, `bit ${bit}`);
  }
  assert.is(sequence.next, next);
  await write(author, 2);
  assertLinked(recordsOf(journal));
});

test("a newest record that had rotted before the boot is linked to all the same where the collector has it", async () => {
  const bench = new Bench();
  const before = bench.boot();
  for (let i = 1; i <= 4; i += 1) await write(before.author, i);
  before.sequence.close();
  const [, , third, fourth] = recordsOf(before.journal);
  const messageOf = ({ kept }: ReadRecord) => encodeSign1(KEY.address, kept.payload, kept.signature as Uint8Array);
  bench.rot((fourth as ReadRecord).kept.payload);
  const { author, journal } = bench.boot();
  assert.is(journal.lastSeq, 3, "the journal has lost it");
  assert.is(author.adopt(messageOf(third as ReadRecord)), false);
  assert.is(author.adopt(messageOf(fourth as ReadRecord)), true);
  assert.is(author.adopt(messageOf(fourth as ReadRecord)), false);
  assert.is(author.adopt(messageOf(third as ReadRecord)), false);
  assert.is((await write(author, 5)).seq, 5);
  assert.equal(recordsOf(journal, 3)[0]?.fields.prev, fourth?.digest);
});

test.run();
