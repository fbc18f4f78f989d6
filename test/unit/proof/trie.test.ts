// Merkle-Patricia proofs: against @ethereumjs/mpt, the forms that a node may not have, and whatever else comes.

import { RLP } from "@ethereumjs/rlp";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { nobleEngine } from "../../../firmware/crypto/engine-noble.js";
import { STATE_NODE_BYTES_MAX, TRIE_NODES_MAX, TrieWalk } from "../../../firmware/proof/trie.js";
import { Rejection } from "../../../firmware/rejection.js";
import { Trie } from "../../../tools/ethereum/trie.js";
import { checkTries, prove } from "./tries.js";

const FULL = process.env.FULL === "1";
const TRIES = FULL ? 100 : 25;
const { keccak256 } = nobleEngine;
const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"));
const EMPTY = new Uint8Array(0);
const KEY = hex("a711355f");
const codeOf = (value: unknown): string => (value instanceof Rejection ? value.code : "accepted");

/** What comes of nodes as they are, whose first is the root. */
function codeOfNodes(nodes: readonly Uint8Array[], key = KEY): string {
  return codeOf(prove(keccak256(nodes[0] as Uint8Array), key, nodes));
}

test(`${TRIES} tries of 1 to 2,000 entries: presence and absence are proven, and no proof with one thing changed`, () =>
  checkTries(20_000, TRIES));

test("keys that begin with one another, embedded nodes, values in branches", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.uint8Array({ minLength: 1, maxLength: 4 }), { selector: String, minLength: 1, maxLength: 40 }),
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 34 }), { minLength: 1, maxLength: 4 }),
      fc.uint8Array({ minLength: 1, maxLength: 5 }),
      (keys, values, asked) => {
        const entries = keys.map((key, i) => [key, values[i % values.length] as Uint8Array] as const);
        const trie = new Trie(entries);
        for (const key of [...keys, asked]) {
          const expected = entries.find(([known]) => Buffer.compare(known, key) === 0)?.[1];
          const proof = trie.proof(key);
          const shown = prove(trie.root, key, proof);
          assert.not.instance(shown, Rejection);
          assert.equal(shown, expected === undefined ? undefined : Uint8Array.from(expected));
          // Each is needed, and in its place.
          for (let i = 0; i < proof.length; i += 1)
            assert.instance(
              prove(
                trie.root,
                key,
                proof.filter((_, k) => k !== i),
              ),
              Rejection,
            );
        }
      },
    ),
    { numRuns: FULL ? 300 : 100 },
  );
});

test("an empty trie shows that nothing is there, with its root node or without; nothing else fits it", () => {
  const root = keccak256(hex("80"));
  assert.is(codeOf(prove(root, KEY, [])), "accepted");
  assert.is(codeOf(prove(root, KEY, [hex("80")])), "accepted");
  assert.is(codeOf(prove(root, KEY, [hex("80"), hex("80")])), "trie-node-surplus");
  assert.is(codeOf(prove(root, KEY, [hex("c0")])), "trie-node-surplus");
});

test("what is refused changes nothing: the right node still comes next, and the walk ends once", () => {
  const trie = new Trie(Array.from({ length: 200 }, (_, i) => [keccak256(Uint8Array.of(i)), Uint8Array.of(i + 1)] as const));
  const key = keccak256(Uint8Array.of(7));
  const proof = trie.proof(key);
  const walk = new TrieWalk(nobleEngine, trie.root, key);
  for (const node of proof) {
    assert.is(codeOf(walk.feed(hex("c0"))), walk.nodes === 0 ? "trie-hash-wrong" : "trie-node-size");
    assert.is(codeOf(walk.feed(node.slice(1))), "trie-hash-wrong");
    assert.not(walk.done);
    assert.is(walk.feed(node), undefined);
  }
  assert.ok(walk.done);
  assert.equal(walk.value, Uint8Array.of(8));
  assert.is(codeOf(walk.feed(proof[0] as Uint8Array)), "trie-node-surplus");
  assert.equal(walk.value, Uint8Array.of(8));
});

test("a node that its hash vouches for and that is none is refused, whatever is wrong with it", () => {
  const value = new Uint8Array(40).fill(7);
  const branch = (digit: number, item: Uint8Array | Uint8Array[]): Uint8Array =>
    RLP.encode(Array.from({ length: 17 }, (_, i) => (i === digit ? item : EMPTY)));
  const below = RLP.encode([hex("20711355"), value]);
  const wrong: Record<string, Uint8Array[]> = {
    "no list": [RLP.encode(value)],
    "an empty list": [hex("c0")],
    "one item": [RLP.encode([value])],
    "three items": [RLP.encode([hex("20"), value, value])],
    "16 items": [RLP.encode(Array.from({ length: 16 }, () => EMPTY))],
    "18 items": [RLP.encode(Array.from({ length: 18 }, () => EMPTY))],
    "bytes after it": [Buffer.concat([RLP.encode([hex("20a711355f"), value]), hex("00")])],
    "a path that is a list": [RLP.encode([[], value])],
    "a path of nothing": [RLP.encode([EMPTY, value])],
    "flags that are none": [RLP.encode([hex("40a711355f"), value])],
    "a digit in the flags of an even path": [RLP.encode([hex("21a711355f"), value])],
    "an extension by nothing": [RLP.encode([hex("00"), keccak256(below)])],
    "an extension that leads nowhere": [RLP.encode([hex("1a"), EMPTY])],
    "an extension to a short reference": [RLP.encode([hex("1a"), hex("aabb")])],
    "an extension to a leaf": [RLP.encode([hex("1a"), keccak256(below)]), below],
    "a leaf without a value": [RLP.encode([hex("20a711355f"), EMPTY])],
    "a leaf with a list": [RLP.encode([hex("20a711355f"), [value]])],
    "a leaf aside without a value": [RLP.encode([hex("20b711355f"), EMPTY])],
    "a branch with a short reference": [branch(10, hex("aabb"))],
    "a branch with a long reference": [branch(10, value)],
    "a branch with an embedded node that is none": [branch(10, [hex("20")])],
    "a branch with an embedded node of 32 bytes": [branch(10, [hex("20711355"), value.subarray(0, 28)])],
    "a branch whose last item is cut off": [hex(`d6${"80".repeat(16)}a0aabbccddee`)],
    "a length that is not the shortest": [Buffer.concat([hex("f838"), RLP.encode([hex("20a711355f"), value]).subarray(1)])],
  };
  for (const [name, nodes] of Object.entries(wrong)) assert.is(codeOfNodes(nodes), "trie-node-malformed", name);
  // The same where nothing is wrong.
  assert.is(codeOfNodes([RLP.encode([hex("20a711355f"), value])]), "accepted");
  assert.is(
    codeOfNodes([branch(10, keccak256(RLP.encode([hex("3711355f"), value]))), RLP.encode([hex("3711355f"), value])]),
    "accepted",
  );
});

test("a node that is longer than it may be is not hashed", () => {
  let hashed = 0;
  const counting = {
    ...nobleEngine,
    keccak256(...parts: Uint8Array[]) {
      hashed += 1;
      return keccak256(...parts);
    },
  };
  const walk = new TrieWalk(counting, keccak256(KEY), KEY);
  assert.is(codeOf(walk.feed(new Uint8Array(STATE_NODE_BYTES_MAX + 1))), "trie-node-size");
  assert.is(hashed, 0);
  assert.is(codeOf(walk.feed(new Uint8Array(STATE_NODE_BYTES_MAX))), "trie-hash-wrong");
});

test("the longest path takes a node for each digit of the key, and no more", () => {
  // Each key leaves the first one digit later: a branch at every digit.
  const key = new Uint8Array(32);
  const others = Array.from({ length: 64 }, (_, i) => {
    const other = key.slice();
    other[i >> 1] = (i & 1) === 0 ? 0x10 : 0x01;
    return [other, hex("aa".repeat(40))] as const;
  });
  const trie = new Trie([[key, hex("bb".repeat(40))], ...others]);
  const proof = trie.proof(key);
  assert.is(proof.length, TRIE_NODES_MAX);
  assert.equal(prove(trie.root, key, proof), hex("bb".repeat(40)));
});

test("whatever comes is refused or taken, and nothing throws", () => {
  const items = fc.letrec<{ item: Uint8Array | unknown[] }>((tie) => ({
    item: fc.oneof(
      { maxDepth: 3 },
      fc.uint8Array({ maxLength: 40 }),
      fc.constantFrom(...[EMPTY, hex("20"), hex("3a"), hex("00"), hex("1a"), hex("1a711355"), new Uint8Array(32)]),
      fc.array(tie("item"), { maxLength: 3 }),
      fc.array(tie("item"), { minLength: 17, maxLength: 17 }),
    ),
  })).item;
  const node = fc.oneof(
    fc.uint8Array({ maxLength: 600 }),
    items.map((item) => RLP.encode(item as Uint8Array)),
  );
  fc.assert(
    fc.property(fc.array(node, { minLength: 1, maxLength: 4 }), fc.uint8Array({ minLength: 1, maxLength: 32 }), (nodes, key) => {
      // Each node is vouched for: so the parser is reached, not the hash alone.
      for (const first of nodes) {
        const walk = new TrieWalk(nobleEngine, keccak256(first), key);
        for (const next of [first, ...nodes]) walk.feed(next);
        assert.ok(walk.nodes <= TRIE_NODES_MAX);
      }
    }),
    { numRuns: FULL ? 2_000 : 500 },
  );
});

test.run();
