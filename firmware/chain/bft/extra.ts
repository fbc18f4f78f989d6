// What the BFT family keeps in `extraData`: validators, vote, round and seals (Besu `BftExtraDataCodec`, `IbftExtraDataCodec`,
// `QbftExtraDataCodec`; GoQuorum `core/types/istanbul.go`).
//
// Promises: strict RLP, every item of its one width, no byte unaccounted for; what a hash covers is cut out of the bytes that
// came and never encoded anew, so that two encodings of one block cannot hash alike. Seals are read, not judged. A list of
// validators names each address once, in an order that its chain's clients write: by bytes, and where GoQuorum runs by the EIP-55
// text, too (`ValidatorSortByString`, where capitals stand before small letters). Everything behind this file sees sets in the
// order of bytes; nothing is hashed where the bytes ascend.
//
// Codes: extra-data-malformed, vanity-width, validators-malformed, validators-too-many, vote-malformed, round-malformed,
// seal-malformed, and those of the RLP decoder. The length of a header bounds its seals.

import { ADDRESS_BYTES, isAscending, packAddresses } from "../../bytes/primitives.js";
import { compare, concat, copyInto, readUint } from "../../bytes.js";
import { listPrefix, prefixBytes, RlpCursor } from "../../codec/rlp.js";
import type { CryptoEngine } from "../../crypto/engine.js";
import { checksumDigits } from "../../crypto/identity.js";
import { Rejection } from "../../rejection.js";
import { HEADER_BYTES_MAX } from "../consensus.js";
import { withAddress } from "../ethereum/address-set.js";
import { SEAL_BYTES, VANITY_BYTES, WITHOUT_EXTRA_BYTES_MAX } from "../ethereum/header.js";

const LIST_PREFIX_BYTES = prefixBytes(HEADER_BYTES_MAX);
const SEAL_ITEM_BYTES = prefixBytes(SEAL_BYTES) + SEAL_BYTES;
/** The widest extra data of the family around its two lists: IBFT 1's, with the proposer's seal (a vote and a round take less). */
const EXTRA_FIXED_BYTES = VANITY_BYTES + 3 * LIST_PREFIX_BYTES + SEAL_ITEM_BYTES;
/** What a validator adds to a header: its address and its seal. */
const PER_VALIDATOR_BYTES = 1 + ADDRESS_BYTES + SEAL_ITEM_BYTES;

/** The most validators that are followed: with a seal of each, and every field at its widest, a header is still taken in. */
export const VALIDATORS_MAX = Math.floor((HEADER_BYTES_MAX - WITHOUT_EXTRA_BYTES_MAX - EXTRA_FIXED_BYTES) / PER_VALIDATOR_BYTES);
const ROUND_BYTES = 4;

export interface BftVote {
  /** 20 bytes. */
  readonly account: Uint8Array;
  readonly authorize: boolean;
}

export interface BftExtra {
  /** Addresses as the header lists them, 20 bytes each. */
  readonly validators: Uint8Array;
  readonly vote: BftVote | undefined;
  readonly round: number;
  /** Committed seals, 65 bytes each, views. */
  readonly seals: readonly Uint8Array[];
  /** IBFT 1 only: 65 bytes, a view. */
  readonly proposerSeal: Uint8Array | undefined;
  /** `extraData` as the hash of the block covers it. */
  readonly forBlock: Uint8Array;
  /** `extraData` as the seals cover it (IBFT 1: as the proposer's seal does); the same object where it is the same. */
  readonly forSeals: Uint8Array;
}

const EMPTY_STRING = 0x80;
const EMPTY_LIST = 0xc0;
const ADD = 0xff;

/** IBFT 2.0: RLP[vanity, validators, vote, round (4 bytes), seals]. Throws a `Rejection`, as all of these. */
export function readIbft2Extra(extraData: Uint8Array): BftExtra {
  const { items, start } = openList(extraData, 0);
  const validators = besuHead(extraData, items);
  items.next();
  const vote = items.isList ? ibft2Vote(extraData, items) : undefined;
  if (!items.isList && items.end > items.start) throw new Rejection("vote-malformed", "neither empty nor a list");
  const voteEnd = items.end;
  items.next();
  if (items.isList || items.end - items.start !== ROUND_BYTES) throw new Rejection("round-malformed", "not 4 bytes");
  const round = readUint(extraData, items.start, ROUND_BYTES);
  const roundEnd = items.end;
  const seals = sealList(extraData, items);
  return {
    ...{ validators, vote, round, seals, proposerSeal: undefined },
    forBlock: listOf(extraData.subarray(start, voteEnd)),
    forSeals: listOf(extraData.subarray(start, roundEnd)),
  };
}

/** QBFT: RLP[vanity, validators, vote, round (scalar), seals]. */
export function readQbftExtra(extraData: Uint8Array): BftExtra {
  const { items, start } = openList(extraData, 0);
  const validators = besuHead(extraData, items);
  items.next();
  if (!items.isList) throw new Rejection("vote-malformed", "no list");
  const vote = items.end > items.start ? qbftVote(extraData, items) : undefined;
  const voteEnd = items.end;
  items.next();
  const width = items.end - items.start;
  if (items.isList || width > ROUND_BYTES || (width > 0 && extraData[items.start] === 0))
    throw new Rejection("round-malformed", `not a scalar of at most ${ROUND_BYTES} bytes in its shortest form`);
  const round = readUint(extraData, items.start, width);
  const roundEnd = items.end;
  const seals = sealList(extraData, items);
  const forSeals = listOf(extraData.subarray(start, roundEnd), EMPTY_LIST);
  return {
    ...{ validators, vote, round, seals, proposerSeal: undefined },
    forBlock: round === 0 ? forSeals : listOf(extraData.subarray(start, voteEnd), EMPTY_STRING, EMPTY_LIST),
    forSeals,
  };
}

/** IBFT 1: vanity ‖ RLP[validators, proposer seal, committed seals]. The vote stands in the header itself. */
export function readIbft1Extra(extraData: Uint8Array): BftExtra {
  if (extraData.length < VANITY_BYTES) throw new Rejection("vanity-width", `${extraData.length} bytes of ${VANITY_BYTES}`);
  const { items, start } = openList(extraData, VANITY_BYTES);
  items.next();
  const validators = addressList(extraData, items);
  const validatorsEnd = items.end;
  items.next();
  const sealBytes = items.end - items.start;
  if (items.isList || (sealBytes !== SEAL_BYTES && sealBytes !== 0))
    throw new Rejection("seal-malformed", `a proposer seal of ${sealBytes} bytes`);
  const proposerSeal = sealBytes === 0 ? undefined : items.view();
  if (proposerSeal !== undefined) checkRecovery(proposerSeal);
  const proposerEnd = items.end;
  const seals = sealList(extraData, items);
  const vanity = extraData.subarray(0, VANITY_BYTES);
  return {
    ...{ validators, vote: undefined, round: 0, seals, proposerSeal },
    forBlock: concat(vanity, listOf(extraData.subarray(start, proposerEnd), EMPTY_LIST)),
    forSeals: concat(vanity, listOf(extraData.subarray(start, validatorsEnd), EMPTY_STRING, EMPTY_LIST)),
  };
}

/** Whether `list` names each address once, ascending by bytes, or where `byText` says so by its EIP-55 text. */
export function isOrdered(engine: CryptoEngine, list: Uint8Array, byText: boolean): boolean {
  if (isAscending(list)) return true;
  if (!byText) return false;
  let before: Uint8Array | undefined;
  for (let at = 0; at < list.length; at += ADDRESS_BYTES) {
    const text = checksumDigits(engine, list.subarray(at, at + ADDRESS_BYTES));
    if (before !== undefined && compare(before, text) >= 0) return false;
    before = text;
  }
  return true;
}

/** The addresses of an ordered `list`, ascending by bytes; the same object where they are so already. */
export function setOf(list: Uint8Array): Uint8Array {
  if (isAscending(list)) return list;
  let set = new Uint8Array(0);
  for (let at = 0; at < list.length; at += ADDRESS_BYTES) set = withAddress(set, list.subarray(at, at + ADDRESS_BYTES));
  return set;
}

/** A cursor over the items of the one list that fills `bytes` from `at` on, and where its content begins. */
function openList(bytes: Uint8Array, at: number): { items: RlpCursor; start: number } {
  const outer = new RlpCursor(bytes, at);
  outer.next();
  if (!outer.isList) throw new Rejection("extra-data-malformed", "no list");
  if (!outer.atEnd) throw new Rejection("extra-data-malformed", `${bytes.length - outer.end} bytes after the list`);
  return { items: new RlpCursor(bytes, outer.start, outer.end), start: outer.start };
}

/** Vanity and validators, which IBFT 2.0 and QBFT begin with. */
function besuHead(bytes: Uint8Array, items: RlpCursor): Uint8Array {
  items.next();
  if (items.isList || items.end - items.start !== VANITY_BYTES)
    throw new Rejection("vanity-width", `not ${VANITY_BYTES} bytes of vanity`);
  items.next();
  return addressList(bytes, items);
}

function addressList(bytes: Uint8Array, items: RlpCursor): Uint8Array {
  const itemBytes = 1 + ADDRESS_BYTES;
  const length = items.end - items.start;
  if (!items.isList || length % itemBytes !== 0) throw new Rejection("validators-malformed", "no list of addresses");
  const count = length / itemBytes;
  if (count > VALIDATORS_MAX) throw new Rejection("validators-too-many", `${count} validators, ${VALIDATORS_MAX} at most`);
  const packed = new Uint8Array(count * ADDRESS_BYTES);
  if (packAddresses(packed, bytes, items.start)) return packed;
  let wrong = 0;
  while (bytes[items.start + wrong * itemBytes] === EMPTY_STRING + ADDRESS_BYTES) wrong += 1;
  throw new Rejection("validators-malformed", `item ${wrong} is no address`);
}

/** [address, one byte that is ff or 00]. */
function ibft2Vote(bytes: Uint8Array, items: RlpCursor): BftVote {
  const { account, direction } = voteItems(bytes, items);
  if (direction.length !== 1 || (direction[0] !== ADD && direction[0] !== 0))
    throw new Rejection("vote-malformed", "a direction that is neither ff nor 00");
  return { account, authorize: direction[0] === ADD };
}

/** [address, ff or empty]. */
function qbftVote(bytes: Uint8Array, items: RlpCursor): BftVote {
  const { account, direction } = voteItems(bytes, items);
  if (direction.length > 1 || (direction.length === 1 && direction[0] !== ADD))
    throw new Rejection("vote-malformed", "a direction that is neither ff nor empty");
  return { account, authorize: direction.length === 1 };
}

function voteItems(bytes: Uint8Array, items: RlpCursor): { account: Uint8Array; direction: Uint8Array } {
  const inner = new RlpCursor(bytes, items.start, items.end);
  if (inner.atEnd) throw new Rejection("vote-malformed", "an empty list");
  inner.next();
  const account = inner.view();
  if (inner.isList || account.length !== ADDRESS_BYTES || inner.atEnd) throw new Rejection("vote-malformed", "no recipient");
  inner.next();
  if (inner.isList || !inner.atEnd) throw new Rejection("vote-malformed", "no direction");
  return { account, direction: inner.view() };
}

/** The last item of the list. */
function sealList(bytes: Uint8Array, items: RlpCursor): Uint8Array[] {
  items.next();
  if (!items.isList) throw new Rejection("extra-data-malformed", "no list of seals");
  if (!items.atEnd) throw new Rejection("extra-data-malformed", "items after the seals");
  const cursor = new RlpCursor(bytes, items.start, items.end);
  const seals: Uint8Array[] = [];
  while (!cursor.atEnd) {
    cursor.next();
    const seal = cursor.view();
    if (cursor.isList || seal.length !== SEAL_BYTES)
      throw new Rejection("seal-malformed", `seal ${seals.length} has ${seal.length} bytes`);
    checkRecovery(seal);
    seals.push(seal);
  }
  return seals;
}

function checkRecovery(seal: Uint8Array): void {
  const recovery = seal[SEAL_BYTES - 1] as number;
  if (recovery > 1) throw new Rejection("seal-malformed", `a recovery id of ${recovery}`);
}

/** The list of the items in `content` and those that `more` encodes, a byte each. */
function listOf(content: Uint8Array, ...more: readonly number[]): Uint8Array {
  const prefix = listPrefix(content.length + more.length);
  const list = new Uint8Array(prefix.length + content.length + more.length);
  copyInto(list, 0, prefix);
  copyInto(list, prefix.length, content);
  list.set(more, prefix.length + content.length);
  return list;
}
