// The tree of a mote that anchors its own records: one leaf for each anchor, the digest of its newest record, which stands for all that its
// `prev` leads to. docs/ledger.md, "Transactions".
//
// Promises: the tree that goes on is the one whose root the contract is proven to have of this key, so an anchor that was lost or undone on
// its way leaves the tree as it was; both are kept, and read back, before anything is sent. Never: goes on from a root that is not kept here.
// Codes: tree-foreign, tree-not-stored, and those of kept.ts and record/merkle.ts.

import { concat, equal, readUint, writeUint } from "../bytes.js";
import type { CryptoEngine } from "../crypto/engine.js";
import type { KeyValueDomain } from "../ports.js";
import { MerkleFrontier } from "../record/merkle.js";
import { Rejection } from "../rejection.js";
import { readKept, writeKept } from "./kept.js";

/** In the key-value store: contract (20 bytes), length of the first frontier (2 bytes), that one, and the one after it. */
const KEY = "own-tree";
const ADDRESS_BYTES = 20;
const LENGTH_BYTES = 2;

export interface NextTree {
  readonly root: Uint8Array;
  readonly size: number;
  readonly proof: readonly Uint8Array[];
}

/**
 * The tree with one leaf more than the one that is anchored, kept with that one.
 * @param contract address of `RecordAnchor`, 20 bytes
 * @param anchored the root of this key that the contract is proven to have, 32 bytes; zeros for none
 * @param leaf digest of the record that the new leaf stands for
 */
export function nextTree(
  engine: CryptoEngine,
  store: KeyValueDomain,
  contract: Uint8Array,
  anchored: Uint8Array,
  leaf: Uint8Array,
): NextTree | Rejection {
  const base = anchored.every((byte) => byte === 0) ? new MerkleFrontier(engine) : treeOf(engine, store, contract, anchored);
  if (base instanceof Rejection) return base;
  const before = base.toBytes();
  const proof = base.proofOfNext(leaf);
  base.append(leaf);
  const head = new Uint8Array(LENGTH_BYTES);
  writeUint(head, before.length, 0, LENGTH_BYTES);
  const fault = writeKept(store, KEY, concat(contract, head, before, base.toBytes()));
  if (fault !== undefined) return new Rejection("tree-not-stored", `${fault}: its next root could not be gone on from`);
  return { root: base.root(), size: base.size, proof };
}

/** The one of the two that are kept that has this root. */
function treeOf(
  engine: CryptoEngine,
  store: KeyValueDomain,
  contract: Uint8Array,
  anchored: Uint8Array,
): MerkleFrontier | Rejection {
  let tree: MerkleFrontier | undefined;
  const kept = readKept(store, KEY, (bytes) => {
    tree = treeIn(engine, bytes, contract, anchored);
    return tree !== undefined;
  });
  if (tree !== undefined) return tree;
  if (kept instanceof Rejection) return kept;
  return new Rejection(
    "tree-foreign",
    "the contract has a root of this key whose tree is not kept here: it cannot be gone on with",
  );
}

/** The one of the two that has this root, where the bytes are of this contract. */
function treeIn(engine: CryptoEngine, bytes: Uint8Array, contract: Uint8Array, anchored: Uint8Array): MerkleFrontier | undefined {
  const front = ADDRESS_BYTES + LENGTH_BYTES;
  if (bytes.length <= front || !equal(bytes.subarray(0, ADDRESS_BYTES), contract)) return undefined;
  const end = front + readUint(bytes, ADDRESS_BYTES, LENGTH_BYTES);
  for (const part of [bytes.subarray(end), bytes.subarray(front, end)]) {
    const tree = MerkleFrontier.fromBytes(engine, part);
    if (!(tree instanceof Rejection) && equal(tree.root(), anchored)) return tree;
  }
  return undefined;
}
