// Tries of all sizes by @ethereumjs/mpt, and what the firmware's verifier makes of their proofs: of whole ones, and of such as have been
// tampered with.

import { createMerkleProof, createMPT, type MerklePatriciaTrie, verifyMerkleProof } from "@ethereumjs/mpt";
import * as assert from "uvu/assert";
import { proveKey, TrieWalk } from "../../../firmware/proof/trie.js";
import { Rejection } from "../../../firmware/rejection.js";
import { Prng } from "../../../host-sim/world/prng.js";
import { fastEngine } from "../../../tools/crypto/engine-fast.js";
import { Trie } from "../../../tools/ethereum/trie.js";

const ENTRIES_MAX = 2_000;
const HASH_BYTES = 32;
/** Keys of each trie that are proven: some that are there, some that are not. */
const PROVEN = 3;
/** The library's own trie, with a quicker Keccak, which agrees with that of @noble/hashes (test/unit/crypto/engines-agree.test.ts). */
const HASHED = { useKeyHashing: true, useKeyHashingFunction: (message: Uint8Array) => fastEngine.keccak256(message) };
/** As long as any that is made here. */
const NODE_BYTES_MAX = 1_024;

function numbers(seed: number): (below: number) => number {
  const prng = new Prng(seed);
  return (below) => prng.below(below);
}

function bytes(random: (below: number) => number, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => random(256));
}

function isSame(a: Uint8Array | undefined | null, b: Uint8Array | undefined | null): boolean {
  return a == null || b == null ? (a ?? null) === (b ?? null) : Buffer.compare(a, b) === 0;
}

/** What the library shows of a key: the nodes that are nobody's part. */
async function proofOf(trie: MerklePatriciaTrie, key: Uint8Array): Promise<Uint8Array[]> {
  const nodes = await createMerkleProof(trie, key);
  return nodes.filter((node, i) => i === 0 || node.length >= HASH_BYTES);
}

export function prove(root: Uint8Array, key: Uint8Array, proof: readonly Uint8Array[]): Uint8Array | undefined | Rejection {
  const shown = proveKey(new TrieWalk(fastEngine, root, key, NODE_BYTES_MAX), proof);
  return shown instanceof Rejection ? shown : shown.value;
}

/** Trie number `seed`: all its proofs that are looked at hold, and none that was tampered with. Answers how many were refused. */
async function checkTrie(seed: number): Promise<number> {
  const random = numbers(seed);
  // As many small ones as large ones.
  const count = Math.max(1, Math.floor(ENTRIES_MAX ** (random(1_001) / 1_000)));
  const width = [4, 20, 32][random(3)] as number;
  const trie = await createMPT(HASHED);
  const entries = new Map<string, readonly [Uint8Array, Uint8Array]>();
  for (let i = 0; i < count; i += 1) {
    const key = bytes(random, width);
    const value = bytes(random, 1 + random(random(8) === 0 ? 120 : 33));
    entries.set(Buffer.from(key).toString("hex"), [key, value]);
    await trie.put(key, value);
  }
  const root = trie.root();
  const ours = new Trie([...entries.values()].map(([key, value]) => [fastEngine.keccak256(key), value]));
  assert.ok(isSame(ours.root, root), `trie ${seed}: another root`);
  const another = await createMPT(HASHED);
  for (const [key, value] of entries.values()) {
    await another.put(key, value);
    if (random(40) === 0) break;
  }
  await another.put(bytes(random, width), bytes(random, 40));
  const known = [...entries.values()];
  let refused = 0;
  for (let i = 0; i < PROVEN; i += 1) {
    const [there, value] = known[random(known.length)] as (typeof known)[number];
    const absent = bytes(random, width);
    const isThere = entries.get(Buffer.from(absent).toString("hex"));
    refused += await checkKey(`trie ${seed}`, { trie, ours, another, root, random }, there, value);
    refused += await checkKey(`trie ${seed}`, { trie, ours, another, root, random }, absent, isThere?.[1]);
  }
  return refused;
}

/** As many tries from the first on. */
export async function checkTries(first: number, count: number): Promise<void> {
  let refused = 0;
  for (let seed = first; seed < first + count; seed += 1) refused += await checkTrie(seed);
  assert.ok(refused > count);
}

interface Made {
  readonly trie: MerklePatriciaTrie;
  readonly ours: Trie;
  readonly another: MerklePatriciaTrie;
  readonly root: Uint8Array;
  readonly random: (below: number) => number;
}

async function checkKey(name: string, made: Made, key: Uint8Array, value: Uint8Array | undefined): Promise<number> {
  const { trie, ours, another, root, random } = made;
  const path = fastEngine.keccak256(key);
  const proof = await proofOf(trie, key);
  const judged = await verifyMerkleProof(key, proof, HASHED);
  assert.ok(isSame(judged, value), `${name}: the library's own verifier says something else`);
  const shown = prove(root, path, proof);
  assert.not.instance(shown, Rejection, `${name}: ${String(shown)}`);
  assert.ok(isSame(shown as Uint8Array | undefined, value), `${name}: another value is proven`);
  assert.equal(ours.proof(path), proof, `${name}: the nodes of the proof`);
  const foreign = await proofOf(another, key);
  const tampered = tamper(proof, foreign, random);
  for (const [how, nodes] of tampered) assert.instance(prove(root, path, nodes), Rejection, `${name}: ${how} is accepted`);
  return tampered.length;
}

/** Proofs that differ from `proof` in one thing. */
function tamper(
  proof: readonly Uint8Array[],
  foreign: readonly Uint8Array[],
  random: (below: number) => number,
): (readonly [string, readonly Uint8Array[]])[] {
  const at = random(proof.length);
  const node = proof[at] as Uint8Array;
  const bent = node.slice();
  const byte = random(bent.length);
  bent[byte] = (bent[byte] as number) ^ (1 + random(255));
  const without = proof.filter((_, i) => i !== at);
  const found: (readonly [string, readonly Uint8Array[]])[] = [
    [`byte ${byte} of node ${at} changed`, proof.map((same, i) => (i === at ? bent : same))],
    [`node ${at} dropped`, without],
    [`node ${at} doubled`, [...proof.slice(0, at + 1), ...proof.slice(at)]],
    ["a node after the end", [...proof, node]],
    [`node ${at} a byte shorter`, proof.map((same, i) => (i === at ? node.subarray(0, -1) : same))],
    ["another trie's proof", foreign],
    [
      "one node of another trie",
      proof.map((same, i) => (i === at ? (foreign[Math.min(at, foreign.length - 1)] as Uint8Array) : same)),
    ],
  ];
  if (proof.length > 1) {
    const other = (at + 1) % proof.length;
    found.push([
      `nodes ${at} and ${other} swapped`,
      proof.map((same, i) => (i === at ? (proof[other] as Uint8Array) : i === other ? node : same)),
    ]);
  }
  return found.filter(([, nodes]) => nodes.length !== proof.length || nodes.some((other, i) => !isSame(other, proof[i])));
}
