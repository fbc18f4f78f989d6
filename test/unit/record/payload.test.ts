// What all signed payloads share: the type first, then each key by kind and range, and none that nobody asked for. What a reader is
// shown is refused by name.

import { encode, rfc8949EncodeOptions } from "cborg";
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  PAYLOAD_TYPE_RECEIPT,
  PAYLOAD_TYPE_RECORD,
  PAYLOAD_TYPE_REFUSAL,
  PayloadFields,
} from "../../../firmware/record/payload.js";
import { Rejection } from "../../../firmware/rejection.js";

const payload = (...pairs: readonly (readonly [unknown, unknown])[]): Uint8Array => encode(new Map(pairs), rfc8949EncodeOptions);

function refusal(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    if (error instanceof Rejection) return String(error);
    throw error;
  }
  return "none";
}
const fieldsOf = (bytes: Uint8Array): PayloadFields => new PayloadFields(bytes, PAYLOAD_TYPE_RECORD);

test("the type decides: another one is named, what is none is malformed", () => {
  for (const [type, expected] of [
    [PAYLOAD_TYPE_RECORD, "none"],
    [PAYLOAD_TYPE_RECEIPT, "payload-type: type 2 is a receipt; a record has type 1"],
    [PAYLOAD_TYPE_REFUSAL, "payload-type: type 3 is a refusal; a record has type 1"],
    [77, "payload-type: type 77 is unknown; a record has type 1"],
    [-1, "payload-malformed: key 0 (type) is no unsigned integer"],
    ["1", "payload-malformed: key 0 (type) is no unsigned integer"],
  ] as const)
    assert.is(
      refusal(() => fieldsOf(payload([0, type]))),
      expected,
    );
  assert.is(
    refusal(() => fieldsOf(encode([1]))),
    "payload-malformed: the payload is no map",
  );
  assert.match(
    refusal(() => fieldsOf(payload([1, 1]))),
    /^payload-malformed: key 0 \(type\)/,
  );
});

test("each field by its kind and range, and none besides", () => {
  const fields = fieldsOf(payload([0, 1], [1, 9], [2, new Uint8Array(4).fill(7)], [3, [1, "a"]]));
  assert.ok(fields.has(3) && !fields.has(4));
  assert.match(
    refusal(() => fields.item(4, "absent one")),
    /^payload-malformed: key 4 \(absent one\) is absent$/,
  );
  assert.is(fields.uint(1, "number", 9, 9), 9);
  assert.match(
    refusal(() => fields.end()),
    /a key that this type does not have/,
  );
  assert.equal(fields.bytes(2, "bytes", 4), new Uint8Array(4).fill(7));
  assert.equal(fields.array(3, "pair", 2), [1, "a"]);
  assert.is(
    refusal(() => fields.end()),
    "none",
  );
  const again = fieldsOf(payload([0, 1], [1, 9], [2, new Uint8Array(4)], [3, [1, "a"]]));
  for (const [read, expected] of [
    [() => again.uint(1, "number", 10), "key 1 (number) is no integer from 10 to"],
    [() => again.uint(1, "number", 0, 8), "key 1 (number) is no integer from 0 to 8"],
    [() => again.uint(2, "number"), "key 2 (number) is no integer"],
    [() => again.bytes(2, "bytes", 5), "key 2 (bytes) is no byte string of 5 bytes"],
    [() => again.bytes(1, "bytes", 4), "key 1 (bytes) is no byte string of 4 bytes"],
    [() => again.array(3, "pair", 3), "key 3 (pair) is no array of 3 items"],
    [() => again.array(1, "pair", 2), "key 1 (pair) is no array of 2 items"],
  ] as const)
    assert.ok(refusal(read).startsWith(`payload-malformed: ${expected}`), refusal(read));
});

test("whatever the bytes are: a map, or a Rejection", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.boolean(), (noise, typed) => {
      const bytes = typed ? Uint8Array.of(0xa2, 0, 1, ...noise) : noise;
      const refused = refusal(() => fieldsOf(bytes));
      assert.ok(refused === "none" || /^(payload|cbor)-/.test(refused), refused);
    }),
    { numRuns: 1000 },
  );
});

test.run();
