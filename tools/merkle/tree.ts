// A whole Merkle tree over records, and the proofs from it (RFC 9162 §2.1): what a host keeps so that a mote, which holds only
// the frontier (firmware/record/merkle.ts), can check.
//
// Every complete subtree is hashed once and kept: 64 bytes for each leaf. A proof costs O(log n) hashes.

import type { CryptoEngine } from "../../firmware/crypto/engine.js";
import { leafHash, nodeHash } from "../../firmware/record/merkle.js";
import { assert } from "../../firmware/rejection.js";

export class MerkleTree {
  readonly #engine: CryptoEngine;
  /** `#levels[k][i]` is the root over the leaves from i · 2^k to (i + 1) · 2^k − 1, where all of them are there. */
  readonly #levels: Uint8Array[][] = [[]];

  constructor(engine: CryptoEngine) {
    this.#engine = engine;
  }

  get size(): number {
    return (this.#levels[0] as Uint8Array[]).length;
  }

  /** Adds a leaf with this data: the digest of a record. */
  append(data: Uint8Array): void {
    let hash = leafHash(this.#engine, data);
    for (let k = 0; ; k += 1) {
      const level = this.#levels[k] ?? [];
      this.#levels[k] = level;
      level.push(hash);
      if (level.length % 2 === 1) return;
      hash = nodeHash(this.#engine, level[level.length - 2] as Uint8Array, hash);
    }
  }

  /** Root of the tree as it was with `size` leaves. */
  root(size = this.size): Uint8Array {
    assert(Number.isSafeInteger(size) && size >= 0 && size <= this.size, "a size that the tree has had");
    return size === 0 ? this.#engine.sha256() : this.#over(0, size);
  }

  /** Hashes that lead from leaf `index` to the root of the first `size` leaves (RFC 9162 §2.1.3.1). */
  inclusionProof(index: number, size = this.size): Uint8Array[] {
    assert(Number.isSafeInteger(index) && index >= 0 && index < size && size <= this.size, "a leaf of that tree");
    const path: Uint8Array[] = [];
    for (let from = 0, to = size; to - from > 1; ) {
      const middle = from + split(to - from);
      if (index < middle) {
        path.unshift(this.#over(middle, to));
        to = middle;
      } else {
        path.unshift(this.#over(from, middle));
        from = middle;
      }
    }
    return path;
  }

  /** Hashes by which the tree of `second` leaves shows that it begins with that of `first` leaves (RFC 9162 §2.1.4.1). */
  consistencyProof(first: number, second = this.size): Uint8Array[] {
    assert(
      Number.isSafeInteger(first) && first >= 1 && first <= second && second <= this.size,
      "two trees, the first not larger",
    );
    const path: Uint8Array[] = [];
    let from = 0;
    let to = second;
    let left = first;
    while (left < to - from) {
      const middle = from + split(to - from);
      if (from + left <= middle) {
        path.unshift(this.#over(middle, to));
        to = middle;
      } else {
        path.unshift(this.#over(from, middle));
        left -= middle - from;
        from = middle;
      }
    }
    // What is left is a subtree that both trees have; where it is the whole first tree, its root is known.
    if (from > 0) path.unshift(this.#over(from, to));
    return path;
  }

  /** Root over the leaves `from` to `to − 1`, a range that a tree of RFC 9162 has: it begins at a multiple of its first half. */
  #over(from: number, to: number): Uint8Array {
    const width = to - from;
    const k = Math.log2(width);
    if (Number.isInteger(k) && from % width === 0) return (this.#levels[k] as Uint8Array[])[from / width] as Uint8Array;
    const middle = from + split(width);
    return nodeHash(this.#engine, this.#over(from, middle), this.#over(middle, to));
  }
}

/** The largest power of two below `size`, from 2. */
function split(size: number): number {
  let k = 1;
  while (2 * k < size) k *= 2;
  return k;
}
