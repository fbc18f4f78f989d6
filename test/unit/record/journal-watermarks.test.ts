// How far records have come: stored, anchored, counted; over a boot, and never back.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { NorFlash } from "../../../host-sim/hardware/flash.js";
import { mount, payloadOf, record, rejected, seqs } from "./journal-bench.js";

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

test.run();
