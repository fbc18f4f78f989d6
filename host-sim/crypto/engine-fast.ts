// The fast engine on Node: libsecp256k1 (curve.ts), Keccak as WebAssembly from hash-wasm, SHA-256 and HMAC from node:crypto. What
// simulated boards run on, and the tools that check many signatures.
//
// Promises: byte for byte what the reference engine answers, for good input and for bad (test/unit/crypto).
// Never: sees a private key, needs a compiler or an install script, throws on input. Variable-time: public values only.

import { createHash, createHmac, hash as oneShot } from "node:crypto";
import { createKeccak } from "hash-wasm";
import type { CryptoEngine } from "../../firmware/crypto/engine.js";
import { addonCurve, type Curve, wasmCurve } from "./curve.js";

/** The fastest that this machine has. */
export const curve: Curve = addonCurve() ?? (await wasmCurve());
const keccak = await createKeccak(256);

export function engineOver({ kind, verify, recover }: Curve): CryptoEngine {
  return Object.freeze({
    name: `fast (${kind})`,

    sha256(...parts: readonly Uint8Array[]): Uint8Array {
      // One part is by far the most frequent case, and takes a third less in one call.
      if (parts.length === 1) return plain(oneShot("sha256", parts[0] as Uint8Array, "buffer"));
      const hash = createHash("sha256");
      for (const part of parts) hash.update(part);
      return plain(hash.digest());
    },

    hmacSha256(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
      const mac = createHmac("sha256", key);
      for (const part of parts) mac.update(part);
      return plain(mac.digest());
    },

    keccak256(...parts: readonly Uint8Array[]): Uint8Array {
      keccak.init();
      for (const part of parts) keccak.update(part);
      return keccak.digest("binary");
    },

    secp256k1: Object.freeze({ verify, recover }),
  });
}

export const fastEngine: CryptoEngine = engineOver(curve);

/** The same bytes in an array of their own that is no Buffer, whose methods differ (slice shares memory). */
function plain(bytes: Buffer): Uint8Array {
  return new Uint8Array(bytes);
}
