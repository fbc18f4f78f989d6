// The deterministic CBOR codec by example: one accepted form, a named refusal for every other one.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { fromHex, toHex } from "../../../firmware/bytes.js";
import { type CborValue, CborWriter, decode, decodeFirst, encode, Tagged } from "../../../firmware/codec/cbor.js";
import { CBOR_BYTES_MAX, CBOR_DEPTH_MAX, CBOR_ITEMS_MAX } from "../../../firmware/codec/cbor-value.js";
import { Rejection } from "../../../firmware/rejection.js";

function bytesOf(hex: string): Uint8Array {
  const bytes = fromHex(hex.replace(/ /g, ""));
  if (bytes instanceof Rejection) throw new Error(bytes.toString());
  return bytes;
}

/** The code of a refusal, and the position that its detail begins with. */
function refusal(hex: string): string {
  const answer = decode(bytesOf(hex));
  if (!(answer instanceof Rejection)) return "accepted";
  const position = /^at byte (\d+): /.exec(answer.detail);
  return `${answer.code}@${position?.[1] ?? "?"}`;
}

const ACCEPTED: readonly [string, CborValue][] = [
  ["00", 0],
  ["17", 23],
  ["1818", 24],
  ["18ff", 255],
  ["190100", 256],
  ["19ffff", 65535],
  ["1a00010000", 65536],
  ["1affffffff", 4294967295],
  ["1b0000000100000000", 4294967296],
  ["1b001fffffffffffff", Number.MAX_SAFE_INTEGER],
  ["1b0020000000000000", 0x20_0000_0000_0000n],
  ["1bffffffffffffffff", 0xffff_ffff_ffff_ffffn],
  ["20", -1],
  ["37", -24],
  ["3818", -25],
  ["3b001ffffffffffffe", Number.MIN_SAFE_INTEGER],
  ["3b001fffffffffffff", -0x20_0000_0000_0000n],
  ["3b7fffffffffffffff", -0x8000_0000_0000_0000n],
  ["40", new Uint8Array(0)],
  ["4401020304", Uint8Array.of(1, 2, 3, 4)],
  ["60", ""],
  ["62c3bc", "ü"],
  ["63e6b0b4", "水"],
  ["64f0908591", "\u{10151}"],
  ["62225c", '"\\'],
  ["80", []],
  ["83010203", [1, 2, 3]],
  ["826161820203", ["a", [2, 3]]],
  ["a0", new Map()],
  [
    "a201020304",
    new Map([
      [1, 2],
      [3, 4],
    ]),
  ],
  ["f4", false],
  ["f5", true],
  ["f6", null],
  ["c482211a00010932", new Tagged(4, [-2, 67890])],
  ["d280", new Tagged(18, [])],
];

for (const [hex, value] of ACCEPTED) {
  test(`${hex} decodes and encodes back`, () => {
    assert.equal(decode(bytesOf(hex)), value);
    assert.is(toHex(encode(value)), hex);
  });
}

test("a bigint that a number could hold encodes like the number", () => {
  for (const value of [
    0n,
    23n,
    24n,
    -1n,
    -25n,
    65536n,
    0x1_0000_0000n,
    BigInt(Number.MAX_SAFE_INTEGER),
    BigInt(Number.MIN_SAFE_INTEGER),
  ])
    assert.is(toHex(encode(value)), toHex(encode(Number(value))));
  assert.is(toHex(encode(-0)), "00");
});

test("keys sort by their encoded bytes, not by length or by insertion (RFC 8949 §4.2.1)", () => {
  // The order of the list in that section: 10, 100, -1, "z", "aa", [100], [-1], false.
  const keys: CborValue[] = [false, [-1], "aa", [100], -1, "z", 100, 10];
  const sorted = "a8 0a00 186400 2000 617a00 62616100 81186400 812000 f400".replaceAll(" ", "");
  assert.is(toHex(encode(new Map(keys.map((key) => [key, 0])))), sorted);
});

const REFUSED: readonly [string, string, string][] = [
  ["", "cbor-truncated@0", "nothing at all"],
  ["18", "cbor-truncated@0", "a head without its argument"],
  ["1a000000", "cbor-truncated@0", "a head cut short"],
  ["420a", "cbor-truncated@0", "a byte string cut short"],
  ["7affffffff61", "cbor-truncated@0", "a text of 4 GiB in 6 bytes"],
  ["5bffffffffffffffff", "cbor-truncated@0", "a byte string of 2^64 - 1 bytes"],
  ["9bffffffffffffffff00", "cbor-truncated@0", "an array of 2^64 - 1 items"],
  ["9a7fffffff00", "cbor-truncated@0", "an array of 2^31 - 1 items"],
  ["bb8000000000000000", "cbor-truncated@0", "a map of 2^63 pairs"],
  ["a201", "cbor-truncated@0", "a map whose pairs cannot fit"],
  ["820181", "cbor-truncated@2", "a nested array without its item"],
  ["c4", "cbor-truncated@1", "a tag without its item"],
  ["1817", "cbor-not-shortest@0", "23 in two bytes"],
  ["1900ff", "cbor-not-shortest@0", "255 in three"],
  ["1a0000ffff", "cbor-not-shortest@0", "65535 in five"],
  ["1b00000000ffffffff", "cbor-not-shortest@0", "2^32 - 1 in nine"],
  ["3817", "cbor-not-shortest@0", "-24 in two bytes"],
  ["580161", "cbor-not-shortest@0", "a byte string with a long head"],
  ["8201780161", "cbor-not-shortest@2", "a nested text with a long head"],
  ["980100", "cbor-not-shortest@0", "an array with a long head"],
  ["b8010000", "cbor-not-shortest@0", "a map with a long head"],
  ["d80400", "cbor-not-shortest@0", "tag 4 with a long head"],
  ["5f4100ff", "cbor-indefinite@0", "a byte string in chunks"],
  ["7fff", "cbor-indefinite@0", "a text in chunks"],
  ["819fff", "cbor-indefinite@1", "an array without a length"],
  ["bfff", "cbor-indefinite@0", "a map without a length"],
  ["ff", "cbor-malformed@0", "a break on its own"],
  ["81ff", "cbor-malformed@1", "a break in an array"],
  ["1c", "cbor-malformed@0", "additional information 28"],
  ["fd", "cbor-malformed@0", "additional information 29 of major type 7"],
  ["f818", "cbor-malformed@0", "a simple value below 32 in two bytes"],
  ["f8", "cbor-truncated@0", "a simple value cut short"],
  ["f93c", "cbor-truncated@0", "a half float cut short"],
  ["a2020001 00", "cbor-unsorted@3", "keys that fall"],
  ["a261620061 6100", "cbor-unsorted@4", "text keys that fall"],
  ["a22000 0100", "cbor-unsorted@3", "-1 in front of 1"],
  ["a2010001 00", "cbor-duplicate-key@3", "one key twice"],
  ["a280008000", "cbor-duplicate-key@3", "an array as key twice"],
  ["61ff", "cbor-utf8@0", "a byte that is no UTF-8"],
  ["62c0ae", "cbor-utf8@0", "an overlong form"],
  ["63eda080", "cbor-utf8@0", "a surrogate"],
  ["64f4908080", "cbor-utf8@0", "beyond U+10FFFF"],
  ["61c3", "cbor-utf8@0", "a character cut short"],
  ["0000", "cbor-trailing@1", "two items"],
  ["a000", "cbor-trailing@1", "a byte after a map"],
  ["3b8000000000000000", "cbor-unsupported@0", "-2^63 - 1"],
  ["3bffffffffffffffff", "cbor-unsupported@0", "-2^64"],
  ["c000", "cbor-unsupported@0", "tag 0"],
  ["c24101", "cbor-unsupported@0", "a bignum"],
  ["d9d9f700", "cbor-unsupported@0", "tag 55799"],
  ["f7", "cbor-unsupported@0", "undefined"],
  ["e0", "cbor-unsupported@0", "simple value 0"],
  ["f8ff", "cbor-unsupported@0", "simple value 255"],
  ["f93c00", "cbor-unsupported@0", "a half float"],
  ["81fa3f800000", "cbor-unsupported@1", "a float in an array"],
  ["fb3ff0000000000000", "cbor-unsupported@0", "a double"],
];

for (const [hex, expected, what] of REFUSED) {
  test(`${what} is refused as ${expected}`, () => {
    assert.is(refusal(hex), expected);
  });
}

test("depth, items and bytes end at their limits, not one later", () => {
  const nest = (depth: number): string => `${"81".repeat(depth)}00`;
  assert.is(refusal(nest(CBOR_DEPTH_MAX)), "accepted");
  assert.is(refusal(nest(CBOR_DEPTH_MAX + 1)), `cbor-too-deep@${CBOR_DEPTH_MAX}`);
  assert.is(refusal(`${"a100".repeat(CBOR_DEPTH_MAX)}00`), "accepted");
  assert.is(refusal(`${"a100".repeat(CBOR_DEPTH_MAX + 1)}00`), `cbor-too-deep@${2 * CBOR_DEPTH_MAX}`);
  assert.is(refusal(`${"c4".repeat(CBOR_DEPTH_MAX + 1)}00`), `cbor-too-deep@${CBOR_DEPTH_MAX}`);
  assert.is(refusal("81".repeat(CBOR_BYTES_MAX)), `cbor-too-deep@${CBOR_DEPTH_MAX}`);

  const list = (items: number): string => `98${items.toString(16)}${"00".repeat(items)}`;
  assert.is(refusal(list(CBOR_ITEMS_MAX - 1)), "accepted");
  assert.is(refusal(list(CBOR_ITEMS_MAX)), "cbor-too-long@0");
  const pairs = (n: number): CborValue => new Map(Array.from({ length: n }, (_, i) => [i, [] as CborValue]));
  assert.not.instance(decode(encode(pairs(CBOR_ITEMS_MAX / 2 - 1))), Rejection);
  assert.is(refusal(toHex(encode(pairs(CBOR_ITEMS_MAX / 2)))), "cbor-too-long@0");
  assert.is(refusal(`82${list(CBOR_ITEMS_MAX - 3)}8100`), `cbor-too-long@${CBOR_ITEMS_MAX}`);

  const string = (length: number): Uint8Array => encode(new Uint8Array(length));
  assert.not.instance(decode(string(CBOR_BYTES_MAX - 3)), Rejection);
  const over = encode(new Uint8Array(CBOR_BYTES_MAX - 2), CBOR_BYTES_MAX + 1);
  assert.is(refusal(toHex(over)), "cbor-too-long@0");
});

test("a sequence is read item by item, each within its own limit (RFC 8742)", () => {
  const bytes = bytesOf("01 820203 6161");
  const values: CborValue[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    const item = decodeFirst(bytes, offset);
    if (item instanceof Rejection) throw new Error(item.toString());
    values.push(item.value);
    offset = item.end;
  }
  assert.equal(values, [1, [2, 3], "a"]);
  const past = decodeFirst(bytes, bytes.length);
  assert.ok(past instanceof Rejection && past.code === "cbor-truncated");
  const long = decodeFirst(bytesOf("00 43010203"), 1, { depthMax: 0, bytesMax: 3, itemsMax: 1 });
  assert.ok(long instanceof Rejection && long.code === "cbor-too-long");
});

test("a decoded byte string is a view of the input", () => {
  const bytes = bytesOf("8243010203 4104");
  const value = decode(bytes);
  assert.ok(Array.isArray(value) && value[0] instanceof Uint8Array && value[0].buffer === bytes.buffer);
});

test("a view into a larger buffer never reads beyond its end", () => {
  const large = bytesOf("ff 4401 020304 ff");
  const answer = decode(large.subarray(1, 5));
  assert.ok(answer instanceof Rejection && answer.code === "cbor-truncated");
});

test("text is written in UTF-8 at every length of its head, whatever comes first", () => {
  for (const text of [
    "a".repeat(23),
    "a".repeat(24),
    `${"a".repeat(22)}ü`,
    `${"a".repeat(23)}水`,
    `${"ü".repeat(127)}ab`,
    "ü".repeat(128),
  ]) {
    const utf8 = new TextEncoder().encode(text);
    const writer = new CborWriter(1024);
    writer.int(0);
    writer.text(text);
    writer.null();
    const head = utf8.length < 24 ? [0x60 + utf8.length] : utf8.length < 256 ? [0x78, utf8.length] : [0x79, 1, utf8.length - 256];
    assert.is(toHex(writer.finish()), `00${toHex(Uint8Array.from(head))}${toHex(utf8)}f6`);
  }
});

test("what cannot be encoded is our own mistake", () => {
  for (const value of [
    1.5,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    2 ** 53,
    1n << 64n,
    -(1n << 63n) - 1n,
    "\ud800",
    "a\udc00",
    undefined,
  ])
    assert.throws(() => encode(value as CborValue), /broken assumption/, String(value));
  assert.throws(() => encode(new Tagged(0, 0)), /tag of the subset/);
  assert.throws(
    () =>
      encode(
        new Map<CborValue, CborValue>([
          [1, 0],
          [1n, 0],
        ]),
      ),
    /keys differ/,
  );
  assert.throws(
    () =>
      encode(
        new Map<CborValue, CborValue>([
          [[], 0],
          [[], 1],
        ]),
      ),
    /keys differ/,
  );
  const cycle: CborValue[] = [];
  cycle.push(cycle);
  assert.throws(() => encode(cycle), /bounded depth/);
});

test("a writer refuses to hand out more than its limit, and can be used again", () => {
  const writer = new CborWriter(16);
  const full = (): void => {
    writer.reset();
    writer.array(2);
    writer.bytes(new Uint8Array(10));
    writer.text("abc");
  };
  full();
  assert.is(writer.length, 16);
  assert.is(toHex(writer.view()), `824a${"00".repeat(10)}63616263`);
  const more = [
    () => writer.null(),
    () => writer.boolean(true),
    () => writer.int(1),
    () => writer.int(2n ** 63n),
    () => writer.text(""),
    () => writer.text("水"),
    () => writer.label("x", () => true),
    () => writer.array(0),
    () => writer.key(1),
    () => writer.decimal(-1, 5),
    () => writer.bytes(new Uint8Array(99)),
    () => writer.raw(new Uint8Array(1)),
  ];
  for (const write of more) {
    full();
    write();
    for (const take of [() => writer.view(), () => writer.finish()])
      try {
        take();
        assert.unreachable("a byte beyond the limit");
      } catch (error) {
        assert.ok(error instanceof Rejection && error.code === "cbor-too-long", String(error));
      }
  }
  full();
  const first = writer.finish();
  writer.reset();
  writer.int(7);
  assert.is(toHex(writer.finish()), "07");
  assert.is(toHex(first), `824a${"00".repeat(10)}63616263`);
});

test("keys and decimal fractions are written like the integers and the tag that they are", () => {
  for (let value = -24; value < 24; value += 1) {
    const writer = new CborWriter(8);
    writer.key(value);
    assert.is(toHex(writer.finish()), toHex(encode(value)));
  }
  for (const [exponent, mantissa] of [
    [-2, 2130],
    [3, -1],
    [-18, 2n ** 63n],
    [300, 0x1_0000_0000],
    [-300, -0x8000_0001],
  ] as const) {
    const writer = new CborWriter(32);
    writer.decimal(exponent, mantissa);
    assert.is(toHex(writer.finish()), toHex(encode(new Tagged(4, [exponent, mantissa]))));
  }
});

test("an encoding beyond its limit is a rejection", () => {
  assert.is(encode(new Uint8Array(CBOR_BYTES_MAX - 3)).length, CBOR_BYTES_MAX);
  try {
    encode([new Uint8Array(CBOR_BYTES_MAX - 3)]);
    assert.unreachable("more than the limit");
  } catch (error) {
    assert.ok(error instanceof Rejection && error.code === "cbor-too-long", String(error));
  }
});

test("a label is written like a text, checked once for each rule, and forgotten when there are too many", () => {
  const writer = new CborWriter(1024);
  const asked: string[] = [];
  const any = (text: string): boolean => asked.push(text) > 0;
  const none = (): boolean => false;
  for (let i = 0; i < 3; i += 1) writer.label("temperature", any);
  assert.is(toHex(writer.view()), toHex(encode("temperature")).repeat(3));
  assert.equal(asked, ["temperature"]);
  assert.throws(() => writer.label("temperature", none), /satisfies its rule/);
  assert.throws(() => writer.label("other", none), /satisfies its rule/);
  writer.label("temperature", any);
  assert.is(asked.length, 1);
  writer.reset();
  for (let i = 0; i < 40; i += 1) writer.label(`name ${i}`, any);
  writer.label("temperature", any);
  assert.is(asked.length, 42);
  const all = Array.from({ length: 40 }, (_, i) => toHex(encode(`name ${i}`))).join("") + toHex(encode("temperature"));
  assert.is(toHex(writer.view()), all);
});

test.run();
