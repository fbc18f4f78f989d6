// secp256k1 on Node by libsecp256k1: the prebuilt addon of the package `secp256k1` where it has one for this machine, else the
// WebAssembly of @bitauth/libauth. Microseconds for sign / verify / recover on one machine: addon 46 / 59 / 62, libauth 106 / 169 /
// 171, tiny-secp256k1 107 / 232 / 255, the reference 339 / 2,420 / 2,470.
//
// Promises: byte for byte what the reference answers, for good input and for bad (test/unit/crypto/engines-agree.test.ts);
// signatures are deterministic (RFC 6979 §3.2, SHA-256, no extra entropy) with s ≤ n/2.
// Never: throws on what came from outside, needs a compiler or an install script, keeps a secret. Verification and recovery are
// variable-time: public values only.

import { createRequire } from "node:module";
// The module itself and not the package's root, which loads a whole virtual machine and takes six times as long.
import { instantiateSecp256k1 } from "@bitauth/libauth/build/lib/crypto/secp256k1.js";

export interface Curve {
  readonly kind: "addon" | "wasm";
  /** As `Secp256k1.verify` (firmware/crypto/engine.ts). */
  verify(signature: Uint8Array, digest: Uint8Array, publicKey: Uint8Array, highS?: boolean): boolean;
  /** As `Secp256k1.recover`. */
  recover(signature: Uint8Array, recovery: number, digest: Uint8Array): Uint8Array | undefined;
  /** Uncompressed, 65 bytes. Throws where `secret` is none. */
  publicKey(secret: Uint8Array): Uint8Array;
  /** r ‖ s, 64 bytes. Throws where `secret` is none, or `digest` is not of 32 bytes. */
  sign(digest: Uint8Array, secret: Uint8Array): Uint8Array;
}

/** What is called of the addon. Each throws for input that it does not take. */
interface Addon {
  ecdsaSign(digest: Uint8Array, secret: Uint8Array): { readonly signature: Uint8Array };
  ecdsaVerify(signature: Uint8Array, digest: Uint8Array, publicKey: Uint8Array): boolean;
  ecdsaRecover(signature: Uint8Array, recovery: number, digest: Uint8Array, compressed: boolean): Uint8Array;
  publicKeyCreate(secret: Uint8Array, compressed: boolean): Uint8Array;
  /** In place. */
  signatureNormalize(signature: Uint8Array): Uint8Array;
}

const SCALAR_BYTES = 32;
const SIGNATURE_BYTES = 64;
/** n of secp256k1 (SEC 2 §2.4.1). */
const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

/** Undefined where the package is not there, or has nothing prebuilt for this machine. */
export function addonCurve(): Curve | undefined {
  let addon: Addon;
  try {
    addon = createRequire(import.meta.url)("secp256k1/bindings.js") as Addon;
  } catch {
    return undefined; // the WebAssembly does the same, at a third of the speed
  }
  return {
    kind: "addon",
    verify(signature, digest, publicKey, highS = false) {
      if (!isBytes(signature, SIGNATURE_BYTES) || !isBytes(digest, SCALAR_BYTES) || !isPublicKey(publicKey)) return false;
      try {
        // libsecp256k1 refuses a high s: turned to the low one, the same equation holds.
        return addon.ecdsaVerify(highS === true ? addon.signatureNormalize(signature.slice()) : signature, digest, publicKey);
      } catch {
        return false; // the lengths hold, so it is about r, s or the key
      }
    },
    recover(signature, recovery, digest) {
      if (!isBytes(signature, SIGNATURE_BYTES) || !isBytes(digest, SCALAR_BYTES) || !isRecovery(recovery)) return undefined;
      try {
        return addon.ecdsaRecover(signature, recovery, digest, false);
      } catch {
        return undefined; // r or s out of range, r no x coordinate of the curve, or the point at infinity
      }
    },
    publicKey: (secret) => addon.publicKeyCreate(secret, false),
    sign: (digest, secret) => addon.ecdsaSign(belowOrder(digest), secret).signature,
  };
}

export async function wasmCurve(): Promise<Curve> {
  const wasm = await instantiateSecp256k1();
  return {
    kind: "wasm",
    verify(signature, digest, publicKey, highS = false) {
      if (!isBytes(signature, SIGNATURE_BYTES) || !isBytes(digest, SCALAR_BYTES) || !isPublicKey(publicKey)) return false;
      return highS === true
        ? wasm.verifySignatureCompact(signature, publicKey, digest)
        : wasm.verifySignatureCompactLowS(signature, publicKey, digest);
    },
    recover(signature, recovery, digest) {
      if (!isBytes(signature, SIGNATURE_BYTES) || !isBytes(digest, SCALAR_BYTES) || !isRecovery(recovery)) return undefined;
      const publicKey = wasm.recoverPublicKeyUncompressed(signature, recovery, digest);
      return typeof publicKey === "string" ? undefined : publicKey; // a text is its way to say why there is none
    },
    publicKey: (secret) => bytesOrThrow(wasm.derivePublicKeyUncompressed(ofLength(secret, "a secret"))),
    sign: (digest, secret) => bytesOrThrow(wasm.signMessageHashCompact(ofLength(secret, "a secret"), belowOrder(digest))),
  };
}

/**
 * RFC 6979 takes the digest modulo n into its nonce (bits2octets, §2.3.4), libsecp256k1 takes it as it is: the two differ for one
 * digest in 2^128.
 */
function belowOrder(digest: Uint8Array): Uint8Array {
  const value = ofLength(digest, "a digest");
  if (value[0] !== 0xff || value[1] !== 0xff) return value; // all but one in 65,536
  const number = BigInt(`0x${Buffer.from(value).toString("hex")}`);
  return number < ORDER
    ? value
    : new Uint8Array(Buffer.from((number - ORDER).toString(16).padStart(2 * SCALAR_BYTES, "0"), "hex"));
}

function ofLength(bytes: Uint8Array, what: string): Uint8Array {
  if (!isBytes(bytes, SCALAR_BYTES)) throw new RangeError(`${what} of ${SCALAR_BYTES} bytes`);
  return bytes;
}

function bytesOrThrow(answer: Uint8Array | string): Uint8Array {
  if (typeof answer === "string") throw new RangeError(answer);
  return answer;
}

function isBytes(value: unknown, length: number): value is Uint8Array {
  return value instanceof Uint8Array && value.length === length;
}

function isRecovery(value: unknown): value is 0 | 1 {
  return value === 0 || value === 1;
}

/** SEC 1 §2.3.4 without the hybrid form (0x06, 0x07), which libsecp256k1 would take. */
function isPublicKey(value: unknown): value is Uint8Array {
  if (isBytes(value, 33)) return value[0] === 2 || value[0] === 3;
  return isBytes(value, 65) && value[0] === 4;
}
