// The journal without loss of power (that is test/sim/journal-power*): its API, its policies, bit rot, wear,
// failing sectors, and images that are not ours.

import { hash } from "node:crypto";
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Journal, type JournalOptions } from "../../../firmware/record/journal.js";
import { Rejection } from "../../../firmware/rejection.js";
import { type FlashMode, NorFlash, SECTOR_BYTES, UNIT_BYTES } from "../../../host-sim/hardware/flash.js";
import { Prng } from "../../../host-sim/world/prng.js";

const engine = {
  sha256: (...parts: readonly Uint8Array[]): Uint8Array =>
    hash("sha256", parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts), "buffer"),
};
const modes: readonly FlashMode[] = ["plain", "encrypted"];

function mount(flash: NorFlash, options: Partial<JournalOptions> = {}): Journal {
  const journal = Journal.mount(flash, { engine, ...options });
  if (journal instanceof Rejection) throw new Error(String(journal));
  return journal;
}
const payloadOf = (seq: number, length = 200): Uint8Array => Uint8Array.from({ length }, (_, i) => (seq * 31 + i * 7) & 0xff);
const signatureOf = (seq: number): Uint8Array => Uint8Array.from({ length: 64 }, (_, i) => (seq * 13 + i * 5) & 0xff);
function record(journal: Journal, seq: number, length = 200): Rejection | undefined {
  return journal.append(0, seq, payloadOf(seq, length)) ?? journal.seal(seq, signatureOf(seq));
}
function rejected(value: unknown, code: string): void {
  assert.instance(value, Rejection);
  assert.is((value as Rejection).code, code, String(value));
}
function expectRecord(journal: Journal, seq: number, length = 200): void {
  const kept = journal.read(seq);
  assert.not.instance(kept, Rejection, String(kept));
  if (kept instanceof Rejection) return;
  assert.equal(kept.payload, payloadOf(seq, length));
  assert.equal(new Uint8Array(kept.signature ?? []), signatureOf(seq));
}
function seqs(journal: Journal): number[] {
  const found: number[] = [];
  for (let seq = journal.after(0); seq !== undefined; seq = journal.after(seq)) found.push(seq);
  return found;
}

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

test("with the policy `anchored`, only what is anchored goes", () => {
  const journal = mount(new NorFlash({ sectors: 5 }), { safe: "anchored" });
  let seq = 1;
  while (record(journal, seq) === undefined) seq += 1;
  journal.markStored(seq - 1);
  rejected(journal.append(0, seq, payloadOf(seq)), "journal-full");
  journal.markAnchored(seq - 1);
  assert.is(record(journal, seq), undefined);
  assert.is(journal.anchoredThrough, seq - 1);
});

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

test("numbers that were left out are no loss", () => {
  const flash = new NorFlash({ sectors: 8 });
  let journal = mount(flash);
  const given = [3, 4, 40, 41, 1_000, 4_294_967_295];
  for (const seq of given) assert.is(record(journal, seq), undefined);
  for (let boot = 0; boot < 2; boot += 1) {
    assert.equal(seqs(journal), given);
    journal = mount(flash);
  }
  assert.is(journal.pendingCount, 6);
  journal.markStored(41);
  assert.is(journal.pendingCount, 2);
  journal.markStored(40);
  assert.is(journal.storedThrough, 41, "the watermark never goes back");
  journal.markStored(Number.MAX_SAFE_INTEGER);
  assert.is(journal.storedThrough, 4_294_967_295);
  assert.is(journal.pendingCount, 0);
});

test("the stored watermark comes back after a boot, at most a few records behind", () => {
  const flash = new NorFlash({ sectors: 8 });
  let journal = mount(flash);
  for (let seq = 1; seq <= 40; seq += 1) {
    record(journal, seq);
    journal.markStored(seq - 2);
    const again = mount(flash);
    assert.ok(
      again.storedThrough <= Math.max(0, seq - 2) && again.storedThrough >= seq - 2 - 8,
      `${again.storedThrough} after ${seq}`,
    );
    assert.is(again.pendingCount, seq - again.storedThrough);
  }
  journal.close();
  journal = mount(flash);
  assert.is(journal.storedThrough, 38, "and exactly after a clean end");
});

for (const mode of modes) {
  test(`${mode}: any flipped bit of a record is noticed at the read, and costs no other record`, () => {
    const flash = new NorFlash({ sectors: 4, mode });
    const journal = mount(flash);
    const before = flash.counters.bytesWritten;
    for (let seq = 1; seq <= 5; seq += 1) record(journal, seq, 100);
    const start = before + 96; // the header is the sector's first write
    const frameBytes = (4 + 3) * UNIT_BYTES; // payload and seal
    const image = flash.snapshot();
    let noticed = 0;
    for (let bit = 0; bit < frameBytes * 8; bit += 1) {
      flash.flipBit((start + 2 * frameBytes) * 8 + bit); // record 3
      const read = journal.read(3);
      assert.ok(
        read instanceof Rejection && (read.code === "journal-corrupt" || read.code === "journal-missing"),
        `bit ${bit}: ${read}`,
      );
      noticed += 1;
      if (bit % 64 === 5) {
        for (const seq of [1, 2, 4, 5]) expectRecord(journal, seq, 100);
        const again = mount(flash);
        for (const seq of [1, 2, 4, 5]) expectRecord(again, seq, 100);
        const kept = again.read(3);
        // Its signature may have been the damaged part: then it is signed again, the same bytes.
        if (!(kept instanceof Rejection)) {
          assert.equal(kept.payload, payloadOf(3, 100));
          assert.is(kept.signature, undefined);
          assert.ok(again.unsealed().includes(3));
        } else assert.ok(again.after(2) === 3 || again.after(2) === 4);
      }
      flash.restore(image);
    }
    assert.is(noticed, frameBytes * 8);
  });

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

test("a damaged record in the middle is named by `after`, and then refused", () => {
  const flash = new NorFlash({ sectors: 4 });
  const journal = mount(flash);
  for (let seq = 1; seq <= 4; seq += 1) record(journal, seq, 100);
  flash.flipBit((96 + 7 * UNIT_BYTES + 4) * 8); // the head of record 2
  assert.equal(seqs(journal), [1, 2, 3, 4]);
  rejected(journal.read(2), "journal-missing");
  flash.flipBit((96 + 7 * UNIT_BYTES + 4) * 8);
  flash.flipBit((96 + 7 * UNIT_BYTES + 40) * 8); // its payload
  rejected(journal.read(2), "journal-corrupt");
  flash.flipBit((96 + 7 * UNIT_BYTES + 40) * 8);
  flash.flipBit((96 + 11 * UNIT_BYTES + 40) * 8); // its signature
  rejected(journal.read(2), "journal-corrupt");
});

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
