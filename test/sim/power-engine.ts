// What the journal under power loss hashes with, and the seed of a run. SEED=N replays another.

import { hash } from "node:crypto";
import { seedOr } from "../seed.js";

const DIGEST_BYTES = 32;

export const seed = seedOr(20_260_101);

export const engine = {
  /** OpenSSL's, asked for a string: a buffer of its own costs three times the hash. */
  sha256(...parts: readonly Uint8Array[]): Uint8Array {
    const text = hash("sha256", parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts), "binary");
    const digest = new Uint8Array(DIGEST_BYTES);
    for (let i = 0; i < DIGEST_BYTES; i += 1) digest[i] = text.charCodeAt(i);
    return digest;
  },
};
