// The journal without loss of power (that is test/sim/journal-power*): its API, and images that are not ours.

import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Journal } from "../../../firmware/record/journal.js";
import { Rejection } from "../../../firmware/rejection.js";
import { NorFlash, SECTOR_BYTES, UNIT_BYTES } from "../../../host-sim/hardware/flash.js";
import { Prng } from "../../../host-sim/world/prng.js";
import { engine, expectRecord, modes, mount, payloadOf, record, rejected, seqs, signatureOf } from "./journal-bench.js";

for (const mode of modes) {
  test(`${mode}: an empty partition is an empty journal, and mounting it writes nothing`, () => {
    const flash = new NorFlash({ sectors: 4, mode });
    const journal = mount(flash);
    assert.is(journal.after(0), undefined);
    assert.is(journal.lastSeq, undefined);
    assert.is(journal.after(0), undefined);
    assert.is(journal.storedThrough, 0);
    assert.is(journal.pendingCount, 0);
    assert.equal(journal.unsealed(), []);
    assert.ok(journal.freeRecords >= 20);
    rejected(journal.read(1), "journal-missing");
    assert.is(flash.counters.writes + flash.counters.erases, 0);
  });

  test(`${mode}: gives back payload, stream and signature, before and after a mount`, () => {
    const flash = new NorFlash({ sectors: 8, mode });
    let journal = mount(flash);
    const lengths = [1, 4, 5, 36, 200, 1023, 1024];
    for (const [i, length] of lengths.entries()) assert.is(record(journal, i + 1, length), undefined);
    for (let boot = 0; boot < 2; boot += 1) {
      for (const [i, length] of lengths.entries()) expectRecord(journal, i + 1, length);
      assert.equal(seqs(journal), [1, 2, 3, 4, 5, 6, 7]);
      assert.is(journal.lastSeq, 7);
      assert.is(journal.pendingCount, 7);
      journal = mount(flash);
    }
    assert.is(flash.counters.rewrites, 0);
  });
}

test("refuses what cannot be kept, and the seq stays free", () => {
  const journal = mount(new NorFlash({ sectors: 4 }));
  assert.is(record(journal, 5), undefined);
  rejected(journal.append(0, 6, new Uint8Array(0)), "journal-payload");
  rejected(journal.append(0, 6, new Uint8Array(1025)), "journal-payload");
  for (const seq of [5, 4, 0, -1, 5.5, 2 ** 32, Number.NaN]) rejected(journal.append(0, seq, payloadOf(1)), "journal-seq");
  assert.is(journal.append(2, 6, payloadOf(6)), undefined);
  rejected(journal.append(1, 7, payloadOf(7)), "journal-stream");
  rejected(journal.seal(5, signatureOf(5)), "journal-seq");
  rejected(journal.seal(7, signatureOf(7)), "journal-seq");
  rejected(journal.seal(6, new Uint8Array(63)), "journal-payload");
  for (const seq of [7, 8, 9]) assert.is(journal.append(2, seq, payloadOf(seq)), undefined);
  rejected(journal.append(2, 10, payloadOf(10)), "journal-unsealed");
  assert.equal(journal.unsealed(), [6, 7, 8, 9]);
  for (const seq of [8, 6, 9, 7]) assert.is(journal.seal(seq, signatureOf(seq)), undefined);
  for (const seq of [6, 7, 8, 9]) expectRecord(journal, seq);
  assert.is(journal.append(2, 10, payloadOf(10)), undefined);
});

test("refuses partitions and images that it cannot use", () => {
  rejected(Journal.mount(new NorFlash({ sectors: 3 }), { engine }), "journal-geometry");
  const flash = new NorFlash({ sectors: 4 });
  record(mount(flash), 1);
  const larger = new NorFlash({ sectors: 5 });
  larger.write(new Uint8Array(flash.read(SECTOR_BYTES, 0)), 0);
  rejected(Journal.mount(larger, { engine }), "journal-geometry");
  const header = new Uint8Array(flash.read(UNIT_BYTES, 0));
  header[4] = 2;
  header.set(engine.sha256(header.subarray(0, 24)).subarray(0, 8), 24);
  const newer = new NorFlash({ sectors: 4 });
  newer.write(header, SECTOR_BYTES);
  // Another version's superblock is known by its check, wherever it lies.
  rejected(Journal.mount(newer, { engine }), "journal-version");
  const dead = new NorFlash({ sectors: 4 });
  dead.powered = false;
  rejected(Journal.mount(dead, { engine }), "journal-unreadable");
});

test("noise of any kind mounts as an empty journal", () => {
  fc.assert(
    fc.property(fc.integer(), fc.constantFrom(...modes), (seed, mode) => {
      const flash = new NorFlash({ sectors: 4, mode, seed });
      const noise = new Uint8Array(4 * SECTOR_BYTES);
      new Prng(seed).fill(noise);
      flash.write(noise, 0);
      const journal = mount(flash);
      assert.is(journal.lastSeq, undefined);
      assert.is(record(journal, 1), undefined);
      expectRecord(mount(flash), 1);
    }),
    { numRuns: 50 },
  );
});

test("behaves like a list, whatever the order of calls", () => {
  const step = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant("append" as const),
        length: fc.integer({ min: 1, max: 1024 }),
        skip: fc.integer({ min: 0, max: 3 }),
      }),
    },
    { weight: 5, arbitrary: fc.record({ kind: fc.constant("seal" as const), pick: fc.nat() }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("stored" as const), behind: fc.integer({ min: 0, max: 12 }) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("mount" as const), clean: fc.boolean() }) },
  );
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 150 }),
      fc.constantFrom(...modes),
      fc.constantFrom(4, 5, 9),
      (steps, mode, sectors) => {
        const flash = new NorFlash({ sectors, mode });
        let journal = mount(flash);
        const kept: { seq: number; length: number; sealed: boolean }[] = [];
        let stored = 0;
        for (const one of steps) {
          const last = kept.at(-1)?.seq ?? 0;
          if (one.kind === "append") {
            const seq = last + 1 + one.skip;
            const refusal = journal.append(0, seq, payloadOf(seq, one.length));
            if (refusal === undefined) kept.push({ seq, length: one.length, sealed: false });
            else assert.ok(refusal.code === "journal-full" || refusal.code === "journal-unsealed", String(refusal));
          } else if (one.kind === "seal") {
            const waiting = kept.filter((entry) => !entry.sealed);
            const entry = waiting[one.pick % Math.max(1, waiting.length)];
            if (entry === undefined) continue;
            const refusal = journal.seal(entry.seq, signatureOf(entry.seq));
            if (refusal === undefined) entry.sealed = true;
            else assert.is(refusal.code, "journal-full");
          } else if (one.kind === "stored") {
            const sealed = kept.findIndex((entry) => !entry.sealed);
            const at = (sealed < 0 ? kept.length : sealed) - 1 - one.behind;
            if (at >= 0) {
              stored = Math.max(stored, (kept[at] as { seq: number }).seq);
              journal.markStored(stored);
            }
          } else {
            if (one.clean) journal.close();
            journal = mount(flash);
            assert.ok(journal.storedThrough <= stored);
            journal.markStored(stored);
          }
          assert.is(journal.lastSeq, kept.at(-1)?.seq);
          assert.equal(
            journal.unsealed(),
            kept.filter((entry) => !entry.sealed).map((entry) => entry.seq),
          );
          assert.is(journal.pendingCount, kept.filter((entry) => entry.seq > stored).length);
        }
        const found = seqs(journal);
        const expected = kept.map((entry) => entry.seq);
        assert.equal(found, expected.slice(expected.length - found.length));
        for (const entry of kept) {
          const read = journal.read(entry.seq);
          if (read instanceof Rejection) {
            assert.ok(entry.seq <= stored && entry.seq < (found[0] ?? 0), `${entry.seq}: ${read}`);
            continue;
          }
          assert.equal(read.payload, payloadOf(entry.seq, entry.length));
          assert.is(read.signature !== undefined, entry.sealed);
        }
        assert.is(flash.counters.rewrites, 0);
      },
    ),
    { numRuns: 300 },
  );
});

test.run();
