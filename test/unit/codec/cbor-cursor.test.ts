// The cursor against the decoder: on any bytes, what it reads is what the decoder reads, and where it answers nothing nothing has moved.

import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { decodeReply, encodeReply } from "../../../firmware/bus/wire.js";
import { ARRAY, CborCursor, decode, decodeFirst, encode, encodeFields, MAP, UINT } from "../../../firmware/codec/cbor.js";
import { decodeReceipt, encodeReceipt } from "../../../firmware/record/receipt.js";
import { Rejection } from "../../../firmware/rejection.js";

const test = suite("CBOR cursor");
const uint32 = fc.oneof(fc.nat(300), fc.integer({ min: 0, max: 0xffffffff }));

test("an unsigned integer or a byte string that it reads is the decoder's, on any bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const whole = decodeFirst(bytes, 0);
      const number = new CborCursor(bytes);
      const value = number.head(UINT);
      if (value < 0) assert.is(number.at, 0);
      else assert.equal([value, number.at], whole instanceof Rejection ? [] : [whole.value, whole.end]);
      const string = new CborCursor(bytes);
      const content = string.bytes();
      if (content === undefined) assert.is(string.at, 0);
      else assert.equal([content, string.at], whole instanceof Rejection ? [] : [whole.value, whole.end]);
      // Of what the decoder takes, nothing but the widest is passed over.
      if (!(whole instanceof Rejection) && whole.value instanceof Uint8Array) assert.equal(content, whole.value);
      if (!(whole instanceof Rejection) && typeof whole.value === "number" && whole.value >= 0 && whole.value <= 0xffffffff)
        assert.is(value, whole.value);
    }),
    { numRuns: 20_000 },
  );
});

test("heads in more bytes than they need, beyond 32 bits, indefinite, or of another major type are answered by -1", () => {
  for (const bytes of [
    [],
    [0x18],
    [0x18, 23],
    [0x19, 0, 255],
    [0x1a, 0, 0, 255, 255],
    [0x1b, 0, 0, 0, 1, 0, 0, 0, 0],
    [0x1f],
    [0x41, 1],
    [0xff],
  ])
    assert.is(new CborCursor(Uint8Array.from(bytes)).head(UINT), -1, String(bytes));
  assert.is(new CborCursor(Uint8Array.of(0x9f)).head(ARRAY), -1);
  assert.is(new CborCursor(Uint8Array.of(0xbf)).head(MAP), -1);
  assert.is(new CborCursor(Uint8Array.of(0x42, 1)).bytes(), undefined);
  assert.is(new CborCursor(Uint8Array.of(0x41, 1)).bytes(2), undefined);
});

test("fields are encoded as the map that they are", () => {
  const field = fc.oneof(fc.integer({ min: -(2 ** 53) + 1, max: 2 ** 53 - 1 }), fc.uint8Array({ maxLength: 300 }));
  fc.assert(
    fc.property(fc.array(field, { maxLength: 23 }), (values) => {
      assert.equal(encodeFields(values), encode(new Map(values.map((value, key) => [key, value]))));
    }),
  );
});

/** One byte changed, or some cut off, or one added. */
const mutation = fc.record({ at: fc.nat(400), to: fc.nat(255), cut: fc.nat(3), kind: fc.nat(2) });

function mutated(bytes: Uint8Array, { at, to, cut, kind }: { at: number; to: number; cut: number; kind: number }): Uint8Array {
  if (kind === 0) return bytes.slice(0, bytes.length - cut);
  if (kind === 1) return Uint8Array.of(...bytes, to);
  const changed = bytes.slice();
  changed[at % bytes.length] = to;
  return changed;
}

test("a receipt and a reply that hold are what the decoder finds in them; what was changed is taken only where the decoder takes it", () => {
  const receipt = fc.record({
    seq: fc.oneof(uint32, fc.maxSafeNat()),
    digest: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    mote: fc.uint8Array({ minLength: 20, maxLength: 20 }),
    stream: uint32,
  });
  fc.assert(
    fc.property(receipt, mutation, (fields, change) => {
      assert.equal(decodeReceipt(encodeReceipt(fields)), { ...fields });
      const bytes = mutated(encodeReceipt(fields), change);
      const read = decodeReceipt(bytes);
      if (!(read instanceof Rejection)) assert.equal(encodeReceipt(read), bytes);
    }),
    { numRuns: 3_000 },
  );
  const reply = fc.record({
    id: fc.integer({ min: 1, max: 0xffffffff }),
    from: fc.oneof(uint32, fc.maxSafeNat()),
    headers: fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 16 }),
  });
  fc.assert(
    fc.property(reply, mutation, (fields, change) => {
      assert.equal(decodeReply(encodeReply(fields)), { ...fields });
      const bytes = mutated(encodeReply(fields), change);
      const read = decodeReply(bytes);
      if (!(read instanceof Rejection)) assert.equal(encodeReply(read), bytes);
      else assert.ok(decode(bytes) instanceof Rejection || read.code === "reply-malformed");
    }),
    { numRuns: 3_000 },
  );
});

test.run();
