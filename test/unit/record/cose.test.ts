// COSE_Sign1: one valid byte string per payload and signature; everything else is refused, and nothing crashes.

import { createHash } from "node:crypto";
import { Tagged as CborgTagged, encode as cborgEncode, rfc8949EncodeOptions } from "cborg";
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { concat, fromHex, toHex } from "../../../firmware/bytes.js";
import { nobleEngine } from "../../../firmware/crypto/engine-noble.js";
import {
  decodeSign1,
  digestOf,
  encodeSign1,
  RECORD_PAYLOAD_BYTES_MAX,
  SIGN1_BYTES_MAX,
  verifySign1,
} from "../../../firmware/record/cose.js";
import { Rejection } from "../../../firmware/rejection.js";
import { independently, signed, testKey } from "./signing.js";

const KEY = testKey("cose");
const N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const payloads = fc.uint8Array({ maxLength: RECORD_PAYLOAD_BYTES_MAX, size: "max" }).map((bytes) => new Uint8Array(bytes));

function refusalOf(bytes: Uint8Array): string {
  const answer = verifySign1(nobleEngine, bytes);
  return answer instanceof Rejection ? answer.code : "accepted";
}

/** A payload of `length` bytes, signed by our code, with its parts. */
function example(length: number): { payload: Uint8Array; bytes: Uint8Array; signature: Uint8Array } {
  const payload = Uint8Array.from({ length }, (_, i) => i & 255);
  const bytes = signed(KEY, payload);
  return { payload, bytes, signature: bytes.subarray(bytes.length - 64) };
}

function scalar(value: bigint): Uint8Array {
  return fromHex(value.toString(16).padStart(64, "0")) as Uint8Array;
}

function numberOf(bytes: Uint8Array): bigint {
  return BigInt(`0x${toHex(bytes)}`);
}

test("Sig_structure and COSE_Sign1 are the bytes that cborg writes for the same items, at every length of a payload's head", () => {
  const header = new Map<number, unknown>([
    [1, -47],
    [4, KEY.address],
  ]);
  const protectedBytes = cborgEncode(header, rfc8949EncodeOptions);
  for (const length of [0, 1, 23, 24, 255, 256, RECORD_PAYLOAD_BYTES_MAX]) {
    const { payload, bytes, signature } = example(length);
    const structure = cborgEncode(["Signature1", protectedBytes, new Uint8Array(0), payload], rfc8949EncodeOptions);
    assert.is(toHex(digestOf(nobleEngine, KEY.address, payload)), createHash("sha256").update(structure).digest("hex"));
    const item = new CborgTagged(18, [protectedBytes, new Map(), payload, signature]);
    assert.is(toHex(bytes), toHex(cborgEncode(item, rfc8949EncodeOptions)));
  }
  assert.is(example(RECORD_PAYLOAD_BYTES_MAX).bytes.length, SIGN1_BYTES_MAX);
});

test("what we sign holds for OpenSSL, and for us with the right parts and digest", () => {
  fc.assert(
    fc.property(payloads, fc.string(), (payload, name) => {
      const key = testKey(name);
      const bytes = signed(key, payload);
      const other = independently(bytes, key.publicKey);
      assert.ok(other.valid);
      assert.equal(
        other.header,
        new Map<number, unknown>([
          [1, -47],
          [4, key.address],
        ]),
      );
      const ours = verifySign1(nobleEngine, bytes);
      if (ours instanceof Rejection) throw new Error(ours.toString());
      assert.is(toHex(ours.payload), toHex(payload));
      assert.is(toHex(ours.kid), toHex(key.address));
      assert.is(toHex(ours.digest), toHex(digestOf(nobleEngine, key.address, payload)));
      assert.is(toHex(encodeSign1(ours.kid, ours.payload, ours.signature)), toHex(bytes));
    }),
    { numRuns: 60 },
  );
});

test("every single flipped bit is refused, each by the part that it hits", () => {
  const { bytes, payload } = example(1);
  const codes = new Map<number, Set<string>>();
  for (let i = 0; i < bytes.length; i += 1) {
    for (let bit = 0; bit < 8; bit += 1) {
      const copy = bytes.slice();
      copy[i] = (copy[i] as number) ^ (1 << bit);
      const code = refusalOf(copy);
      assert.is.not(code, "accepted", `byte ${i}, bit ${bit}`);
      codes.set(i, (codes.get(i) ?? new Set()).add(code));
    }
  }
  const codesFrom = (from: number, to: number): string =>
    [...new Set([...codes].filter(([i]) => i >= from && i < to).flatMap(([, set]) => [...set]))].sort().join(" ");
  const end = 32 + payload.length;
  assert.is(codesFrom(0, 2), "cose-malformed");
  assert.is(codesFrom(2, 10), "cose-header");
  assert.is(codesFrom(10, 30), "signature-invalid");
  assert.is(codesFrom(30, 31), "cose-header");
  assert.is(codesFrom(31, 32), "cose-malformed");
  assert.is(codesFrom(32, end), "signature-invalid");
  assert.is(codesFrom(end, end + 2), "cose-malformed");
  assert.is(codesFrom(end + 2, end + 34), "signature-invalid");
  assert.is(codesFrom(end + 34, end + 66), "signature-high-s signature-invalid");
});

test("every prefix and every byte more is refused", () => {
  for (const length of [0, 23, 24, 300]) {
    const { bytes } = example(length);
    for (let end = 0; end < bytes.length; end += 1)
      assert.is(refusalOf(bytes.subarray(0, end)), "cose-malformed", `${end} bytes`);
    assert.is(refusalOf(concat(bytes, Uint8Array.of(0))), "cose-malformed");
  }
  assert.is(refusalOf(new Uint8Array(SIGN1_BYTES_MAX + 1)), "cose-too-long");
});

/** The bytes of the example of 40 bytes, with `replacement` in the place of `removed` bytes at `at`. */
function spliced(at: number, removed: number, replacement: string): Uint8Array {
  const { bytes } = example(40);
  return concat(bytes.subarray(0, at), fromHex(replacement) as Uint8Array, bytes.subarray(at + removed));
}

const OTHER_FORMS: readonly [string, Uint8Array, string][] = [
  ["untagged", spliced(0, 1, ""), "cose-malformed"],
  ["a tag with a long head", spliced(0, 1, "d812"), "cose-malformed"],
  ["tag 98 (COSE_Sign)", spliced(0, 1, "d862"), "cose-malformed"],
  ["an array of indefinite length", concat(spliced(1, 1, "9f"), Uint8Array.of(0xff)), "cose-malformed"],
  ["an array of five", concat(spliced(1, 1, "85"), Uint8Array.of(0)), "cose-malformed"],
  ["ES256 in the header", spliced(4, 4, "a20126"), "cose-header"],
  ["a header whose keys are not sorted", spliced(4, 26, `a20454${toHex(KEY.address)}01382e`), "cose-header"],
  ["a header without kid", spliced(2, 28, "44a101382e"), "cose-header"],
  ["a kid in the unprotected header", spliced(2, 29, `44a101382ea10454${toHex(KEY.address)}`), "cose-header"],
  ["a kid of 19 bytes", spliced(2, 28, `5819a201382e0453${toHex(KEY.address.subarray(1))}`), "cose-header"],
  ["a header that is a map, not a byte string", spliced(2, 2, ""), "cose-header"],
  ["something in the unprotected header", spliced(30, 1, "a10100"), "cose-header"],
  ["an unprotected header of indefinite length", spliced(30, 1, "bfff"), "cose-header"],
  ["a payload with a long head", spliced(31, 2, "590028"), "cose-malformed"],
  ["a payload of nine bytes' head", spliced(31, 2, "5b0000000000000028"), "cose-malformed"],
  ["a payload in chunks", spliced(31, 2, "5f5828"), "cose-malformed"],
  ["a payload as text", spliced(31, 1, "78"), "cose-malformed"],
  ["a detached payload", spliced(31, 42, "f6"), "cose-malformed"],
  ["a signature of 63 bytes", spliced(73, 3, "583f"), "cose-malformed"],
  ["a signature of 65 bytes", spliced(73, 2, "584100"), "cose-malformed"],
  ["a signature with a long head", spliced(73, 2, "590040"), "cose-malformed"],
];

for (const [what, bytes, code] of OTHER_FORMS) {
  test(`${what} is refused as ${code}`, () => {
    assert.is(refusalOf(example(40).bytes), "accepted");
    assert.is(refusalOf(bytes), code);
  });
}

test("a payload beyond its limit is refused before anything is hashed", () => {
  const { bytes } = example(40);
  const huge = concat(bytes.subarray(0, 31), Uint8Array.of(0x59, 0x04, 0x01), bytes.subarray(33));
  assert.is(refusalOf(huge), "cose-too-long");
  assert.throws(
    () => encodeSign1(KEY.address, new Uint8Array(RECORD_PAYLOAD_BYTES_MAX + 1), new Uint8Array(64)),
    /within its limit/,
  );
  assert.throws(() => digestOf(nobleEngine, KEY.address.subarray(1), new Uint8Array(1)), /address of 20 bytes/);
  assert.throws(() => encodeSign1(KEY.address, new Uint8Array(1), new Uint8Array(63)), /signature of 64 bytes/);
});

test("the high twin of a signature, and scalars out of range, are refused", () => {
  const { payload, signature } = example(40);
  const withSignature = (r: Uint8Array, s: Uint8Array): string => refusalOf(encodeSign1(KEY.address, payload, concat(r, s)));
  const r = signature.subarray(0, 32);
  const s = signature.subarray(32);
  assert.is(withSignature(r, s), "accepted");
  assert.is(withSignature(r, scalar(N - numberOf(s))), "signature-high-s");
  assert.is(withSignature(r, scalar((N - 1n) / 2n)), "signature-invalid");
  assert.is(withSignature(r, scalar((N + 1n) / 2n)), "signature-high-s");
  assert.is(withSignature(r, scalar(N - 1n)), "signature-high-s");
  for (const out of [0n, N, N + 1n, 2n ** 256n - 1n]) {
    assert.is(withSignature(scalar(out), s), "signature-invalid", `r = ${out}`);
    assert.is(withSignature(r, scalar(out)), "signature-invalid", `s = ${out}`);
  }
  assert.is(withSignature(scalar(N - 1n), s), "signature-invalid");
});

test("the second key that a signature recovers to does not pass, though the signature holds under it", () => {
  const { payload } = example(40);
  const digest = digestOf(nobleEngine, KEY.address, payload);
  const signature = KEY.sign(digest);
  const keys = [0, 1].map((id) => nobleEngine.secp256k1.recover(signature, id, digest));
  assert.ok(keys.every((key) => key !== undefined && nobleEngine.secp256k1.verify(signature, digest, key)));
  const twin = keys.find((key) => toHex(key as Uint8Array) !== toHex(KEY.publicKey)) as Uint8Array;
  const twinAddress = nobleEngine.keccak256(twin.subarray(1)).slice(-20);
  assert.is(refusalOf(encodeSign1(twinAddress, payload, signature)), "signature-invalid");
  assert.is(refusalOf(encodeSign1(KEY.address, payload, signature)), "accepted");
});

test("random and mutated bytes never crash, and are accepted only as they are", () => {
  const { bytes } = example(40);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(bytes.length), fc.nat(bytes.length), (noise, from, to) => {
      assert.instance(decodeSign1(new Uint8Array(noise)), Rejection);
      const mutated = concat(bytes.subarray(0, from), new Uint8Array(noise), bytes.subarray(to));
      const parts = decodeSign1(mutated);
      if (!(parts instanceof Rejection)) assert.is(toHex(encodeSign1(parts.kid, parts.payload, parts.signature)), toHex(mutated));
    }),
    { numRuns: 20_000 },
  );
});

test.run();
