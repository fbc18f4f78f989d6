// What the benchmark of proofs works on: a storage trie of which seven branches are full on the way to one slot, the same each time.

import { RLP } from "@ethereumjs/rlp";
import { keccak_256 } from "@noble/hashes/sha3.js";
import type { ProofInputs } from "./proof-case.js";

const BRANCHES = 7;

export function proofInputs(): ProofInputs {
  const slot = new Uint8Array(32).fill(3);
  const digits = [...keccak_256(slot)].flatMap((byte) => [byte >> 4, byte & 15]);
  const rest = digits.slice(BRANCHES);
  // An odd number of digits is left: the first shares a byte with the flags of a leaf.
  const path = Uint8Array.from(
    { length: (rest.length + 1) / 2 },
    (_, i) => (i === 0 ? 0x30 : 16 * (rest[2 * i - 1] as number)) + (rest[2 * i] as number),
  );
  const nodes = [RLP.encode([path, RLP.encode(keccak_256(Uint8Array.of(1)))])];
  for (let depth = BRANCHES - 1; depth >= 0; depth -= 1) {
    const below = keccak_256(nodes[0] as Uint8Array);
    const children = Array.from({ length: 16 }, (_, i) => (i === digits[depth] ? below : keccak_256(Uint8Array.of(depth, i))));
    nodes.unshift(RLP.encode([...children, new Uint8Array(0)]));
  }
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
  return { root: hex(keccak_256(nodes[0] as Uint8Array)), slot: hex(slot), nodes: nodes.map(hex) };
}
