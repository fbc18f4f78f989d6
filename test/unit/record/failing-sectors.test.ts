// What a sector that fails leaves behind: the one erased in its place is declared dead before, so that its half-erased state
// is never believed; a payload that did not read back, and then does, is no record; its number is used up.

import { hash } from "node:crypto";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Journal } from "../../../firmware/record/journal.js";
import { Rejection } from "../../../firmware/rejection.js";
import { type FlashMode, NorFlash, SECTOR_BYTES, UNIT_BYTES } from "../../../host-sim/hardware/flash.js";

const engine = { sha256: (...parts: readonly Uint8Array[]): Uint8Array => hash("sha256", Buffer.concat(parts), "buffer") };
const payloadOf = (seq: number, length = 1000): Uint8Array => Uint8Array.from({ length }, (_, i) => (seq * 31 + i * 7) & 0xff);
const signature = new Uint8Array(64).fill(5);

function mount(flash: NorFlash): Journal {
  const journal = Journal.mount(flash, { engine });
  if (journal instanceof Rejection) throw new Error(String(journal));
  return journal;
}
function record(journal: Journal, seq: number, length?: number): Rejection | undefined {
  return journal.append(0, seq, payloadOf(seq, length)) ?? journal.seal(seq, signature);
}

for (const mode of ["plain", "encrypted"] as FlashMode[])
  test(`${mode}: power fails in the erase of the sector that replaces a failed one: nothing of it is believed afterwards`, () => {
    for (let seed = 1; seed <= 40; seed += 1) {
      const flash = new NorFlash({ sectors: 6, mode, seed });
      const journal = mount(flash);
      let seq = 0;
      // Records of three to a sector, until the next one needs sector 4, the last but one that was never used.
      while (flash.eraseCounts[3] === 0 || journal.freeRecords > 0) {
        seq += 1;
        const refusal = record(journal, seq);
        if (refusal !== undefined) break;
      }
      journal.markStored(seq - 1);
      const erases = [...flash.eraseCounts];
      const next = erases.findIndex((count, sector) => sector > 0 && count === 0);
      const target = Math.max(next, 0);
      flash.wearOut(target, "erase");
      // The erase that fails, a mark, and then a part of the erase of the sector after it.
      flash.cutAfter(SECTOR_BYTES + UNIT_BYTES + 1 + ((seed * 97) % (SECTOR_BYTES - 2)));
      record(journal, seq + 1);
      assert.not.ok(flash.powered, "power went");
      flash.powerOn();
      for (let boot = 0; boot < 10; boot += 1) {
        const again = mount(flash);
        for (let one = again.after(0); one !== undefined; one = again.after(one)) {
          const kept = again.read(one);
          assert.not.instance(kept, Rejection, `seed ${seed}, boot ${boot}, record ${one}: ${kept}`);
        }
      }
    }
  });

/** Spoils every read that takes in the last byte of a payload, while `spoils`. */
class Spoiled extends NorFlash {
  spoils: Uint8Array | undefined;
  override read(byteLength: number, byteOffset: number): ArrayBuffer;
  override read(buffer: Uint8Array, byteOffset: number): number;
  override read(into: number | Uint8Array, byteOffset: number): never {
    const answer = super.read(into as never, byteOffset);
    if (
      into instanceof Uint8Array &&
      this.spoils !== undefined &&
      Buffer.from(into).includes(Buffer.from(this.spoils.subarray(0, 100)))
    )
      into[60] = (into[60] as number) ^ 1;
    return answer as never;
  }
}

test("a payload that did not read back when it was written, and does at the next mount, is no record; its number is gone", () => {
  const flash = new Spoiled({ sectors: 6 });
  const journal = mount(flash);
  let seq = 0;
  while (journal.freeRecords > 1) {
    seq += 1;
    assert.is(record(journal, seq), undefined);
  }
  const waiting = seq + 1;
  assert.is(journal.append(0, waiting, payloadOf(waiting, 100)), undefined);
  const spoiled = waiting + 1;
  flash.spoils = payloadOf(spoiled);
  const refusal = journal.append(0, spoiled, payloadOf(spoiled));
  assert.is((refusal as Rejection).code, "journal-write", "no other sector can be opened: the number is used up all the same");
  assert.is((journal.append(0, spoiled, payloadOf(spoiled)) as Rejection).code, "journal-seq");
  flash.spoils = undefined;
  journal.markStored(seq);
  assert.is(record(journal, spoiled + 1), undefined, "the next number goes into another sector");
  const again = mount(flash);
  assert.equal(again.unsealed(), [waiting]);
  assert.is(again.after(waiting), spoiled + 1);
  assert.instance(again.read(spoiled), Rejection);
  assert.is(again.pendingCount, 2);
});

test.run();
