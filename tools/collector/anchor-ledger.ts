// Where a collector's roots stand on a chain: what anchoring.ts needs to know of it. Types only.

import type { MerkleTree } from "../merkle/tree.js";
import type { Shown } from "../verify/anchored.js";

/** An anchor as the chain has it. */
export interface Standing {
  readonly size: number;
  readonly block: number;
  readonly timeS: number;
}

export interface NewestRoot {
  readonly size: number;
  readonly root: Uint8Array;
}

export interface Anchored {
  readonly block: number;
  readonly transaction: string;
}

export interface AnchorLedger {
  /** Names, with the account, whose tree it is: the contract's address, 20 bytes; zero where there is none. */
  readonly contract: Uint8Array;
  /** Number of the node's newest block, and how many blocks on an anchor is settled. */
  head(): Promise<{ readonly number: number; readonly settledDepth: number }>;
  /** The largest tree that the chain has, of those whose roots `tree` has at `sizes`, or of others; undefined where it has none. */
  newest(tree: MerkleTree, sizes: readonly number[], head: number): Promise<NewestRoot | undefined>;
  standing(size: number, root: Uint8Array): Promise<Standing | undefined>;
  /** Anchors the first `size` leaves, and answers once a block has it. */
  anchor(tree: MerkleTree, size: number): Promise<Anchored>;
  /** What a mote is sent beside a receipt of this root; undefined where it proves the anchor by the chain's state. */
  evidence(root: Uint8Array): Uint8Array | undefined;
  /** OpenTimestamps proof of a root that stands, where the chain is Bitcoin. */
  timestamp(root: Uint8Array): Uint8Array | undefined;
  /** What shows an anchor to others: by the state of the block `number`, or by its own block; undefined where the node has it no more. */
  proof(size: number, root: Uint8Array, number: number): Promise<Shown | undefined>;
}
