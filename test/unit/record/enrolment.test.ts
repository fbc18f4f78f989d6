// The payloads by which a key enters a registry: every field, one byte string for the same fields, the example of the document, held
// against cborg; and whatever else comes.

import { decode as cborgDecode, encode as cborgEncode, rfc8949EncodeOptions } from "cborg";
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { toHex } from "../../../firmware/bytes.js";
import {
  decodeEnrolment,
  decodeRotation,
  decodeVoucher,
  encodeEnrolment,
  encodeRotation,
  encodeVoucher,
} from "../../../firmware/record/enrolment.js";
import { encodeReceipt } from "../../../firmware/record/receipt.js";
import { Rejection } from "../../../firmware/rejection.js";

const uint = fc.oneof(fc.maxSafeNat(), fc.nat(300), fc.constant(Number.MAX_SAFE_INTEGER));
const counter = uint.map((value) => Math.max(1, value));
const address = fc.uint8Array({ minLength: 20, maxLength: 20 }).map((bytes) => new Uint8Array(bytes));
const chain = fc.stringMatching(/^[-a-z0-9]{3,8}:[-_a-zA-Z0-9]{1,32}$/);
const common = { counter, expiryBlock: uint, fleet: fc.record({ registry: address, chain }, { noNullPrototype: true }) };

/** One of the three: its fields, its functions, and a map of cborg's that says the same. */
interface Kind {
  readonly fields: fc.Arbitrary<Record<string, unknown>>;
  readonly encode: (fields: never) => Uint8Array;
  readonly decode: (payload: Uint8Array) => object;
  readonly map: (fields: Record<string, unknown>) => readonly (readonly [number, unknown])[];
}

const fleetOf = ({ fleet }: Record<string, unknown>): unknown[] => Object.values(fleet as object);
const KINDS: Readonly<Record<string, Kind>> = {
  enrolment: {
    fields: fc.record({ ...common, enroller: address }, { noNullPrototype: true }),
    encode: encodeEnrolment,
    decode: decodeEnrolment,
    map: (f) => [
      [0, 4],
      [1, f.counter],
      [4, f.enroller],
      [5, f.expiryBlock],
      [9, fleetOf(f)],
    ],
  },
  voucher: {
    fields: fc.record(
      { ...common, mote: address, role: fc.nat(255), policyId: uint, firmwareId: uint },
      { noNullPrototype: true },
    ),
    encode: encodeVoucher,
    decode: decodeVoucher,
    map: (f) => [
      [0, 5],
      [1, f.counter],
      [3, f.mote],
      [4, f.role],
      [5, f.expiryBlock],
      [6, f.policyId],
      [7, f.firmwareId],
      [9, fleetOf(f)],
    ],
  },
  rotation: {
    fields: fc.record({ ...common, mote: address, successor: address }, { noNullPrototype: true }),
    encode: encodeRotation,
    decode: decodeRotation,
    map: (f) => [
      [0, 6],
      [1, f.counter],
      [3, f.mote],
      [4, f.successor],
      [5, f.expiryBlock],
      [9, fleetOf(f)],
    ],
  },
};

for (const [name, { fields, encode, decode, map }] of Object.entries(KINDS)) {
  const bytesOf = (entries: Iterable<readonly [unknown, unknown]>): Uint8Array =>
    new Uint8Array(cborgEncode(new Map(entries as never), rfc8949EncodeOptions));

  test(`${name}: what is encoded is decoded again, and is what cborg encodes`, () => {
    fc.assert(
      fc.property(fields, (value) => {
        const payload = encode(value as never);
        assert.equal(decode(payload), value);
        assert.is(toHex(payload), toHex(bytesOf(map(value))));
      }),
    );
  });

  test(`${name}: whatever is accepted is the one encoding of its fields; hostile bytes are refused by code`, () => {
    fc.assert(
      fc.property(fields, fc.nat(), fc.nat(255), fc.integer({ min: 0, max: 3 }), (value, at, byte, how) => {
        const whole = encode(value as never);
        const payload = [
          () => whole.map((old, i) => (i === at % whole.length ? byte : old)),
          () => whole.subarray(0, at % whole.length),
          () => Uint8Array.from([...whole, byte]),
          () => Uint8Array.from([...whole.subarray(0, at % whole.length), byte, ...whole.subarray(at % whole.length)]),
        ][how]?.() as Uint8Array;
        const decoded = decode(payload);
        if (decoded instanceof Rejection) assert.match(decoded.code, /^(cbor|payload)-/);
        else assert.is(toHex(encode(decoded as never)), toHex(payload));
      }),
      { numRuns: 1_000 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (noise) => assert.instance(decode(new Uint8Array(noise)), Rejection)),
    );
  });

  test(`${name}: each field is there, of its kind and in its range, and no other`, () => {
    const [value] = fc.sample(fields, 1) as [Record<string, unknown>];
    const entries = map(value);
    const refused = (changed: Iterable<readonly [unknown, unknown]>, code = "payload-malformed"): void =>
      assert.is((decode(bytesOf(changed)) as Rejection).code, code);
    for (const [key] of entries.slice(1)) {
      refused(entries.filter(([other]) => other !== key));
      for (const wrong of [null, -1, "text", new Uint8Array(19), new Uint8Array(21), [1], [new Uint8Array(20), "no chain"]])
        refused(entries.map(([other, was]) => [other, other === key ? wrong : was] as const));
    }
    for (const key of [2, 8, 10, 23, 24, -1, "k"]) refused([...entries, [key, 0]]);
    refused(entries.map(([key, was]) => [key, key === 1 ? 0 : was] as const));
    for (const type of [1, 2, 3, 7, 8, 9, 10, 255]) refused([[0, type], ...entries.slice(1)], "payload-type");
    for (const type of [4, 5, 6]) if (type !== entries[0]?.[1]) refused([[0, type], ...entries.slice(1)], "payload-type");
    const receipt = encodeReceipt({ seq: 1, digest: new Uint8Array(32), mote: new Uint8Array(20), stream: 0 });
    assert.is((decode(receipt) as Rejection).code, "payload-type");
  });
}

test("fields that would be refused are our own mistake", () => {
  const fleet = { registry: new Uint8Array(20), chain: "eip155:1" };
  const [enroller, mote, successor] = [new Uint8Array(20), new Uint8Array(20), new Uint8Array(20)];
  assert.throws(() => encodeEnrolment({ counter: 0, enroller, expiryBlock: 1, fleet }));
  assert.throws(() => encodeEnrolment({ counter: 1, enroller: new Uint8Array(19), expiryBlock: 1, fleet }));
  assert.throws(() => encodeEnrolment({ counter: 1, enroller, expiryBlock: -1, fleet }));
  assert.throws(() => encodeRotation({ counter: 1, mote, successor, expiryBlock: 1, fleet: { ...fleet, chain: "x" } }));
  assert.throws(() => encodeVoucher({ counter: 1, mote, role: 256, expiryBlock: 1, policyId: 0, firmwareId: 0, fleet }));
  const longest = { registry: new Uint8Array(20), chain: `abcdefgh:${"z".repeat(32)}` };
  const max = Number.MAX_SAFE_INTEGER;
  const voucher = { counter: max, mote, role: 255, expiryBlock: max, policyId: max, firmwareId: max, fleet: longest };
  assert.equal(decodeVoucher(encodeVoucher(voucher)), voucher, "the longest has room");
  assert.is(cborgDecode(encodeVoucher(voucher), { useMaps: true }).size, 8);
});

test.run();
