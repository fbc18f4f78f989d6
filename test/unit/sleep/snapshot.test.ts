// The snapshot's bytes: what is written is read again; what was not written by this version, whole, is refused, and never crashes.

import { readFileSync } from "node:fs";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { crc32, toHex, writeUint } from "../../../firmware/bytes.js";
import { CLEAN_UNITS, HEADER_UNITS, SECTOR_UNITS, SECTORS_MAX, SEQ_MAX } from "../../../firmware/record/journal-format.js";
import { Rejection } from "../../../firmware/rejection.js";
import { SENSORS_MAX } from "../../../firmware/sensor/plan.js";
import {
  decodeSnapshot,
  encodeSnapshot,
  IMAGE_DIGEST_BYTES,
  SNAPSHOT_BYTES,
  type Snapshot,
} from "../../../firmware/sleep/snapshot.js";

const uint32 = (min = 0, max = 0xffff_ffff): fc.Arbitrary<number> => fc.integer({ min, max });
const bytes = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length });

const snapshots: fc.Arbitrary<Snapshot> = fc
  .record({
    image: bytes(IMAGE_DIGEST_BYTES),
    records: fc.tuple(uint32(), uint32(), uint32()),
    seqs: fc.tuple(uint32(0, SEQ_MAX - 2), uint32(1, SEQ_MAX - 1)),
    streams: fc.tuple(uint32(), uint32()),
    journal: fc.record({
      sector: uint32(0, SECTORS_MAX - 1),
      tail: uint32(0, SECTORS_MAX - 1),
      epoch: uint32(1),
      unit: uint32(HEADER_UNITS, SECTOR_UNITS - CLEAN_UNITS),
      check: bytes(8),
      hasRecords: fc.boolean(),
    }),
    boot: uint32(1),
    time: fc.record(
      {
        atLeastS: uint32(),
        setAgoMs: fc.option(
          fc.maxSafeNat().map((ms) => ms % 2 ** 48),
          { nil: undefined },
        ),
      },
      { noNullPrototype: true },
    ),
    wallMs: fc.maxSafeNat().map((ms) => ms % 2 ** 48),
    sleepMs: uint32(1),
    counts: fc.tuple(uint32(), uint32(), uint32(), uint32(), uint32()),
    rests: fc.array(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), { maxLength: SENSORS_MAX }),
  })
  .map(({ image, records, seqs, streams, journal, boot, time, wallMs, sleepMs, counts, rests }) => {
    const [storedRecords, passedRecords, all] = [...records].sort((a, b) => a - b) as [number, number, number];
    const [lastSeq, next] = [Math.min(...seqs), Math.max(seqs[0] + 1, seqs[1])];
    const [uncertainMs, wakes, lost, unsavedMs, unagedMs] = counts;
    const [older, newer] = [Math.min(...streams), Math.max(...streams)];
    return {
      image,
      journal: { ...journal, lastSeq, stream: older, records: all, storedRecords, passedRecords },
      sequence: { boot, stream: newer, next },
      ...{ time, wallMs, sleepMs, uncertainMs, wakes, lost, unsavedMs, unagedMs, rests },
    };
  });

test("what was written is read again, whatever lies behind it", () => {
  fc.assert(
    fc.property(snapshots, fc.uint8Array({ maxLength: 100 }), (snapshot, behind) => {
      const encoded = encodeSnapshot(snapshot);
      assert.is(encoded.length, SNAPSHOT_BYTES);
      assert.equal(decodeSnapshot(Uint8Array.from([...encoded, ...behind])), snapshot);
    }),
  );
});

test("one bit that turned, and a byte that is missing, are refused", () => {
  fc.assert(
    fc.property(snapshots, fc.nat({ max: SNAPSHOT_BYTES * 8 - 1 }), (snapshot, bit) => {
      const encoded = encodeSnapshot(snapshot);
      assert.instance(decodeSnapshot(encoded.subarray(0, bit >> 3)), Rejection);
      encoded[bit >> 3] = (encoded[bit >> 3] as number) ^ (1 << (bit & 7));
      assert.instance(decodeSnapshot(encoded), Rejection);
    }),
  );
});

test("bytes that somebody made up, with a CRC that holds, are refused or are numbers that a mote has", () => {
  let taken = 0;
  const holding = fc.tuple(
    snapshots,
    fc.array(fc.tuple(fc.nat({ max: SNAPSHOT_BYTES - 1 }), fc.nat({ max: 255 })), { maxLength: 6 }),
  );
  fc.assert(
    fc.property(holding, ([snapshot, changes]) => {
      const encoded = encodeSnapshot(snapshot);
      for (const [at, value] of changes) encoded[at] = value;
      writeUint(encoded, crc32(encoded.subarray(0, SNAPSHOT_BYTES - 4)), SNAPSHOT_BYTES - 4, 4);
      const decoded = decodeSnapshot(encoded);
      if (decoded instanceof Rejection) return;
      taken += 1;
      const { journal, sequence, rests } = decoded;
      assert.ok(journal.sector < SECTORS_MAX && journal.tail < SECTORS_MAX && journal.epoch > 0);
      assert.ok(journal.unit >= HEADER_UNITS && journal.unit + CLEAN_UNITS <= SECTOR_UNITS);
      assert.ok(journal.storedRecords <= journal.passedRecords && journal.passedRecords <= journal.records);
      assert.ok(sequence.next > journal.lastSeq && sequence.boot > 0 && rests.length <= SENSORS_MAX);
    }),
    { numRuns: 2_000 },
  );
  assert.ok(taken > 100);
});

test("noise is no snapshot", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (noise) => assert.instance(decodeSnapshot(noise), Rejection)));
});

test("the example of docs/sleep.md", () => {
  const snapshot: Snapshot = {
    image: new Uint8Array(32).fill(0x11),
    journal: {
      ...{ sector: 4, epoch: 69, tail: 2, unit: 25, check: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8), hasRecords: true },
      ...{ lastSeq: 700, stream: 0, records: 690, storedRecords: 688, passedRecords: 688 },
    },
    sequence: { boot: 3, stream: 0, next: 701 },
    time: { atLeastS: 1_800_000_000, setAgoMs: 600_000 },
    ...{ wallMs: 1_800_000_000_000, sleepMs: 59_900, uncertainMs: 9_100, wakes: 1, lost: 0, unsavedMs: 300_000, unagedMs: 1_500 },
    rests: [59_900],
  };
  const document = readFileSync(new URL("../../../docs/sleep.md", import.meta.url), "utf8");
  const [, hex = ""] = /```\n((?:[0-9a-f]{88}\n)+)```/.exec(document) ?? [];
  assert.is(toHex(encodeSnapshot(snapshot)), hex.replace(/\n/g, ""));
});

test.run();
