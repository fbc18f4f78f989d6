// What the engines' two operations say about points, for vectors that speak of point arithmetic.
//
// `verify` and `recover` are all that an engine offers, and they hold the arithmetic in them: with R the point whose x
// coordinate is r, `recover` computes (s/r)R − (z/r)G. So s = r and z = −dr give R + dG, and s = dr and z = 0 give dR. A key is
// decoded by `verify`; a signature that holds under a given point Q needs no secret: take R = aG + Q, r = s = x(R), z = ar.

import { createECDH } from "node:crypto";
import { Point } from "@noble/secp256k1";
import { concat } from "../../../firmware/bytes.js";
import type { CryptoEngine } from "../../../firmware/crypto/engine.js";

/** The order of the group (SEC 2 §2.4.1). */
export const N = Point.CURVE().n;

export function scalar(value: bigint): Uint8Array {
  return new Uint8Array(Buffer.from((((value % N) + N) % N).toString(16).padStart(64, "0"), "hex"));
}

export function numberOf(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString("hex") || "0"}`);
}

/** x of kG modulo n, by OpenSSL. */
export function nonceX(k: Uint8Array): Uint8Array {
  const ecdh = createECDH("secp256k1");
  ecdh.setPrivateKey(k);
  return scalar(numberOf(new Uint8Array(ecdh.getPublicKey()).slice(1, 33)));
}

interface Forged {
  readonly signature: Uint8Array;
  readonly digest: Uint8Array;
}

/** A signature that holds under `point`, with s high or low as it comes. */
function forge(point: Point): Forged {
  const a = point.equals(Point.BASE.negate()) ? 2n : 1n; // R must not vanish
  const r = point.add(Point.BASE.multiply(a)).toAffine().x;
  return { signature: concat(scalar(r), scalar(r)), digest: scalar(a * r) };
}

/**
 * Whether the engine takes `encoded` for a public key. It is asked with a signature that holds under each point that
 * these bytes could mean, whatever their prefix, so that a lax decoder would show; a refusal of all of them is a no.
 */
export function takesKey(engine: CryptoEngine, encoded: Uint8Array): boolean {
  for (const point of candidates(encoded)) {
    const { signature, digest } = forge(point);
    if (engine.secp256k1.verify(signature, digest, encoded, true)) return true;
  }
  return false;
}

function candidates(encoded: Uint8Array): Point[] {
  const x = new Uint8Array(32);
  x.set(encoded.subarray(1, 33));
  const points: Point[] = [];
  for (const parity of [2, 3]) {
    try {
      points.push(Point.fromBytes(concat(Uint8Array.of(parity), x)));
    } catch {}
  }
  return points.length > 0 ? points : [Point.BASE];
}

/** Whether both encodings mean one point to the engine: one signature holds under either. */
export function sameKey(engine: CryptoEngine, one: Uint8Array, other: Uint8Array): boolean {
  return candidates(one).some((point) => {
    const { signature, digest } = forge(point);
    return [one, other].every((key) => engine.secp256k1.verify(signature, digest, key, true));
  });
}

/** P + dG by `recover`, 65 bytes; undefined where it is the point at infinity, or P no key to the engine. */
export function addMultiple(engine: CryptoEngine, encoded: Uint8Array, d: bigint): Uint8Array | undefined {
  return lifted(engine, encoded, (r) => [r, -d * r]);
}

/** dP by `recover`, in the same form. */
export function multiple(engine: CryptoEngine, encoded: Uint8Array, d: bigint): Uint8Array | undefined {
  return lifted(engine, encoded, (r) => [d * r, 0n]);
}

function lifted(engine: CryptoEngine, encoded: Uint8Array, choose: (r: bigint) => [bigint, bigint]): Uint8Array | undefined {
  if (!takesKey(engine, encoded)) return undefined;
  const r = numberOf(encoded.subarray(1, 33));
  if (r >= N) throw new Error("an x coordinate beyond n, which no recovery id of ours reaches");
  const odd = encoded.length === 33 ? encoded[0] === 3 : ((encoded[64] as number) & 1) === 1;
  const [s, z] = choose(r);
  return engine.secp256k1.recover(concat(scalar(r), scalar(s)), odd ? 1 : 0, scalar(z));
}

/** The compressed form of an uncompressed key. */
export function compressed(key: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(2 + ((key[64] as number) & 1)), key.slice(1, 33));
}
