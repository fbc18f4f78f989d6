// What a boot finds: records without a signature, a clean end that holds and one that does not, headers that come and go; and what
// that costs.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { Rejection } from "../../../firmware/rejection.js";
import { NorFlash, SECTOR_BYTES } from "../../../host-sim/hardware/flash.js";
import { expectRecord, modes, mount, payloadOf, record, seqs, signatureOf } from "./journal-bench.js";

for (const mode of modes) {
  test(`${mode}: a payload waits for its signature over a boot, and moves whole into the next sector`, () => {
    const flash = new NorFlash({ sectors: 8, mode });
    let journal = mount(flash);
    record(journal, 1);
    journal.append(3, 2, payloadOf(2));
    assert.equal(journal.unsealed(), [2]);
    journal = mount(flash);
    assert.equal(journal.unsealed(), [2]);
    const kept = journal.read(2);
    assert.ok(!(kept instanceof Rejection) && kept.signature === undefined && kept.stream === 3);
    assert.is(journal.seal(2, signatureOf(2)), undefined);
    assert.equal(journal.unsealed(), []);
    expectRecord(journal, 2);
    journal = mount(flash);
    assert.equal(journal.unsealed(), []);
    assert.equal(seqs(journal), [1, 2]);
    expectRecord(journal, 2);
    assert.is(journal.stream, 3);
    assert.is(journal.pendingCount, 2);
  });

  test(`${mode}: after a clean end the same sector goes on; after any other a fresh one`, () => {
    const flash = new NorFlash({ sectors: 8, mode });
    for (let seq = 1; seq <= 6; seq += 1) {
      const journal = mount(flash);
      assert.is(record(journal, seq), undefined);
      journal.close();
    }
    assert.is(flash.counters.erases, 1);
    record(mount(flash), 7);
    assert.is(flash.counters.erases, 1, "the end before this one was clean");
    record(mount(flash), 8);
    assert.is(flash.counters.erases, 2, "this one was not");
    const journal = mount(flash);
    for (let seq = 1; seq <= 8; seq += 1) expectRecord(journal, seq);
    assert.is(flash.counters.rewrites, 0);
  });

  test(`${mode}: a clean end is not believed once anything has been written after it`, () => {
    for (let seed = 1; seed <= 40; seed += 1) {
      const flash = new NorFlash({ sectors: 8, mode, seed });
      let journal = mount(flash);
      record(journal, 1);
      journal.close();
      journal = mount(flash);
      flash.cutAfter(seed); // within the first units of the next append
      journal.append(0, 2, payloadOf(2));
      assert.not.ok(flash.powered);
      flash.powerOn();
      journal = mount(flash);
      assert.equal(seqs(journal), [1]);
      assert.is(record(journal, 2, 100), undefined);
      expectRecord(journal, 1);
      expectRecord(journal, 2, 100);
      assert.is(flash.counters.rewrites, 0);
    }
  });

  test(`${mode}: a sector whose second opening was interrupted, and whose header comes and goes, hides no record`, () => {
    for (let seed = 1; seed <= 60; seed += 1) {
      const flash = new NorFlash({ sectors: 8, mode, seed });
      let journal = mount(flash);
      for (let seq = 1; seq <= 9; seq += 1) record(journal, seq);
      journal.close();
      journal = mount(flash); // clean: the first sector goes on
      flash.cutAfter(SECTOR_BYTES + 96 + 500); // within the payload that the second sector is opened for
      journal.append(0, 10, payloadOf(10, 1024));
      flash.powerOn();
      journal = mount(flash);
      flash.cutAfter(1 + ((seed * 61) % (SECTOR_BYTES - 1))); // within its erase
      journal.append(0, 10, payloadOf(10, 1024));
      assert.not.ok(flash.powered);
      flash.powerOn();
      journal = mount(flash);
      assert.is(flash.counters.erases, 3, "three openings, the last one cut");
      for (let seq = 10; seq <= 12; seq += 1) assert.is(record(journal, seq, 20), undefined);
      for (let boot = 0; boot < 8; boot += 1) {
        journal = mount(flash);
        assert.is(journal.lastSeq, 12, `seed ${seed}`);
        for (let seq = 10; seq <= 12; seq += 1) expectRecord(journal, seq, 20);
      }
      assert.is(flash.counters.rewrites, 0);
    }
  });
}

test("mount time: one header per sector and one sector besides, whatever the number of records", () => {
  const flash = new NorFlash({ sectors: 64 });
  const journal = mount(flash);
  for (let seq = 1; seq <= 3_000; seq += 1) {
    record(journal, seq);
    journal.markStored(seq - 600);
    if (seq % 500 !== 0) continue;
    const before = flash.counters.bytesRead;
    mount(flash);
    const bytes = flash.counters.bytesRead - before;
    assert.ok(bytes <= 64 * 96 * 3 + 6 * SECTOR_BYTES, `${bytes} bytes read by a mount after ${seq} records`);
  }
});

test.run();
