// `chainmote verify`: every single flipped bit is noticed at the record that has it; gaps, reboots, forks and
// equivocation are told; damage is stepped over.

import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { concat, toHex } from "../../../firmware/bytes.js";
import { engine } from "../../../tools/crypto/engine.js";
import { evidenceFile, evidenceObject } from "../../../tools/verify/evidence.js";
import { type Evidence, Judge, type Verdict } from "../../../tools/verify/judge.js";
import { pieces } from "../../../tools/verify/sequence.js";
import { TestMote, type TestRecord } from "./records.js";

function judgeAll(file: Uint8Array): Verdict[] {
  const judge = new Judge(engine);
  return [...pieces(file)].map((piece) => judge.judge(piece));
}

function fileOf(...records: readonly TestRecord[]): Uint8Array {
  return concat(...records.map((record) => record.sign1));
}

const codes = (verdicts: readonly Verdict[]): string[] => verdicts.map((verdict) => verdict.fault?.code ?? "holds");

test("a file of chained records of two motes holds", () => {
  const [a, b] = [new TestMote(), new TestMote()];
  const verdicts = judgeAll(fileOf(a.next(), b.next(), a.next(), a.next({ boot: 2 }), b.next({ gap: 3 })));
  assert.equal(codes(verdicts), Array(5).fill("holds"));
  for (const verdict of verdicts) assert.equal(verdict.holds, ["form", "signature", "payload", "seq", "chain"]);
  assert.equal(verdicts[3]?.notes, ["rebooted (boot 1 to 2)"]);
  assert.equal(verdicts[4]?.notes, ["3 samples were lost before it (gap)"]);
});

test("any single bit flipped: the record that has it is named, with a reason, and no other one fails", () => {
  const mote = new TestMote();
  const records = [mote.next(), mote.next(), mote.next()];
  const file = fileOf(...records);
  const ends: number[] = [];
  for (const { sign1 } of records) ends.push((ends.at(-1) ?? 0) + sign1.length);
  // The middle record bit by bit, and the two others at every fifth bit.
  for (let bit = 0; bit < file.length * 8; bit += 1) {
    const record = ends.findIndex((end) => bit >> 3 < end);
    if (record !== 1 && bit % 5 !== 0) continue;
    file[bit >> 3] = (file[bit >> 3] as number) ^ (1 << (bit & 7));
    const verdicts = judgeAll(file);
    file[bit >> 3] = (file[bit >> 3] as number) ^ (1 << (bit & 7));
    const failed = verdicts.filter((verdict) => verdict.fault !== undefined);
    assert.is(failed.length, 1, `bit ${bit}: ${codes(verdicts)}`);
    assert.is(failed[0]?.index, record + 1, `bit ${bit}: ${codes(verdicts)}`);
    assert.ok((failed[0]?.fault?.detail.length ?? 0) > 10);
    assert.is(verdicts.length, 3);
  }
});

test("a lower stream with a higher boot is evidence, in whatever order the two come, and boots that rise with the streams are none", () => {
  const [mote, other] = [new TestMote(), new TestMote()];
  const none = new Uint8Array(32);
  const first = mote.make({ stream: 0, seq: 5, boot: 7 });
  const clone = mote.make({ stream: 2, seq: 40, boot: 6, prev: none });
  const apart = other.make({ stream: 2, seq: 40, boot: 6, prev: none });
  const later = mote.make({ stream: 3, seq: 50, boot: 9, prev: none });
  for (const records of [
    [first, apart, clone],
    [clone, apart, first],
  ]) {
    const judge = new Judge(engine);
    const verdicts = [...pieces(fileOf(...records))].map((piece) => judge.judge(piece));
    assert.equal(codes(verdicts), ["holds", "holds", "escape"]);
    assert.match(verdicts[2]?.fault?.detail ?? "", /record number 1 is of a (lower|higher) stream with a (higher|lower) boot/);
    const [evidence] = judge.evidence as [Evidence];
    assert.is(evidence.kind, "escape");
    assert.equal(evidence.records.map(({ fields }) => fields.boot).sort(), [6, 7]);
    assert.is(evidenceFile([evidence]).length, first.sign1.length + clone.sign1.length);
  }
  const more = mote.make({ stream: 2, seq: 41, boot: 6, prev: clone.digest });
  assert.equal(codes(judgeAll(fileOf(first, clone, more))), ["holds", "escape", "holds"], "told once");
  const same = mote.make({ stream: 2, seq: 40, boot: 7, prev: none });
  assert.equal(codes(judgeAll(fileOf(first, same, later))), ["holds", "holds", "holds"]);
  // Only neighbours are compared: of streams that lie apart it is seen as well.
  const between = mote.make({ stream: 1, seq: 20, boot: 8, prev: none });
  assert.equal(codes(judgeAll(fileOf(first, later, between, clone))), ["holds", "holds", "holds", "escape"]);
});

test("a removed record breaks the chain at the one after it", () => {
  const mote = new TestMote();
  const [a, , c] = [mote.next(), mote.next(), mote.next()] as [TestRecord, TestRecord, TestRecord];
  assert.equal(codes(judgeAll(fileOf(a, c))), ["holds", "chain-broken"]);
});

test("a file that begins in the middle leaves the chain open there, and says so", () => {
  const mote = new TestMote();
  mote.next();
  const [verdict] = judgeAll(fileOf(mote.next()));
  assert.is(verdict?.fault, undefined);
  assert.not.ok(verdict?.holds.includes("chain"));
  assert.match(verdict?.notes[0] ?? "", /begins at seq 1/);
});

test("equivocation, fork, falling seq and falling boot are told with the record that they contradict", () => {
  const mote = new TestMote();
  const first = mote.next();
  const second = mote.next();
  const twin = mote.make({ seq: 1, prev: first.digest, time: 1_900_000_000 });
  const fork = mote.make({ seq: 5, prev: first.digest });
  const verdicts = judgeAll(fileOf(first, second, twin, fork));
  assert.equal(codes(verdicts), ["holds", "holds", "equivocation", "fork"]);
  assert.match(verdicts[2]?.fault?.detail ?? "", /record number 2/);
  assert.match(verdicts[3]?.fault?.detail ?? "", /record number 2/);
  const other = new TestMote();
  const [x, y] = [other.next({ boot: 3, seq: 4 }), other.next({ boot: 3 })] as [TestRecord, TestRecord];
  assert.equal(codes(judgeAll(fileOf(y, x))), ["holds", "seq-not-rising"]);
  assert.equal(codes(judgeAll(fileOf(x, other.make({ seq: 9, prev: x.digest, boot: 2 })))), ["holds", "boot-not-rising"]);
  const begins = other.make({ seq: 10, boot: 3, prev: new Uint8Array(32) });
  assert.equal(codes(judgeAll(fileOf(x, begins))), ["holds", "fork"]);
  assert.equal(codes(judgeAll(fileOf(y, begins))), ["holds", "chain-broken"]);
});

test("evidence: both records, which show it by themselves; the same record twice is none", () => {
  const mote = new TestMote();
  const first = mote.next();
  const second = mote.next();
  const twin = mote.make({ seq: 1, prev: first.digest, time: 1_900_000_000 });
  const fork = mote.make({ seq: 5, prev: first.digest });
  const other = new TestMote().next();
  const judge = new Judge(engine);
  for (const piece of pieces(fileOf(first, second, other, second, twin, fork, twin))) judge.judge(piece);
  assert.equal(
    judge.evidence.map(({ kind, records }) => [kind, ...records.map(({ index }) => index)]),
    [
      ["equivocation", 2, 5],
      ["fork", 2, 6],
    ],
  );
  const file = evidenceFile(judge.evidence);
  assert.equal(file, fileOf(second, twin, fork));
  assert.equal(codes(judgeAll(file)), ["holds", "equivocation", "fork"]);
  const [equivocation] = judge.evidence;
  const { sign1, seqs, digests } = evidenceObject(equivocation as Evidence) as Record<string, string[]>;
  assert.equal(
    sign1,
    [second, twin].map((record) => toHex(record.sign1)),
  );
  assert.equal([seqs, digests], [[1, 1], [second, twin].map((record) => toHex(record.digest))]);
});

test("evidence: a lower stream in a later boot, in whatever order; streams that rise with the boots are none", () => {
  const mote = new TestMote();
  const zero = new Uint8Array(32);
  const [old, escaped, late] = [
    mote.make({ seq: 5, boot: 3 }),
    mote.make({ stream: 1, seq: 0, prev: zero, boot: 4 }),
    mote.make({ seq: 6, prev: zero, boot: 5 }),
  ] as const;
  const later = mote.make({ stream: 1, seq: 1, prev: escaped.digest, boot: 5 });
  assert.equal(codes(judgeAll(fileOf(escaped, late))), ["holds", "escape"]);
  assert.equal(codes(judgeAll(fileOf(late, escaped))), ["holds", "escape"]);
  assert.equal(codes(judgeAll(fileOf(old, escaped, later))), ["holds", "holds", "holds"]);
  const fleet = { ...late.fields.fleet, registry: new Uint8Array(20).fill(0xf2) };
  assert.equal(codes(judgeAll(fileOf(escaped, mote.make({ ...late.fields, fleet }), new TestMote().make({ boot: 9 })))), [
    "holds",
    "holds",
    "holds",
  ]);
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(4), fc.nat(4)), { maxLength: 9 }), (places) => {
      const judge = new Judge(engine);
      const records = places.map(([stream, boot], seq) => mote.make({ stream, seq, boot, prev: zero, time: seq + 1 }));
      for (const piece of pieces(fileOf(...records))) judge.judge(piece);
      const shown = places.some(([s, b]) => places.some(([stream, boot]) => stream < s && boot > b));
      const found = judge.evidence.filter(({ kind }) => kind === "escape");
      assert.is(found.length > 0, shown);
      for (const { records: pair } of found) {
        const [low, high] = [...pair].sort((a, b) => a.fields.stream - b.fields.stream);
        assert.ok(low !== undefined && high !== undefined && low.fields.stream < high.fields.stream);
        assert.ok((low?.fields.boot ?? 0) > (high?.fields.boot ?? 0));
      }
    }),
    { numRuns: 60 },
  );
});

test("evidence: two motes, two fleets or two streams with one seq are none, and neither is what is not signed", () => {
  const [a, b] = [new TestMote(), new TestMote()];
  const first = a.next();
  const fleet = { ...first.fields.fleet, registry: new Uint8Array(20).fill(0xf2) };
  const forged = a.make({ seq: 0, prev: new Uint8Array(32), time: 1_900_000_000 });
  const bent = { ...forged, sign1: forged.sign1.map((byte, i) => (i === forged.sign1.length - 1 ? byte ^ 1 : byte)) };
  const judge = new Judge(engine);
  const others = [
    b.next(),
    a.make({ seq: 0, prev: new Uint8Array(32), fleet }),
    a.make({ seq: 0, prev: new Uint8Array(32), stream: 1 }),
  ];
  for (const piece of pieces(fileOf(first, ...others, bent))) judge.judge(piece);
  assert.equal(judge.evidence, []);
});

test("the same record twice is no fault, and is said", () => {
  const record = new TestMote().next();
  const verdicts = judgeAll(fileOf(record, record));
  assert.equal(codes(verdicts), ["holds", "holds"]);
  assert.match(verdicts[1]?.notes[0] ?? "", /same record as number 1/);
});

test("a new stream begins its own chain; prev may not reach into another", () => {
  const mote = new TestMote();
  const first = mote.next();
  const anew = mote.make({ stream: 1, seq: 0, prev: new Uint8Array(32) });
  const astray = mote.make({ stream: 2, seq: 0, prev: first.digest });
  assert.equal(codes(judgeAll(fileOf(first, anew, astray))), ["holds", "holds", "chain-foreign"]);
});

test("noise of any kind becomes broken pieces that cover every byte, and records around it still hold", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), fc.uint8Array({ maxLength: 64 }), (noise, more) => {
      const mote = new TestMote();
      const [a, b] = [mote.next(), mote.next()] as [TestRecord, TestRecord];
      const file = concat(noise, a.sign1, more, b.sign1);
      let offset = 0;
      for (const piece of pieces(file)) {
        assert.is(piece.offset, offset);
        offset += piece.length;
      }
      assert.is(offset, file.length);
      assert.is(judgeAll(file).filter((verdict) => verdict.fault === undefined).length, 2);
    }),
    { numRuns: 40 },
  );
});

test.run();
