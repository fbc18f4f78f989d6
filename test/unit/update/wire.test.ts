// Requests for parts, the parts, and a mote's word on its update: inverse, bounded, and never thrown.

import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { encode } from "../../../firmware/codec/cbor.js";
import { Rejection } from "../../../firmware/rejection.js";
import { IMAGE_BYTES_MAX, PROFILE_PRODUCTION } from "../../../firmware/update/release.js";
import {
  decodePartRequest,
  decodeReport,
  encodePart,
  encodePartRequest,
  encodeReport,
  manifestTopic,
  PART_BYTES,
  partIn,
  partRequestsTopic,
  updateTopicsOf,
} from "../../../firmware/update/wire.js";

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length }).map((made) => new Uint8Array(made));
const id = fc.integer({ min: 1, max: 0xffff_ffff });
const offset = fc.integer({ min: 0, max: IMAGE_BYTES_MAX - 1 });
const code = (result: unknown): string => (result instanceof Rejection ? result.code : "taken");

test("a request, a part and a report come back as they were", () => {
  fc.assert(
    fc.property(id, bytes(20), bytes(32), offset, fc.integer({ min: 1, max: PART_BYTES }), (number, to, digest, at, count) => {
      const request = { id: number, to, digest, offset: at, bytes: count };
      assert.equal(decodePartRequest(encodePartRequest(request)), request);
      const part = new Uint8Array(count).fill(7);
      assert.equal(partIn(encodePart(number, at, part), number, at, count), part);
      const report = { phase: count % 6, sequence: number, offset: at, size: at, reason: "unproven: broker" };
      assert.equal(decodeReport(encodeReport(report)), report);
    }),
  );
});

test("the longest part fits what is read", () => {
  const longest = encodePart(0xffff_ffff, IMAGE_BYTES_MAX - PART_BYTES, new Uint8Array(PART_BYTES));
  assert.instance(partIn(longest, 0xffff_ffff, IMAGE_BYTES_MAX - PART_BYTES, PART_BYTES), Uint8Array);
});

test("a part that is another's, of another place or length, or more than one, is none", () => {
  const part = encodePart(5, 4096, new Uint8Array(100));
  assert.is(partIn(part, 6, 4096, 100), undefined, "one that came late");
  assert.is(code(partIn(part, 5, 2048, 100)), "release-part");
  for (const count of [99, 101]) assert.is(code(partIn(part, 5, 4096, count)), "release-part");
  assert.is(code(partIn(encodePart(5, 4096, new Uint8Array(4000)), 5, 4096, 100)), "release-part");
  for (const noise of [
    new Uint8Array(0),
    Uint8Array.from([0xa3]),
    encode(new Map([[0, 5]])),
    encode([5, 4096, new Uint8Array(100)]),
  ])
    assert.is(code(partIn(noise, 5, 4096, 100)), "release-part");
});

test("fields beyond their bounds, and noise, are refused", () => {
  const good = { id: 1, to: new Uint8Array(20), digest: new Uint8Array(32), offset: 0, bytes: 1 };
  for (const bad of [
    { id: 0 },
    { to: new Uint8Array(19) },
    { digest: new Uint8Array(31) },
    { offset: IMAGE_BYTES_MAX },
    { bytes: 0 },
    { bytes: PART_BYTES + 1 },
  ])
    assert.is(code(decodePartRequest(encodePartRequest({ ...good, ...bad }))), "part-request-malformed", JSON.stringify(bad));
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (made) => {
      const noise = new Uint8Array(made);
      decodePartRequest(noise);
      decodeReport(noise);
      partIn(noise, 1, 0, 1);
    }),
  );
});

test("topics", () => {
  const registry = new Uint8Array(20).fill(0xf1);
  const fleet = `x/fleets/0x${"f1".repeat(20)}`;
  assert.equal(updateTopicsOf("x/", new Uint8Array(20), { registry }, "esp32", PROFILE_PRODUCTION), {
    manifest: `${fleet}/releases/esp32/production`,
    requests: `${fleet}/images`,
    parts: `x/motes/0x${"00".repeat(20)}/image`,
    report: `x/motes/0x${"00".repeat(20)}/update`,
  });
  assert.is(manifestTopic("x/", { registry }, "esp32", 1), `${fleet}/releases/esp32/dev`);
  assert.is(partRequestsTopic("x/", { registry }), `${fleet}/images`);
});

test.run();
