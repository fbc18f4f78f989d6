// Merkle-Patricia proofs (Yellow Paper, appendix D; appendix C for the hex prefix): from a root, by nodes that anybody may send, to
// the value that a key has, or to the place that shows that it has none.
//
// Promises: holds the hash of the next node and how far along the key it is, never a node and never the path: a proof can be as long as
// it likes, come in pieces and from several senders. A node counts only where its Keccak-256 is the one that its parent, or the root,
// names; one that is not asked for next (unused, repeated, from elsewhere, beyond the end) is refused, and changes nothing. Nodes
// shorter than 32 bytes are inside their parent and come with it. Work is bounded by what arrived: each node takes at least one of
// the key's digits.
// Never believes anything besides: not how many nodes somebody says there are, and not what somebody says they show.
//
// Codes: trie-node-size (longer than is taken, or so short that it is part of another), trie-hash-wrong (not the node that is next),
// trie-node-malformed (its hash holds, and it is no node: whoever made the root did not keep to the format), trie-node-surplus (after
// the end), trie-incomplete (`proveKey` alone: the nodes end before the key does).

import { copyInto, equal, toHex } from "../bytes.js";
import { RlpCursor } from "../codec/rlp.js";
import type { CryptoEngine } from "../crypto/engine.js";
import { assert, Rejection } from "../rejection.js";

/** A key, in bytes: a hash in the tries of accounts and storage, less in those of one block's receipts and transactions. */
const TRIE_KEY_BYTES_MAX = 32;
/**
 * The longest node of accounts and storage: a branch of 16 hashes. Leaves are shorter: an account takes 112 bytes and a slot 33 at most,
 * and their part of the path 34.
 */
export const STATE_NODE_BYTES_MAX = 532;
/** A node for each digit of the longest key, and the leaf. */
export const TRIE_NODES_MAX = 2 * TRIE_KEY_BYTES_MAX + 1;
/** keccak256(RLP("")): the root of a trie with nothing in it. */
const EMPTY_ROOT = "56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421";

const HASH_BYTES = 32;
const BRANCH_ITEMS = 17;
const BRANCH_VALUE = 16;
const EMPTY_NODE = 0x80;
/** Before a string of 32 bytes. */
const HASH_PREFIX = 0xa0;

export class TrieWalk {
  readonly #engine: CryptoEngine;
  readonly #key: Uint8Array;
  readonly #nodeBytesMax: number;
  /** Hash of the next node. */
  readonly #next = new Uint8Array(HASH_BYTES);
  /** Digits of the key that lead there. */
  #at = 0;
  #nodes = 0;
  /** What follows an extension is a branch: two extensions, or one and a leaf, would be one node. */
  #branchNext = false;
  #done: boolean;
  #value: Uint8Array | undefined;

  /**
   * @param root 32 bytes, of a header or an account that was verified; copied
   * @param key as the trie has it: hashed already where the trie hashes its keys; kept
   * @param nodeBytesMax the longest node that is looked at
   */
  constructor(engine: CryptoEngine, root: Uint8Array, key: Uint8Array, nodeBytesMax: number = STATE_NODE_BYTES_MAX) {
    assert(root.length === HASH_BYTES && key.length > 0 && key.length <= TRIE_KEY_BYTES_MAX, "a root, and a key of a trie");
    this.#engine = engine;
    this.#key = key;
    this.#nodeBytesMax = nodeBytesMax;
    copyInto(this.#next, 0, root);
    this.#done = toHex(root) === EMPTY_ROOT;
  }

  /** Whether all is shown: no node follows. */
  get done(): boolean {
    return this.#done;
  }

  /** Once it is done: what the key has, a view of the last node; undefined where it is proven that it has nothing. */
  get value(): Uint8Array | undefined {
    return this.#value;
  }

  /** How many nodes were taken. */
  get nodes(): number {
    return this.#nodes;
  }

  /** Takes the next node, or says why it is not that; then everything is as it was. */
  feed(node: Uint8Array): Rejection | undefined {
    if (this.#done) {
      // An empty trie has a root node all the same, which some senders show.
      if (this.#nodes > 0 || node.length !== 1 || node[0] !== EMPTY_NODE)
        return new Rejection("trie-node-surplus", `a node after the end of the proof, which has ${this.#nodes}`);
      this.#nodes = 1;
      return undefined;
    }
    if (node.length > this.#nodeBytesMax || (node.length < HASH_BYTES && this.#nodes > 0))
      return new Rejection(
        "trie-node-size",
        `node ${this.#nodes} of ${node.length} bytes, ${HASH_BYTES} to ${this.#nodeBytesMax}`,
      );
    if (!equal(this.#engine.keccak256(node), this.#next))
      return new Rejection("trie-hash-wrong", `node ${this.#nodes} is not the one that its parent names`);
    try {
      this.#done = this.descend(node);
    } catch (error) {
      if (error instanceof Rejection) return refused(`node ${this.#nodes}: ${error.detail}`);
      throw error;
    }
    this.#nodes += 1;
    return undefined;
  }

  /**
   * Goes through the node, and those that are embedded in it, as far as the key leads: whether that is the end. Throws a `Rejection`;
   * nothing is changed then.
   */
  private descend(node: Uint8Array): boolean {
    const digits = 2 * this.#key.length;
    let at = this.#at;
    let branchNext = this.#branchNext;
    let start = 0;
    let end = node.length;
    for (;;) {
      const digit = at < digits ? digitOf(this.#key, at) : BRANCH_VALUE;
      const { isBranch, item } = open(node, start, end, digit);
      if (isBranch) {
        if (digit === BRANCH_VALUE) return this.end(item);
        at += 1;
      } else {
        if (branchNext) throw refused("an extension that leads to no branch");
        const path = readPath(item);
        const follows = this.follows(path, at);
        item.next();
        if (path.isLeaf || item.start === item.end) checkLast(item, path.isLeaf);
        at += path.digits;
        if (!follows || (path.isLeaf && at < digits)) return this.end(undefined);
        if (path.isLeaf) return this.end(item);
      }
      if (!item.isList) return this.turnTo(item, node, at, !isBranch);
      if (item.end - item.itemStart >= HASH_BYTES) throw refused("an embedded node of 32 bytes or more");
      branchNext = !isBranch;
      start = item.itemStart;
      end = item.end;
    }
  }

  /** The key leads to the reference in `item`: to nothing where that is empty. */
  private turnTo(item: RlpCursor, node: Uint8Array, at: number, branchNext: boolean): boolean {
    const bytes = item.end - item.start;
    if (bytes === 0) return this.end(undefined);
    if (bytes !== HASH_BYTES) throw refused(`a reference of ${bytes} bytes`);
    copyInto(this.#next, 0, node, item.start, item.end);
    this.#at = at;
    this.#branchNext = branchNext;
    return false;
  }

  /** @param item the value; undefined, or empty, where there is none */
  private end(item: RlpCursor | undefined): boolean {
    if (item?.isList === true) throw refused("a value that is a list");
    this.#value = item === undefined || item.start === item.end ? undefined : item.view();
    return true;
  }

  /** Whether the key goes on with `path`. */
  private follows({ bytes, digits }: Path, at: number): boolean {
    if (at + digits > 2 * this.#key.length) return false;
    // The first of an odd number shares a byte with the flags; an even number begins in the byte after it.
    const odd = digits & 1;
    if (odd === (at & 1)) {
      // From the next digit on both stand at a byte, as in every leaf.
      if (odd === 1 && digitOf(bytes, 1) !== digitOf(this.#key, at)) return false;
      return equal(bytes.subarray(1), this.#key.subarray((at + odd) >> 1, (at + digits) >> 1));
    }
    for (let i = 0; i < digits; i += 1) if (digitOf(bytes, 2 - odd + i) !== digitOf(this.#key, at + i)) return false;
    return true;
  }
}

/**
 * What `nodes` prove of `key`: its value, undefined where they prove that it has none.
 * @param nodes from the root on, exactly those that it takes
 */
export function proveKey(walk: TrieWalk, nodes: readonly Uint8Array[]): { readonly value: Uint8Array | undefined } | Rejection {
  for (const node of nodes) {
    const fault = walk.feed(node);
    if (fault !== undefined) return fault;
  }
  if (!walk.done) return new Rejection("trie-incomplete", `ends after ${walk.nodes} nodes, and the key leads on`);
  return { value: walk.value };
}

/** The part of a path that a leaf or an extension holds, in the hex prefix. */
interface Path {
  /** With the flags. */
  readonly bytes: Uint8Array;
  readonly digits: number;
  readonly isLeaf: boolean;
}

/** The node between `start` and `end`: a branch with its item `digit`, or the path of a leaf or an extension, the other item after it. */
function open(node: Uint8Array, start: number, end: number, digit: number): { isBranch: boolean; item: RlpCursor } {
  const list = new RlpCursor(node, start, end);
  list.next();
  if (!list.isList || !list.atEnd) throw refused("no list, or bytes after it");
  let items = 0;
  let place = list.start;
  let at = list.start;
  for (; at < list.end; items += 1) {
    if (items === BRANCH_ITEMS) throw refused(`more than ${BRANCH_ITEMS} items`);
    if (items === digit) place = at;
    // Of a branch most items are a hash, or nothing: what else there is has to be looked at.
    const first = node[at];
    at = first === HASH_PREFIX ? at + 1 + HASH_BYTES : first === EMPTY_NODE ? at + 1 : endOfItem(node, at, list.end);
  }
  if (at > list.end) throw refused("a hash that is cut off");
  const isBranch = items === BRANCH_ITEMS;
  if (!isBranch && items !== 2) throw refused(`${items} items, neither 2 nor ${BRANCH_ITEMS}`);
  const item = new RlpCursor(node, isBranch ? place : list.start, list.end);
  item.next();
  return { isBranch, item };
}

function endOfItem(node: Uint8Array, at: number, limit: number): number {
  const item = new RlpCursor(node, at, limit);
  item.next();
  return item.end;
}

function readPath(item: RlpCursor): Path {
  const bytes = item.view();
  const flags = (bytes[0] ?? 0xff) >> 4;
  if (item.isList || flags > 3) throw refused("a path without the flags of the hex prefix");
  const odd = flags & 1;
  if (odd === 0 && ((bytes[0] as number) & 15) !== 0) throw refused("a path of an even number of digits with one in its flags");
  const isLeaf = flags >= 2;
  const digits = 2 * (bytes.length - 1) + odd;
  if (!isLeaf && digits === 0) throw refused("an extension by nothing");
  return { bytes, digits, isLeaf };
}

/** What stands after a path: a leaf's value, or what an extension leads to. */
function checkLast(item: RlpCursor, isLeaf: boolean): void {
  if (item.start === item.end) throw refused(isLeaf ? "a leaf without a value" : "an extension that leads nowhere");
  if (item.isList) throw refused("a leaf whose value is a list");
}

function digitOf(bytes: Uint8Array, place: number): number {
  const byte = bytes[place >> 1] as number;
  return (place & 1) === 0 ? byte >> 4 : byte & 15;
}

function refused(reason: string): Rejection {
  return new Rejection("trie-node-malformed", reason);
}
