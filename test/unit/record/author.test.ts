// The author: what a record says, in which order it is kept and signed, what a signer that fails leaves behind, where the
// numbers go on. Power cuts: author-power.test.ts.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { equal } from "../../../firmware/bytes.js";
import { nobleEngine } from "../../../firmware/crypto/engine-noble.js";
import { encodeSign1, verifySign1 } from "../../../firmware/record/cose.js";
import { Rejection } from "../../../firmware/rejection.js";
import { assertLinked, Bench, FLEET, held, inputOf, KEY, recordsOf, write } from "./author-bench.js";
import { independently } from "./signing.js";

test("a record says what it was given, and its place; another implementation verifies it", async () => {
  const { author, journal, sequence } = new Bench().boot();
  const first = await write(author, 7);
  const second = await write(author, 8);
  assert.equal([first.seq, second.seq, first.stream], [1, 2, 0]);
  const kept = recordsOf(journal);
  assert.is(kept.length, 2);
  assertLinked(kept);
  const [one, two] = kept;
  assert.equal(
    { ...one?.fields },
    { ...inputOf(7), seq: 1, stream: 0, prev: new Uint8Array(32), boot: sequence.boot, fleet: FLEET },
  );
  assert.ok(equal(first.digest, one?.digest as Uint8Array) && equal(second.digest, two?.digest as Uint8Array));
  assert.is(first.payloadBytes, one?.kept.payload.length);
  for (const {
    kept: { payload, signature },
  } of kept) {
    const message = encodeSign1(KEY.address, payload, signature as Uint8Array);
    const { header, valid } = independently(message, KEY.publicKey);
    assert.ok(valid);
    assert.equal(
      header,
      new Map<number, unknown>([
        [1, -47],
        [4, KEY.address],
      ]),
    );
  }
});

test("the payload is kept before it is signed", async () => {
  const bench = new Bench("later");
  const { author, journal } = bench.boot();
  const writing = author.write(inputOf(1), 1);
  await Promise.resolve();
  assert.equal(journal.unsealed(), [1]);
  assert.is(held(journal.read(1)).signature, undefined);
  bench.signer.release();
  held(await writing);
  assert.equal(journal.unsealed(), []);
  assert.ok(held(journal.read(1)).signature instanceof Uint8Array);
});

for (const signing of ["throws", "rejects"] as const)
  test(`a signer that ${signing}: the payload waits, is signed later with the same bytes, and nothing counts as lost`, async () => {
    const bench = new Bench(signing);
    const { author, journal } = bench.boot();
    assert.match(String(await author.write(inputOf(1), 1)), /^signature-failed: .*does not answer/);
    assert.is(await author.recover(), 0);
    const waiting = held(journal.read(1)).payload;
    bench.signer.signing = "real";
    assert.is(await author.recover(), 1);
    assert.is(await author.recover(), 0);
    const { payload, signature } = held(journal.read(1));
    assert.equal(payload, waiting);
    held(verifySign1(nobleEngine, encodeSign1(KEY.address, payload, signature as Uint8Array)));
    await write(author, 2);
    assertLinked(recordsOf(journal));
  });

test("while four records wait for their signature no more are made; their samples are counted, not dropped", async () => {
  const bench = new Bench("throws");
  const { author, journal } = bench.boot();
  for (let i = 1; i <= 4; i += 1) await author.write(inputOf(i), 1);
  const refused = await author.write(inputOf(5), 3);
  assert.is((refused as Rejection).code, "journal-unsealed");
  bench.signer.signing = "real";
  assert.is(await author.recover(), 4);
  await write(author, 6);
  const kept = recordsOf(journal);
  assertLinked(kept);
  assert.equal(
    kept.map(({ fields }) => [fields.seq, fields.gap]),
    [
      [1, undefined],
      [2, undefined],
      [3, undefined],
      [4, undefined],
      [5, 3],
    ],
  );
});

test("lost samples are counted in the next record, once", async () => {
  const { author, journal } = new Bench().boot();
  author.lose(2);
  author.lose(5);
  await write(author, 1);
  await write(author, 2);
  assert.equal(
    recordsOf(journal).map(({ fields }) => fields.gap),
    [7, undefined],
  );
});

test("a full journal refuses, overwrites nothing, and the samples that found no room are counted when there is some", async () => {
  const bench = new Bench("fast", "plain", 4);
  const { author, journal } = bench.boot();
  let written = 0;
  let refusal: unknown;
  for (let i = 1; refusal === undefined && i < 1000; i += 1) {
    const result = await author.write(inputOf(i % 200), 2);
    if (result instanceof Rejection) refusal = result;
    else written = result.seq;
  }
  assert.is((refusal as Rejection).code, "journal-full");
  assert.is(recordsOf(journal).length, written);
  for (let i = 0; i < 3; i += 1) assert.is(((await author.write(inputOf(9), 2)) as Rejection).code, "journal-full");
  journal.markStored(written);
  const next = await write(author, 10);
  assert.is(next.seq, written + 1, "no number was used up by what was refused");
  const kept = recordsOf(journal);
  assert.is(kept[kept.length - 1]?.fields.gap, 8);
});

test("a key-value store that cannot reserve a number stops the record, and its samples are counted", async () => {
  const bench = new Bench();
  const { author, journal } = bench.boot();
  bench.board.board.keyValue.failWrites = true;
  for (let tried = 0; tried < 2; tried += 1)
    assert.match(String(await author.write(inputOf(1), 4)), /^sequence-write: .*FLASH_OP_FAIL/, "the second time, too");
  assert.equal(journal.unsealed(), []);
  assert.is(journal.lastSeq, undefined);
  bench.board.board.keyValue.failWrites = false;
  await write(author, 2);
  assert.equal(
    recordsOf(journal).map(({ fields }) => fields.gap),
    [8],
  );
});

test("flash that forgets what is written: what could not be kept is not signed", async () => {
  const bench = new Bench("fast");
  const { author, journal } = bench.boot();
  await write(author, 1);
  for (let sector = 0; sector < bench.flash.sectors; sector += 1) bench.flash.wearOut(sector, "program");
  const refused = (await author.write(inputOf(2), 1)) as Rejection;
  assert.match(refused.code, /^journal-(write|worn)$/);
  assert.is(bench.signer.signed.size, 1, "what could not be kept is not signed");
  assert.is(held(journal.read(1)).signature instanceof Uint8Array, true);
});

test("a restart goes on: same stream, next number, boot one higher, linked to the newest record", async () => {
  const bench = new Bench();
  const before = bench.boot();
  await write(before.author, 1);
  await write(before.author, 2);
  before.sequence.close();
  before.journal.close();
  const after = bench.boot();
  assert.is(after.sequence.origin, "continued");
  assert.is(after.sequence.boot, before.sequence.boot + 1);
  assert.is((await write(after.author, 3)).seq, 3);
  assertLinked(recordsOf(after.journal));
});

test("an erased journal begins a new stream above every number that was used, with nothing before it", async () => {
  const bench = new Bench("fast");
  const before = bench.boot();
  for (let i = 0; i < 40; i += 1) await write(before.author, i);
  bench.erase();
  const { author, sequence, journal } = bench.boot();
  assert.is(sequence.origin, "erased");
  const { seq, stream } = await write(author, 50);
  assert.ok(seq > 40);
  assert.is(stream, 1);
  assertLinked(recordsOf(journal));
});

test("a newest record that rots under the author begins a new stream: there is nothing to link to", async () => {
  const bench = new Bench("fast");
  const before = bench.boot();
  await write(before.author, 1);
  await write(before.author, 2);
  before.sequence.close();
  const { payload } = held(before.journal.read(2));
  const { author, journal, sequence } = bench.boot(() => bench.rot(payload));
  assert.is((journal.read(2) as Rejection).code, "journal-corrupt");
  assert.is(sequence.stream, 1);
  const { seq, stream } = await write(author, 3);
  assert.equal([seq, stream], [3, 1]);
  assert.equal(recordsOf(journal, 2)[0]?.fields.prev, new Uint8Array(32));
});

test("a record that is longer than they mostly are is written whole, and so is a short one after it", async () => {
  const { author, journal } = new Bench().boot();
  const many = Array.from({ length: 20 }, (_, i) => ({ n: `some-rather-long-name-${i}`, u: "Cel", v: i }));
  const long = await author.write({ ...inputOf(1), measurements: many }, 20);
  assert.ok(!(long instanceof Rejection) && long.payloadBytes > 600, String(long));
  await write(author, 2);
  const kept = recordsOf(journal);
  assertLinked(kept);
  assert.equal(kept[0]?.fields.measurements, many);
  const tooMany = Array.from({ length: 32 }, (_, i) => ({
    n: `a-name-of-so-many-characters-that-no-payload-holds-them-${i}`,
    v: i,
  }));
  const refused = await author.write({ ...inputOf(3), measurements: tooMany }, 32);
  assert.is((refused as Rejection).code, "cbor-too-long");
  await write(author, 4);
  assert.is(recordsOf(journal).at(-1)?.fields.gap, 32, "and counted");
});

test.run();
