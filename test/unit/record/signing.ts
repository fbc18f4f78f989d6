// Keys for the tests of this folder, and a way to check a COSE_Sign1 that shares nothing with ours: cborg for the bytes,
// OpenSSL (node:crypto) for ES256K, Keccak-256 of @noble/hashes for the address.

import { createPublicKey, verify } from "node:crypto";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { getPublicKey, hashes, sign } from "@noble/secp256k1";
import { decode as cborgDecode, encode as cborgEncode, rfc8949EncodeOptions, Tagged } from "cborg";
import { nobleEngine } from "../../../firmware/crypto/engine-noble.js";
import { digestOf, encodeSign1 } from "../../../firmware/record/cose.js";

hashes.sha256 = sha256;
hashes.hmacSha256 = (key, message) => hmac(sha256, key, message);

export interface TestKey {
  readonly address: Uint8Array;
  /** Uncompressed, 65 bytes. */
  readonly publicKey: Uint8Array;
  /** RFC 6979, low s. */
  sign(digest: Uint8Array): Uint8Array;
}

/** The key whose secret is SHA-256 of `name`. */
export function testKey(name: string): TestKey {
  const secret = sha256(new Uint8Array(Buffer.from(name)));
  const publicKey = getPublicKey(secret, false);
  return {
    address: keccak_256(publicKey.subarray(1)).slice(-20),
    publicKey,
    sign: (digest) => sign(digest, secret, { prehash: false, lowS: true }),
  };
}

/** A COSE_Sign1 of `payload`, by our code. */
export function signed(key: TestKey, payload: Uint8Array): Uint8Array {
  return encodeSign1(key.address, payload, key.sign(digestOf(nobleEngine, key.address, payload)));
}

/** What another implementation makes of a COSE_Sign1: its header, its payload, and whether the signature holds. */
export function independently(
  bytes: Uint8Array,
  publicKey: Uint8Array,
): { header: unknown; payload: Uint8Array; valid: boolean } {
  const item = cborgDecode(bytes, { tags: Tagged.preserve(18), useMaps: true, strict: true }) as Tagged;
  const [protectedBytes, , payload, signature] = item.value as [Uint8Array, unknown, Uint8Array, Uint8Array];
  const structure = cborgEncode(["Signature1", protectedBytes, new Uint8Array(0), payload], rfc8949EncodeOptions);
  const key = createPublicKey({
    key: {
      kty: "EC",
      crv: "secp256k1",
      x: Buffer.from(publicKey.subarray(1, 33)).toString("base64url"),
      y: Buffer.from(publicKey.subarray(33)).toString("base64url"),
    },
    format: "jwk",
  });
  return {
    header: cborgDecode(protectedBytes, { useMaps: true, strict: true }),
    payload,
    valid: verify("sha256", structure, { key, dsaEncoding: "ieee-p1363" }, signature),
  };
}
