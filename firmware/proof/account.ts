// What the state of an Ethereum-family chain says of an account and of a contract's storage, out of the leaves that a trie's proof leads
// to (Yellow Paper §4.1; EIP-1186 for what a proof consists of).
//
// Promises: reads the one form that each has: RLP of [nonce, balance, storageRoot, codeHash], and RLP of a slot's integer without leading
// zeros. A slot that was proven absent is zero; zero itself is never stored.
// Never sees what an answer says besides its nodes: nodes write zeros, nulls and empty texts there, in forms of their own.
//
// Codes: account-malformed, slot-malformed.

import { copyInto } from "../bytes.js";
import { RlpCursor, scalarOf } from "../codec/rlp.js";
import type { CryptoEngine } from "../crypto/engine.js";
import { ADDRESS_BYTES } from "../crypto/identity.js";
import { assert, Rejection } from "../rejection.js";

export const SLOT_BYTES = 32;
const HASH_BYTES = 32;
/** Every block on Earth would not count so far: a number holds it. EIP-2681 allows 2^64 − 2. */
const NONCE_BYTES_MAX = 6;
const BALANCE_BYTES_MAX = 32;

export interface Account {
  /** Of the account's next transaction. */
  readonly nonce: number;
  /** In wei. */
  readonly balance: bigint;
  /** 32 bytes each, views of the leaf. */
  readonly storageRoot: Uint8Array;
  readonly codeHash: Uint8Array;
}

/** Where the state's trie has an account: keccak256 of its address. */
export function accountKey(engine: CryptoEngine, address: Uint8Array): Uint8Array {
  assert(address.length === ADDRESS_BYTES, "an address");
  return engine.keccak256(address);
}

/** Where a contract's storage trie has a slot: keccak256 of its number, 32 bytes big-endian. */
export function slotKey(engine: CryptoEngine, slot: Uint8Array): Uint8Array {
  assert(slot.length === SLOT_BYTES, "a slot's number of 32 bytes");
  return engine.keccak256(slot);
}

/** @param leaf the value that `accountKey` leads to from a stateRoot */
export function readAccount(leaf: Uint8Array): Account | Rejection {
  try {
    const list = new RlpCursor(leaf);
    list.next();
    if (!list.isList || !list.atEnd) return malformed("no list, or bytes after it");
    const item = new RlpCursor(leaf, list.start, list.end);
    const nonce = scalarItem(item, leaf, NONCE_BYTES_MAX, "nonce");
    const balance = scalarItem(item, leaf, BALANCE_BYTES_MAX, "balance");
    const storageRoot = hashItem(item, "storageRoot");
    const codeHash = hashItem(item, "codeHash");
    if (!item.atEnd) return malformed("more than four items");
    return { nonce: Number(scalarOf(nonce)), balance: scalarOf(balance), storageRoot, codeHash };
  } catch (error) {
    if (error instanceof Rejection) return malformed(error.detail);
    throw error;
  }
}

/**
 * The 32 bytes that a slot holds, in a buffer of their own.
 * @param leaf the value that `slotKey` leads to from a storageRoot; undefined where it was proven absent
 */
export function readSlot(leaf: Uint8Array | undefined): Uint8Array | Rejection {
  const word = new Uint8Array(SLOT_BYTES);
  if (leaf === undefined) return word;
  try {
    const item = new RlpCursor(leaf);
    item.next();
    const bytes = item.end - item.start;
    if (item.isList || !item.atEnd || bytes > SLOT_BYTES)
      return slotMalformed("no integer of at most 32 bytes, or bytes after it");
    if (bytes === 0 || leaf[item.start] === 0) return slotMalformed("zero, or a leading zero");
    copyInto(word, SLOT_BYTES - bytes, leaf, item.start, item.end);
    return word;
  } catch (error) {
    if (error instanceof Rejection) return slotMalformed(error.detail);
    throw error;
  }
}

function scalarItem(item: RlpCursor, leaf: Uint8Array, bytesMax: number, name: string): Uint8Array {
  item.next();
  const bytes = item.end - item.start;
  if (item.isList || bytes > bytesMax || (bytes > 0 && leaf[item.start] === 0))
    throw malformed(`the ${name} is no integer of at most ${bytesMax} bytes without leading zeros`);
  return item.view();
}

function hashItem(item: RlpCursor, name: string): Uint8Array {
  item.next();
  if (item.isList || item.end - item.start !== HASH_BYTES) throw malformed(`the ${name} is not ${HASH_BYTES} bytes`);
  return item.view();
}

function malformed(reason: string): Rejection {
  return new Rejection("account-malformed", reason);
}

function slotMalformed(reason: string): Rejection {
  return new Rejection("slot-malformed", reason);
}
