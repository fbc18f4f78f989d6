// RLP: the encoder against @ethereumjs/rlp, the decoder as its exact inverse over hostile bytes, and each code.

import * as fs from "node:fs";
import * as path from "node:path";
import { RLP } from "@ethereumjs/rlp";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  decode,
  encode,
  listPrefix,
  RlpCursor,
  type RlpValue,
  scalarBytes,
  scalarOf,
  stringPrefix,
} from "../../../firmware/codec/rlp.js";
import { Rejection } from "../../../firmware/rejection.js";

const LIMITS = { bytesMax: 1 << 21, itemsMax: 4096, depthMax: 40 };

const value: fc.Memo<RlpValue> = fc.memo((depth) =>
  depth <= 1 ? fc.uint8Array({ maxLength: 70 }) : fc.oneof(fc.uint8Array({ maxLength: 70 }), fc.array(value(), { maxLength: 6 })),
);

function plain(item: RlpValue): unknown {
  return item instanceof Uint8Array ? Buffer.from(item).toString("hex") : item.map(plain);
}

function codeOf(hex: string, limits = LIMITS): string {
  const result = decode(Buffer.from(hex, "hex"), limits);
  return result instanceof Rejection ? result.code : "accepted";
}

test("encodes as @ethereumjs/rlp does, and decodes it again", () => {
  fc.assert(
    fc.property(value(4), (item) => {
      const bytes = encode(item);
      assert.equal(Buffer.from(bytes).toString("hex"), Buffer.from(RLP.encode(item as never)).toString("hex"));
      const back = decode(bytes, LIMITS);
      assert.not.instance(back, Rejection);
      assert.equal(plain(back as RlpValue), plain(item));
    }),
    { numRuns: 500 },
  );
});

test("lengths on both sides of every change of form", () => {
  for (const length of [0, 1, 2, 54, 55, 56, 57, 255, 256, 257, 65_535, 65_536, 65_537]) {
    for (const item of [new Uint8Array(length).fill(0x80), Array<Uint8Array>(Math.min(length, 4000)).fill(Uint8Array.of(7))]) {
      const bytes = encode(item);
      assert.equal(Buffer.compare(bytes, RLP.encode(item)), 0);
      assert.equal(plain(decode(bytes, LIMITS) as RlpValue), plain(item));
    }
    assert.equal(
      Buffer.compare(
        stringPrefix(new Uint8Array(length).fill(0xff)),
        RLP.encode(new Uint8Array(length).fill(0xff)).subarray(0, -length || undefined),
      ),
      0,
    );
  }
  const huge = encode(new Uint8Array(1 << 24));
  assert.equal(Buffer.from(huge.subarray(0, 5)).toString("hex"), "bb01000000");
  assert.equal(Buffer.from(listPrefix(56)).toString("hex"), "f838");
  assert.equal(stringPrefix(Uint8Array.of(0x7f)).length, 0);
});

test("accepts nothing that has another encoding, and refuses nothing that has not", () => {
  // Bent encodings rather than noise alone: noise is nearly always one short string.
  const bent = fc.tuple(value(3), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }), fc.integer({ min: -2, max: 2 }));
  fc.assert(
    fc.property(fc.oneof(bent, fc.uint8Array({ maxLength: 12 })), (input) => {
      let bytes: Uint8Array;
      if (input instanceof Uint8Array) bytes = input;
      else {
        const [item, edits, change] = input;
        const whole = [...encode(item)];
        for (const [at, byte] of edits) whole[at % whole.length] = byte;
        if (change > 0) whole.push(...Array<number>(change).fill(0));
        bytes = Uint8Array.from(change < 0 ? whole.slice(0, change) : whole);
      }
      const ours = decode(bytes, LIMITS);
      if (!(ours instanceof Rejection)) {
        assert.equal(Buffer.compare(encode(ours), bytes), 0);
        return;
      }
      let theirs: Uint8Array | undefined;
      try {
        theirs = bytes.length === 0 ? undefined : RLP.encode(RLP.decode(bytes));
      } catch {
        theirs = undefined; // they refuse it too
      }
      assert.ok(theirs === undefined || Buffer.compare(theirs, bytes) !== 0, `refused ${Buffer.from(bytes).toString("hex")}`);
    }),
    { numRuns: 3000 },
  );
});

test("each way to be wrong has its code", () => {
  for (const [hex, code] of [
    ["", "rlp-truncated"],
    ["81", "rlp-truncated"],
    ["83aabb", "rlp-truncated"],
    ["b8", "rlp-truncated"],
    ["b838ff", "rlp-truncated"],
    ["bf7fffffffffffffff00", "rlp-truncated"],
    ["ffffffffffffffffff", "rlp-truncated"],
    ["c281", "rlp-truncated"],
    ["c3c283aa", "rlp-truncated"],
    ["c1b8", "rlp-truncated"],
    ["8100", "rlp-not-canonical"],
    ["817f", "rlp-not-canonical"],
    ["b800", "rlp-not-canonical"],
    [`b837${"aa".repeat(55)}`, "rlp-not-canonical"],
    [`b90038${"aa".repeat(56)}`, "rlp-not-canonical"],
    ["f800", "rlp-not-canonical"],
    [`f90038${"01".repeat(56)}`, "rlp-not-canonical"],
    ["bf0000000000000000", "rlp-not-canonical"],
    ["c28100", "rlp-not-canonical"],
    ["0000", "rlp-trailing"],
    ["c000", "rlp-trailing"],
    ["80c0", "rlp-trailing"],
  ] as const)
    assert.is(codeOf(hex), code, hex);
});

test("limits hold at their edge", () => {
  const nested = (depth: number): string => (depth === 0 ? "" : Buffer.from(encode(nest(depth))).toString("hex"));
  assert.is(codeOf(nested(3), { ...LIMITS, depthMax: 3 }), "accepted");
  assert.is(codeOf(nested(4), { ...LIMITS, depthMax: 3 }), "rlp-too-deep");
  assert.is(codeOf("c20102", { ...LIMITS, itemsMax: 3 }), "accepted");
  assert.is(codeOf("c20102", { ...LIMITS, itemsMax: 2 }), "rlp-too-long");
  assert.is(codeOf("820102", { ...LIMITS, bytesMax: 3 }), "accepted");
  assert.is(codeOf("820102", { ...LIMITS, bytesMax: 2 }), "rlp-too-long");
  assert.is(codeOf("c0".repeat(5000), { ...LIMITS, bytesMax: 4999 }), "rlp-too-long");
  // A megabyte that nests as deep as it can: refused without a stack that grows with it.
  let deep = new Uint8Array(0);
  for (let i = 0; i < 2000; i += 1) deep = Uint8Array.from([...listPrefix(deep.length), ...deep]);
  assert.is(codeOf(Buffer.from(deep).toString("hex"), LIMITS), "rlp-too-deep");
});

function nest(depth: number): RlpValue {
  return depth === 0 ? Uint8Array.of(1) : depth === 1 ? [] : [nest(depth - 1)];
}

test("byte strings are views, and a cursor tells where they stand", () => {
  const bytes = encode([Uint8Array.of(5), new Uint8Array(60), []]);
  const list = decode(bytes) as readonly Uint8Array[];
  assert.is((list[1] as Uint8Array).buffer, bytes.buffer);
  const cursor = new RlpCursor(bytes);
  cursor.next();
  const inner = new RlpCursor(bytes, cursor.start, cursor.end);
  inner.next();
  assert.equal([inner.isList, inner.itemStart, inner.start, inner.end], [false, 2, 2, 3]);
  inner.next();
  assert.equal([inner.isList, inner.itemStart, inner.start, inner.end, inner.atEnd], [false, 3, 5, 65, false]);
  inner.next();
  assert.equal([inner.isList, inner.itemStart, inner.start, inner.end, inner.atEnd], [true, 65, 66, 66, true]);
  assert.throws(
    () => inner.next(),
    (error: unknown) => error instanceof Rejection && error.code === "rlp-truncated",
  );
});

test("scalars: shortest form, and back", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 256n - 1n }), (number) => {
      const content = scalarBytes(number);
      assert.not.equal(content[0], 0);
      assert.is(scalarOf(content), number);
      assert.equal(Buffer.compare(encode(content), RLP.encode(number)), 0);
    }),
  );
  assert.equal(scalarBytes(0).length, 0);
  assert.is(scalarOf(Uint8Array.of(0, 0, 1)), 1n);
  assert.throws(() => scalarBytes(2n ** 256n));
  assert.throws(() => scalarBytes(-1));
});

const vectors = process.env.VECTORS;
if (vectors !== undefined) {
  type Input = string | number | Input[];
  const rlpOf = (input: Input): RlpValue => {
    if (Array.isArray(input)) return input.map(rlpOf);
    if (typeof input === "number") return scalarBytes(input);
    // One of the integers has more than 256 bits.
    const digits = input.startsWith("#") ? BigInt(input.slice(1)).toString(16) : "";
    if (digits !== "") return bytesOf(digits.length % 2 === 0 ? digits : `0${digits}`);
    return Uint8Array.from(Buffer.from(input));
  };
  const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replace(/^0x/, ""), "hex"));
  const read = (name: string): [string, { in: Input; out: string }][] =>
    Object.entries(JSON.parse(fs.readFileSync(path.join(vectors, "eth-state/rlp", name), "utf8")));

  test("the public vectors: valid ones both ways, invalid ones refused", () => {
    for (const [name, item] of read("rlptest.json")) {
      assert.equal(Buffer.compare(encode(rlpOf(item.in)), bytesOf(item.out)), 0, name);
      assert.equal(plain(decode(bytesOf(item.out), LIMITS) as RlpValue), plain(rlpOf(item.in)), name);
    }
    for (const [name, item] of read("invalidRLPTest.json")) assert.instance(decode(bytesOf(item.out), LIMITS), Rejection, name);
  });
}

test.run();
