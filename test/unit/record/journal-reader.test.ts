// What does not hold is noticed at the read, named, and costs no other record.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { Rejection } from "../../../firmware/rejection.js";
import { NorFlash, UNIT_BYTES } from "../../../host-sim/hardware/flash.js";
import { expectRecord, modes, mount, payloadOf, record, rejected, seqs } from "./journal-bench.js";

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

test.run();
