// SenML packs: written and read back, resolved as RFC 8428 §4.6 says, and refused where they would not resolve.

import { Tagged as CborgTagged, decode as cborgDecode } from "cborg";
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { toHex } from "../../../firmware/bytes.js";
import { type CborValue, CborWriter, decode, encode, Tagged } from "../../../firmware/codec/cbor.js";
import { decimal, type Numeric, numericText, sum } from "../../../firmware/record/decimal.js";
import {
  type Pack,
  type PackEntry,
  readSenml,
  resolveSenml,
  SENML_ABSOLUTE_FROM_S,
  SENML_ENTRIES_MAX,
  SENML_NAME_BYTES_MAX,
  SENML_UNIT_BYTES_MAX,
  writeSenml,
} from "../../../firmware/record/senml.js";
import { Rejection } from "../../../firmware/rejection.js";

const LIMITS = { depthMax: 8, bytesMax: 65_536, itemsMax: 4096 };

function encoded(pack: Pack): Uint8Array {
  const writer = new CborWriter(65_536);
  writeSenml(writer, pack);
  return writer.finish();
}

function read(bytes: Uint8Array): Pack | string {
  const item = decode(bytes, LIMITS);
  if (item instanceof Rejection) return item.toString();
  try {
    return readSenml(item);
  } catch (error) {
    if (error instanceof Rejection) return error.toString();
    throw error;
  }
}

test("the labels are those of RFC 8428, in the deterministic order", () => {
  const bytes = encoded([
    { bn: "urn:dev:mac:0024befffe804ff1:", bt: 1_700_000_000, bu: "Cel", bv: decimal(5, -1), n: "t", u: "K", v: 1, t: -2 },
  ]);
  const [entry] = cborgDecode(bytes, { useMaps: true, strict: true, tags: CborgTagged.preserve(4) }) as [Map<number, unknown>];
  assert.equal([...entry.keys()], [0, 1, 2, 6, -2, -3, -4, -5]);
  assert.is(entry.get(0), "t");
  assert.is(entry.get(1), "K");
  assert.is(entry.get(2), 1);
  assert.is(entry.get(6), -2);
  assert.is(entry.get(-2), "urn:dev:mac:0024befffe804ff1:");
  assert.is(entry.get(-3), 1_700_000_000);
  assert.is(entry.get(-4), "Cel");
  assert.equal((entry.get(-5) as CborgTagged).value, [-1, 5]);
});

const names = fc.stringMatching(/^[A-Za-z0-9][-A-Za-z0-9:./_]{0,20}$/);
const numbers: fc.Arbitrary<Numeric> = fc
  .tuple(fc.integer(), fc.integer({ min: -4, max: 2 }))
  .map(([mantissa, exponent]) => decimal(mantissa, exponent));
const units = fc.constantFrom("Cel", "%RH", "m/s", "W");
const entries: fc.Arbitrary<PackEntry> = fc.record(
  { n: names, v: numbers, u: units, t: numbers, bn: names, bt: numbers, bu: units, bv: numbers },
  { requiredKeys: ["n", "v"], noNullPrototype: true },
);
const packs = fc.array(entries, { minLength: 1, maxLength: SENML_ENTRIES_MAX });

test("every pack that is written is read back, to the same bytes", () => {
  fc.assert(
    fc.property(packs, (pack) => {
      const bytes = encoded(pack);
      const back = read(bytes);
      if (typeof back === "string") throw new Error(back);
      assert.equal(back, pack);
      assert.is(toHex(encoded(back)), toHex(bytes));
      assert.is(toHex(encode(decode(bytes, LIMITS) as CborValue, 65_536)), toHex(bytes));
    }),
    { numRuns: 1000 },
  );
});

test("base fields hold from their entry on, and a new one takes the place of the old", () => {
  const resolved = resolveSenml([
    { bn: "room/", bt: 1_700_000_000, bu: "Cel", bv: 20, n: "a", v: decimal(130, -2) },
    { n: "b", u: "%RH", v: decimal(3, -1), t: -5 },
    { bn: "roof/", bu: "W", bv: 0, n: "c", v: 7, t: decimal(5, -1) },
  ]);
  assert.equal(
    resolved.map(({ name, unit, value, time, relative }) => [name, unit, numericText(value), numericText(time), relative]),
    [
      ["room/a", "Cel", "21.30", "1700000000", false],
      ["room/b", "%RH", "20.3", "1699999995", false],
      ["roof/c", "W", "7", "1700000000.5", false],
    ],
  );
});

test("an empty base name takes back the one before; a name behind a base name may begin with any of its characters", () => {
  const pack: PackEntry[] = [
    { bn: "room", n: "/a", v: 1 },
    { bn: "", n: "b", v: 2 },
  ];
  assert.equal(read(encoded(pack)), pack);
  assert.equal(
    resolveSenml(pack).map(({ name }) => name),
    ["room/a", "b"],
  );
  const bad = encode([
    new Map<CborValue, CborValue>([
      [0, "x"],
      [2, 1],
      [-2, "room"],
    ]),
    new Map<CborValue, CborValue>([
      [0, "/a"],
      [2, 1],
      [-2, ""],
    ]),
  ]);
  assert.match(String(read(bad)), /^senml-malformed: entry 1/);
});

test("a base name alone is a name; without base fields nothing is added", () => {
  assert.equal(resolveSenml([{ bn: "only", v: 3 }]), [{ name: "only", value: 3, time: 0, relative: true }]);
  assert.equal(resolveSenml([{ n: "x", v: 3 }], 1_700_000_000), [{ name: "x", value: 3, time: 1_700_000_000, relative: false }]);
});

test("times below 2^28 are relative to the record, from 2^28 on they are absolute (RFC 8428 §4.5.3)", () => {
  const edge = SENML_ABSOLUTE_FROM_S;
  const at = (t: Numeric, made?: number): unknown[] => {
    const [one] = resolveSenml([{ n: "x", v: 0, t }], made);
    return [numericText(one?.time as Numeric), one?.relative];
  };
  assert.equal(at(edge), [`${edge}`, false]);
  assert.equal(at(edge - 1), [`${edge - 1}`, true]);
  assert.equal(at(decimal(edge * 10 - 1, -1)), [`${edge - 1}.9`, true]);
  assert.equal(at(-30, 1_700_000_000), ["1699999970", false]);
  assert.equal(at(decimal(-25, -1), 1_700_000_000), ["1699999997.5", false]);
  assert.equal(at(edge, 1_700_000_000), [`${edge}`, false]);
});

test("resolving agrees with a plain re-reading of RFC 8428 §4.6", () => {
  fc.assert(
    fc.property(packs, (pack) => {
      const last = <K extends keyof PackEntry>(field: K, upTo: number): PackEntry[K] | undefined =>
        pack.slice(0, upTo + 1).reduce<PackEntry[K] | undefined>((found, entry) => entry[field] ?? found, undefined);
      resolveSenml(pack).forEach((one, i) => {
        const entry = pack[i] as PackEntry;
        assert.is(one.name, `${last("bn", i) ?? ""}${entry.n ?? ""}`);
        assert.is(one.unit, entry.u ?? last("bu", i));
        assert.is(numericText(sum(one.value, 0)), numericText(sum(last("bv", i) ?? 0, entry.v)));
        assert.is(numericText(one.time), numericText(sum(last("bt", i) ?? 0, entry.t ?? 0)));
      });
    }),
    { numRuns: 500 },
  );
});

const REFUSED: readonly [string, CborValue][] = [
  ["no array", new Map()],
  ["an empty pack", []],
  ["an entry that is no map", [1]],
  ["no value", [new Map([[0, "x"]])]],
  ["no name", [new Map([[2, 1]])]],
  [
    "an empty name",
    [
      new Map<CborValue, CborValue>([
        [0, ""],
        [2, 1],
      ]),
    ],
  ],
  [
    "a name that begins with a dot",
    [
      new Map<CborValue, CborValue>([
        [0, ".x"],
        [2, 1],
      ]),
    ],
  ],
  [
    "a name with a space",
    [
      new Map<CborValue, CborValue>([
        [0, "a b"],
        [2, 1],
      ]),
    ],
  ],
  [
    "a name beyond ASCII",
    [
      new Map<CborValue, CborValue>([
        [0, "aä"],
        [2, 1],
      ]),
    ],
  ],
  [
    "a name that is no text",
    [
      new Map<CborValue, CborValue>([
        [0, 5],
        [2, 1],
      ]),
    ],
  ],
  [
    "a name too long",
    [
      new Map<CborValue, CborValue>([
        [0, "x".repeat(SENML_NAME_BYTES_MAX + 1)],
        [2, 1],
      ]),
    ],
  ],
  [
    "a base name too long",
    [
      new Map<CborValue, CborValue>([
        [2, 1],
        [-2, "x".repeat(SENML_NAME_BYTES_MAX + 1)],
      ]),
    ],
  ],
  [
    "an empty unit",
    [
      new Map<CborValue, CborValue>([
        [0, "x"],
        [1, ""],
        [2, 1],
      ]),
    ],
  ],
  [
    "a unit too long",
    [
      new Map<CborValue, CborValue>([
        [0, "x"],
        [1, "u".repeat(SENML_UNIT_BYTES_MAX + 1)],
        [2, 1],
      ]),
    ],
  ],
  [
    "a unit with a control character",
    [
      new Map<CborValue, CborValue>([
        [0, "x"],
        [1, "C\n"],
        [2, 1],
      ]),
    ],
  ],
  [
    "a base unit that is no text",
    [
      new Map<CborValue, CborValue>([
        [0, "x"],
        [2, 1],
        [-4, 1],
      ]),
    ],
  ],
  [
    "a text as value",
    [
      new Map<CborValue, CborValue>([
        [0, "x"],
        [2, "1"],
      ]),
    ],
  ],
  [
    "a boolean as value",
    [
      new Map<CborValue, CborValue>([
        [0, "x"],
        [2, true],
      ]),
    ],
  ],
  [
    "another tag as value",
    [
      new Map<CborValue, CborValue>([
        [0, "x"],
        [2, new Tagged(18, [1, 2])],
      ]),
    ],
  ],
  [
    "an exponent of 0",
    [
      new Map<CborValue, CborValue>([
        [0, "x"],
        [2, new Tagged(4, [0, 2])],
      ]),
    ],
  ],
  [
    "a time that is no number",
    [
      new Map<CborValue, CborValue>([
        [0, "x"],
        [2, 1],
        [6, null],
      ]),
    ],
  ],
  [
    "a string value (label 3)",
    [
      new Map<CborValue, CborValue>([
        [0, "x"],
        [2, 1],
        [3, "y"],
      ]),
    ],
  ],
  [
    "a base version (label -1)",
    [
      new Map<CborValue, CborValue>([
        [0, "x"],
        [2, 1],
        [-1, 10],
      ]),
    ],
  ],
  [
    "a label of text",
    [
      new Map<CborValue, CborValue>([
        [0, "x"],
        [2, 1],
        ["q_", 1],
      ]),
    ],
  ],
  [
    "too many entries",
    Array.from(
      { length: SENML_ENTRIES_MAX + 1 },
      () =>
        new Map<CborValue, CborValue>([
          [0, "x"],
          [2, 1],
        ]),
    ),
  ],
];

for (const [what, item] of REFUSED) {
  test(`${what} is refused`, () => {
    const answer = read(encode(item, 65_536));
    assert.ok(typeof answer === "string" && answer.startsWith("senml-malformed: "), String(answer));
  });
}

test("a pack that would be refused is not written", () => {
  assert.throws(() => encoded([]), /1 to 32 entries/);
  assert.throws(() => encoded(new Array(SENML_ENTRIES_MAX + 1).fill({ n: "x", v: 1 })), /1 to 32 entries/);
  assert.throws(() => encoded([{ v: 1 }]), /a name, or a base name/);
  for (const wrong of [
    { n: "" },
    { n: "-x" },
    { n: "a b" },
    { bn: "_", n: "x" },
    { bn: "b", n: "x y" },
    { n: "x".repeat(65) },
    { n: "x", u: "" },
  ])
    assert.throws(() => encoded([{ ...wrong, v: 1 }]), /satisfies its rule/, JSON.stringify(wrong));
  assert.throws(
    () =>
      encoded([
        { bn: "b", v: 1 },
        { bn: "", v: 1 },
      ]),
    /a name, or a base name/,
  );
  assert.throws(() => encoded([{ n: "x", v: 1.5 }]), /an integer that a number holds exactly/);
});

test("limits themselves are allowed", () => {
  const entry: PackEntry = {
    bn: "b".repeat(SENML_NAME_BYTES_MAX),
    n: "n".repeat(SENML_NAME_BYTES_MAX),
    u: "u".repeat(16),
    v: 1,
  };
  assert.equal(read(encoded(new Array(SENML_ENTRIES_MAX).fill(entry))), new Array(SENML_ENTRIES_MAX).fill(entry));
});

test.run();
