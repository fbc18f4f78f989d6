// Scalars of secp256k1 (SEC 2 §2.4.1) as 32 big-endian bytes, and repeatable bytes, for the tests of this folder.

import { createHash, createHmac } from "node:crypto";

/** The order of the group. */
export const N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

export function scalar(value: bigint): Uint8Array {
  return new Uint8Array(Buffer.from(value.toString(16).padStart(64, "0"), "hex"));
}

export function numberOf(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString("hex")}`);
}

/** `length` bytes that depend on `seed` alone. */
export function bytesOf(length: number, seed = 1): Uint8Array {
  const blocks: Uint8Array[] = [];
  for (let i = 0; i * 32 < length; i += 1) blocks.push(createHash("sha256").update(`${seed}/${i}`).digest());
  return new Uint8Array(Buffer.concat(blocks).subarray(0, length));
}

export function modulo(value: bigint): bigint {
  const rest = value % N;
  return rest < 0n ? rest + N : rest;
}

function hmac(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  const mac = createHmac("sha256", key);
  for (const part of parts) mac.update(part);
  return new Uint8Array(mac.digest());
}

/** The nonce of RFC 6979 §3.2 with SHA-256, from the text of the RFC: its first candidate, which serves but once in 2^127. */
export function nonceByTheBook(secret: Uint8Array, digest: Uint8Array): Uint8Array {
  const h = scalar(modulo(numberOf(digest)));
  let v: Uint8Array = new Uint8Array(32).fill(1);
  let k: Uint8Array = new Uint8Array(32);
  for (const step of [0, 1]) {
    k = hmac(k, v, Uint8Array.of(step), secret, h);
    v = hmac(k, v);
  }
  return hmac(k, v);
}

/** By Fermat: the order is prime. */
export function inverse(value: bigint): bigint {
  let result = 1n;
  let base = modulo(value);
  for (let exponent = N - 2n; exponent > 0n; exponent >>= 1n) {
    if (exponent & 1n) result = (result * base) % N;
    base = (base * base) % N;
  }
  return result;
}
