// What is kept free at the end of a sector: room for the seals that are waited for, for one mark, and behind a clean end for
// two. Without it a frame would run into the next sector, or a sector could not be declared dead.

import { hash } from "node:crypto";
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Journal } from "../../../firmware/record/journal.js";
import { Rejection } from "../../../firmware/rejection.js";
import { NorFlash } from "../../../host-sim/hardware/flash.js";
import { dumpJournal } from "../../../tools/journal/dump.js";

const SECTOR_UNITS = 128;
const engine = { sha256: (...parts: readonly Uint8Array[]): Uint8Array => hash("sha256", Buffer.concat(parts), "buffer") };

function mount(flash: NorFlash): Journal {
  const journal = Journal.mount(flash, { engine });
  if (journal instanceof Rejection) throw new Error(String(journal));
  return journal;
}

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

test.run();
