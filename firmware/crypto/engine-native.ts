// The engine of a board: libsecp256k1, its SHA-256 and a bit-interleaved Keccak, compiled from C (native/*.c).
//
// Promises: the answers of `CryptoEngine` (engine.ts), byte for byte those of engine-noble. Runs under the Moddable SDK
// and in our XS host only. Verification and recovery are not constant-time: for public values.
// Never: touches a private key; those are behind `NativeKeys` (native-keys.ts). An argument that is no buffer at all is
// our own mistake, and throws.
//
// Each body is nothing but the native call, so that the compiler replaces the function by the one of C.

import type { CryptoEngine } from "./engine.js";

function sha256(this: unknown, ...parts: readonly Uint8Array[]): Uint8Array {
  return native<Uint8Array>("xs_sha256").call(this, ...parts);
}

function hmacSha256(this: unknown, key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  return native<Uint8Array>("xs_hmac_sha256").call(this, key, ...parts);
}

function keccak256(this: unknown, ...parts: readonly Uint8Array[]): Uint8Array {
  return native<Uint8Array>("xs_keccak256").call(this, ...parts);
}

function verify(this: unknown, signature: Uint8Array, digest: Uint8Array, publicKey: Uint8Array, highS?: boolean): boolean {
  return native<boolean>("xs_k1_verify").call(this, signature, digest, publicKey, highS);
}

function recover(this: unknown, signature: Uint8Array, recovery: number, digest: Uint8Array): Uint8Array | undefined {
  return native<Uint8Array | undefined>("xs_k1_recover").call(this, signature, recovery, digest);
}

function recoverAddress(this: unknown, seal: Uint8Array, digest: Uint8Array): Uint8Array | undefined {
  return native<Uint8Array | undefined>("xs_k1_recover_address").call(this, seal, digest);
}

export const nativeEngine: CryptoEngine = Object.freeze({
  name: "native",
  sha256,
  hmacSha256,
  keccak256,
  secp256k1: Object.freeze({ verify, recover, recoverAddress }),
});
