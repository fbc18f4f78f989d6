// The payload of a receipt: written and read back, and refused where anything is amiss.

import { encode as cborgEncode, rfc8949EncodeOptions } from "cborg";
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { toHex } from "../../../firmware/bytes.js";
import { type CborValue, encode } from "../../../firmware/codec/cbor.js";
import { nobleEngine } from "../../../firmware/crypto/engine-noble.js";
import { verifySign1 } from "../../../firmware/record/cose.js";
import {
  decodeReceipt,
  decodeRefusal,
  encodeReceipt,
  encodeRefusal,
  isRefusal,
  type ReceiptFields,
  type RefusalFields,
} from "../../../firmware/record/receipt.js";
import { decodeRecord } from "../../../firmware/record/record.js";
import { Rejection } from "../../../firmware/rejection.js";
import { independently, signed, testKey } from "./signing.js";

const EXAMPLE: ReceiptFields = { seq: 7, digest: new Uint8Array(32).fill(1), mote: new Uint8Array(20).fill(2), stream: 1 };

test("a receipt is the bytes that cborg writes for it, and is read back", () => {
  const bytes = (length: number): fc.Arbitrary<Uint8Array> =>
    fc.uint8Array({ minLength: length, maxLength: length }).map((value) => new Uint8Array(value));
  fc.assert(
    fc.property(fc.maxSafeNat(), bytes(32), bytes(20), fc.maxSafeNat(), (seq, digest, mote, stream) => {
      const receipt = { seq, digest, mote, stream };
      const payload = encodeReceipt(receipt);
      const map = new Map<number, unknown>([
        [0, 2],
        [1, seq],
        [2, digest],
        [3, mote],
        [10, stream],
      ]);
      assert.is(toHex(payload), toHex(cborgEncode(map, rfc8949EncodeOptions)));
      assert.equal(decodeReceipt(payload), receipt);
      assert.equal([...payload.subarray(1, 3)], [0, 2]);
    }),
    { numRuns: 1000 },
  );
  const largest = { ...EXAMPLE, seq: Number.MAX_SAFE_INTEGER, stream: Number.MAX_SAFE_INTEGER };
  assert.equal(decodeReceipt(encodeReceipt(largest)), largest);
});

test("a signed receipt holds for OpenSSL, and is no record", () => {
  const key = testKey("collector");
  const bytes = signed(key, encodeReceipt(EXAMPLE));
  assert.ok(independently(bytes, key.publicKey).valid);
  const ours = verifySign1(nobleEngine, bytes);
  if (ours instanceof Rejection) throw new Error(ours.toString());
  assert.equal(decodeReceipt(ours.payload), EXAMPLE);
  const record = decodeRecord(ours.payload);
  assert.ok(record instanceof Rejection && record.code === "payload-type");
});

const KEYS: readonly [number, CborValue][] = [
  [0, 2],
  [1, 7],
  [2, new Uint8Array(32)],
  [3, new Uint8Array(20)],
  [10, 1],
];

test("each key is asked for, by kind and size; nothing more is let in", () => {
  const refusal = (pairs: readonly [CborValue, CborValue][]): string => {
    const answer = decodeReceipt(encode(new Map(pairs)));
    return answer instanceof Rejection ? answer.toString() : "accepted";
  };
  assert.is(refusal(KEYS), "accepted");
  for (const [key] of KEYS) {
    const rest = KEYS.filter(([other]) => other !== key);
    assert.match(refusal(rest), new RegExp(`^payload-malformed: key ${key} `));
    for (const wrong of ["x", -1, new Uint8Array(19), new Uint8Array(33), null] as CborValue[])
      assert.match(refusal([...rest, [key, wrong]]), new RegExp(`^payload-malformed: key ${key} `));
  }
  assert.match(refusal([...KEYS, [4, new Array(16).fill(new Map())]]), /^cbor-too-/);
  assert.match(refusal([...KEYS, [4, 0]]), /a key that this type does not have/);
  assert.is(refusal([...KEYS.slice(1), [0, 1]]), "payload-type: type 1 is a record; a receipt has type 2");
  assert.is(refusal([...KEYS.slice(1), [0, 99]]), "payload-type: type 99 is unknown; a receipt has type 2");
});

const REFUSAL: RefusalFields = {
  seq: 7,
  message: new Uint8Array(32).fill(1),
  mote: new Uint8Array(20).fill(2),
  stream: 1,
  reason: 3,
};

test("a refusal is the bytes that cborg writes for it, is read back, and is no receipt", () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.maxSafeNat(), fc.integer({ min: 1, max: 255 }), (seq, stream, reason) => {
      const refusal = { ...REFUSAL, seq, stream, reason };
      const payload = encodeRefusal(refusal);
      const map = new Map<number, unknown>([
        [0, 3],
        [1, seq],
        [2, refusal.message],
        [3, refusal.mote],
        [4, reason],
        [10, stream],
      ]);
      assert.is(toHex(payload), toHex(cborgEncode(map, rfc8949EncodeOptions)));
      assert.equal(decodeRefusal(payload), refusal);
      assert.ok(isRefusal(payload));
      assert.not.ok(isRefusal(encodeReceipt(EXAMPLE)));
      assert.match(String(decodeReceipt(payload)), /^payload-type: type 3 is a refusal/);
      assert.match(String(decodeRefusal(encodeReceipt(EXAMPLE))), /^payload-type: type 2 is a receipt; a refusal has type 3/);
    }),
  );
  const pairs: [number, CborValue][] = [...KEYS.slice(1), [0, 3], [4, 1]];
  const answer = (list: [number, CborValue][]): string => String(decodeRefusal(encode(new Map(list))));
  assert.match(answer(pairs.slice(0, -1)), /key 4 \(reason\) is absent/);
  for (const wrong of [0, 256, -1, "x"] as CborValue[])
    assert.match(answer([...pairs.slice(0, -1), [4, wrong]]), /key 4 \(reason\) is no integer from 1 to 255/);
  assert.match(answer([...pairs, [5, 0]]), /a key that this type does not have/);
});

test("noise is neither a receipt nor a refusal, and throws nothing", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), (noise) => {
      assert.instance(decodeReceipt(noise), Rejection);
      assert.instance(decodeRefusal(noise), Rejection);
      isRefusal(noise);
    }),
  );
});

test("fields that would be refused are not encoded", () => {
  assert.throws(() => encodeRefusal({ ...REFUSAL, reason: 0 }), /a reason/);
  assert.throws(() => encodeRefusal({ ...REFUSAL, reason: 256 }), /a reason/);
  assert.throws(() => encodeReceipt({ ...EXAMPLE, digest: new Uint8Array(31) }), /a digest and an address/);
  assert.throws(() => encodeReceipt({ ...EXAMPLE, seq: -1 }), /unsigned/);
});

test.run();
