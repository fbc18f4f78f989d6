// An append-only Merkle tree over records: RFC 9162 §2.1, with SHA-256.
//
// The mote keeps only the frontier, one hash for each bit of the tree's size, and checks the proofs that a host makes: that a
// record is in a tree (§2.1.3.2) and that a later tree still begins with an earlier one (§2.1.4.2). A leaf's data is the digest
// of a record. Leaves and nodes are hashed with different prefixes, so neither passes for the other.
//
// Never holds more than `TREE_PATH_MAX` hashes; never takes a proof with one hash too many or too few. Codes: merkle-range (an
// index or a size that cannot be), merkle-proof (the hashes do not lead to the root), merkle-frontier (kept bytes that are none).

import { equal, readUint, writeUint } from "../bytes.js";
import type { CryptoEngine } from "../crypto/engine.js";
import { assert, Rejection } from "../rejection.js";

const TREE_HASH_BYTES = 32;
/** Largest number of leaves: what 6 bytes hold. */
export const TREE_SIZE_MAX = 2 ** 48 - 1;
/** Longest path from a leaf to the root, and most hashes of a frontier or of an inclusion proof. */
export const TREE_PATH_MAX = 48;
const SIZE_BYTES = 6;

/** Hash of one leaf (RFC 9162 §2.1.1). */
export function leafHash(engine: CryptoEngine, data: Uint8Array): Uint8Array {
  return engine.sha256(Uint8Array.of(0x00), data);
}

/** Hash of a node over its two children. */
export function nodeHash(engine: CryptoEngine, left: Uint8Array, right: Uint8Array): Uint8Array {
  return engine.sha256(Uint8Array.of(0x01), left, right);
}

/** The right edge of a growing tree: a root for each complete subtree, the largest first. */
export class MerkleFrontier {
  readonly #engine: CryptoEngine;
  readonly #roots: Uint8Array[];
  #size: number;

  constructor(engine: CryptoEngine) {
    this.#engine = engine;
    this.#roots = [];
    this.#size = 0;
  }

  /** Leaves so far. */
  get size(): number {
    return this.#size;
  }

  /** Adds a leaf with this data: the digest of a record. */
  append(data: Uint8Array): void {
    assert(this.#size < TREE_SIZE_MAX, "a tree that can grow");
    let hash = leafHash(this.#engine, data);
    // Two complete subtrees of one size make the next larger one: a carry for every bit of the size that is set.
    for (let size = this.#size; size % 2 === 1; size = (size - 1) / 2)
      hash = nodeHash(this.#engine, this.#roots.pop() as Uint8Array, hash);
    this.#roots.push(hash);
    this.#size += 1;
  }

  /**
   * The hashes by which the tree with one leaf more shows that it begins with this one (RFC 9162 §2.1.4.1); none of an empty tree. Besides the
   * leaf they are this tree's own edge: its last subtree stands beside the leaf, the larger ones to the left of both.
   */
  proofOfNext(data: Uint8Array): Uint8Array[] {
    if (this.#size === 0) return [];
    const leaf = leafHash(this.#engine, data);
    const larger = this.#roots.slice(0, -1).reverse();
    // Where this tree is one complete subtree, its root is known, and is not sent.
    return larger.length === 0 ? [leaf] : [this.#roots[larger.length] as Uint8Array, leaf, ...larger];
  }

  /** Root of the tree; of an empty one, the hash of nothing. */
  root(): Uint8Array {
    let hash: Uint8Array | undefined;
    for (let i = this.#roots.length - 1; i >= 0; i -= 1) {
      const root = this.#roots[i] as Uint8Array;
      hash = hash === undefined ? root : nodeHash(this.#engine, root, hash);
    }
    return hash?.slice() ?? this.#engine.sha256();
  }

  /** What to keep: the size in 6 bytes, then the hashes. At most 6 + 48 × 32 bytes. */
  toBytes(): Uint8Array {
    const bytes = new Uint8Array(SIZE_BYTES + this.#roots.length * TREE_HASH_BYTES);
    writeUint(bytes, this.#size, 0, SIZE_BYTES);
    for (let i = 0; i < this.#roots.length; i += 1) bytes.set(this.#roots[i] as Uint8Array, SIZE_BYTES + i * TREE_HASH_BYTES);
    return bytes;
  }

  /** A frontier that was kept. Whether its hashes are the right ones only its root can tell. */
  static fromBytes(engine: CryptoEngine, bytes: Uint8Array): MerkleFrontier | Rejection {
    if (bytes.length < SIZE_BYTES) return new Rejection("merkle-frontier", `${bytes.length} bytes are no frontier`);
    const frontier = new MerkleFrontier(engine);
    frontier.#size = readUint(bytes, 0, SIZE_BYTES);
    for (let size = frontier.#size, at = SIZE_BYTES; size > 0; size = Math.floor(size / 2)) {
      if (size % 2 === 0) continue;
      frontier.#roots.push(bytes.slice(at, at + TREE_HASH_BYTES));
      at += TREE_HASH_BYTES;
    }
    if (bytes.length !== SIZE_BYTES + frontier.#roots.length * TREE_HASH_BYTES)
      return new Rejection("merkle-frontier", `${bytes.length} bytes for ${frontier.#size} leaves`);
    return frontier;
  }
}

/**
 * The root to which a path leads from the leaf at `index` in a tree of `size` leaves (RFC 9162 §2.1.3.2).
 * @param leaf `leafHash` of the leaf's data
 * @param path hashes from the leaf upwards, as `MerkleTree.inclusionProof` makes them
 */
export function inclusionRoot(
  engine: CryptoEngine,
  leaf: Uint8Array,
  index: number,
  size: number,
  path: readonly Uint8Array[],
): Uint8Array | Rejection {
  if (!isSize(size) || !Number.isSafeInteger(index) || index < 0 || index >= size)
    return new Rejection("merkle-range", `no leaf ${index} in a tree of ${size}`);
  if (!isPath(path)) return new Rejection("merkle-proof", "a path of hashes that cannot be");
  let fn = index;
  let sn = size - 1;
  let hash = leaf;
  for (const sibling of path) {
    if (sn === 0) return new Rejection("merkle-proof", "more hashes than the path has");
    if (fn % 2 === 1 || fn === sn) {
      hash = nodeHash(engine, sibling, hash);
      while (fn % 2 === 0 && fn !== 0) {
        fn = half(fn);
        sn = half(sn);
      }
    } else hash = nodeHash(engine, hash, sibling);
    fn = half(fn);
    sn = half(sn);
  }
  return sn === 0 ? hash : new Rejection("merkle-proof", "fewer hashes than the path has");
}

/**
 * Checks that a leaf stands at `index` in the tree of `size` leaves with this root; else as `inclusionRoot`.
 * @returns undefined where it holds
 */
export function checkInclusion(
  engine: CryptoEngine,
  leaf: Uint8Array,
  index: number,
  size: number,
  path: readonly Uint8Array[],
  root: Uint8Array,
): Rejection | undefined {
  const found = inclusionRoot(engine, leaf, index, size, path);
  if (found instanceof Rejection) return found;
  return equal(found, root) ? undefined : new Rejection("merkle-proof", "the path leads to another root");
}

/**
 * Checks that the tree of `second` leaves begins with the tree of `first` leaves (RFC 9162 §2.1.4.2).
 * @param path as `MerkleTree.consistencyProof` makes it; empty where both trees are one
 * @returns undefined where it holds
 */
export function checkConsistency(
  engine: CryptoEngine,
  first: number,
  second: number,
  firstRoot: Uint8Array,
  secondRoot: Uint8Array,
  path: readonly Uint8Array[],
): Rejection | undefined {
  if (!isSize(first) || !isSize(second) || first > second)
    return new Rejection("merkle-range", `a tree of ${second} leaves does not continue one of ${first}`);
  if (!isPath(path)) return new Rejection("merkle-proof", "a path of hashes that cannot be");
  if (first === second)
    return path.length === 0 && equal(firstRoot, secondRoot)
      ? undefined
      : new Rejection("merkle-proof", "two trees of one size differ");
  let fn = first - 1;
  let sn = second - 1;
  while (fn % 2 === 1) {
    fn = half(fn);
    sn = half(sn);
  }
  // Where the first tree is one complete subtree, its root is where the path begins, and is not sent.
  const complete = fn === 0;
  const start = complete ? firstRoot : path[0];
  if (start === undefined) return new Rejection("merkle-proof", "fewer hashes than the path has");
  let firstHash = start;
  let secondHash = start;
  for (let i = complete ? 0 : 1; i < path.length; i += 1) {
    const sibling = path[i] as Uint8Array;
    if (sn === 0) return new Rejection("merkle-proof", "more hashes than the path has");
    if (fn % 2 === 1 || fn === sn) {
      firstHash = nodeHash(engine, sibling, firstHash);
      secondHash = nodeHash(engine, sibling, secondHash);
      while (fn % 2 === 0 && fn !== 0) {
        fn = half(fn);
        sn = half(sn);
      }
    } else secondHash = nodeHash(engine, secondHash, sibling);
    fn = half(fn);
    sn = half(sn);
  }
  if (sn !== 0) return new Rejection("merkle-proof", "fewer hashes than the path has");
  if (!equal(firstHash, firstRoot)) return new Rejection("merkle-proof", "the path does not begin with the first tree");
  return equal(secondHash, secondRoot) ? undefined : new Rejection("merkle-proof", "the path leads to another second root");
}

/** One bit to the right; numbers beyond 2^31 do not survive `>>`. */
function half(value: number): number {
  return Math.floor(value / 2);
}

function isSize(size: number): boolean {
  return Number.isSafeInteger(size) && size >= 1 && size <= TREE_SIZE_MAX;
}

/** A consistency proof has one hash more than the tree has levels. */
function isPath(path: readonly Uint8Array[]): boolean {
  return path.length <= TREE_PATH_MAX + 1 && path.every((hash) => hash.length === TREE_HASH_BYTES);
}
