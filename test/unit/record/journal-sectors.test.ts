// Headers and frames on a flash partition: a header that was read is a value, a walk stands at its own frame, what does not hold is
// read again, and an error of the flash is an answer.

import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { ByteBuffer, FlashPartition } from "../../../firmware/ports.js";
import {
  FRAME,
  FRAME_HEAD_BYTES,
  HEADER_UNITS,
  SECTOR_UNITS,
  type SectorHeader,
} from "../../../firmware/record/journal-format.js";
import { FrameWalk, JournalSectors, READS_MAX } from "../../../firmware/record/journal-sectors.js";
import { Rejection } from "../../../firmware/rejection.js";
import { NorFlash, UNIT_BYTES } from "../../../host-sim/hardware/flash.js";
import { engine, modes } from "./journal-bench.js";

const SECTORS = 5;

function open(partition: FlashPartition): JournalSectors {
  const media = JournalSectors.open(partition, engine.sha256);
  if (media instanceof Rejection) throw new Error(String(media));
  return media;
}

const uint = fc.integer({ min: 0, max: 0xffffffff });
const headerOf = (sector: number): fc.Arbitrary<SectorHeader> =>
  fc.record(
    {
      sector: fc.constant(sector),
      epoch: uint,
      tailEpoch: uint,
      records: uint,
      lastSeq: uint,
      stream: uint,
      storedThrough: uint,
      anchoredThrough: uint,
      oldestUnsealed: uint,
      passedAhead: fc.integer({ min: 0, max: 0xffffff }),
      retired: fc.array(fc.integer({ min: 0, max: 4095 }), { maxLength: 16 }),
    },
    { noNullPrototype: true },
  );

const HEADER: SectorHeader = {
  ...{ sector: 1, epoch: 7, tailEpoch: 3, records: 40, lastSeq: 44, stream: 2 },
  ...{ storedThrough: 30, anchoredThrough: 20, oldestUnsealed: 0, passedAhead: 4, retired: [3] },
};

/** The flash, of which the next reads go wrong. */
class Failing implements FlashPartition {
  readonly flash = new NorFlash({ sectors: SECTORS });
  failing = 0;

  status() {
    return this.flash.status();
  }
  read(byteLength: number, byteOffset: number): ArrayBuffer;
  read(buffer: ByteBuffer, byteOffset: number): number;
  read(into: number | ByteBuffer, byteOffset: number): never {
    this.failing -= 1;
    if (this.failing >= 0) throw new Error("FLASH_OP_TIMEOUT");
    return this.flash.read(into as never, byteOffset) as never;
  }
  write(buffer: ByteBuffer, byteOffset: number): void {
    this.flash.write(buffer, byteOffset);
  }
  eraseBlock(start: number, end?: number): void {
    this.flash.eraseBlock(start, end);
  }
  close(): void {}
}

for (const mode of modes)
  test(`${mode}: headers come back as they were written, and stay what they were while others are read and written`, () => {
    const media = open(new NorFlash({ sectors: SECTORS, mode }));
    fc.assert(
      fc.property(headerOf(0), headerOf(1), headerOf(2), (first, second, third) => {
        assert.ok(media.begin(first) && media.begin(second));
        const one = media.header(0);
        const other = media.header(1);
        assert.ok(media.begin(third));
        assert.is(media.header(3), "none");
        assert.equal([one, other, media.header(2)], [first, second, third]);
      }),
      { numRuns: 100 },
    );
  });

for (const mode of modes)
  test(`${mode}: a walk gives each frame as it was written, by its kind and its numbers; two walks do not meet`, () => {
    const media = open(new NorFlash({ sectors: SECTORS, mode }));
    media.begin(HEADER);
    const heads = [
      { kind: FRAME.PAYLOAD, bodyBytes: 70, seq: 45, previous: 44, stream: 2 },
      { kind: FRAME.SEAL, bodyBytes: 64, seq: 45, previous: 0, stream: 0 },
      { kind: FRAME.MARK, bodyBytes: 0, seq: 31, previous: 20, stream: 3 },
    ];
    let unit = HEADER_UNITS;
    const units: number[] = [];
    for (const head of heads) {
      media.frame.fill(head.seq, FRAME_HEAD_BYTES, FRAME_HEAD_BYTES + head.bodyBytes);
      assert.ok(media.write(1, unit, HEADER.epoch, head));
      units.push(unit);
      unit += Math.ceil((FRAME_HEAD_BYTES + head.bodyBytes + 8) / UNIT_BYTES);
    }
    const walk = new FrameWalk(media);
    const other = new FrameWalk(media);
    walk.start(1, HEADER.epoch, HEADER_UNITS);
    other.start(1, HEADER.epoch, units[2] as number);
    assert.ok(other.advance(SECTOR_UNITS));
    for (const [i, expected] of heads.entries()) {
      assert.ok(walk.advance(SECTOR_UNITS));
      const { kind, bodyBytes, seq, previous, stream } = walk;
      assert.equal({ kind, bodyBytes, seq, previous, stream }, expected);
      assert.is(walk.unit, units[i]);
      assert.ok(walk.load());
      assert.equal(walk.body(0, bodyBytes), new Uint8Array(bodyBytes).fill(seq));
      assert.is(other.kind, FRAME.MARK, "the other walk stands where it stood");
    }
    assert.not(walk.advance(SECTOR_UNITS));
    walk.start(1, HEADER.epoch + 1, HEADER_UNITS);
    assert.not(walk.advance(SECTOR_UNITS), "of an earlier life of the sector");
  });

test("a read that fails is made again, READS_MAX times in all; then the answer says so", () => {
  const partition = new Failing();
  const media = open(partition);
  assert.ok(media.begin(HEADER));
  partition.failing = READS_MAX - 1;
  assert.equal(media.header(1), HEADER);
  partition.failing = READS_MAX;
  assert.is(media.header(1), "unreadable");
  assert.equal(media.header(1), HEADER);
  const head = { kind: FRAME.MARK, bodyBytes: 0, seq: 31, previous: 20, stream: 3 };
  partition.failing = READS_MAX - 1;
  assert.ok(media.write(1, HEADER_UNITS, HEADER.epoch, head), "read back in the end");
  partition.failing = READS_MAX;
  assert.not(media.write(1, HEADER_UNITS + 1, HEADER.epoch, head), "not read back");
  partition.failing = READS_MAX;
  assert.not(media.begin({ ...HEADER, sector: 2 }));
  const walk = new FrameWalk(media);
  walk.start(1, HEADER.epoch, HEADER_UNITS, READS_MAX);
  partition.failing = READS_MAX - 1;
  assert.ok(walk.advance(SECTOR_UNITS));
  assert.is(walk.unit, HEADER_UNITS);
  partition.failing = READS_MAX;
  assert.not(walk.load());
  assert.ok(walk.load());
});

test("a flash that refuses to be erased or written is an answer", () => {
  const flash = new NorFlash({ sectors: SECTORS });
  const media = open(flash);
  flash.wearOut(1, "erase");
  assert.not(media.begin(HEADER));
  flash.wearOut(2, "program");
  assert.not(media.begin({ ...HEADER, sector: 2 }));
  assert.not(media.write(2, HEADER_UNITS, 7, { kind: FRAME.MARK, bodyBytes: 0, seq: 1, previous: 0, stream: 0 }));
});

test.run();
