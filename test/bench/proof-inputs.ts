// What the benchmark of proofs works on: a storage trie of which seven branches are full on the way to one slot, the same each time.

import { RLP } from "@ethereumjs/rlp";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { DeepTrie } from "./deep-trie.js";
import type { ProofInputs } from "./proof-case.js";

export function proofInputs(): ProofInputs {
  const slot = new Uint8Array(32).fill(3);
  const key = keccak_256(slot);
  const trie = new DeepTrie([[key, RLP.encode(keccak_256(Uint8Array.of(1)))]]);
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
  return { root: hex(trie.root), slot: hex(slot), nodes: trie.proof(key).map(hex) };
}
