// A journal that is taken up where it was left, without looking for it: the same as a mount finds, and only where nothing was written since.

import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Journal, type JournalPosition } from "../../../firmware/record/journal.js";
import { HEADER_UNITS } from "../../../firmware/record/journal-format.js";
import { NorFlash, SECTOR_BYTES, UNIT_BYTES } from "../../../host-sim/hardware/flash.js";
import { engine, modes, mount, record, rejected, seqs } from "./journal-bench.js";

const SECTORS = 6;

/** Lengths of payloads, and after which of them what is stored or passed moves on, or a start comes between. */
const histories = fc.array(
  fc.tuple(fc.integer({ min: 1, max: 1024 }), fc.constantFrom("none", "stored", "passed", "mount", "close")),
  { minLength: 1, maxLength: 60 },
);

/** Lives through a history; the journal as it is then, to be closed. */
function lived(flash: NorFlash, history: readonly (readonly [number, string])[]): Journal {
  let journal = mount(flash);
  let seq = journal.lastSeq ?? 0;
  for (const [length, then] of history) {
    if (record(journal, seq + 1, length) === undefined) seq += 1;
    else journal.markStored(seq);
    if (then === "stored") journal.markStored(seq - 1);
    if (then === "passed") journal.markPassed(seq);
    if (then === "close") journal.close();
    if (then === "close" || then === "mount") journal = mount(flash);
  }
  return journal;
}

const state = (journal: Journal): object => ({
  lastSeq: journal.lastSeq,
  stream: journal.stream,
  stored: journal.storedThrough,
  passed: journal.passedThrough,
  anchored: journal.anchoredThrough,
  pending: journal.pendingCount,
  passedCount: journal.passedCount,
  unsealed: journal.unsealed(),
  free: journal.freeRecords,
  seqs: seqs(journal),
});

const resumed = (flash: NorFlash, position: JournalPosition): Journal | undefined => Journal.resume(flash, { engine }, position);

/** What was left of a history; undefined where it did not end cleanly, since there is no room for another sector. */
function left(flash: NorFlash, history: readonly (readonly [number, string])[]): JournalPosition | undefined {
  return lived(flash, history).leave();
}

for (const mode of modes) {
  test(`${mode}: it is what a mount finds, and goes on as that does`, () => {
    let taken = 0;
    fc.assert(
      fc.property(histories, (history) => {
        const flash = new NorFlash({ sectors: SECTORS, mode });
        const position = left(flash, history);
        if (position === undefined) {
          const full = mount(flash);
          rejected(record(full, (full.lastSeq ?? 0) + 1, 1), "journal-full");
          return;
        }
        taken += 1;
        const { writes, erases } = flash.counters;
        const journal = resumed(flash, position);
        assert.ok(journal !== undefined);
        assert.equal(state(journal as Journal), state(mount(flash)));
        assert.equal([flash.counters.writes, flash.counters.erases], [writes, erases], "nothing is written for it");
        for (let i = 0; i < 30; i += 1) {
          const seq = ((journal as Journal).lastSeq ?? 0) + 1;
          (journal as Journal).markStored(seq - 1);
          assert.is(record(journal as Journal, seq, 200), undefined);
        }
        assert.is(flash.counters.rewrites, 0);
        // What it was at the mount is said by how many fit; what the mount finds now is what it has become.
        const { free: _was, ...now } = state(journal as Journal) as { free: number };
        const { free: _is, ...found } = state(mount(flash)) as { free: number };
        assert.equal(
          { ...now, stored: 0, passed: 0, pending: 0, passedCount: 0 },
          { ...found, stored: 0, passed: 0, pending: 0, passedCount: 0 },
        );
      }),
      { numRuns: 60 },
    );
    assert.ok(taken > 20);
  });

  test(`${mode}: whatever was written since, it is to be mounted`, () => {
    fc.assert(
      fc.property(histories, fc.boolean(), (history, isRecord) => {
        const flash = new NorFlash({ sectors: SECTORS, mode });
        const position = left(flash, history);
        if (position === undefined) return;
        const journal = mount(flash);
        if (isRecord) record(journal, (journal.lastSeq ?? 0) + 1, 40);
        else journal.markStored(journal.lastSeq ?? 0);
        if (flash.counters.rewrites > 0) return;
        if (!isRecord) {
          // The watermark is written lazily: the next clean end has it.
          record(journal, (journal.lastSeq ?? 0) + 1, 1024);
        }
        assert.is(resumed(flash, position), undefined);
        journal.close();
        assert.is(resumed(flash, position), undefined);
      }),
      { numRuns: 60 },
    );
  });
}

test("another clean end, another sector, another epoch, another oldest sector: to be mounted", () => {
  const flash = new NorFlash({ sectors: SECTORS });
  const history = Array.from({ length: 24 }, () => [200, "none"] as const);
  const position = left(flash, history) as JournalPosition;
  assert.ok(resumed(flash, position) !== undefined);
  const { sector, epoch, tail, unit, lastSeq } = position;
  const others: Partial<JournalPosition>[] = [
    { check: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) },
    { sector: (sector + 1) % SECTORS },
    { sector: SECTORS },
    { epoch: epoch - 1 },
    { tail: sector },
    { tail: (tail + SECTORS - 1) % SECTORS },
    { tail: SECTORS },
    { unit: unit - 1 },
    { unit: unit + 1 },
    { lastSeq: lastSeq - 24 },
  ];
  for (const other of others) assert.is(resumed(flash, { ...position, ...other }), undefined, JSON.stringify(other));
});

test("a sector that is torn, or begun behind the clean end: to be mounted", () => {
  const history = Array.from({ length: 6 }, () => [200, "none"] as const);
  for (let unit = 0; unit < SECTOR_BYTES / UNIT_BYTES; unit += 1) {
    const flash = new NorFlash({ sectors: SECTORS });
    const position = left(flash, history) as JournalPosition;
    const at = position.sector * SECTOR_BYTES + unit * UNIT_BYTES;
    const isZero = new Uint8Array(flash.read(UNIT_BYTES, at)).every((byte) => byte === 0);
    flash.write(new Uint8Array(UNIT_BYTES), at);
    // Records before the clean end are looked at when they are read, as after a mount.
    const isRecord = unit >= HEADER_UNITS && unit < position.unit;
    assert.is(resumed(flash, position) !== undefined, isZero || isRecord, `unit ${unit} of ${position.unit}`);
  }
});

test.run();
