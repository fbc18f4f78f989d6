// A Merkle-Patricia trie out of all its entries (Yellow Paper, appendix D): its root, and the nodes that prove a key or its absence. For
// the two tries of a block, which no node gives proofs from.
//
// Promises: the nodes of a proof are those from the root on that the key leads through, none of those that are embedded in another.
// Never: changes; it is made whole, and in memory.

import { type NestedUint8Array, RLP } from "@ethereumjs/rlp";
import { compare } from "../../firmware/bytes.js";
import { engine } from "../crypto/engine.js";

type Item = Uint8Array | NestedUint8Array;

interface Node {
  readonly encoding: Uint8Array;
  /** Digits of a key before `below`: of a leaf or an extension its own, of a branch none. */
  readonly path: readonly number[];
  /** What a key leads to by its next digit; of an extension, by none. */
  readonly below: Node | ReadonlyMap<number, Node> | undefined;
}

interface Entry {
  readonly digits: readonly number[];
  readonly value: Uint8Array;
}

const HASH_BYTES = 32;
const DIGITS = 16;
const NOTHING = new Uint8Array(0);

export class Trie {
  /** keccak256 of the root node, 32 bytes. */
  readonly root: Uint8Array;
  readonly #top: Node | undefined;

  /** @param entries keys as the trie has them, each once, none empty; a value that is empty is no entry */
  constructor(entries: Iterable<readonly [key: Uint8Array, value: Uint8Array]>) {
    const sorted = [...entries].filter(([, value]) => value.length > 0).sort(([a], [b]) => compare(a, b));
    const found = sorted.map(([key, value]) => ({ digits: digitsOf(key), value }));
    this.#top = found.length === 0 ? undefined : nodeOf(found, 0);
    this.root = engine.keccak256(this.#top?.encoding ?? RLP.encode(NOTHING));
  }

  /** The nodes from the root to the value of `key`, or to where it would be. None for a trie without entries. */
  proof(key: Uint8Array): Uint8Array[] {
    const nodes: Uint8Array[] = [];
    const digits = digitsOf(key);
    let at = 0;
    let node = this.#top;
    while (node !== undefined) {
      const { encoding, path, below } = node;
      if (nodes.length === 0 || encoding.length >= HASH_BYTES) nodes.push(encoding);
      const from = at;
      if (path.some((digit, i) => digits[from + i] !== digit)) break;
      at += path.length;
      node = below instanceof Map ? below.get(digits[at] ?? DIGITS) : (below as Node | undefined);
      if (below instanceof Map) at += 1;
    }
    return nodes;
  }
}

/** The node for `entries`, one at least, all alike in their first `at` digits. */
function nodeOf(entries: readonly Entry[], at: number): Node {
  const first = entries[0] as Entry;
  if (entries.length === 1) {
    const path = first.digits.slice(at);
    return { encoding: RLP.encode([hexPrefix(path, true), first.value]), path, below: undefined };
  }
  const last = entries[entries.length - 1] as Entry;
  let shared = at;
  while (shared < first.digits.length && first.digits[shared] === last.digits[shared]) shared += 1;
  if (shared > at) {
    const path = first.digits.slice(at, shared);
    const below = nodeOf(entries, shared);
    return { encoding: RLP.encode([hexPrefix(path, false), referenceTo(below)]), path, below };
  }
  const below = new Map<number, Node>();
  const items: Item[] = [];
  for (let digit = 0; digit < DIGITS; digit += 1) {
    const some = entries.filter(({ digits }) => digits[at] === digit);
    if (some.length > 0) below.set(digit, nodeOf(some, at + 1));
    items.push(referenceTo(below.get(digit)));
  }
  // Sorted, the key that ends here comes first.
  items.push(first.digits.length === at ? first.value : NOTHING);
  return { encoding: RLP.encode(items), path: [], below };
}

/** What stands in a parent: the node itself where it is shorter than a hash. */
function referenceTo(node: Node | undefined): Item {
  if (node === undefined) return NOTHING;
  return node.encoding.length < HASH_BYTES ? RLP.decode(node.encoding) : engine.keccak256(node.encoding);
}

/** Yellow Paper, appendix C. */
function hexPrefix(path: readonly number[], isLeaf: boolean): Uint8Array {
  const odd = path.length % 2;
  const digits = [(isLeaf ? 2 : 0) + odd, ...(odd === 1 ? [] : [0]), ...path];
  return Uint8Array.from({ length: digits.length / 2 }, (_, i) => 16 * (digits[2 * i] as number) + (digits[2 * i + 1] as number));
}

function digitsOf(key: Uint8Array): number[] {
  return [...key].flatMap((byte) => [byte >> 4, byte & 15]);
}
