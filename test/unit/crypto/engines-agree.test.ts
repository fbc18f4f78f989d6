// The fast engines of Node (addon and WebAssembly) against the reference: the same bytes for the same input, good, random, mutated and
// malformed; and the same signatures by the same secrets.

import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { getPublicKey, hashes, recoverPublicKey, sign } from "@noble/secp256k1";
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { concat, toHex } from "../../../firmware/bytes.js";
import type { CryptoEngine } from "../../../firmware/crypto/engine.js";
import { nobleEngine } from "../../../firmware/crypto/engine-noble.js";
import { addonCurve, type Curve, wasmCurve } from "../../../host-sim/crypto/curve.js";
import { engineOver } from "../../../host-sim/crypto/engine-fast.js";
import { bytesOf, N, numberOf, scalar } from "./scalars.js";

const PREBUILT = ["linux-x64", "darwin-arm64", "win32-x64"];
const addon = addonCurve();
const curves: readonly Curve[] = [...(addon === undefined ? [] : [addon]), await wasmCurve()];
const engines: readonly CryptoEngine[] = curves.map(engineOver);
/** The reference takes its time over each. */
const INPUTS = process.env.FULL === "1" ? 10_000 : 2_000;

hashes.sha256 = sha256;
hashes.hmacSha256 = (key, message) => hmac(sha256, key, message);

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
  for (const engine of engines) assert.is(answers(engine, signature, digest, publicKey), expected, engine.name);
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
    for (const { secp256k1 } of engines) {
      assert.is(secp256k1.verify(bytes, good.digest, good.key), false);
      assert.is(secp256k1.verify(good.signature, bytes, good.key), false);
      assert.is(secp256k1.verify(good.signature, good.digest, bytes), false);
      assert.is(secp256k1.recover(bytes, 0, good.digest), undefined);
      assert.is(secp256k1.recover(good.signature, 0, bytes), undefined);
      if (item !== 0) assert.is(secp256k1.recover(good.signature, item as unknown as number, good.digest), undefined);
    }
  }
});

test("hashes, however the input is cut, and each answer its own buffer", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 4 }),
      (key, parts) => {
        const [fastEngine] = engines as [CryptoEngine];
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

test("the addon is there on each machine that its package has one for", () => {
  if (PREBUILT.includes(`${process.platform}-${process.arch}`)) assert.is(addon?.kind, "addon");
});

test(`${INPUTS} secrets and digests: the reference's very signatures and keys, by every curve, and each verifies and is recovered`, () => {
  for (let i = 0; i < INPUTS; i += 1) {
    const [secret, digest] = [bytesOf(32, i), bytesOf(32, -1 - i)];
    const signature = sign(digest, secret, { prehash: false, lowS: true });
    const key = getPublicKey(secret, false);
    for (const curve of curves) {
      assert.equal(curve.sign(digest, secret), signature, `${curve.kind}, input ${i}`);
      assert.equal(curve.publicKey(secret), key);
      assert.ok(curve.verify(signature, digest, key));
      assert.ok([0, 1].some((id) => toHex(curve.recover(signature, id, digest) ?? digest) === toHex(key)));
    }
  }
});

test("secrets and digests at the edges: a digest at or beyond n too, which RFC 6979 reduces and libsecp256k1 does not", () => {
  const secrets = [1n, 2n, N / 2n, N - 1n].map(scalar);
  for (const secret of secrets)
    for (const digest of edges.map(scalar)) {
      const signature = sign(digest, secret, { prehash: false, lowS: true });
      for (const curve of curves) assert.equal(curve.sign(digest, secret), signature, `${curve.kind} ${toHex(digest)}`);
    }
});

test("what is no secret and no digest is refused", () => {
  for (const curve of curves) {
    for (const secret of [scalar(0n), scalar(N), scalar(2n ** 256n - 1n), new Uint8Array(31), new Uint8Array(33)]) {
      assert.throws(() => curve.sign(new Uint8Array(32), secret));
      assert.throws(() => curve.publicKey(secret));
    }
    for (const length of [0, 31, 33]) assert.throws(() => curve.sign(new Uint8Array(length), scalar(1n)));
  }
});

test.run();
