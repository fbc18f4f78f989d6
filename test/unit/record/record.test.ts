// The payload of a record: every field and rule, one byte string for the same fields, and a whole signed record held against
// cborg and OpenSSL.

import { Tagged as CborgTagged, decode as cborgDecode, encode as cborgEncode, rfc8949EncodeOptions } from "cborg";
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { toHex } from "../../../firmware/bytes.js";
import { type CborValue, CborWriter, decode, encode, Tagged } from "../../../firmware/codec/cbor.js";
import { nobleEngine } from "../../../firmware/crypto/engine-noble.js";
import type { TimeQuality } from "../../../firmware/events.js";
import { RECORD_PAYLOAD_BYTES_MAX, verifySign1 } from "../../../firmware/record/cose.js";
import { Decimal, decimal } from "../../../firmware/record/decimal.js";
import { encodeReceipt } from "../../../firmware/record/receipt.js";
import {
  decodeRecord,
  encodeRecord,
  isChainId,
  type RecordFields,
  TIME_BOUNDED_BY_HEADER,
  TIME_NONE,
  TIME_NTP,
  TIME_OWN_CLOCK,
  typeOf,
} from "../../../firmware/record/record.js";
import { Rejection } from "../../../firmware/rejection.js";
import { independently, signed, testKey } from "./signing.js";

const LIMITS = { depthMax: 6, bytesMax: 65_536, itemsMax: 4096 };

const EXAMPLE: RecordFields = {
  stream: 0,
  seq: 7,
  prev: new Uint8Array(32).fill(0x11),
  boot: 3,
  time: 1_700_000_000,
  timeQuality: 3,
  head: { chain: "eip155:1337", number: 42, hash: new Uint8Array(32).fill(0x22) },
  measurements: [
    { n: "temperature", u: "Cel", v: decimal(2130, -2) },
    { n: "humidity", u: "%RH", v: decimal(4512, -2) },
  ],
  gap: 2,
  fleet: { registry: new Uint8Array(20).fill(0x33), chain: "eip155:1337" },
};

function without(record: RecordFields, ...fields: (keyof RecordFields)[]): RecordFields {
  return Object.fromEntries(Object.entries(record).filter(([field]) => !fields.includes(field as keyof RecordFields))) as never;
}

const uint = fc.oneof(fc.maxSafeNat(), fc.nat(300), fc.constant(Number.MAX_SAFE_INTEGER));
const digest = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => new Uint8Array(bytes));
const address = fc.uint8Array({ minLength: 20, maxLength: 20 }).map((bytes) => new Uint8Array(bytes));
const chain = fc.stringMatching(/^[-a-z0-9]{3,8}:[-_a-zA-Z0-9]{1,32}$/);
const numeric = fc.tuple(fc.integer(), fc.integer({ min: -3, max: 1 })).map(([m, e]) => decimal(m, e));
const measurement = fc.record(
  { n: fc.constantFrom("t", "h", "pressure"), u: fc.constantFrom("Cel", "Pa"), v: numeric, t: numeric },
  { requiredKeys: ["n", "v"], noNullPrototype: true },
);

const records: fc.Arbitrary<RecordFields> = fc
  .record(
    {
      stream: uint,
      seq: uint,
      prev: digest,
      boot: uint,
      time: uint,
      timeQuality: fc.constantFrom<TimeQuality[]>(TIME_NONE, TIME_OWN_CLOCK, TIME_NTP, TIME_BOUNDED_BY_HEADER),
      head: fc.record({ chain, number: uint, hash: digest }, { noNullPrototype: true }),
      measurements: fc.array(measurement, { minLength: 1, maxLength: 24 }),
      gap: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
      fleet: fc.record({ registry: address, chain }, { noNullPrototype: true }),
      status: fc.record({ status: fc.nat(255), block: uint, hash: digest }, { noNullPrototype: true }),
      answer: fc
        .record(
          { commander: address, counter: uint, outcome: fc.nat(255), reason: fc.nat(255), skipped: fc.nat(300) },
          { noNullPrototype: true },
        )
        .map((answer) => ({ ...answer, counter: Math.max(answer.skipped + 1, answer.counter) })),
    },
    { requiredKeys: ["stream", "seq", "prev", "boot", "time", "timeQuality", "measurements", "fleet"], noNullPrototype: true },
  )
  .map((record) => {
    const { head, time, timeQuality, answer, ...others } = record;
    // Of one type alone; an answer has measurements or none.
    const status = answer === undefined ? others.status : undefined;
    const quality = head === undefined && timeQuality === TIME_BOUNDED_BY_HEADER ? TIME_NONE : timeQuality;
    const none = status !== undefined || (answer !== undefined && answer.outcome % 2 === 0);
    const measurements = none ? [] : record.measurements;
    const { status: _, ...rest } = record;
    const kept = status === undefined ? rest : record;
    return { ...kept, measurements, timeQuality: quality, time: quality === TIME_NONE ? 0 : Math.max(1, time) };
  });

/** The payload as cborg writes it from the table in docs/record-format.md. */
function byCborg(record: RecordFields): Uint8Array {
  const number = (value: unknown): unknown =>
    value instanceof Decimal ? new CborgTagged(4, [value.exponent, value.mantissa]) : value;
  const labels = { n: 0, u: 1, v: 2, t: 6, bn: -2, bt: -3, bu: -4, bv: -5 } as const;
  const map = new Map<number, unknown>([
    [10, record.stream],
    [9, [record.fleet.registry, record.fleet.chain]],
    [
      7,
      record.measurements.map(
        (entry) => new Map(Object.entries(entry).map(([k, v]) => [labels[k as keyof typeof labels], number(v)])),
      ),
    ],
    [5, record.timeQuality],
    [4, record.time],
    [3, record.boot],
    [2, record.prev],
    [1, record.seq],
    [0, typeOf(record)],
  ]);
  if (record.measurements.length === 0) map.delete(7);
  if (record.answer !== undefined) map.set(11, Object.values(record.answer));
  if (record.status !== undefined) {
    map.set(12, [record.status.status, record.status.block, record.status.hash]);
  }
  if (record.head !== undefined) map.set(6, [record.head.chain, record.head.number, record.head.hash]);
  if (record.gap !== undefined) map.set(8, record.gap);
  return cborgEncode(map, rfc8949EncodeOptions);
}

test("a record is the bytes that cborg writes for it, and is read back, to the same bytes", () => {
  fc.assert(
    fc.property(records, (record) => {
      const payload = encodeRecord(record);
      assert.is(toHex(payload), toHex(byCborg(record)));
      const back = decodeRecord(payload);
      if (back instanceof Rejection) throw new Error(back.toString());
      assert.equal(back, record);
      assert.is(toHex(encodeRecord(back)), toHex(payload));
      assert.equal([...payload.subarray(1, 3)], [0, typeOf(record)]);
    }),
    { numRuns: 1500 },
  );
});

test("a signed record holds for OpenSSL over a structure that cborg encodes, and its payload reads the same there", () => {
  const key = testKey("record");
  fc.assert(
    fc.property(records, (record) => {
      const bytes = signed(key, encodeRecord(record));
      const other = independently(bytes, key.publicKey);
      assert.ok(other.valid);
      const map = cborgDecode(other.payload, { useMaps: true, strict: true, tags: CborgTagged.preserve(4) }) as Map<
        number,
        unknown
      >;
      assert.is(map.get(0), record.answer !== undefined ? 8 : record.status === undefined ? 1 : 9);
      assert.is(map.get(1), record.seq);
      assert.is(map.get(10), record.stream);
      const ours = verifySign1(nobleEngine, bytes);
      if (ours instanceof Rejection) throw new Error(ours.toString());
      assert.equal(decodeRecord(ours.payload), record);
    }),
    { numRuns: 50 },
  );
});

test("one writer serves many records", () => {
  const writer = new CborWriter(RECORD_PAYLOAD_BYTES_MAX);
  const first = encodeRecord(EXAMPLE, writer);
  const second = encodeRecord({ ...EXAMPLE, seq: 8 }, writer);
  assert.is(toHex(first), toHex(encodeRecord(EXAMPLE)));
  assert.is(toHex(second), toHex(encodeRecord({ ...EXAMPLE, seq: 8 })));
});

test("head and gap are absent where there is nothing to say", () => {
  const least = without({ ...EXAMPLE, time: 0, timeQuality: 0 }, "head", "gap");
  const map = decode(encodeRecord(least), LIMITS) as Map<CborValue, CborValue>;
  assert.equal([...map.keys()], [0, 1, 2, 3, 4, 5, 7, 9, 10]);
  const most = decode(encodeRecord(EXAMPLE), LIMITS) as Map<CborValue, CborValue>;
  assert.equal([...most.keys()], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
});

/** The example's payload with some keys replaced, or removed where undefined. */
function changed(changes: readonly [CborValue, CborValue | undefined][]): Uint8Array {
  const map = new Map(decode(encodeRecord(EXAMPLE), LIMITS) as Map<CborValue, CborValue>);
  for (const [key, value] of changes) {
    if (value === undefined) map.delete(key);
    else map.set(key, value);
  }
  return encode(map, 65_536);
}

function refusal(payload: Uint8Array): string {
  const answer = decodeRecord(payload);
  return answer instanceof Rejection ? answer.toString() : "accepted";
}

const H32 = new Uint8Array(32);
const A20 = new Uint8Array(20);
const REFUSED: readonly [string, Uint8Array, string][] = [
  ["a payload that is no map", encode([1]), "payload-malformed: the payload is no map"],
  ["an empty payload", new Uint8Array(0), "cbor-truncated: "],
  ["no type", changed([[0, undefined]]), "payload-malformed: key 0 (type)"],
  ["a type that is no integer", changed([[0, "1"]]), "payload-malformed: key 0 (type)"],
  ["a negative type", changed([[0, -1]]), "payload-malformed: key 0 (type)"],
  ["type 3", changed([[0, 3]]), "payload-type: type 3 is a refusal; a record has type 1"],
  [
    "a receipt",
    encodeReceipt({ seq: 1, digest: H32, mote: A20, stream: 0 }),
    "payload-type: type 2 is a receipt; a record has type 1",
  ],
  ["a key that a record does not have", changed([[11, 0]]), "payload-malformed: a key that this type does not have"],
  ["a key of text", changed([["seq", 0]]), "payload-malformed: a key that this type does not have"],
  ["no seq", changed([[1, undefined]]), "payload-malformed: key 1 (seq) is absent"],
  ["a negative seq", changed([[1, -1]]), "payload-malformed: key 1 (seq)"],
  ["a seq beyond 2^53 - 1", changed([[1, 1n << 53n]]), "payload-malformed: key 1 (seq)"],
  ["a seq of text", changed([[1, "7"]]), "payload-malformed: key 1 (seq)"],
  ["no prev", changed([[2, undefined]]), "payload-malformed: key 2 (prev)"],
  ["a prev of 31 bytes", changed([[2, new Uint8Array(31)]]), "payload-malformed: key 2 (prev)"],
  ["a prev of text", changed([[2, "x".repeat(32)]]), "payload-malformed: key 2 (prev)"],
  ["no boot", changed([[3, undefined]]), "payload-malformed: key 3 (boot)"],
  ["no time", changed([[4, undefined]]), "payload-malformed: key 4 (time)"],
  ["a time as a decimal fraction", changed([[4, new Tagged(4, [-1, 5])]]), "payload-malformed: key 4 (time)"],
  ["no timeQuality", changed([[5, undefined]]), "payload-malformed: key 5 (timeQuality)"],
  ["a timeQuality of 4", changed([[5, 4]]), "payload-malformed: key 5 (timeQuality)"],
  ["a time without quality", changed([[5, 0]]), "payload-malformed: key 5 (timeQuality) is against its rule"],
  ["a quality without time", changed([[4, 0]]), "payload-malformed: key 5 (timeQuality) is against its rule"],
  [
    "a bound by a header that is not named",
    changed([[6, undefined]]),
    "payload-malformed: key 5 (timeQuality) is against its rule",
  ],
  ["a head of two", changed([[6, ["eip155:1", 1]]]), "payload-malformed: key 6 (head)"],
  ["a head that is null", changed([[6, null]]), "payload-malformed: key 6 (head)"],
  ["a head whose chain is no CAIP-2", changed([[6, ["eip155", 1, H32]]]), "payload-malformed: key 6 (head)"],
  ["a head with a negative number", changed([[6, ["eip155:1", -1, H32]]]), "payload-malformed: key 6 (head)"],
  ["a head with a short hash", changed([[6, ["eip155:1", 1, A20]]]), "payload-malformed: key 6 (head)"],
  ["no measurements", changed([[7, undefined]]), "payload-malformed: key 7 (measurements) is absent"],
  ["an empty pack", changed([[7, []]]), "senml-malformed: 0 entries"],
  ["a gap of 0", changed([[8, 0]]), "payload-malformed: key 8 (gap)"],
  ["a gap that is null", changed([[8, null]]), "payload-malformed: key 8 (gap)"],
  ["no fleet", changed([[9, undefined]]), "payload-malformed: key 9 (fleet)"],
  ["a fleet of three", changed([[9, [A20, "eip155:1", 0]]]), "payload-malformed: key 9 (fleet)"],
  ["a registry of 32 bytes", changed([[9, [H32, "eip155:1"]]]), "payload-malformed: key 9 (fleet)"],
  ["a fleet on no chain", changed([[9, [A20, ""]]]), "payload-malformed: key 9 (fleet)"],
  ["no stream", changed([[10, undefined]]), "payload-malformed: key 10 (stream)"],
  [
    "a status beside measurements",
    changed([
      [0, 9],
      [12, [5, 42, H32]],
    ]),
    "payload-malformed: a key that this type does not have",
  ],
  ["a status in a record of type 1", changed([[12, [5, 42, H32]]]), "payload-malformed: a key that this type does not have"],
  [
    "a status record without one",
    changed([
      [0, 9],
      [7, undefined],
    ]),
    "payload-malformed: key 12 (status) is absent",
  ],
  [
    "a status of two",
    changed([
      [0, 9],
      [12, [5, 42]],
    ]),
    "payload-malformed: key 12 (status) is no array of 3",
  ],
  [
    "a status of 256",
    changed([
      [0, 9],
      [12, [256, 42, H32]],
    ]),
    "payload-malformed: key 12 (status) is without",
  ],
  [
    "a negative status",
    changed([
      [0, 9],
      [12, [-1, 42, H32]],
    ]),
    "payload-malformed: key 12 (status) is without",
  ],
  [
    "a status at no block",
    changed([
      [0, 9],
      [12, [5, "42", H32]],
    ]),
    "payload-malformed: key 12 (status) is without",
  ],
  [
    "a status with a short hash",
    changed([
      [0, 9],
      [12, [5, 42, A20]],
    ]),
    "payload-malformed: key 12 (status) is without a hash",
  ],
  [
    "an answer in a record of type 1",
    changed([[11, [A20, 3, 0, 0, 0]]]),
    "payload-malformed: a key that this type does not have",
  ],
  ["an answer without one", changed([[0, 8]]), "payload-malformed: key 11 (answer) is absent"],
  ...(
    [
      ["an answer of four", [A20, 3, 0, 0], "is no array of 5"],
      ["an answer to a long address", [H32, 3, 0, 0, 0], "is without a commander"],
      ["an answer to command 0", [A20, 0, 0, 0, 0], "is without a counter"],
      ["an answer that skips as many as there were", [A20, 3, 0, 0, 3], "is without a counter"],
      ["an answer of outcome 256", [A20, 3, 256, 0, 0], "is without an outcome"],
      ["an answer of a negative reason", [A20, 3, 0, -1, 0], "is without an outcome"],
    ] as const
  ).map(([what, answer, why]): [string, Uint8Array, string] => [
    what,
    changed([
      [0, 8],
      [11, answer],
    ]),
    `payload-malformed: key 11 (answer) ${why}`,
  ]),
  ["a payload beyond its limit", changed([[11, new Uint8Array(RECORD_PAYLOAD_BYTES_MAX)]]), "cbor-too-long: "],
];

for (const [what, payload, expected] of REFUSED) {
  test(`${what} is refused: ${expected}`, () => {
    const answer = refusal(payload);
    assert.ok(answer.startsWith(expected), answer);
  });
}

test("CAIP-2 names", () => {
  for (const good of [
    "eip155:1",
    "bip122:000000000019d6689c085ae165831e93",
    "cosmos:cosmoshub-3",
    "a-b:_",
    `abcdefgh:${"Z".repeat(32)}`,
  ])
    assert.ok(isChainId(good), good);
  for (const bad of [
    "",
    ":",
    "ei:1",
    "eip155:",
    "EIP:1",
    "abcdefghi:1",
    `abc:${"1".repeat(33)}`,
    "abc:1:2",
    "ab_:1",
    "abc:ä",
    "abc:1 ",
  ])
    assert.not.ok(isChainId(bad), bad);
});

test("a payload with any bit flipped is refused, or is another record that encodes to just those bytes", () => {
  const payload = encodeRecord(EXAMPLE);
  let accepted = 0;
  for (let i = 0; i < payload.length * 8; i += 1) {
    const copy = payload.slice();
    copy[i >> 3] = (copy[i >> 3] as number) ^ (1 << (i & 7));
    const record = decodeRecord(copy);
    if (record instanceof Rejection) continue;
    accepted += 1;
    assert.is(toHex(encodeRecord(record)), toHex(copy));
  }
  assert.ok(accepted > 32 * 8, "bits of prev and of hashes make other records");
});

test("fields that would be refused are not encoded", () => {
  assert.throws(() => encodeRecord({ ...EXAMPLE, gap: 0 }), /gap of at least 1/);
  assert.throws(() => encodeRecord({ ...EXAMPLE, seq: -1 }), /unsigned/);
  assert.throws(() => encodeRecord({ ...EXAMPLE, seq: 2 ** 53 }), /exactly/);
  assert.throws(() => encodeRecord({ ...EXAMPLE, prev: A20 }), /digest of 32 bytes/);
  assert.throws(() => encodeRecord({ ...EXAMPLE, timeQuality: 0 }), /the time is 0/);
  assert.throws(() => encodeRecord(without(EXAMPLE, "head")), /needs the head/);
  assert.throws(() => encodeRecord({ ...EXAMPLE, timeQuality: 4 as never }), /quality/);
  assert.throws(() => encodeRecord({ ...EXAMPLE, fleet: { registry: A20, chain: "x" } }), /satisfies its rule/);
  assert.throws(() => encodeRecord({ ...EXAMPLE, head: { chain: "eip155:1", number: -1, hash: H32 } }), /block number/);
});

test("as many items as fit into a payload are read back", () => {
  const dense = {
    n: "a",
    u: "W",
    v: decimal(1, -1),
    t: decimal(1, -1),
    bn: "b",
    bu: "W",
    bt: decimal(1, -1),
    bv: decimal(1, -1),
  };
  let entries = 1;
  let payload = encodeRecord({ ...EXAMPLE, measurements: [dense] });
  for (; payload.length + 33 <= RECORD_PAYLOAD_BYTES_MAX && entries < 32; entries += 1)
    payload = encodeRecord({ ...EXAMPLE, measurements: new Array(entries + 1).fill(dense) });
  assert.ok(entries > 20, `${entries} entries`);
  assert.equal(decodeRecord(payload), { ...EXAMPLE, measurements: new Array(entries).fill(dense) });
});

test("a payload that grows beyond its limit is a rejection, not a crash", () => {
  const long = { ...EXAMPLE, measurements: Array.from({ length: 20 }, () => ({ n: "n".repeat(64), v: 1 })) };
  try {
    encodeRecord(long);
    assert.unreachable("more than the limit was encoded");
  } catch (error) {
    assert.ok(error instanceof Rejection && error.code === "cbor-too-long", String(error));
  }
});

test.run();
