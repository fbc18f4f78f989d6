// Checks the signatures of a batch of records.
//
// Promises: the verdict of `verifySign1` for each, which does not depend on what was checked before. A mote whose key one signature
// has shown is verified by that key, which costs a third less than recovering it.

import type { CryptoEngine } from "../../firmware/crypto/engine.js";
import { decodeSign1, type VerifiedSign1, verifySign1 } from "../../firmware/record/cose.js";
import { Rejection } from "../../firmware/rejection.js";

/** Records one behind the other. */
export interface Batch {
  readonly bytes: Uint8Array;
  /** Of each record, in bytes. */
  readonly lengths: readonly number[];
}

export interface BatchAnswer {
  /** 32 bytes for each record; zeros where there is a fault. */
  readonly digests: Uint8Array;
  readonly faults: readonly { readonly at: number; readonly code: string; readonly detail: string }[];
}

export const DIGEST_BYTES = 32;
const KEYS_MAX = 4096;
/** r below p − n, so below 2^129: there the nonce's point may have had x = r + n, which verifies and is never recovered. */
const R_ZERO_BYTES = 15;

export class Checker {
  readonly #engine: CryptoEngine;
  /** Public keys by address. */
  readonly #keys = new Map<string, Uint8Array>();

  constructor(engine: CryptoEngine) {
    this.#engine = engine;
  }

  check({ bytes, lengths }: Batch): BatchAnswer {
    const digests = new Uint8Array(lengths.length * DIGEST_BYTES);
    const faults: { at: number; code: string; detail: string }[] = [];
    let offset = 0;
    for (const [at, length] of lengths.entries()) {
      const signed = this.verify(bytes.subarray(offset, offset + length));
      offset += length;
      if (signed instanceof Rejection) faults.push({ at, code: signed.code, detail: signed.detail });
      else digests.set(signed.digest, at * DIGEST_BYTES);
    }
    return { digests, faults };
  }

  /** `verifySign1`, by the mote's key where that is known. */
  verify(bytes: Uint8Array): VerifiedSign1 | Rejection {
    const parts = decodeSign1(bytes);
    if (parts instanceof Rejection) return parts;
    const { kid, signature } = parts;
    const address = Buffer.from(kid.buffer, kid.byteOffset, kid.length).toString("latin1");
    const known = signature.findIndex((byte) => byte !== 0) < R_ZERO_BYTES ? this.#keys.get(address) : undefined;
    const verified = verifySign1(this.#engine, bytes, known);
    if (!(verified instanceof Rejection) && known === undefined) this.#keep(address, verified.publicKey);
    return verified;
  }

  #keep(address: string, publicKey: Uint8Array): void {
    if (this.#keys.size >= KEYS_MAX) this.#keys.clear();
    this.#keys.set(address, publicKey);
  }
}
