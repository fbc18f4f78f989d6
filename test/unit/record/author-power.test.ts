// Power lost at every byte that making a record writes, on a plain and on an encrypted partition. Whatever was signed in the
// whole life of the mote stays the only payload of its number; what was kept is signed with the bytes that were kept.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { nobleEngine } from "../../../firmware/crypto/engine-noble.js";
import { encodeSign1, verifySign1 } from "../../../firmware/record/cose.js";
import type { FlashMode } from "../../../host-sim/hardware/flash.js";
import type { NvsStore } from "../../../host-sim/hardware/key-value.js";
import { assertLinked, Bench, held, inputOf, KEY, recordsOf, write } from "./author-bench.js";

/** Two records write less than this after the erase of the sector that an unclean mount begins with. */
const ERASE_BYTES = 4096;
const BYTES_MAX = 12_000;
const SECTORS = 6;

/** A bench with two records kept, and a way to put it back to that moment. */
async function prepared(mode: FlashMode) {
  const bench = new Bench("fast", mode, SECTORS);
  const { author, journal } = bench.boot();
  await write(author, 1);
  await write(author, 2);
  const image = bench.flash.snapshot();
  const nvs = nvsOf(bench);
  const signed = new Map(bench.signer.signed);
  const records = recordsOf(journal);
  const putBack = () => {
    bench.flash.restore(image);
    for (const [name, value] of nvs) bench.storage.nvs.set("mote", name, value);
    bench.signer.signed.clear();
    for (const [place, digest] of signed) bench.signer.signed.set(place, digest);
  };
  return { bench, records, putBack };
}

function nvsOf(bench: Bench): [string, Uint8Array][] {
  const nvs: NvsStore = bench.storage.nvs;
  return [...nvs.sizes().keys()]
    .filter((name) => name.startsWith("mote/"))
    .map((name) => [name.slice(5), nvs.get("mote", name.slice(5)) as Uint8Array]);
}

/** Writes two records until the power goes; the signature may have been made before the seal was cut. */
async function untilPowerGoes(bench: Bench, bytes: number): Promise<void> {
  const { author } = bench.boot();
  bench.flash.cutAfter(bytes);
  for (const value of [3, 4]) {
    const written = await author.write(inputOf(value), 1);
    if (!("seq" in written)) return; // the journal was refused by its flash
  }
}

for (const mode of ["plain", "encrypted"] as const)
  test(`power lost at any byte of two records, ${mode}`, async () => {
    const { bench, records, putBack } = await prepared(mode);
    let cuts = 0;
    let recoveries = 0;
    for (let bytes = 0; bytes < BYTES_MAX; bytes += bytes < ERASE_BYTES - 16 ? 7 : 1) {
      putBack();
      await untilPowerGoes(bench, bytes);
      if (bench.flash.powered) break;
      cuts += 1;
      const { author, journal } = bench.boot();
      const waiting = journal.unsealed();
      const payloads = waiting.map((seq) => held(journal.read(seq)).payload);
      recoveries += await author.recover();
      assert.equal(journal.unsealed(), []);
      for (const [i, seq] of waiting.entries()) assert.equal(held(journal.read(seq)).payload, payloads[i]);
      await write(author, 5);
      const kept = recordsOf(journal);
      assertLinked(kept);
      for (const [i, { digest }] of records.entries()) assert.equal(kept[i]?.digest, digest, "what was there is there");
      // Everything that was ever signed is kept, under the payload that was signed: nothing is signed before it is stored.
      for (const [place, digest] of bench.signer.signed) {
        const found = kept.find(({ fields }) => `${fields.stream}/${fields.seq}` === place);
        assert.is(found && Buffer.from(found.digest).toString("hex"), digest, `${place}, cut after ${bytes} bytes`);
      }
      for (const { kept: record } of kept) assert.ok(record.signature !== undefined, "and nothing stays unsigned");
    }
    assert.ok(cuts > 1_200, `${cuts} cuts`);
    assert.ok(recoveries > 100, `${recoveries} recoveries`);
  });

test("power lost between the keeping and the signing: the record that comes of it verifies, and is the one that was kept", async () => {
  const bench = new Bench("throws");
  const { author, journal } = bench.boot();
  await Promise.resolve(author.write(inputOf(1), 1)).catch(() => undefined);
  const { payload } = held(journal.read(1));
  bench.signer.signing = "later";
  const after = bench.boot();
  const recovering = after.author.recover();
  await Promise.resolve();
  bench.signer.release();
  assert.is(await recovering, 1);
  const kept = held(after.journal.read(1));
  assert.equal(kept.payload, payload);
  held(verifySign1(nobleEngine, encodeSign1(KEY.address, kept.payload, kept.signature as Uint8Array)));
});

test("power lost while the signer thinks: signed twice, the same digest, the same signature", async () => {
  const bench = new Bench("later");
  const { author } = bench.boot();
  void author.write(inputOf(1), 1); // the power goes here: this promise is never kept
  await Promise.resolve();
  assert.is(bench.signer.signed.size, 1);
  bench.signer.signing = "real";
  const { author: next, journal } = bench.boot();
  assert.is(await next.recover(), 1);
  assert.is(bench.signer.signed.size, 1);
  assert.equal(held(journal.read(1)).signature, KEY.sign(recordsOf(journal)[0]?.digest as Uint8Array));
});

test("power lost again and again: no number ever comes back, and the chain of records holds", async () => {
  const bench = new Bench("fast", "encrypted", 32);
  let last = 0;
  for (let boot = 1; boot <= 60; boot += 1) {
    const { author, journal, sequence } = bench.boot();
    assert.is(sequence.boot, boot);
    await author.recover();
    bench.flash.cutAfter((boot * 137) % 5500);
    for (let i = 0; i < 3; i += 1) {
      const written = await author.write(inputOf(boot), 1);
      if (!("seq" in written)) break;
      assert.ok(written.seq > last, `${written.seq} after ${last}`);
      last = written.seq;
    }
    bench.flash.powerOn();
    journal.markStored(Math.max(0, last - 8));
  }
  const { author, journal } = bench.boot();
  await author.recover();
  const kept = recordsOf(journal);
  assert.ok(kept.length >= 8);
  for (const [i, { fields }] of kept.slice(1).entries()) assert.equal(fields.prev, kept[i]?.digest);
});

test.run();
