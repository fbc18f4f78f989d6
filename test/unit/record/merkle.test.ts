// Merkle trees: the frontier on the mote and the proofs of the host against a tree written from the definitions of RFC 9162 alone,
// with node:crypto; and proofs that were tampered with.

import { createHash } from "node:crypto";
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { toHex } from "../../../firmware/bytes.js";
import { nobleEngine } from "../../../firmware/crypto/engine-noble.js";
import { checkConsistency, checkInclusion, leafHash, MerkleFrontier, TREE_SIZE_MAX } from "../../../firmware/record/merkle.js";
import { Rejection } from "../../../firmware/rejection.js";
import { MerkleTree } from "../../../tools/merkle/tree.js";

type Hash = Uint8Array;

function sha256(...parts: readonly Uint8Array[]): Hash {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
}

/** The largest power of two below n. */
function k(n: number): number {
  return 2 ** Math.floor(Math.log2(n - 1));
}

/** MTH(D_n), RFC 9162 §2.1.1. */
function mth(leaves: readonly Uint8Array[]): Hash {
  if (leaves.length === 0) return sha256();
  if (leaves.length === 1) return sha256(Uint8Array.of(0), leaves[0] as Uint8Array);
  const middle = k(leaves.length);
  return sha256(Uint8Array.of(1), mth(leaves.slice(0, middle)), mth(leaves.slice(middle)));
}

/** PATH(m, D_n), §2.1.3.1. */
function inclusion(m: number, leaves: readonly Uint8Array[]): Hash[] {
  if (leaves.length === 1) return [];
  const middle = k(leaves.length);
  return m < middle
    ? [...inclusion(m, leaves.slice(0, middle)), mth(leaves.slice(middle))]
    : [...inclusion(m - middle, leaves.slice(middle)), mth(leaves.slice(0, middle))];
}

/** SUBPROOF(m, D_n, b), §2.1.4.1. */
function subproof(m: number, leaves: readonly Uint8Array[], whole: boolean): Hash[] {
  if (m === leaves.length) return whole ? [] : [mth(leaves)];
  const middle = k(leaves.length);
  return m <= middle
    ? [...subproof(m, leaves.slice(0, middle), whole), mth(leaves.slice(middle))]
    : [...subproof(m - middle, leaves.slice(middle), false), mth(leaves.slice(0, middle))];
}

const LEAVES = Array.from({ length: 300 }, (_, i) => sha256(Uint8Array.of(i & 255, i >> 8)));

function treeOf(size: number): MerkleTree {
  const tree = new MerkleTree(nobleEngine);
  for (const leaf of LEAVES.slice(0, size)) tree.append(leaf);
  return tree;
}

const WHOLE = treeOf(LEAVES.length);
const hexes = (hashes: readonly Uint8Array[]): string[] => hashes.map(toHex);

test("known answers of RFC 9162's trees", () => {
  // SHA-256 of nothing, and of one byte 00 (a leaf without data).
  assert.is(toHex(new MerkleFrontier(nobleEngine).root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  assert.is(toHex(leafHash(nobleEngine, new Uint8Array(0))), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
});

test("the frontier and the host's tree have the root of the definition at every size up to 300", () => {
  const frontier = new MerkleFrontier(nobleEngine);
  for (let size = 0; size <= LEAVES.length; size += 1) {
    const expected = toHex(mth(LEAVES.slice(0, size)));
    assert.is(frontier.size, size);
    assert.is(toHex(frontier.root()), expected);
    assert.is(toHex(WHOLE.root(size)), expected);
    if (size < LEAVES.length) frontier.append(LEAVES[size] as Uint8Array);
  }
});

test("a frontier that was kept goes on as if nothing had been", () => {
  const frontier = new MerkleFrontier(nobleEngine);
  for (let size = 0; size < 130; size += 1) {
    const bytes = frontier.toBytes();
    assert.is(bytes.length, 6 + 32 * size.toString(2).replaceAll("0", "").length);
    const kept = MerkleFrontier.fromBytes(nobleEngine, bytes);
    if (kept instanceof Rejection) throw new Error(kept.toString());
    frontier.append(LEAVES[size] as Uint8Array);
    kept.append(LEAVES[size] as Uint8Array);
    assert.is(toHex(kept.root()), toHex(frontier.root()));
    assert.is(toHex(kept.toBytes()), toHex(frontier.toBytes()));
  }
  for (const bytes of [new Uint8Array(0), new Uint8Array(5), frontier.toBytes().subarray(1), new Uint8Array(7)])
    assert.ok(MerkleFrontier.fromBytes(nobleEngine, bytes) instanceof Rejection);
});

test("every inclusion proof up to size 40 is that of the definition, and holds; at another index it does not", () => {
  for (let size = 1; size <= 40; size += 1) {
    const leaves = LEAVES.slice(0, size);
    const root = mth(leaves);
    for (let index = 0; index < size; index += 1) {
      const path = WHOLE.inclusionProof(index, size);
      assert.equal(hexes(path), hexes(inclusion(index, leaves)));
      const leaf = leafHash(nobleEngine, leaves[index] as Uint8Array);
      assert.is(checkInclusion(nobleEngine, leaf, index, size, path, root), undefined);
      for (const other of [index - 1, index + 1, size]) {
        const answer = checkInclusion(nobleEngine, leaf, other, size, path, root);
        assert.ok(answer instanceof Rejection, `leaf ${index} of ${size} passes as ${other}`);
      }
    }
  }
});

test("every consistency proof up to size 40 is that of the definition, and holds", () => {
  for (let second = 1; second <= 40; second += 1) {
    for (let first = 1; first <= second; first += 1) {
      const path = WHOLE.consistencyProof(first, second);
      assert.equal(hexes(path), hexes(subproof(first, LEAVES.slice(0, second), true)));
      assert.is(checkConsistency(nobleEngine, first, second, WHOLE.root(first), WHOLE.root(second), path), undefined);
    }
  }
});

const sizes = fc.integer({ min: 2, max: LEAVES.length });

/** A proof with one hash changed, left out, doubled, added or exchanged with its neighbour; undefined where there is nothing to do. */
function tampered(path: readonly Hash[], kind: number, at: number, bit: number): Hash[] | undefined {
  const copy = path.map((hash) => hash.slice());
  const i = copy.length === 0 ? 0 : at % copy.length;
  const target = copy[i];
  switch (kind) {
    case 0:
      if (target === undefined) return undefined;
      target[bit >> 3] = (target[bit >> 3] as number) ^ (1 << (bit & 7));
      return copy;
    case 1:
      if (target === undefined) return undefined;
      copy.splice(i, 1);
      return copy;
    case 2:
      copy.splice(i, 0, target ?? new Uint8Array(32));
      return copy;
    case 3:
      copy.push(new Uint8Array(32));
      return copy;
    case 4:
      if (copy.length < 2) return undefined;
      copy.reverse();
      return copy;
    default:
      if (target === undefined) return undefined;
      copy[i] = target.subarray(1);
      return copy;
  }
}

test("inclusion proofs hold, and tampered ones are refused", () => {
  let tried = 0;
  fc.assert(
    fc.property(sizes, fc.nat(), fc.nat(5), fc.nat(), fc.nat(255), (size, at, kind, where, bit) => {
      const index = at % size;
      const leaf = leafHash(nobleEngine, LEAVES[index] as Uint8Array);
      const path = WHOLE.inclusionProof(index, size);
      const root = WHOLE.root(size);
      assert.is(checkInclusion(nobleEngine, leaf, index, size, path, root), undefined);
      const bad = tampered(path, kind, where, bit);
      if (bad !== undefined) {
        tried += 1;
        assert.ok(checkInclusion(nobleEngine, leaf, index, size, bad, root) instanceof Rejection);
      }
      const otherLeaf = leafHash(nobleEngine, LEAVES[(index + 1) % LEAVES.length] as Uint8Array);
      assert.ok(checkInclusion(nobleEngine, otherLeaf, index, size, path, root) instanceof Rejection);
      assert.ok(checkInclusion(nobleEngine, leaf, index, size, path, WHOLE.root(size - 1)) instanceof Rejection);
    }),
    { numRuns: 3000 },
  );
  assert.ok(tried > 2000, `${tried} tampered proofs`);
});

test("consistency proofs hold, and tampered ones, or other roots, are refused", () => {
  let tried = 0;
  fc.assert(
    fc.property(sizes, fc.nat(), fc.nat(5), fc.nat(), fc.nat(255), (second, at, kind, where, bit) => {
      const first = 1 + (at % second);
      const path = WHOLE.consistencyProof(first, second);
      const check = (a: Hash, b: Hash, proof: readonly Hash[]): unknown =>
        checkConsistency(nobleEngine, first, second, a, b, proof);
      const [a, b] = [WHOLE.root(first), WHOLE.root(second)];
      assert.is(check(a, b, path), undefined);
      const bad = tampered(path, kind, where, bit);
      if (bad !== undefined) {
        tried += 1;
        assert.ok(check(a, b, bad) instanceof Rejection);
      }
      const flip = (hash: Hash): Hash => hash.map((byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
      assert.ok(check(flip(a), b, path) instanceof Rejection);
      assert.ok(check(a, flip(b), path) instanceof Rejection);
      if (first !== second) assert.ok(check(b, a, path) instanceof Rejection);
    }),
    { numRuns: 3000 },
  );
  assert.ok(tried > 2000, `${tried} tampered proofs`);
});

test("a history that was rewritten has no consistency proof: every hash of the new tree is refused", () => {
  const rewritten = new MerkleTree(nobleEngine);
  for (const [i, leaf] of LEAVES.slice(0, 100).entries()) rewritten.append(i === 17 ? sha256(leaf) : leaf);
  for (let first = 18; first < 100; first += 1) {
    const path = rewritten.consistencyProof(first, 100);
    assert.ok(checkConsistency(nobleEngine, first, 100, WHOLE.root(first), rewritten.root(100), path) instanceof Rejection);
  }
  for (let first = 1; first <= 17; first += 1) {
    const path = rewritten.consistencyProof(first, 100);
    assert.is(checkConsistency(nobleEngine, first, 100, WHOLE.root(first), rewritten.root(100), path), undefined);
  }
});

test("a node does not pass for a leaf", () => {
  const [left, right] = [LEAVES[0], LEAVES[1]].map((leaf) => leafHash(nobleEngine, leaf as Uint8Array)) as [Hash, Hash];
  const inner = new Uint8Array([...left, ...right]);
  const forged = leafHash(nobleEngine, inner);
  assert.ok(checkInclusion(nobleEngine, forged, 0, 1, [], WHOLE.root(2)) instanceof Rejection);
});

test("sizes and indices that cannot be are refused, large ones are computed right", () => {
  const root = WHOLE.root(1);
  const codes = (size: number, index: number): string | undefined =>
    checkInclusion(nobleEngine, root, index, size, [], root)?.code;
  for (const [size, index] of [
    [0, 0],
    [1, 1],
    [1, -1],
    [1.5, 0],
    [2, 0.5],
    [Number.NaN, 0],
    [TREE_SIZE_MAX + 1, 0],
  ] as const)
    assert.is(codes(size, index), "merkle-range");
  assert.is(codes(1, 0), undefined);
  for (const [first, second] of [
    [0, 1],
    [2, 1],
    [-1, 1],
    [1, TREE_SIZE_MAX + 1],
  ] as const)
    assert.is(checkConsistency(nobleEngine, first, second, root, root, [])?.code, "merkle-range");
  const long = new Array<Uint8Array>(60).fill(root);
  assert.is(checkInclusion(nobleEngine, root, 0, TREE_SIZE_MAX, long, root)?.code, "merkle-proof");
  // The leftmost leaf of a tree of 2^47 leaves, all siblings alike: 47 steps, each to the right.
  let top = root;
  for (let i = 0; i < 47; i += 1) top = sha256(Uint8Array.of(1), top, root);
  assert.is(checkInclusion(nobleEngine, root, 0, 2 ** 47, long.slice(0, 47), top), undefined);
  assert.is(checkInclusion(nobleEngine, root, 0, 2 ** 47, long.slice(0, 46), top)?.code, "merkle-proof");
});

test.run();
