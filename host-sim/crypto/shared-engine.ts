// An engine whose recoveries and long hashes are shared: boards of one process that are shown the same header compute them once.
//
// Promises: the answer of the engine beneath, byte for byte. Both functions depend on nothing but their arguments, and every byte of
// those is the key: what a board believes, its rules and its clock are none of it, so each board still applies its own rules to its own
// state, and one whose state is another gains or loses nothing by what others were shown. Answers are copies: nobody can change what
// another one gets. At most `ENTRIES_MAX` of each are kept, the oldest go first.
// Never: a private key, or a verdict.

import type { CryptoEngine } from "../../firmware/crypto/engine.js";

export const ENTRIES_MAX = 1024;
/** What is shorter costs less to hash than to look up: the digest of an address, of a record. */
const HASHED_BYTES_MIN = 128;

export function sharedEngine(engine: CryptoEngine): CryptoEngine {
  const recovered = new Recent<Uint8Array | undefined>();
  const hashed = new Recent<Uint8Array>();
  const { recover } = engine.secp256k1;
  return Object.freeze({
    ...engine,
    name: `${engine.name}, shared`,

    keccak256(...parts: readonly Uint8Array[]): Uint8Array {
      if (lengthOf(parts) < HASHED_BYTES_MIN) return engine.keccak256(...parts);
      return hashed.of(textOf(...parts), () => engine.keccak256(...parts)).slice();
    },

    secp256k1: Object.freeze({
      ...engine.secp256k1,
      recover(signature: Uint8Array, recovery: number, digest: Uint8Array): Uint8Array | undefined {
        // Whatever is malformed is not worth a key.
        if (!(signature instanceof Uint8Array && digest instanceof Uint8Array) || (recovery !== 0 && recovery !== 1))
          return recover(signature, recovery, digest);
        const key = `${recovery}${signature.length}/${textOf(signature, digest)}`;
        return recovered.of(key, () => recover(signature, recovery, digest))?.slice();
      },
    }),
  });
}

class Recent<T> {
  readonly #values = new Map<string, T>();

  of(key: string, compute: () => T): T {
    if (this.#values.has(key)) return this.#values.get(key) as T;
    const value = compute();
    if (this.#values.size >= ENTRIES_MAX) this.#values.delete(this.#values.keys().next().value as string);
    this.#values.set(key, value);
    return value;
  }
}

function lengthOf(parts: readonly Uint8Array[]): number {
  let length = 0;
  for (const part of parts) length += part.length;
  return length;
}

/** The bytes one behind the other, a character each. */
function textOf(...parts: readonly Uint8Array[]): string {
  let text = "";
  for (const { buffer, byteOffset, length } of parts) text += Buffer.from(buffer, byteOffset, length).toString("latin1");
  return text;
}
