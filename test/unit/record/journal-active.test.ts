// Room: kept free at the end of a sector for the seals that are waited for, for one mark, and behind a clean end for two (without
// it a frame would run into the next sector, or a sector could not be declared dead); how much there is; what is refused while it
// runs out.

import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Rejection } from "../../../firmware/rejection.js";
import { NorFlash } from "../../../host-sim/hardware/flash.js";
import { dumpJournal } from "../../../tools/journal/dump.js";
import { expectRecord, modes, mount, payloadOf, record, rejected, seqs } from "./journal-bench.js";

const SECTOR_UNITS = 128;

/** Lengths of payloads, how many wait for their signatures at once, and whether a clean end and a boot come after them. */
const group = fc.record({
  lengths: fc.array(fc.integer({ min: 1, max: 1024 }), { minLength: 1, maxLength: 4 }),
  end: fc.boolean(),
});

test("frames end where room has been kept, and every seal finds its place beside its payload", () => {
  fc.assert(
    fc.property(fc.array(group, { minLength: 20, maxLength: 60 }), (groups) => {
      const flash = new NorFlash({ sectors: 24 });
      let journal = mount(flash);
      let seq = 0;
      for (const { lengths, end } of groups) {
        const from = seq + 1;
        for (const length of lengths) {
          seq += 1;
          const refusal = journal.append(0, seq, new Uint8Array(length).fill(seq));
          if (refusal !== undefined) throw new Error(String(refusal));
        }
        for (let one = from; one <= seq; one += 1) assert.is(journal.seal(one, new Uint8Array(64).fill(one)), undefined);
        if (end) journal.close();
        if (end) journal = mount(flash);
        journal.markStored(seq);
        assert.is(flash.counters.rewrites, 0);
      }
      const { used, damage } = dumpJournal(flash.dump());
      assert.equal(damage, []);
      for (const { frames, sector } of used)
        for (const { kind, unit, units } of frames) {
          const kept = kind === "mark" ? 0 : kind === "clean" ? 2 : 1;
          assert.ok(unit + units <= SECTOR_UNITS - kept, `${kind} at unit ${unit} of sector ${sector}`);
        }
    }),
    { numRuns: 300 },
  );
});

test("several sectors in a row that fail: the marks that declare others dead do not run out of the sector", () => {
  for (let length = 20; length < 700; length += 9) {
    const flash = new NorFlash({ sectors: 16 });
    const journal = mount(flash);
    let seq = 0;
    const one = (): void => {
      seq += 1;
      const payload = new Uint8Array(length).fill(seq);
      const refusal = journal.append(0, seq, payload) ?? journal.seal(seq, new Uint8Array(64).fill(seq));
      if (refusal !== undefined) throw new Error(`${length} bytes, record ${seq}: ${refusal}`);
      journal.markStored(seq - 1);
    };
    while (flash.counters.erases < 20) one(); // once round, and on
    const next = flash.counters.erases % 16;
    for (let sector = next; sector < next + 5; sector += 1) flash.wearOut(sector, "erase");
    while (flash.counters.erases < 40) one();
    assert.is(flash.counters.rewrites, 0, `${length} bytes`);
    assert.is(journal.retiredSectors, 5);
    assert.not.instance(journal.read(seq), Rejection);
  }
});

for (const mode of modes) {
  test(`${mode}: when it is full it says so, keeps all, and goes on once records are stored`, () => {
    const flash = new NorFlash({ sectors: 6, mode });
    const journal = mount(flash);
    let seq = 1;
    while (record(journal, seq) === undefined) seq += 1;
    rejected(journal.append(0, seq, payloadOf(seq)), "journal-full");
    assert.is(journal.freeRecords, 0);
    assert.equal(
      seqs(journal),
      Array.from({ length: seq - 1 }, (_, i) => i + 1),
    );
    for (let one = 1; one < seq; one += 1) expectRecord(journal, one);
    journal.markStored(3);
    rejected(journal.append(0, seq, payloadOf(seq)), "journal-full");
    journal.markStored(seq - 1);
    assert.is(record(journal, seq), undefined, "the seq that was refused is still free");
    assert.is(journal.pendingCount, 1);
    assert.ok((journal.after(0) as number) > 1, "the ring has trimmed");
    expectRecord(journal, seq);
  });
}

test("freeRecords is about what then finds room", () => {
  const journal = mount(new NorFlash({ sectors: 10 }));
  record(journal, 1);
  const estimate = journal.freeRecords;
  let seq = 2;
  while (record(journal, seq) === undefined) {
    seq += 1;
    if (seq % 7 === 0)
      assert.ok(
        Math.abs(journal.freeRecords - (estimate - (seq - 2))) <= 1 + seq / 10,
        `${journal.freeRecords} after ${seq - 1}`,
      );
  }
  assert.ok(Math.abs(estimate - (seq - 2)) <= estimate / 10, `estimated ${estimate}, found ${seq - 2}`);
});

test("thinning out refuses more and more, so that what is kept reaches further", () => {
  const journal = mount(new NorFlash({ sectors: 16 }), { full: "thin" });
  const reach: number[] = [];
  let refused = 0;
  let seq = 1;
  for (let sample = 0; sample < 2_000; sample += 1) {
    const refusal = record(journal, seq);
    if (refusal === undefined) {
      reach.push(sample);
      seq += 1;
    } else {
      assert.ok(refusal.code === "journal-thinned" || refusal.code === "journal-full", refusal.code);
      if (refusal.code === "journal-thinned") refused += 1;
    }
  }
  const kept = reach.length;
  const last = reach[kept - 1] as number;
  assert.ok(refused > kept / 2 && last > kept * 2, `${kept} records reach to sample ${last}`);
  assert.equal(
    reach.slice(0, 60),
    Array.from({ length: 60 }, (_, i) => i),
    "nothing is refused while there is room",
  );
  assert.equal(seqs(journal).length, kept);
});

test.run();
