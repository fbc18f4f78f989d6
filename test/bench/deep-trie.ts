// A Merkle-Patricia trie as large as a busy chain's: on the way to each of a few known keys seven branches that are full, whose other
// children are hashes that nothing is known of. So a proof is as long as one out of some hundred million entries, and is made at once.

import { RLP } from "@ethereumjs/rlp";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { keccak256Of } from "../chains/keccak.js";

/** Full branches before each leaf. */
const BRANCHES = 7;
const DIGITS = 16;
const OTHERS = Array.from({ length: BRANCHES }, (_, depth) =>
  Array.from({ length: DIGITS }, (_, i) => keccak_256(Uint8Array.of(depth, i))),
);

interface Branch {
  encoding: Uint8Array;
  readonly below: Map<number, Branch | Uint8Array>;
}

export class DeepTrie {
  readonly root: Uint8Array;
  readonly #top: Branch = { encoding: new Uint8Array(0), below: new Map() };

  /** @param entries keys as the trie has them, 32 bytes, which differ in their first digits; one with an empty value is proven absent */
  constructor(entries: Iterable<readonly [key: Uint8Array, value: Uint8Array]>) {
    for (const [key, value] of entries) this.#put(digitsOf(key), value);
    this.root = encode(this.#top, 0);
  }

  /** The nodes from the root to a known key: eight. None for a key that is not known, of which nothing can be proven. */
  proof(key: Uint8Array): Uint8Array[] {
    const nodes: Uint8Array[] = [];
    let at: Branch | Uint8Array | undefined = this.#top;
    for (const digit of digitsOf(key)) {
      if (at === undefined || at instanceof Uint8Array) break;
      nodes.push(at.encoding);
      at = at.below.get(digit);
    }
    return at instanceof Uint8Array ? [...nodes, at] : [];
  }

  #put(digits: readonly number[], value: Uint8Array): void {
    let branch = this.#top;
    for (const digit of digits.slice(0, BRANCHES - 1)) {
      const next = branch.below.get(digit) ?? { encoding: new Uint8Array(0), below: new Map() };
      branch.below.set(digit, next);
      branch = next as Branch;
    }
    const last = digits[BRANCHES - 1] as number;
    if (branch.below.has(last)) throw new Error("two keys with the same first digits");
    branch.below.set(last, leaf(digits.slice(BRANCHES), value));
  }
}

/** Encodes what is below, and answers the branch's own hash. */
function encode(branch: Branch, depth: number): Uint8Array {
  const children = (OTHERS[depth] as readonly Uint8Array[]).map((other, digit) => {
    const below = branch.below.get(digit);
    if (below === undefined) return other;
    return below instanceof Uint8Array ? keccak256Of(below) : encode(below, depth + 1);
  });
  branch.encoding = RLP.encode([...children, new Uint8Array(0)]);
  return keccak256Of(branch.encoding);
}

/** The leaf of these digits; where there is no value another's, which shows that there is none. */
function leaf(digits: readonly number[], value: Uint8Array): Uint8Array {
  const own = value.length > 0 ? digits : [...digits.slice(0, -1), ((digits[digits.length - 1] as number) + 1) % DIGITS];
  // An odd number of digits: the first shares a byte with the flags of a leaf.
  const path = Uint8Array.from({ length: (own.length + 1) / 2 }, (_, i) =>
    i === 0 ? 0x30 + (own[0] as number) : DIGITS * (own[2 * i - 1] as number) + (own[2 * i] as number),
  );
  return RLP.encode([path, value.length > 0 ? value : RLP.encode(1)]);
}

function digitsOf(key: Uint8Array): number[] {
  return [...key].flatMap((byte) => [byte >> 4, byte & 15]);
}
