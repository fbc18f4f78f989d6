// The reference engine: @noble/secp256k1 and @noble/hashes, both plain JavaScript. Every other engine is judged by it.
//
// Promises: the answers of `CryptoEngine` (engine.ts), from FIPS 180-4, RFC 2104, Keccak-256 as Ethereum pads it, and
// SEC 1 v2 §4.1.4 and §4.1.6. Malformed input to `verify` and `recover` gets false or undefined.
// Never: throws on input, or sees a private key. Variable-time throughout: for public values only. On a board it is
// slow, and its table of multiples takes more heap than most boards have; what a board runs is the native engine.

import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { recoverPublicKey, verify } from "@noble/secp256k1";
import type { CryptoEngine } from "./engine.js";

const DIGEST_BYTES = 32;
const SIGNATURE_BYTES = 64;
const COMPRESSED_BYTES = 33;
const UNCOMPRESSED_BYTES = 65;

export const nobleEngine: CryptoEngine = Object.freeze({
  name: "noble",

  sha256(...parts: readonly Uint8Array[]): Uint8Array {
    const hash = sha256.create();
    for (const part of parts) hash.update(part);
    return hash.digest();
  },

  hmacSha256(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
    const mac = hmac.create(sha256, key);
    for (const part of parts) mac.update(part);
    return mac.digest();
  },

  keccak256(...parts: readonly Uint8Array[]): Uint8Array {
    const hash = keccak_256.create();
    for (const part of parts) hash.update(part);
    return hash.digest();
  },

  secp256k1: Object.freeze({
    verify(signature: Uint8Array, digest: Uint8Array, publicKey: Uint8Array, highS = false): boolean {
      if (!isBytes(signature, SIGNATURE_BYTES) || !isBytes(digest, DIGEST_BYTES)) return false;
      if (!isBytes(publicKey, COMPRESSED_BYTES) && !isBytes(publicKey, UNCOMPRESSED_BYTES)) return false;
      try {
        return verify(signature, digest, publicKey, { prehash: false, lowS: highS !== true });
      } catch {
        return false; // the lengths hold, so what it throws about is a value out of range
      }
    },

    recover(signature: Uint8Array, recovery: number, digest: Uint8Array): Uint8Array | undefined {
      if (!isBytes(signature, SIGNATURE_BYTES) || !isBytes(digest, DIGEST_BYTES)) return undefined;
      if (recovery !== 0 && recovery !== 1) return undefined;
      const recovered = new Uint8Array(1 + SIGNATURE_BYTES); // the recovery id goes first
      recovered[0] = recovery;
      recovered.set(signature, 1);
      try {
        return recoverPublicKey(recovered, digest, { prehash: false, isCompressed: false });
      } catch {
        return undefined; // r or s out of range, r no x coordinate of the curve, or the point at infinity
      }
    },
  }),
});

function isBytes(value: unknown, length: number): value is Uint8Array {
  return value instanceof Uint8Array && value.length === length;
}
