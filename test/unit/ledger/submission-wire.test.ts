// Transactions on the wire: what is written is read, and nothing else.

import * as cborg from "cborg";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { MESSAGE_BYTES_MAX } from "../../../firmware/bus/wire.js";
import {
  decodeSubmission,
  decodeSubmissionAnswer,
  encodeSubmission,
  encodeSubmissionAnswer,
  NOT_TAKEN,
  submissionTopicsOf,
} from "../../../firmware/ledger/submission-wire.js";
import { TRANSACTION_BYTES_MAX } from "../../../firmware/ledger/transaction.js";
import { Rejection } from "../../../firmware/rejection.js";

const TO = new Uint8Array(20).fill(0xaa);

test("what is written is read back, and is the CBOR that another library writes", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 0xffffffff }), fc.uint8Array({ maxLength: 400 }), (id, raw) => {
      const bytes = encodeSubmission({ id, to: TO, raw });
      assert.equal(decodeSubmission(bytes), { id, to: TO, raw });
      const fields = new Map<number, unknown>([
        [0, id],
        [1, TO],
        [2, raw],
      ]);
      assert.equal(bytes, cborg.encode(fields, cborg.rfc8949EncodeOptions));
    }),
  );
  for (const outcome of [new Uint8Array(32).fill(7), NOT_TAKEN.fee, 255])
    assert.equal(decodeSubmissionAnswer(encodeSubmissionAnswer({ id: 9, outcome })), { id: 9, outcome });
  const longest = encodeSubmission({ id: 0xffffffff, to: TO, raw: new Uint8Array(TRANSACTION_BYTES_MAX) });
  assert.ok(longest.length <= MESSAGE_BYTES_MAX, `${longest.length}`);
  assert.not.instance(decodeSubmission(longest), Rejection);
});

test("whatever is out of its bounds is refused", () => {
  const of = (...fields: [number, unknown][]) => cborg.encode(new Map(fields), cborg.rfc8949EncodeOptions);
  const raw = new Uint8Array(5);
  const refused = [
    of([0, 0], [1, TO], [2, raw]),
    of([0, 2 ** 32], [1, TO], [2, raw]),
    of([0, 1], [1, TO.slice(1)], [2, raw]),
    of([0, 1], [1, "x"], [2, raw]),
    of([0, 1], [1, TO], [2, 7]),
    of([0, 1], [1, TO]),
    of([0, 1], [1, TO], [2, raw], [3, 1]),
    of([0, 1], [1, TO], [3, raw]),
    encodeSubmission({ id: 1, to: TO, raw: new Uint8Array(TRANSACTION_BYTES_MAX + 1) }),
    new Uint8Array(MESSAGE_BYTES_MAX),
  ];
  for (const bytes of refused) assert.is((decodeSubmission(bytes) as Rejection).code, "submission-malformed");
  for (const bytes of [
    of([0, 1], [1, 0]),
    of([0, 1], [1, 256]),
    of([0, 1], [1, new Uint8Array(31)]),
    of([0, 0], [1, 1]),
    of([0, 1]),
  ])
    assert.is((decodeSubmissionAnswer(bytes) as Rejection).code, "submission-malformed");
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      for (const read of [decodeSubmission(bytes), decodeSubmissionAnswer(bytes)])
        if (read instanceof Rejection) assert.is(read.code, "submission-malformed");
    }),
  );
});

test("its topics stand beside the others of the chain and of the mote", () => {
  assert.equal(submissionTopicsOf("site/", TO, "eip155:1337"), {
    submissions: "site/chains/eip155:1337/transactions",
    answers: `site/motes/0x${"aa".repeat(20)}/transactions`,
  });
});

test.run();
