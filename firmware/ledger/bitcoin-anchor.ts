// That a block of Bitcoin commits to a root: a transaction with it in an OP_RETURN, and the way from there to the block's Merkle root.
//
// Promises: what is shown was in that block, whoever put it there; every length is bounded; a branch without the coinbase's beside it shows
// nothing (proof/merkle-block.ts says why). Never: judges the block; its hash has to be one that the mote has verified and settled.
// docs/ledger.md, "Anchors: on Bitcoin". Codes: anchor-malformed, anchor-uncommitted, and those of `proveTransaction`.

import { equal } from "../bytes.js";
import { CborCursor, encodeFields, MAP, UINT } from "../codec/cbor.js";
import type { CryptoEngine } from "../crypto/engine.js";
import { DEPTH_MAX, proveTransaction } from "../proof/merkle-block.js";
import { Rejection } from "../rejection.js";

const HASH_BYTES = 32;
const HEADER_BYTES = 80;
const MERKLE_ROOT_AT = 36;
const TIME_AT = 68;
/** Longest transaction with an anchor, and longest coinbase beside it; without witnesses. */
export const ANCHOR_TRANSACTION_BYTES_MAX = 512;
export const ANCHOR_COINBASE_BYTES_MAX = 1024;
/** OP_RETURN, 42 bytes: "chainmote1", and the root behind it. */
const SCRIPT: readonly number[] = Object.freeze([0x6a, 0x2a, 0x63, 0x68, 0x61, 0x69, 0x6e, 0x6d, 0x6f, 0x74, 0x65, 0x31]);

const INPUT_BYTES = 36;
const SEQUENCE_BYTES = 4;
const VALUE_BYTES = 8;

/** Byte strings are views where it was decoded. */
export interface BitcoinAnchor {
  /** 80 bytes. */
  readonly header: Uint8Array;
  readonly position: number;
  /** Without witnesses, as the coinbase. */
  readonly transaction: Uint8Array;
  /** Hashes of 32 bytes, bottom up, one behind the other. */
  readonly siblings: Uint8Array;
  readonly coinbase: Uint8Array;
  readonly coinbaseSiblings: Uint8Array;
}

/** The block that is shown to commit to a root. */
export interface AnchorBlock {
  readonly hash: Uint8Array;
  readonly timeS: number;
}

/** Longest: map and six keys, the position, the header's head of two bytes, those of the other four byte strings of three. */
export const BITCOIN_ANCHOR_BYTES_MAX =
  1 + 6 + 3 + 2 + 4 * 3 + HEADER_BYTES + ANCHOR_TRANSACTION_BYTES_MAX + ANCHOR_COINBASE_BYTES_MAX + 2 * DEPTH_MAX * HASH_BYTES;

/** The script of the output that anchors `root`. */
export function anchorScript(root: Uint8Array): Uint8Array {
  const script = new Uint8Array(SCRIPT.length + HASH_BYTES);
  script.set(SCRIPT);
  script.set(root, SCRIPT.length);
  return script;
}

export function encodeBitcoinAnchor(anchor: BitcoinAnchor): Uint8Array {
  const { header, position, transaction, siblings, coinbase, coinbaseSiblings } = anchor;
  return encodeFields([header, position, transaction, siblings, coinbase, coinbaseSiblings]);
}

/** `anchor-malformed` where it is not {0: header, 1: position, 2: transaction, 3: siblings, 4: coinbase, 5: its siblings}. */
export function decodeBitcoinAnchor(bytes: Uint8Array): BitcoinAnchor | Rejection {
  if (bytes.length > BITCOIN_ANCHOR_BYTES_MAX)
    return malformed(`${bytes.length} bytes; at most ${BITCOIN_ANCHOR_BYTES_MAX} are read`);
  const cursor = new CborCursor(bytes);
  if (cursor.head(MAP) !== 6) return malformed("no map of six");
  const header = cursor.head(UINT) === 0 ? cursor.bytes(HEADER_BYTES) : undefined;
  const position = cursor.head(UINT) === 1 ? cursor.head(UINT) : -1;
  const transaction = cursor.head(UINT) === 2 ? cursor.bytes() : undefined;
  const siblings = cursor.head(UINT) === 3 ? cursor.bytes() : undefined;
  const coinbase = cursor.head(UINT) === 4 ? cursor.bytes() : undefined;
  const coinbaseSiblings = cursor.head(UINT) === 5 ? cursor.bytes() : undefined;
  if (header === undefined || position < 0 || !cursor.atEnd) return malformed("not the six fields of an anchor on Bitcoin");
  if (transaction === undefined || transaction.length > ANCHOR_TRANSACTION_BYTES_MAX)
    return malformed(`no transaction of at most ${ANCHOR_TRANSACTION_BYTES_MAX} bytes`);
  if (coinbase === undefined || coinbase.length > ANCHOR_COINBASE_BYTES_MAX)
    return malformed(`no coinbase of at most ${ANCHOR_COINBASE_BYTES_MAX} bytes`);
  if (siblings === undefined || coinbaseSiblings === undefined || !areHashes(siblings) || !areHashes(coinbaseSiblings))
    return malformed(`no branches of at most ${DEPTH_MAX} hashes`);
  return { header, position, transaction, siblings, coinbase, coinbaseSiblings };
}

/** Whether the block of this header commits to `root`, by a transaction of its own. */
export function verifyBitcoinAnchor(engine: CryptoEngine, anchor: BitcoinAnchor, root: Uint8Array): AnchorBlock | Rejection {
  const { header, position, transaction, coinbase } = anchor;
  if (!commits(transaction, anchorScript(root)))
    return new Rejection("anchor-uncommitted", "no output of the transaction has this root");
  const id = proveTransaction(
    engine,
    header.subarray(MERKLE_ROOT_AT, MERKLE_ROOT_AT + HASH_BYTES),
    { raw: transaction, branch: { position, siblings: hashesOf(anchor.siblings) } },
    { raw: coinbase, branch: { position: 0, siblings: hashesOf(anchor.coinbaseSiblings) } },
  );
  if (id instanceof Rejection) return id;
  let timeS = 0;
  for (let i = 3; i >= 0; i -= 1) timeS = timeS * 256 + (header[TIME_AT + i] as number);
  return { hash: engine.sha256(engine.sha256(header)), timeS };
}

/** Whether a transaction without witnesses has an output with this script. Whatever is no such transaction has none. */
function commits(raw: Uint8Array, script: Uint8Array): boolean {
  const at = { offset: 4 };
  const inputs = count(raw, at);
  for (let i = 0; i < inputs && at.offset < raw.length; i += 1) {
    at.offset += INPUT_BYTES;
    const length = count(raw, at);
    at.offset += length + SEQUENCE_BYTES;
  }
  const outputs = count(raw, at);
  for (let i = 0; i < outputs && at.offset < raw.length; i += 1) {
    at.offset += VALUE_BYTES;
    const length = count(raw, at);
    if (length === script.length && equal(raw.subarray(at.offset, at.offset + length), script)) return true;
    at.offset += length;
  }
  return false;
}

/** A CompactSize of at most 16 bits: more of anything does not fit here, and what is beyond the end is none. */
function count(raw: Uint8Array, at: { offset: number }): number {
  const first = raw[at.offset];
  at.offset += 1;
  if (first === undefined || first > 0xfd) {
    at.offset = raw.length;
    return 0;
  }
  if (first < 0xfd) return first;
  at.offset += 2;
  return (raw[at.offset - 2] ?? 0) + 256 * (raw[at.offset - 1] ?? 0);
}

function areHashes(bytes: Uint8Array): boolean {
  return bytes.length % HASH_BYTES === 0 && bytes.length <= DEPTH_MAX * HASH_BYTES;
}

function hashesOf(bytes: Uint8Array): Uint8Array[] {
  const hashes: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += HASH_BYTES) hashes.push(bytes.subarray(at, at + HASH_BYTES));
  return hashes;
}

function malformed(reason: string): Rejection {
  return new Rejection("anchor-malformed", reason);
}
