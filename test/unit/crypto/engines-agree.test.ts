// The fast engine against the reference: the same bytes for the same input, good, random, mutated and malformed.

import { recoverPublicKey } from "@noble/secp256k1";
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { concat, toHex } from "../../../firmware/bytes.js";
import type { CryptoEngine } from "../../../firmware/crypto/engine.js";
import { nobleEngine } from "../../../firmware/crypto/engine-noble.js";
import { fastEngine } from "../../../tools/crypto/engine-fast.js";
import { bytesOf, N, numberOf, scalar } from "./scalars.js";

const GX = 0x79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798n;
const P = 0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2fn;

/** One text for all that an engine says to this input. */
function answers(engine: CryptoEngine, signature: Uint8Array, digest: Uint8Array, publicKey: Uint8Array): string {
  const { verify, recover } = engine.secp256k1;
  const keys = [0, 1, 2, 3].map((id) => recover(signature, id, digest));
  const shown = keys.map((key) => (key === undefined ? "none" : toHex(key)));
  return [verify(signature, digest, publicKey), verify(signature, digest, publicKey, true), ...shown].join(" ");
}

function agree(signature: Uint8Array, digest: Uint8Array, publicKey: Uint8Array): string {
  const expected = answers(nobleEngine, signature, digest, publicKey);
  assert.is(answers(fastEngine, signature, digest, publicKey), expected);
  return expected;
}

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const edges = [0n, 1n, 2n, GX, N / 2n, N / 2n + 1n, N - 1n, N, N + 1n, P - 1n, P, P + 1n, P - N, 2n ** 256n - 1n];
const anyScalar = fc.oneof(fc.constantFrom(...edges.map(scalar)), bytes32);

test("any r, s, digest and recovered key", () => {
  let recovered = 0;
  fc.assert(
    fc.property(anyScalar, anyScalar, anyScalar, (r, s, digest) => {
      const signature = concat(r, s);
      const key = nobleEngine.secp256k1.recover(signature, 0, digest) ?? new Uint8Array(65);
      if (agree(signature, digest, key).startsWith("true")) recovered += 1;
    }),
    { numRuns: 150 },
  );
  assert.ok(recovered > 0, "some of these must be signatures");
});

test("a good signature with one bit turned anywhere, in the signature, the digest or the key", () => {
  const digest = bytesOf(32, 5);
  const signature = concat(scalar(GX), scalar(numberOf(bytesOf(32, 6)) / 3n));
  const key = nobleEngine.secp256k1.recover(signature, 0, digest) as Uint8Array;
  assert.ok(agree(signature, digest, key).startsWith("true true"));
  fc.assert(
    fc.property(fc.nat({ max: (64 + 32 + 65) * 8 - 1 }), (bit) => {
      const all = concat(signature, digest, key);
      all[bit >> 3] = (all[bit >> 3] as number) ^ (1 << (bit & 7));
      const said = agree(all.slice(0, 64), all.slice(64, 96), all.slice(96));
      assert.ok(said.startsWith("false"));
    }),
    { numRuns: 120 },
  );
});

test("keys in every form: any prefix, both lengths, points on the curve and off it", () => {
  const digest = bytesOf(32, 8);
  const signature = concat(scalar(GX), scalar(77n));
  const key = nobleEngine.secp256k1.recover(signature, 1, digest) as Uint8Array;
  for (let prefix = 0; prefix < 10; prefix += 1) {
    agree(signature, digest, concat(Uint8Array.of(prefix), key.slice(1)));
    agree(signature, digest, concat(Uint8Array.of(prefix), key.slice(1, 33)));
    agree(signature, digest, concat(Uint8Array.of(prefix), scalar(P + 1n)));
    agree(signature, digest, concat(Uint8Array.of(prefix), scalar(0n), scalar(0n)));
    agree(signature, digest, concat(Uint8Array.of(prefix), scalar(5n), scalar(5n)));
  }
  for (const length of [0, 1, 32, 34, 64, 66, 130]) agree(signature, digest, new Uint8Array(length).fill(2));
});

test("the point at infinity is no key in either", () => {
  // r = Gx and s = z: the key would be (z/r)(R - G), for R = G or R = -G.
  const z = numberOf(bytesOf(32, 9)) % N;
  const said = agree(concat(scalar(GX), scalar(z)), scalar(z), new Uint8Array(65)).split(" ");
  assert.is(said.filter((word) => word === "none").length, 3, "one of the ids 0 and 1, and the ids 2 and 3");
});

test("x of the nonce's point at or beyond n: verifies, since r is compared modulo n, and is never recovered", () => {
  const digest = bytesOf(32, 10);
  let found = 0;
  for (let r = 1n; r < 40n; r += 1n) {
    const signature = concat(scalar(r), scalar(r + 1n));
    let key: Uint8Array;
    try {
      key = recoverPublicKey(concat(Uint8Array.of(2), signature), digest, { prehash: false, isCompressed: false });
    } catch {
      continue; // n + r is no x coordinate
    }
    found += 1;
    const [low, high, ...recovered] = agree(signature, digest, key).split(" ");
    assert.equal([low, high], ["true", "true"], "SEC 1 §4.1.4, step 5");
    assert.not(recovered.includes(toHex(key)));
  }
  assert.ok(found > 5);
});

test("nothing hostile throws", () => {
  const good = { signature: concat(scalar(1n), scalar(1n)), digest: new Uint8Array(32), key: new Uint8Array(65) };
  for (const item of [
    undefined,
    null,
    0,
    "",
    "00".repeat(64),
    [],
    {},
    new Uint8Array(0),
    new Uint8Array(63),
    new ArrayBuffer(64),
    new Uint16Array(32),
  ]) {
    const bytes = item as Uint8Array;
    assert.is(fastEngine.secp256k1.verify(bytes, good.digest, good.key), false);
    assert.is(fastEngine.secp256k1.verify(good.signature, bytes, good.key), false);
    assert.is(fastEngine.secp256k1.verify(good.signature, good.digest, bytes), false);
    assert.is(fastEngine.secp256k1.recover(bytes, 0, good.digest), undefined);
    assert.is(fastEngine.secp256k1.recover(good.signature, 0, bytes), undefined);
    if (item !== 0) assert.is(fastEngine.secp256k1.recover(good.signature, item as unknown as number, good.digest), undefined);
  }
});

test("hashes, however the input is cut, and each answer its own buffer", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 4 }),
      (key, parts) => {
        for (const name of ["sha256", "keccak256"] as const) {
          const digest = fastEngine[name](...parts);
          assert.is(digest.constructor, Uint8Array);
          assert.is(digest.buffer.byteLength, 32, "no pool behind it");
          fastEngine[name](key);
          assert.is(toHex(digest), toHex(nobleEngine[name](...parts)), name);
        }
        assert.is(toHex(fastEngine.hmacSha256(key, ...parts)), toHex(nobleEngine.hmacSha256(key, ...parts)));
      },
    ),
  );
});

test.run();
