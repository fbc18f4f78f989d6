// The mote's own tree: each next one goes on from the one that is anchored, as RFC 9162 has it (checked by record/merkle.ts and by the whole
// tree of a host), whatever was lost between.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { nobleEngine as engine } from "../../../firmware/crypto/engine-noble.js";
import { type NextTree, nextTree } from "../../../firmware/ledger/own-tree.js";
import type { KeyValueDomain } from "../../../firmware/ports.js";
import { checkConsistency } from "../../../firmware/record/merkle.js";
import { Rejection } from "../../../firmware/rejection.js";
import { MerkleTree } from "../../../tools/merkle/tree.js";

const CONTRACT = new Uint8Array(20).fill(7);
const NONE = new Uint8Array(32);

function memory(): KeyValueDomain & { readonly values: Map<string, Uint8Array> } {
  const values = new Map<string, Uint8Array>();
  return {
    values,
    read: (key) => values.get(key)?.slice().buffer as ArrayBuffer | undefined,
    write: (key, value) => void values.set(key, new Uint8Array(value as ArrayBuffer).slice()),
    delete: (key) => void values.delete(key),
    close: () => undefined,
  };
}

const leaf = (i: number): Uint8Array => engine.sha256(Uint8Array.of(i));
function next(store: KeyValueDomain, anchored: Uint8Array, i: number): NextTree {
  const tree = nextTree(engine, store, CONTRACT, anchored, leaf(i));
  if (tree instanceof Rejection) throw new Error(tree.toString());
  return tree;
}

test("seventy anchors: each tree has the root and the proof of the whole tree", () => {
  const store = memory();
  const whole = new MerkleTree(engine);
  let anchored: Uint8Array = NONE;
  for (let i = 0; i < 70; i += 1) {
    const tree = next(store, anchored, i);
    whole.append(leaf(i));
    assert.equal([tree.size, tree.root], [i + 1, whole.root()]);
    assert.equal(tree.proof, i === 0 ? [] : whole.consistencyProof(i, i + 1));
    if (i > 0) assert.is(checkConsistency(engine, i, i + 1, anchored, tree.root, tree.proof), undefined);
    anchored = tree.root;
  }
});

test("an anchor that never came about is left out; the tree goes on from the one that the contract has", () => {
  const store = memory();
  const one = next(store, NONE, 1);
  next(store, one.root, 2);
  const other = next(store, one.root, 3);
  const whole = new MerkleTree(engine);
  for (const i of [1, 3]) whole.append(leaf(i));
  assert.equal(other.root, whole.root());
});

test("a store that does not keep it has nothing sent, and a read that goes wrong ends no tree", () => {
  const store = memory();
  const one = next(store, NONE, 1);
  let reads = 0;
  const flaky = { ...store, read: (key: string) => (++reads < 3 ? undefined : store.read(key)) };
  assert.equal(next(flaky, one.root, 2).size, 2);
  const lost = { ...store, write: () => undefined };
  assert.is((nextTree(engine, lost, CONTRACT, one.root, leaf(9)) as Rejection).code, "tree-not-stored");
});

test("from a root that is not kept, of another contract, or out of broken bytes nothing goes on", () => {
  const store = memory();
  const one = next(store, NONE, 1);
  const code = (contract: Uint8Array, anchored: Uint8Array): string => {
    const tree = nextTree(engine, store, contract, anchored, leaf(9));
    return tree instanceof Rejection ? tree.code : "taken";
  };
  assert.is(code(CONTRACT, leaf(8)), "tree-foreign");
  assert.is(code(new Uint8Array(20).fill(8), one.root), "tree-foreign");
  const [[key, bytes]] = [...store.values] as [[string, Uint8Array]];
  for (let length = 0; length < bytes.length; length += 1) {
    store.values.set(key, bytes.slice(0, length));
    assert.is(code(CONTRACT, one.root), "tree-foreign", `${length} bytes`);
  }
});

test.run();
