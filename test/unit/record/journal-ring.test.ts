// Sectors in turn: worn evenly, retired where they fail, and none believed that has died.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { Rejection } from "../../../firmware/rejection.js";
import { NorFlash, SECTOR_BYTES } from "../../../host-sim/hardware/flash.js";
import { expectRecord, modes, mount, payloadOf, record, seqs } from "./journal-bench.js";

for (const mode of modes) {
  test(`${mode}: a flipped bit in any header never makes a mount fail or a record wrong`, () => {
    const flash = new NorFlash({ sectors: 6, mode });
    let journal = mount(flash);
    for (let seq = 1; seq <= 30; seq += 1) record(journal, seq);
    const image = flash.snapshot();
    for (let sector = 0; sector < 3; sector += 1) {
      for (let bit = 0; bit < 96 * 8; bit += 5) {
        flash.flipBit(sector * SECTOR_BYTES * 8 + bit);
        journal = mount(flash);
        let read = 0;
        for (const seq of seqs(journal)) {
          const kept = journal.read(seq);
          if (kept instanceof Rejection) continue;
          assert.equal(kept.payload, payloadOf(seq));
          read += 1;
        }
        assert.ok(read >= 15, `${read} of 30 records are left`);
        flash.restore(image);
      }
    }
  });
}

test("100,000 records wear 64 sectors evenly and write no unit twice", () => {
  const flash = new NorFlash({ sectors: 64 });
  let journal = mount(flash);
  for (let seq = 1; seq <= 100_000; seq += 1) {
    const refusal = record(journal, seq, 150 + (seq % 100));
    if (refusal !== undefined) throw new Error(`${seq}: ${refusal}`);
    if (seq > 50) journal.markStored(seq - 50);
    if (seq % 1_000 === 0) journal = mount(flash);
  }
  const least = Math.min(...flash.eraseCounts);
  const most = Math.max(...flash.eraseCounts);
  assert.ok(most / least <= 2, `erases per sector: ${least} to ${most}`);
  assert.is(flash.counters.rewrites, 0);
  assert.is(journal.lastSeq, 100_000);
  console.log(
    `erases per sector: ${least} to ${most}; ${(flash.counters.bytesWritten / 100_000).toFixed(0)} bytes written per record`,
  );
});

for (const how of ["erase", "program"] as const) {
  test(`sectors that fail to ${how} are retired, for good, and nothing is lost`, () => {
    const flash = new NorFlash({ sectors: 12, mode: "encrypted" });
    let journal = mount(flash);
    let seq = 1;
    const one = (): void => {
      const refusal = record(journal, seq);
      if (refusal !== undefined) throw new Error(`${seq}: ${refusal}`);
      if (seq > 10) journal.markStored(seq - 10);
      for (let back = Math.max(1, seq - 9); back <= seq; back += 1) expectRecord(journal, back);
      seq += 1;
    };
    while (seq <= 25) one();
    for (const sector of [2, 5, 6]) flash.wearOut(sector, how);
    while (seq <= 300) one();
    assert.is(journal.retiredSectors, 3);
    journal = mount(flash);
    assert.is(journal.retiredSectors, 3, "the list survives a boot");
    const erases = flash.eraseCounts.slice();
    while (seq <= 450) one();
    for (const sector of [2, 5, 6]) assert.is(flash.eraseCounts[sector], erases[sector], `sector ${sector} is left alone`);
  });
}

test("a flash that fails everywhere ends in `journal-worn` or `journal-write`, not in an exception", () => {
  const flash = new NorFlash({ sectors: 40 });
  const journal = mount(flash);
  record(journal, 1);
  for (let sector = 0; sector < 40; sector += 1) flash.wearOut(sector, "program");
  const codes = new Set<string>();
  for (let seq = 2; seq < 20; seq += 1) {
    const refusal = journal.append(0, seq, payloadOf(seq));
    assert.instance(refusal, Rejection);
    codes.add((refusal as Rejection).code);
  }
  assert.ok(
    [...codes].every((code) => code === "journal-worn" || code === "journal-write"),
    [...codes].join(),
  );
  expectRecord(journal, 1);
});

test.run();
