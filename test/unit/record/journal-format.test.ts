// The bytes on flash: against a hand-made image of docs/journal-format.md, and against a second reader of the format.

import { createHash } from "node:crypto";
import { crc32 as zlibCrc32 } from "node:zlib";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Journal } from "../../../firmware/record/journal.js";
import { Rejection } from "../../../firmware/rejection.js";
import { NorFlash, SECTOR_BYTES } from "../../../host-sim/hardware/flash.js";
import { dumpJournal } from "../../../tools/journal/dump.js";

const sha256 = (...parts: readonly Uint8Array[]): Uint8Array => {
  const digest = createHash("sha256");
  for (const part of parts) digest.update(part);
  return digest.digest();
};

function mount(flash: NorFlash): Journal {
  const journal = Journal.mount(flash, { engine: { sha256 } });
  if (journal instanceof Rejection) throw new Error(String(journal));
  return journal;
}

const check8 = (bytes: Buffer): Buffer => Buffer.concat([bytes, sha256(bytes).subarray(0, 8)]);

function handmadeFrame(epoch: number, kind: number, seq: number, previous: number, stream: number, body: Uint8Array): Buffer {
  const head = Buffer.alloc(20);
  head.writeUInt8(kind, 0);
  head.writeUInt16BE(body.length, 2);
  head.writeUInt32BE(seq, 4);
  head.writeUInt32BE(previous, 8);
  head.writeUInt32BE(stream, 12);
  head.writeUInt32BE(zlibCrc32(head.subarray(0, 16), epoch), 16);
  const length = Math.ceil((20 + body.length + 8) / 32) * 32;
  return check8(Buffer.concat([head, body, Buffer.alloc(length - 28 - body.length)]));
}

test("a first sector is, byte for byte, what the document says", () => {
  const flash = new NorFlash({ sectors: 6 });
  const journal = mount(flash);
  const payload = Uint8Array.from({ length: 41 }, (_, i) => i);
  const signature = new Uint8Array(64).fill(0xee);
  assert.is(journal.append(7, 9, payload), undefined);
  assert.is(journal.seal(9, signature), undefined);
  journal.markStored(9);

  const superblock = Buffer.alloc(24);
  superblock.write("cmjl", 0, "latin1");
  superblock.set([1, 5, 12, 3], 4);
  superblock.writeUInt16BE(6, 8); // sectors
  superblock.writeUInt16BE(0, 10); // this one
  superblock.writeUInt32BE(1, 12); // epoch
  superblock.writeUInt32BE(1, 16); // tail epoch
  superblock.writeUInt32BE(0, 20); // records before
  const header = check8(Buffer.concat([check8(superblock), Buffer.alloc(56)]));
  const expected = Buffer.concat([header, handmadeFrame(1, 1, 9, 0, 7, payload), handmadeFrame(1, 2, 9, 0, 0, signature)]);
  assert.is(Buffer.from(flash.dump().subarray(0, expected.length)).toString("hex"), expected.toString("hex"));

  journal.close();
  const clean = Buffer.from(flash.dump().subarray(expected.length, expected.length + 64));
  let rest: Uint8Array = new Uint8Array(32);
  for (let at = expected.length + 64; at < SECTOR_BYTES; at += 1120)
    rest = sha256(rest, flash.dump().subarray(at, Math.min(at + 1120, SECTOR_BYTES)));
  assert.is(clean.toString("hex"), handmadeFrame(1, 5, 9, 0, 1, rest.subarray(0, 8)).toString("hex"));
});

test("a hand-made image is read as a journal", () => {
  const flash = new NorFlash({ sectors: 4 });
  const sector = (index: number, epoch: number, records: number, lastSeq: number, frames: Buffer[]): void => {
    const superblock = Buffer.alloc(24);
    superblock.write("cmjl", 0, "latin1");
    superblock.set([1, 5, 12, 3], 4);
    superblock.writeUInt16BE(4, 8);
    superblock.writeUInt16BE(index, 10);
    superblock.writeUInt32BE(epoch, 12);
    superblock.writeUInt32BE(10, 16);
    superblock.writeUInt32BE(records, 20);
    const state = Buffer.alloc(56);
    state.writeUInt32BE(lastSeq, 0);
    state.writeUInt32BE(2, 8); // stored through
    flash.write(Buffer.concat([check8(Buffer.concat([check8(superblock), state])), ...frames]), index * SECTOR_BYTES);
  };
  const body = (text: string): Uint8Array => Buffer.from(text);
  const signature = new Uint8Array(64).fill(1);
  sector(2, 10, 0, 0, [handmadeFrame(10, 1, 2, 0, 0, body("two")), handmadeFrame(10, 2, 2, 0, 0, signature)]);
  sector(3, 11, 1, 2, [
    handmadeFrame(11, 1, 3, 2, 0, body("three")),
    handmadeFrame(11, 2, 3, 0, 0, signature),
    handmadeFrame(11, 4, 3, 0, 10, body("")), // a mark: stored through 3
    handmadeFrame(11, 1, 6, 3, 1, body("six")),
  ]);
  const journal = mount(flash);
  assert.is(journal.after(0), 2);
  assert.is(journal.lastSeq, 6);
  assert.is(journal.stream, 1);
  assert.is(journal.storedThrough, 3);
  assert.is(journal.pendingCount, 1);
  assert.equal(journal.unsealed(), [6]);
  const kept = journal.read(3);
  assert.ok(!(kept instanceof Rejection) && Buffer.from(kept.payload).toString() === "three");
});

test("the dump shows what the journal keeps: every record, signature, state and retired sector", () => {
  const flash = new NorFlash({ sectors: 8, mode: "encrypted" });
  let journal = mount(flash);
  for (let seq = 1; seq <= 150; seq += 1) {
    const payload = Uint8Array.from({ length: 1 + ((seq * 37) % 400) }, (_, i) => (seq + i) & 0xff);
    assert.is(journal.append(seq >> 6, seq, payload), undefined);
    if (seq % 9 === 0) journal = mount(flash); // before the seal: it goes into the next sector, with the payload
    assert.is(journal.seal(seq, new Uint8Array(64).fill(seq)), undefined);
    if (seq > 20) journal.markStored(seq - 20);
    if (seq === 60) flash.wearOut(5, "erase");
  }
  assert.is(journal.append(2, 151, Uint8Array.of(1)), undefined);
  journal.close();
  const dump = dumpJournal(flash.dump());
  assert.equal(dump.damage, []);
  assert.equal(dump.retired, [5]);
  assert.is(dump.storedThrough, journal.storedThrough);
  const seqs: number[] = [];
  for (let seq = journal.after(0); seq !== undefined; seq = journal.after(seq)) seqs.push(seq);
  assert.ok(seqs.length > 30);
  assert.equal(
    dump.records.map((record) => record.seq),
    seqs,
  );
  for (const record of dump.records) {
    const kept = journal.read(record.seq);
    if (kept instanceof Rejection) throw new Error(String(kept));
    assert.equal(new Uint8Array(record.payload), kept.payload);
    assert.equal(record.signature && new Uint8Array(record.signature), kept.signature);
    assert.is(record.stream, kept.stream);
    assert.is(record.stored, record.seq <= journal.storedThrough);
  }
});

test("the dump shows what was passed over, as header, mark and clean end say it; a mount reads the same", () => {
  const flash = new NorFlash({ sectors: 8 });
  let journal = mount(flash);
  let seq = 0;
  const write = (count: number): void => {
    for (let i = 0; i < count; i += 1) {
      seq += 1;
      assert.is(journal.append(0, seq, new Uint8Array(200).fill(seq)), undefined);
      assert.is(journal.seal(seq, new Uint8Array(64).fill(seq)), undefined);
    }
  };
  const agree = (passed: number): void => {
    const dump = dumpJournal(flash.dump());
    const again = mount(flash);
    assert.equal([dump.storedThrough, dump.passedThrough], [4, passed]);
    assert.equal([again.storedThrough, again.passedThrough, again.pendingCount], [4, passed, seq - passed]);
    assert.is(again.passedCount, passed - 4);
    assert.equal(
      dump.records.filter((record) => record.passed).map((record) => record.seq),
      Array.from({ length: passed - 4 }, (_, i) => 5 + i),
    );
  };
  write(10);
  journal.markStored(4);
  journal.markPassed(9); // a ninth record passed: a mark
  agree(9);
  journal.markPassed(10);
  journal.close(); // the clean end
  agree(10);
  journal = mount(flash);
  journal.markPassed(10);
  write(12); // the header of another sector
  assert.ok(dumpJournal(flash.dump()).used.length >= 2);
  agree(10);
  journal.markStored(Number.MAX_SAFE_INTEGER);
  assert.is(mount(flash).passedCount, 0);
});

test("the dump names what is damaged, and refuses what is no journal with one clear message", () => {
  const flash = new NorFlash({ sectors: 6 });
  const journal = mount(flash);
  for (let seq = 1; seq <= 40; seq += 1) {
    journal.append(0, seq, new Uint8Array(100).fill(seq));
    journal.seal(seq, new Uint8Array(64).fill(seq));
  }
  flash.flipBit((96 + 40) * 8); // payload of record 1
  flash.flipBit((96 + 7 * 32 + 2) * 8); // head of record 2
  flash.flipBit((96 + 18 * 32 + 30) * 8); // seal of record 3
  assert.equal(dumpJournal(flash.dump()).damage, [
    "record 1: payload, sector 0 unit 3",
    "between records 1 and 3: 2 is missing",
    "record 3: signature, sector 0 unit 21",
    "sector 0: 4 units hold no frame",
  ]);
  assert.throws(() => dumpJournal(new Uint8Array(100)), /no whole number/);
  assert.throws(() => dumpJournal(new Uint8Array(SECTOR_BYTES)), /no sector holds a journal header/);
  assert.throws(() => dumpJournal(flash.dump().subarray(0, 4 * SECTOR_BYTES)), /the image has 4/);
});

test.run();
