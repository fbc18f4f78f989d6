// The reference engine against independent oracles: node:crypto (OpenSSL) for ECDSA, SHA-256, HMAC and SHA3-256, and a
// Keccak sponge written here from FIPS 202, which must first agree with OpenSSL's SHA3-256.

import { createHash, createHmac, createPublicKey, generateKeyPairSync, randomBytes, sign, verify } from "node:crypto";
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { concat, fromText, toHex } from "../../../firmware/bytes.js";
import { nobleEngine as engine } from "../../../firmware/crypto/engine-noble.js";
import { sponge } from "./keccak-oracle.js";
import { bytesOf, N, numberOf, scalar } from "./scalars.js";

const NAMED_KEYS = 12;

/** A key pair of OpenSSL's, with its public key as SEC 1 has it. */
function pair(): {
  privateKey: ReturnType<typeof generateKeyPairSync>["privateKey"];
  publicKey: Uint8Array;
  compressed: Uint8Array;
} {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "secp256k1" });
  const { x, y } = publicKey.export({ format: "jwk" });
  const point = concat(Uint8Array.of(4), fromBase64(x), fromBase64(y));
  const parity = 2 + ((point[64] as number) & 1);
  return { privateKey, publicKey: point, compressed: concat(Uint8Array.of(parity), point.slice(1, 33)) };
}

function fromBase64(text: string | undefined): Uint8Array {
  const bytes = new Uint8Array(Buffer.from(text ?? "", "base64url"));
  assert.is(bytes.length, 32);
  return bytes;
}

function withS(signature: Uint8Array, s: bigint): Uint8Array {
  return concat(signature.slice(0, 32), scalar(s));
}

test("accepts what OpenSSL signed, and high s only when asked", () => {
  for (let i = 0; i < NAMED_KEYS; i += 1) {
    const { privateKey, publicKey, compressed } = pair();
    const message = randomBytes(1 + i * 7);
    const digest = engine.sha256(message);
    const signature = new Uint8Array(sign("sha256", message, { key: privateKey, dsaEncoding: "ieee-p1363" }));
    const s = numberOf(signature.slice(32));
    const low = withS(signature, s > N / 2n ? N - s : s);
    const high = withS(signature, s > N / 2n ? s : N - s);
    for (const key of [publicKey, compressed]) {
      assert.ok(engine.secp256k1.verify(low, digest, key));
      assert.ok(engine.secp256k1.verify(low, digest, key, true));
      assert.not(engine.secp256k1.verify(high, digest, key));
      assert.ok(engine.secp256k1.verify(high, digest, key, true));
    }
    const another = digest.slice();
    another[i] = (another[i] as number) ^ 1;
    assert.not(engine.secp256k1.verify(low, another, publicKey));
    assert.not(engine.secp256k1.verify(low, digest, pair().publicKey));
  }
});

test("recovers exactly two keys, of which one is the signer's and both verify in OpenSSL", () => {
  for (let i = 0; i < NAMED_KEYS; i += 1) {
    const { privateKey, publicKey } = pair();
    const message = randomBytes(32);
    const signature = new Uint8Array(sign("sha256", message, { key: privateKey, dsaEncoding: "ieee-p1363" }));
    const recovered = [0, 1].map((id) => engine.secp256k1.recover(signature, id, engine.sha256(message)));
    assert.ok(recovered.some((key) => key !== undefined && toHex(key) === toHex(publicKey)));
    assert.is.not(toHex(recovered[0] as Uint8Array), toHex(recovered[1] as Uint8Array));
    for (const key of recovered) {
      const point = key as Uint8Array;
      assert.is(point.length, 65);
      const encode = (part: Uint8Array): string => Buffer.from(part).toString("base64url");
      const jwk = { kty: "EC", crv: "secp256k1", x: encode(point.slice(1, 33)), y: encode(point.slice(33)) };
      const opened = createPublicKey({ format: "jwk", key: jwk });
      assert.ok(verify("sha256", message, { key: opened, dsaEncoding: "ieee-p1363" }, signature));
    }
  }
});

test("refuses recovery ids other than 0 and 1", () => {
  const { privateKey } = pair();
  const signature = new Uint8Array(sign("sha256", randomBytes(8), { key: privateKey, dsaEncoding: "ieee-p1363" }));
  const digest = new Uint8Array(32);
  for (const id of [2, 3, 4, -1, 0.5, 27, 28, Number.NaN, Number.POSITIVE_INFINITY])
    assert.is(engine.secp256k1.recover(signature, id, digest), undefined);
  for (const id of ["0", "1", null, undefined, true, 0n])
    assert.is(engine.secp256k1.recover(signature, id as unknown as number, digest), undefined);
});

test("r and s of zero, of n and beyond are refused, and those next to them looked at", () => {
  const { publicKey } = pair();
  const digest = engine.sha256(fromText("edges"));
  for (const bad of [0n, N, N + 1n, 2n ** 256n - 1n]) {
    for (const signature of [concat(scalar(bad), scalar(1n)), concat(scalar(1n), scalar(bad))]) {
      assert.not(engine.secp256k1.verify(signature, digest, publicKey, true));
      for (const id of [0, 1]) assert.is(engine.secp256k1.recover(signature, id, digest), undefined);
    }
  }
  // r = 1 is an x coordinate of the curve, so both ends of s have keys; r = n - 1 is one or is not, but never throws.
  for (const s of [1n, N - 1n]) {
    const signature = concat(scalar(1n), scalar(s));
    const key = engine.secp256k1.recover(signature, 0, digest) as Uint8Array;
    assert.ok(engine.secp256k1.verify(signature, digest, key, true));
    assert.is(engine.secp256k1.verify(signature, digest, key), s === 1n);
  }
});

test("s of exactly half of n is low, and one more is high", () => {
  const digest = engine.sha256(fromText("half"));
  for (const [s, low] of [
    [N / 2n, true],
    [N / 2n + 1n, false],
  ] as const) {
    const signature = concat(scalar(1n), scalar(s));
    const key = engine.secp256k1.recover(signature, 1, digest) as Uint8Array;
    assert.is(engine.secp256k1.verify(signature, digest, key), low);
    assert.ok(engine.secp256k1.verify(signature, digest, key, true));
  }
});

test("the point at infinity is no key", () => {
  // With r = Gx and s = z the recovered key is (z/r)(R - G), which vanishes for R = G.
  const gx = 0x79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798n;
  const digest = scalar(12345n);
  const signature = concat(scalar(gx), scalar(12345n));
  const found = [0, 1].map((id) => engine.secp256k1.recover(signature, id, digest));
  assert.is(found.filter((key) => key === undefined).length, 1);
});

test("nothing hostile throws", () => {
  const junk: unknown[] = [
    undefined,
    null,
    0,
    "",
    "00".repeat(64),
    [],
    {},
    new Uint8Array(0),
    new Uint8Array(63),
    new Uint8Array(65),
  ];
  junk.push(
    new ArrayBuffer(64),
    new Uint16Array(32),
    new Uint16Array(64),
    Array.from({ length: 64 }, () => 1),
    new DataView(new ArrayBuffer(64)),
  );
  const good = { signature: concat(scalar(1n), scalar(1n)), digest: new Uint8Array(32), key: pair().publicKey };
  for (const item of junk) {
    const bytes = item as Uint8Array;
    assert.is(engine.secp256k1.verify(bytes, good.digest, good.key), false);
    assert.is(engine.secp256k1.verify(good.signature, bytes, good.key), false);
    assert.is(engine.secp256k1.verify(good.signature, good.digest, bytes), false);
    assert.is(engine.secp256k1.recover(bytes, 0, good.digest), undefined);
    assert.is(engine.secp256k1.recover(good.signature, 0, bytes), undefined);
  }
});

test("keys that are no point of the curve, or are written otherwise than SEC 1 allows here, verify nothing", () => {
  const { privateKey, publicKey, compressed } = pair();
  const message = randomBytes(20);
  const digest = engine.sha256(message);
  const signature = new Uint8Array(sign("sha256", message, { key: privateKey, dsaEncoding: "ieee-p1363" }));
  assert.ok(engine.secp256k1.verify(signature, digest, publicKey, true));
  for (let prefix = 0; prefix < 256; prefix += 1) {
    const whole = publicKey.slice();
    whole[0] = prefix; // 6 and 7 are the hybrid form
    assert.is(engine.secp256k1.verify(signature, digest, whole, true), prefix === 4, `prefix ${prefix} of 65 bytes`);
    const half = compressed.slice();
    half[0] = prefix;
    assert.is(engine.secp256k1.verify(signature, digest, half, true), prefix === compressed[0], `prefix ${prefix} of 33 bytes`);
  }
  const off = publicKey.slice();
  off[64] = (off[64] as number) ^ 1;
  assert.not(engine.secp256k1.verify(signature, digest, off, true));
  assert.not(engine.secp256k1.verify(signature, digest, publicKey.slice(0, 64), true));
  assert.not(engine.secp256k1.verify(signature, digest, publicKey.slice(1), true));
});

test("SHA-256 and HMAC-SHA-256 as OpenSSL has them, however the input is cut", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.array(fc.uint8Array({ maxLength: 150 }), { maxLength: 5 }),
      (key, parts) => {
        assert.is(
          toHex(engine.sha256(...parts)),
          createHash("sha256")
            .update(concat(...parts))
            .digest("hex"),
        );
        assert.is(
          toHex(engine.hmacSha256(key, ...parts)),
          createHmac("sha256", key)
            .update(concat(...parts))
            .digest("hex"),
        );
      },
    ),
  );
});

test("Keccak-256: known answers", () => {
  const known: readonly (readonly [string, string])[] = [
    ["", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"], // Ethereum's hash of no code
    ["abc", "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"],
    ["The quick brown fox jumps over the lazy dog", "4d741b6f1eb29cb2a9b9911c82f56fa8d73b04959d3d9d222895df6c0b28aa15"],
  ];
  for (const [text, digest] of known) assert.is(toHex(engine.keccak256(fromText(text))), digest);
  // The trie root of nothing and the hash of an empty list, which every header of an empty block carries.
  assert.is(toHex(engine.keccak256(Uint8Array.of(0x80))), "56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421");
  assert.is(toHex(engine.keccak256(Uint8Array.of(0xc0))), "1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347");
});

test("Keccak-256 at every length around its blocks, against the sponge that agrees with OpenSSL's SHA3-256", () => {
  for (let length = 0; length <= 300; length += length > 130 && length < 140 ? 1 : 9) {
    const message = bytesOf(length);
    assert.is(toHex(sponge(message, 0x06)), createHash("sha3-256").update(message).digest("hex"), `the oracle at ${length}`);
    assert.is(toHex(engine.keccak256(message)), toHex(sponge(message, 0x01)), `the engine at ${length}`);
    const cut = Math.floor(length / 3);
    assert.is(toHex(engine.keccak256(message.subarray(0, cut), message.subarray(cut))), toHex(sponge(message, 0x01)));
  }
});

test("digests are 32 bytes of their own", () => {
  const first = engine.keccak256(Uint8Array.of(1));
  const kept = toHex(first);
  engine.keccak256(Uint8Array.of(2));
  assert.is(toHex(first), kept);
  first.fill(0);
  assert.is(toHex(engine.keccak256(Uint8Array.of(1))), kept);
});

test.run();
