// Inclusion of a transaction in a Bitcoin block: plain Merkle branches, and partial Merkle trees as `gettxoutproof` gives
// them (BIP 37 `merkleblock`; bitcoin/bitcoin `src/merkleblock.cpp`, `src/consensus/merkle.cpp`).
//
// Promises: work and memory are bounded by what arrived; nothing in it is left over; what is answered leads to the Merkle root.
// Never judges the block: its hash must be one that a consensus verified. Known attacks are refused: a right child that equals
// its left one (CVE-2012-2459), a 64-byte transaction, which could be an inner node (CVE-2017-12842), and a tree that is
// deeper than the block's, which only the coinbase's own branch gives away: `proveTransaction` asks for it.
//
// Hashes are in the order in which they are hashed, the reverse of how they are shown. Codes: proof-malformed,
// proof-duplicate, proof-root-wrong, proof-position-wrong, proof-depth-wrong, transaction-64-bytes, coinbase-malformed.

import { equal } from "../bytes.js";
import type { CryptoEngine } from "../crypto/engine.js";
import { Rejection } from "../rejection.js";

const HASH_BYTES = 32;
const HEADER_BYTES = 80;
const MERKLE_ROOT_AT = 36;
/** 4,000,000 weight units of a block over the 240 of the smallest transaction. */
export const TRANSACTIONS_MAX = 16_666;
/** ⌈log2 of the most transactions⌉. */
export const DEPTH_MAX = 15;
/** As long as two hashes: such a transaction could be an inner node. */
const INNER_NODE_BYTES = 64;
const COINBASE_BYTES_MIN = 60;

/** Where a transaction is in a block, and the hashes beside the way up from it. */
export interface MerkleBranch {
  /** From 0. */
  readonly position: number;
  /** Bottom up, 32 bytes each. */
  readonly siblings: readonly Uint8Array[];
}

/** What a partial Merkle tree shows; it leads to the Merkle root of `header`. */
export interface MerkleBlock {
  /** 80 bytes, a view. */
  readonly header: Uint8Array;
  readonly blockHash: Uint8Array;
  /** As the proof claims it: it is bound to the block only through the coinbase (`proveTransactions`). */
  readonly transactions: number;
  readonly depth: number;
  /** Ascending by position. */
  readonly matches: readonly { readonly position: number; readonly txid: Uint8Array }[];
}

/** The root that `branch` leads to from `txid`. */
export function rootOfBranch(engine: CryptoEngine, txid: Uint8Array, branch: MerkleBranch): Uint8Array | Rejection {
  const { siblings } = branch;
  let { position } = branch;
  if (siblings.length > DEPTH_MAX) return malformed(`${siblings.length} levels, ${DEPTH_MAX} at most`);
  if (!Number.isInteger(position) || position < 0 || position >= 2 ** siblings.length)
    return new Rejection("proof-position-wrong", `position ${position} in a tree of ${siblings.length} levels`);
  let hash = txid;
  for (const sibling of siblings) {
    if (sibling.length !== HASH_BYTES) return malformed(`a hash of ${sibling.length} bytes`);
    const right = position % 2 === 1;
    if (right && equal(sibling, hash)) return duplicate();
    hash = right ? doubleSha256(engine, sibling, hash) : doubleSha256(engine, hash, sibling);
    position = (position - (right ? 1 : 0)) / 2;
  }
  return hash;
}

/**
 * Whether a block with this Merkle root holds `transaction` at the branch's position.
 * @param transaction its serialisation without witnesses, which is what its id is the hash of
 * @param coinbase the block's first transaction likewise, and its branch: it fixes the depth of the tree
 * @returns the transaction's id
 */
export function proveTransaction(
  engine: CryptoEngine,
  merkleRoot: Uint8Array,
  transaction: { readonly raw: Uint8Array; readonly branch: MerkleBranch },
  coinbase: { readonly raw: Uint8Array; readonly branch: MerkleBranch },
): Uint8Array | Rejection {
  const fault = transactionFault(transaction.raw) ?? coinbaseFault(coinbase.raw);
  if (fault !== undefined) return fault;
  if (coinbase.branch.position !== 0)
    return new Rejection("proof-position-wrong", `the coinbase at position ${coinbase.branch.position}`);
  if (coinbase.branch.siblings.length !== transaction.branch.siblings.length)
    return new Rejection("proof-depth-wrong", "the coinbase and the transaction are not at the same depth");
  for (const { raw, branch } of [coinbase, transaction]) {
    const root = rootOfBranch(engine, doubleSha256(engine, raw), branch);
    if (root instanceof Rejection) return root;
    if (!equal(root, merkleRoot)) return new Rejection("proof-root-wrong", "the branch does not lead to the block's Merkle root");
  }
  return doubleSha256(engine, transaction.raw);
}

/**
 * The same by a partial Merkle tree, of which the coinbase must be the first match.
 * @param blockHash of a verified header, 32 bytes
 * @param raws all transactions that the proof matches, in its order, without witnesses, the coinbase first
 */
export function proveTransactions(
  engine: CryptoEngine,
  blockHash: Uint8Array,
  proof: Uint8Array,
  raws: readonly Uint8Array[],
): MerkleBlock | Rejection {
  const block = readMerkleBlock(engine, proof);
  if (block instanceof Rejection) return block;
  if (!equal(block.blockHash, blockHash)) return new Rejection("proof-root-wrong", "a proof of another block");
  const { matches } = block;
  if (matches.length !== raws.length || matches[0]?.position !== 0)
    return new Rejection("proof-position-wrong", `${matches.length} matches for ${raws.length} transactions, the coinbase first`);
  for (let i = 0; i < raws.length; i += 1) {
    const raw = raws[i] as Uint8Array;
    const fault = i === 0 ? coinbaseFault(raw) : transactionFault(raw);
    if (fault !== undefined) return fault;
    if (!equal(doubleSha256(engine, raw), (matches[i] as { txid: Uint8Array }).txid))
      return new Rejection("proof-position-wrong", `transaction ${i} is not the one that is matched`);
  }
  return block;
}

/** Reads a serialised CMerkleBlock: header, number of transactions, hashes, flags, and nothing after them. */
export function readMerkleBlock(engine: CryptoEngine, proof: Uint8Array): MerkleBlock | Rejection {
  try {
    return parse(engine, proof);
  } catch (error) {
    if (error instanceof Rejection) return error;
    throw error;
  }
}

function parse(engine: CryptoEngine, proof: Uint8Array): MerkleBlock {
  const reader = new Reader(proof);
  const header = reader.take(HEADER_BYTES);
  const transactions = reader.uint(4);
  if (transactions === 0 || transactions > TRANSACTIONS_MAX) throw malformed(`a block of ${transactions} transactions`);
  const hashCount = reader.compactSize();
  if (hashCount > transactions) throw malformed(`${hashCount} hashes for ${transactions} transactions`);
  const hashes = reader.take(hashCount * HASH_BYTES);
  const flags = reader.take(reader.compactSize());
  if (!reader.atEnd) throw malformed("bytes after the flags");
  if (flags.length * 8 < hashCount) throw malformed("fewer flags than hashes");
  let depth = 0;
  while (widthAt(transactions, depth) > 1) depth += 1;
  const tree = new PartialTree(engine, transactions, hashes, flags);
  const root = tree.walk(depth, 0);
  tree.finish();
  if (!equal(root, header.subarray(MERKLE_ROOT_AT, MERKLE_ROOT_AT + HASH_BYTES)))
    throw new Rejection("proof-root-wrong", "the tree does not lead to the header's Merkle root");
  return { header, blockHash: doubleSha256(engine, header), transactions, depth, matches: tree.matches };
}

/** How many nodes are `height` levels above the transactions. */
function widthAt(transactions: number, height: number): number {
  return Math.ceil(transactions / 2 ** height);
}

/** The traversal of BIP 37, "Parsing a partial merkle tree object": depth first, a flag for each node that is met. */
class PartialTree {
  readonly matches: { position: number; txid: Uint8Array }[] = [];
  readonly #engine: CryptoEngine;
  readonly #transactions: number;
  readonly #hashes: Uint8Array;
  readonly #flags: Uint8Array;
  #hashAt = 0;
  #flagAt = 0;

  constructor(engine: CryptoEngine, transactions: number, hashes: Uint8Array, flags: Uint8Array) {
    this.#engine = engine;
    this.#transactions = transactions;
    this.#hashes = hashes;
    this.#flags = flags;
  }

  /** The hash of the node; no deeper than the tree, no more nodes than flags. */
  walk(height: number, position: number): Uint8Array {
    const matched = this.flag();
    if (height === 0 || !matched) {
      const hash = this.hash();
      if (height === 0 && matched) this.matches.push({ position, txid: hash });
      return hash;
    }
    const left = this.walk(height - 1, position * 2);
    if (position * 2 + 1 >= widthAt(this.#transactions, height - 1)) return doubleSha256(this.#engine, left, left);
    const right = this.walk(height - 1, position * 2 + 1);
    if (equal(left, right)) throw duplicate();
    return doubleSha256(this.#engine, left, right);
  }

  /** All hashes and flag bytes were used, and the bits that fill the last byte are zero. */
  finish(): void {
    if (this.#hashAt !== this.#hashes.length) throw malformed("hashes that no node asks for");
    if ((this.#flagAt + 7) >> 3 !== this.#flags.length) throw malformed("flag bytes that no node asks for");
    while ((this.#flagAt & 7) !== 0) if (this.flag()) throw malformed("a flag beyond the last node");
  }

  private flag(): boolean {
    const byte = this.#flags[this.#flagAt >> 3];
    if (byte === undefined) throw malformed("too few flags");
    const set = (byte >> (this.#flagAt & 7)) & 1;
    this.#flagAt += 1;
    return set === 1;
  }

  private hash(): Uint8Array {
    if (this.#hashAt === this.#hashes.length) throw malformed("too few hashes");
    this.#hashAt += HASH_BYTES;
    return this.#hashes.subarray(this.#hashAt - HASH_BYTES, this.#hashAt);
  }
}

class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  take(length: number): Uint8Array {
    if (length > this.#bytes.length - this.#at) throw malformed(`ends within ${length} bytes at ${this.#at}`);
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  /** Little-endian, 4 bytes at most. */
  uint(length: number): number {
    let value = 0;
    const bytes = this.take(length);
    for (let i = length - 1; i >= 0; i -= 1) value = value * 256 + (bytes[i] as number);
    return value;
  }

  /** CompactSize in its shortest form, below 2^32: nothing here is as long as that. */
  compactSize(): number {
    const first = this.uint(1);
    if (first < 0xfd) return first;
    if (first === 0xff) throw malformed("a count of 64 bits");
    const value = this.uint(first === 0xfd ? 2 : 4);
    if (value < (first === 0xfd ? 0xfd : 0x10000)) throw malformed("a count that is not in its shortest form");
    return value;
  }
}

function transactionFault(raw: Uint8Array): Rejection | undefined {
  return raw.length === INNER_NODE_BYTES
    ? new Rejection("transaction-64-bytes", "it could be an inner node of the tree")
    : undefined;
}

/**
 * One input that spends nothing. Its first 41 bytes are fixed but for the version, so that nobody finds two hashes that
 * look like it: what hashes to a leaf here is no inner node.
 */
function coinbaseFault(raw: Uint8Array): Rejection | undefined {
  let fits = raw.length >= COINBASE_BYTES_MIN && raw.length !== INNER_NODE_BYTES && raw[4] === 1;
  for (let i = 5; i < 41 && fits; i += 1) fits = raw[i] === (i < 37 ? 0 : 0xff);
  return fits ? undefined : new Rejection("coinbase-malformed", "the first transaction is no coinbase without witnesses");
}

function doubleSha256(engine: CryptoEngine, ...parts: readonly Uint8Array[]): Uint8Array {
  return engine.sha256(engine.sha256(...parts));
}

function duplicate(): Rejection {
  return new Rejection("proof-duplicate", "a right child equals its left one");
}

function malformed(reason: string): Rejection {
  return new Rejection("proof-malformed", reason);
}
