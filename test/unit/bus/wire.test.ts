// Header requests, replies and health: their bytes against cborg, their bounds one by one, and noise.

import { encode as cborgEncode, rfc8949EncodeOptions } from "cborg";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  decodeHealth,
  decodeReply,
  decodeRequest,
  encodeHealth,
  encodeReply,
  encodeRequest,
  encodeWill,
  HEADERS_PER_REQUEST_MAX,
  type HeaderReply,
  type HeaderRequest,
  type Health,
  MESSAGE_BYTES_MAX,
  REPLY_OVERHEAD_BYTES,
  REPLY_OVERHEAD_PER_HEADER_BYTES,
} from "../../../firmware/bus/wire.js";
import { equal } from "../../../firmware/bytes.js";
import { Rejection } from "../../../firmware/rejection.js";

const MOTE = new Uint8Array(20).fill(0xab);

/** Deterministic CBOR by another implementation: a map of the values under 0, 1, 2 …; an absent one is left out. */
function cbor(...values: readonly unknown[]): Uint8Array {
  const fields = values.map((value, key) => [key, value] as const).filter(([, value]) => value !== undefined);
  return cborgEncode(new Map(fields), rfc8949EncodeOptions);
}

function codeOf(value: unknown): string {
  return value instanceof Rejection ? value.code : "accepted";
}

const id = fc.oneof(fc.integer({ min: 1, max: 0xffffffff }), fc.constantFrom(1, 23, 24, 255, 256, 65_535, 65_536, 0xffffffff));
const height = fc.oneof(fc.maxSafeNat(), fc.constantFrom(0, 23, 24, 0xffffffff, 0x100000000, Number.MAX_SAFE_INTEGER));
const request: fc.Arbitrary<HeaderRequest> = fc.record(
  {
    id,
    to: fc.uint8Array({ minLength: 20, maxLength: 20 }),
    from: height,
    count: fc.integer({ min: 1, max: HEADERS_PER_REQUEST_MAX }),
    bytesMax: fc.integer({ min: 1, max: MESSAGE_BYTES_MAX }),
  },
  { noNullPrototype: true },
);
const reply: fc.Arbitrary<HeaderReply> = fc.record(
  {
    id,
    from: height,
    headers: fc.array(fc.uint8Array({ maxLength: 240 }), { maxLength: HEADERS_PER_REQUEST_MAX }),
  },
  { noNullPrototype: true },
);
const health: fc.Arbitrary<Health> = fc.record(
  {
    online: fc.boolean(),
    boot: height,
    headNumber: height,
    nextSeq: height,
    pending: height,
    timeS: height,
    alarm: height,
  },
  { noNullPrototype: true },
);

test("a request comes back as it was, and its bytes are those of another encoder", () => {
  fc.assert(
    fc.property(request, (fields) => {
      const bytes = encodeRequest(fields);
      const { id, to, from, count, bytesMax } = fields;
      assert.equal(bytes, cbor(id, to, from, count, bytesMax));
      assert.equal(decodeRequest(bytes), fields);
    }),
  );
});

test("a reply comes back as it was, within its stated overhead, and its bytes are those of another encoder", () => {
  fc.assert(
    fc.property(reply, (fields) => {
      const bytes = encodeReply(fields);
      const { id, from, headers } = fields;
      assert.equal(bytes, cbor(id, from, headers));
      const room = headers.reduce((sum, header) => sum + header.length + REPLY_OVERHEAD_PER_HEADER_BYTES, REPLY_OVERHEAD_BYTES);
      assert.ok(bytes.length <= room, `${bytes.length} bytes where ${room} were promised`);
      assert.equal(decodeReply(bytes), fields);
    }),
  );
});

test("the headers of a reply are views into the message, not copies", () => {
  const bytes = encodeReply({ id: 1, from: 5, headers: [Uint8Array.of(1, 2, 3), new Uint8Array(600)] });
  const decoded = decodeReply(bytes) as HeaderReply;
  assert.is(decoded.headers.length, 2);
  for (const header of decoded.headers) assert.is(header.buffer, bytes.buffer);
});

test("health comes back as it was, and a Last Will says offline and nothing else", () => {
  fc.assert(
    fc.property(health, (fields) => {
      const bytes = encodeHealth(fields);
      const { online, boot, headNumber, nextSeq, pending, timeS, alarm } = fields;
      assert.equal(bytes, cbor(online ? 1 : 0, boot, headNumber, nextSeq, pending, timeS, alarm));
      assert.equal(decodeHealth(bytes), fields);
    }),
  );
  assert.equal(encodeWill(), cbor(0));
  const nothing = { online: false, boot: 0, headNumber: 0, nextSeq: 0, pending: 0, timeS: 0, alarm: 0 };
  assert.equal(decodeHealth(encodeWill()), nothing);
});

/** `good` with the value of one key replaced, or left out. */
function bent(good: readonly unknown[], key: number, value: unknown): Uint8Array {
  const values = [...good];
  values[key] = value;
  return cbor(...values);
}

test("a request: each field absent, of another kind, and just outside its bounds", () => {
  const good = [7, MOTE, 9, 4, 4096];
  assert.is(codeOf(decodeRequest(cbor(...good))), "accepted");
  const wrong: [number, unknown[]][] = [
    [0, [undefined, 0, 0x100000000, -1, "7", null, 2n ** 63n]],
    [1, [undefined, new Uint8Array(19), new Uint8Array(21), "ab".repeat(10), 5]],
    [2, [undefined, -1, 2n ** 53n, 2n ** 64n - 1n, "9"]],
    [3, [undefined, 0, HEADERS_PER_REQUEST_MAX + 1, -1, true]],
    [4, [undefined, 0, MESSAGE_BYTES_MAX + 1, [4096]]],
    [5, [1]],
  ];
  for (const [key, values] of wrong)
    for (const value of values)
      assert.is(codeOf(decodeRequest(bent(good, key, value))), "request-malformed", `key ${key}: ${String(value)}`);
  const edges: [number, number][] = [
    [0, 0xffffffff],
    [2, 0],
    [2, Number.MAX_SAFE_INTEGER],
    [3, 1],
    [3, HEADERS_PER_REQUEST_MAX],
    [4, 1],
  ];
  for (const [key, value] of edges) assert.is(codeOf(decodeRequest(bent(good, key, value))), "accepted", `key ${key}: ${value}`);
});

test("a reply: each field absent, of another kind, and just outside its bounds", () => {
  const good = [7, 9, [MOTE]];
  const list = (count: number, item: unknown = MOTE) => Array.from({ length: count }, () => item);
  assert.is(codeOf(decodeReply(cbor(...good))), "accepted");
  const wrong: [number, unknown[]][] = [
    [0, [undefined, 0, 0x100000000, -1, "7"]],
    [1, [undefined, -1, 2n ** 53n, MOTE]],
    [2, [undefined, MOTE, new Map(), list(HEADERS_PER_REQUEST_MAX + 1), [MOTE, 5], ["ab"], [[MOTE]]]],
    [3, [1]],
  ];
  for (const [key, values] of wrong)
    for (const value of values)
      assert.is(codeOf(decodeReply(bent(good, key, value))), "reply-malformed", `key ${key}: ${String(value)}`);
  for (const headers of [[], list(HEADERS_PER_REQUEST_MAX), [new Uint8Array(0)]])
    assert.is(codeOf(decodeReply(bent(good, 2, headers))), "accepted");
});

test("health: online is 0 or 1, and every number that is there is an unsigned integer", () => {
  const good = [1, 2, 3, 4, 5, 6, 3];
  const wrong: [number, unknown[]][] = [
    [0, [undefined, 2, -1, true, null, "1"]],
    [7, [1]],
  ];
  for (let key = 1; key <= 6; key += 1) wrong.push([key, [-1, "2", 2n ** 53n, MOTE]]);
  for (const [key, values] of wrong)
    for (const value of values)
      assert.is(codeOf(decodeHealth(bent(good, key, value))), "health-malformed", `key ${key}: ${String(value)}`);
});

test("a message above the bound is refused unread, one of exactly the bound is read", () => {
  const filled = (bytes: number) => {
    const padding = bytes - encodeReply({ id: 1, from: 1, headers: [new Uint8Array(3000)] }).length;
    return encodeReply({ id: 1, from: 1, headers: [new Uint8Array(3000 + padding)] });
  };
  assert.is(filled(MESSAGE_BYTES_MAX).length, MESSAGE_BYTES_MAX);
  assert.is(codeOf(decodeReply(filled(MESSAGE_BYTES_MAX))), "accepted");
  const long = new Uint8Array(MESSAGE_BYTES_MAX + 1);
  long.set(encodeWill());
  for (const decode of [decodeRequest, decodeReply, decodeHealth]) {
    const refused = decode(long) as Rejection;
    assert.match(refused.code, /-malformed$/);
    assert.match(refused.detail, `${MESSAGE_BYTES_MAX + 1} bytes`);
  }
});

test("whatever is no map, ends early or goes on is refused with the message's own code", () => {
  const whole = encodeRequest({ id: 7, to: MOTE, from: 9, count: 4, bytesMax: 4096 });
  for (let length = 0; length < whole.length; length += 1)
    assert.is(codeOf(decodeRequest(whole.subarray(0, length))), "request-malformed");
  assert.is(codeOf(decodeRequest(Uint8Array.of(...whole, 0))), "request-malformed");
  for (const value of [[], 5, "text", null]) {
    const bytes = cborgEncode(value);
    assert.is(codeOf(decodeRequest(bytes)), "request-malformed");
    assert.is(codeOf(decodeReply(bytes)), "reply-malformed");
    assert.is(codeOf(decodeHealth(bytes)), "health-malformed");
  }
});

/** Noise, and messages with a few bytes changed. */
const noise = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  fc
    .tuple(
      fc.oneof(request.map(encodeRequest), reply.map(encodeReply), health.map(encodeHealth)),
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
    )
    .map(([bytes, changes]) => {
      const changed = bytes.slice();
      for (const [at, value] of changes) changed[at % changed.length] = value;
      return changed;
    }),
);

test("noise never throws, and what is accepted has one encoding only", () => {
  fc.assert(
    fc.property(noise, (bytes) => {
      const asRequest = decodeRequest(bytes);
      if (asRequest instanceof Rejection) assert.is(asRequest.code, "request-malformed");
      else assert.ok(equal(encodeRequest(asRequest), bytes));
      const asReply = decodeReply(bytes);
      if (asReply instanceof Rejection) assert.is(asReply.code, "reply-malformed");
      else assert.ok(equal(encodeReply(asReply), bytes));
      const asHealth = decodeHealth(bytes);
      if (asHealth instanceof Rejection) assert.is(asHealth.code, "health-malformed");
      else for (const value of Object.values(asHealth)) assert.ok(typeof value === "boolean" || Number.isSafeInteger(value));
    }),
    { numRuns: 2000 },
  );
});

test.run();
