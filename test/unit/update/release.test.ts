// The manifest of a release: one byte string for the same fields, held against cborg and OpenSSL; the order of the checks; the
// example of docs/update.md; and whatever else comes.

import { readFileSync } from "node:fs";
import { decode as cborgDecode, encode as cborgEncode, rfc8949EncodeOptions } from "cborg";
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { fromHex, toHex } from "../../../firmware/bytes.js";
import { encodeEnrolment } from "../../../firmware/record/enrolment.js";
import { Rejection } from "../../../firmware/rejection.js";
import {
  CLASS_CHARACTERS_MAX,
  checkRelease,
  decodeRelease,
  type Expected,
  encodeRelease,
  IMAGE_BYTES_MAX,
  IMAGE_BYTES_MIN,
  isBoardClass,
  PROFILE_DEV,
  PROFILE_PRODUCTION,
  type Release,
  SECURE_VERSION_MAX,
  SEQUENCE_MAX,
} from "../../../firmware/update/release.js";
import { fastEngine } from "../../../tools/crypto/engine-fast.js";
import { independently, signed, testKey } from "../record/signing.js";

const ADMIN = testKey("the admin of the fleet");
const FLEET = { registry: new Uint8Array(20).fill(0xf1), chain: "eip155:1337" };
const DOCUMENT = readFileSync(new URL("../../../docs/update.md", import.meta.url), "utf8");

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length }).map((made) => new Uint8Array(made));
const releases: fc.Arbitrary<Release> = fc.record(
  {
    sequence: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: SEQUENCE_MAX }), fc.constant(SEQUENCE_MAX)),
    digest: bytes(32),
    size: fc.integer({ min: IMAGE_BYTES_MIN, max: IMAGE_BYTES_MAX }),
    boardClass: fc.stringMatching(/^[a-z][a-z0-9_-]{0,31}$/),
    profile: fc.constantFrom(PROFILE_DEV, PROFILE_PRODUCTION),
    secureVersion: fc.oneof(fc.constant(undefined), fc.integer({ min: 1, max: SECURE_VERSION_MAX })),
    fleet: fc.record(
      { registry: bytes(20), chain: fc.stringMatching(/^[-a-z0-9]{3,8}:[-_a-zA-Z0-9]{1,32}$/) },
      { noNullPrototype: true },
    ),
  },
  { noNullPrototype: true },
);

function sure<T>(value: T | Rejection): T {
  if (value instanceof Rejection) throw new Error(value.toString());
  return value;
}

function mapOf(release: Release): Map<number, unknown> {
  const { sequence, digest, size, boardClass, profile, secureVersion, fleet } = release;
  return new Map<number, unknown>([
    [0, 10],
    [1, sequence],
    [2, digest],
    [3, size],
    [4, boardClass],
    [5, profile],
    ...(secureVersion === undefined ? [] : [[6, secureVersion] as [number, unknown]]),
    [9, [fleet.registry, fleet.chain]],
  ]);
}

test("encode and decode are inverse, and another encoder writes the same bytes", () => {
  fc.assert(
    fc.property(releases, (release) => {
      const payload = encodeRelease(release);
      assert.equal(sure(decodeRelease(payload)), release);
      assert.equal(payload, new Uint8Array(cborgEncode(mapOf(release), rfc8949EncodeOptions)));
    }),
  );
});

test("the signature is what OpenSSL takes it for, and the checked release names the manifest by what is signed", () => {
  const release = sample();
  const message = signed(ADMIN, encodeRelease(release));
  const { payload, valid } = independently(message, ADMIN.publicKey);
  assert.ok(valid);
  assert.equal(cborgDecode(payload, { useMaps: true }), mapOf(release));
  const checked = sure(checkRelease(fastEngine, message, expected()));
  assert.equal(checked.digest, release.digest);
  assert.is(checked.manifest.length, 32);
});

function sample(fields: Partial<Release> = {}): Release {
  const usual = { sequence: 9, digest: new Uint8Array(32).fill(7), size: 4096, boardClass: "esp32c3", profile: PROFILE_DEV };
  return { ...usual, secureVersion: undefined, fleet: FLEET, ...fields };
}

function expected(fields: Partial<Expected> = {}): Expected {
  const usual = { boardClass: "esp32c3", profile: PROFILE_DEV, sequence: 8, slotBytes: 4096 };
  return { admin: ADMIN.address, fleet: FLEET, ...usual, ...fields };
}

const code = (result: unknown): string => (result instanceof Rejection ? result.code : "taken");

test("each check has its name, and the first in the order is the answer", () => {
  const stranger = testKey("somebody");
  const wrong: readonly (readonly [string, Partial<Release>])[] = [
    ["release-fleet", { fleet: { ...FLEET, chain: "eip155:1" } }],
    ["release-class", { boardClass: "esp32s3" }],
    ["release-profile", { profile: PROFILE_PRODUCTION }],
    ["release-sequence", { sequence: 8 }],
    ["release-size", { size: 4097 }],
  ];
  const check = (fields: Partial<Release>, by = ADMIN): string =>
    code(checkRelease(fastEngine, signed(by, encodeRelease(sample(fields))), expected()));
  assert.is(check({}), "taken");
  // What is wrong besides comes later in the order.
  for (let first = wrong.length - 1, all: Partial<Release> = {}; first >= 0; first -= 1) {
    const [name, fields] = wrong[first] as (typeof wrong)[number];
    assert.is(check(fields), name);
    all = { ...all, ...fields };
    assert.is(check(all), name, "with all that comes after it");
    assert.is(check(all, stranger), "release-signer");
  }
});

test("the manifest that was taken is known again; another of its sequence is not", () => {
  const message = signed(ADMIN, encodeRelease(sample()));
  const { manifest } = sure(checkRelease(fastEngine, message, expected()));
  const after = expected({ sequence: 9 });
  assert.is(code(checkRelease(fastEngine, message, after)), "release-sequence");
  assert.is(code(checkRelease(fastEngine, message, after, manifest)), "taken");
  const twin = signed(ADMIN, encodeRelease(sample({ size: 4000 })));
  assert.is(code(checkRelease(fastEngine, twin, after, manifest)), "release-sequence");
});

test("whoever claims to be the admin is not believed, and no byte may change", () => {
  const message = signed(ADMIN, encodeRelease(sample()));
  const forged = message.slice();
  forged.set(testKey("somebody").sign(new Uint8Array(32).fill(1)), message.length - 64);
  assert.is(code(checkRelease(fastEngine, forged, expected())), "signature-invalid");
  for (let at = 0; at < message.length; at += 1) {
    const bent = message.slice();
    bent[at] = (bent[at] as number) ^ 0x10;
    assert.instance(checkRelease(fastEngine, bent, expected()), Rejection, `byte ${at}`);
    assert.instance(checkRelease(fastEngine, message.subarray(0, at), expected()), Rejection, `${at} bytes`);
  }
});

test("whatever else comes is refused by name, and never throws", () => {
  const limits: readonly (readonly [number, unknown])[] = [
    [1, 0],
    [1, SEQUENCE_MAX + 1],
    [2, new Uint8Array(31)],
    [3, IMAGE_BYTES_MIN - 1],
    [3, IMAGE_BYTES_MAX + 1],
    [4, ""],
    [4, "ESP32"],
    [4, "x".repeat(CLASS_CHARACTERS_MAX + 1)],
    [5, 0],
    [5, 3],
    [6, 0],
    [6, SECURE_VERSION_MAX + 1],
    [7, 1],
    [9, [new Uint8Array(19), "eip155:1"]],
    [9, [new Uint8Array(20), "no chain"]],
  ];
  for (const [key, value] of limits) {
    const payload = new Uint8Array(cborgEncode(mapOf(sample()).set(key, value), rfc8949EncodeOptions));
    assert.is(code(decodeRelease(payload)), "payload-malformed", `${key}: ${String(value)}`);
  }
  for (const key of [1, 2, 3, 4, 5, 9]) {
    const map = mapOf(sample());
    map.delete(key);
    assert.is(code(decodeRelease(new Uint8Array(cborgEncode(map, rfc8949EncodeOptions)))), "payload-malformed", `without ${key}`);
  }
  const other = encodeEnrolment({ counter: 1, enroller: new Uint8Array(20), expiryBlock: 1, fleet: FLEET });
  assert.is(code(decodeRelease(other)), "payload-type");
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (noise) => {
      const payload = new Uint8Array(noise);
      decodeRelease(payload);
      checkRelease(fastEngine, payload, expected());
      checkRelease(fastEngine, signed(ADMIN, payload), expected());
    }),
    { numRuns: 50 },
  );
});

test("a class is a board's name", () => {
  for (const name of ["esp32", "esp32c3", "my-board_2"]) assert.ok(isBoardClass(name), name);
  for (const name of ["", "2esp", "Esp32", "esp 32", "-esp", "é"]) assert.not.ok(isBoardClass(name), name);
});

test("the example of docs/update.md", () => {
  const example = /```\nrelease ([0-9a-f]+)\n```/.exec(DOCUMENT.replace(/\n(?=[0-9a-f]+\n)/g, ""))?.[1];
  const release = sample({ sequence: 12, size: 1_703_936, boardClass: "esp32c3", profile: PROFILE_PRODUCTION, secureVersion: 2 });
  const message = signed(ADMIN, encodeRelease(release));
  assert.is(example, toHex(message));
  const bytes = fromHex(example as string) as Uint8Array;
  const wanted = expected({ profile: PROFILE_PRODUCTION, slotBytes: 0x1c0000 });
  assert.is(code(checkRelease(fastEngine, bytes, wanted)), "taken");
  for (const [key, value] of [...mapOf(release)].filter(([key]) => key !== 2 && key !== 9))
    assert.match(DOCUMENT, new RegExp(`\\| ${key} \\|[^\\n]*\\| ${String(value)} \\|`), `key ${key}`);
});

test.run();
