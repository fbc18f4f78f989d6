// The header of a Bitcoin block: 80 bytes, integers little-endian (bitcoin/bitcoin `src/primitives/block.h`).
//
// Promises: a header that is answered has bits in their shortest form within the network's limit, and a hash that meets
// them: whoever sends one has spent the work that it claims. Never judges whether the chain asks for these bits: that needs
// the block before. Codes: header-length, bits-malformed, bits-above-limit, work-insufficient.

import { meetsTarget } from "../../bytes/primitives.js";
import type { CryptoEngine } from "../../crypto/engine.js";
import { Rejection } from "../../rejection.js";
import { HASH_BYTES, type Header } from "../consensus.js";
import type { BitcoinClaim, BitcoinRules } from "./rules.js";
import { bitsFault, isAbove } from "./target.js";

export const HEADER_BYTES = 80;
/** What a verified header leaves behind (batch.ts): hash (32), time (4), bits (4). */
export const DELTA_BYTES = HASH_BYTES + 8;
const PARENT_AT = 4;
const MERKLE_ROOT_AT = 36;
export const TIME_AT = 68;
const BITS_AT = 72;

/** One decoded header. Hashes are in the order in which they are hashed, which is the reverse of how they are shown. */
export class BitcoinHeader implements Header, BitcoinClaim {
  readonly raw: Uint8Array;
  /** A Bitcoin header does not say its height. */
  readonly number = undefined;
  readonly hash: Uint8Array;
  /** Signed: most of what is mined today has bits for BIP 9, and none is below zero. */
  readonly version: number;
  readonly timeS: number;
  readonly bits: number;

  /** For `decodeBitcoinHeader` alone. */
  constructor(raw: Uint8Array, hash: Uint8Array, version: number, timeS: number, bits: number) {
    this.raw = raw;
    this.hash = hash;
    this.version = version;
    this.timeS = timeS;
    this.bits = bits;
  }

  get parentHash(): Uint8Array {
    return this.raw.subarray(PARENT_AT, PARENT_AT + HASH_BYTES);
  }

  get merkleRoot(): Uint8Array {
    return this.raw.subarray(MERKLE_ROOT_AT, MERKLE_ROOT_AT + HASH_BYTES);
  }
}

/** Reads `raw`; it stays in use by the header that is answered. */
export function decodeBitcoinHeader(engine: CryptoEngine, rules: BitcoinRules, raw: Uint8Array): BitcoinHeader | Rejection {
  if (raw.length !== HEADER_BYTES) return new Rejection("header-length", `${raw.length} bytes, not ${HEADER_BYTES}`);
  const view = new DataView(raw.buffer, raw.byteOffset, HEADER_BYTES);
  const bits = view.getUint32(BITS_AT, true);
  if (bits !== rules.limitBits) {
    const fault = bitsFault(bits);
    if (fault !== undefined) return new Rejection("bits-malformed", `0x${bits.toString(16)}: ${fault}`);
    if (isAbove(bits, rules.limitBits))
      return new Rejection("bits-above-limit", `0x${bits.toString(16)} is easier than any block of ${rules.network}`);
  }
  const hash = engine.sha256(engine.sha256(raw));
  if (!meetsTarget(hash, bits))
    return new Rejection("work-insufficient", `the hash is above the target of 0x${bits.toString(16)}`);
  return new BitcoinHeader(raw, hash, view.getInt32(0, true), view.getUint32(TIME_AT, true), bits);
}
