// What travels between a mote and its relays for proofs: requests for the state of one block, and where replies come (docs/wire.md).
//
// Promises: the decoder bounds what it reads and answers a `Rejection`; nothing decoded here is believed. A reply has the form of a reply
// to a header request (bus/wire.ts): items from a number on, here the block's raw header as item 0 and whole nodes after it.
// Never opens a connection.

import { MESSAGE_BYTES_MAX } from "../bus/wire.js";
import { toHex } from "../bytes.js";
import { type CborValue, decode, encodeFields } from "../codec/cbor.js";
import { ADDRESS_BYTES } from "../crypto/identity.js";
import { SLOT_BYTES } from "../proof/account.js";
import { INDEX_MAX } from "../proof/envelope.js";
import { TRIE_NODES_MAX } from "../proof/trie.js";
import { Rejection } from "../rejection.js";

export const PROVE_ACCOUNT = 0;
export const PROVE_SLOT = 1;
export const PROVE_RECEIPT = 2;
export const PROVE_TRANSACTION = 3;

export type ProofKind = typeof PROVE_ACCOUNT | typeof PROVE_SLOT | typeof PROVE_RECEIPT | typeof PROVE_TRANSACTION;

/** A header, the longest path to an account and the longest to a slot. */
const PROOF_ITEMS_MAX = 1 + 2 * TRIE_NODES_MAX;
const HASH_BYTES = 32;

/** Topics of proofs under the configured prefix: where to ask everybody, and where answers to this mote come. */
export interface ProofTopics {
  readonly requests: string;
  readonly replies: string;
}

/**
 * @param prefix empty or ending in "/"
 * @param address the mote's address, 20 bytes
 * @param chain CAIP-2
 */
export function proofTopicsOf(prefix: string, address: Uint8Array, chain: string): ProofTopics {
  return { requests: `${prefix}chains/${chain}/proofs`, replies: `${prefix}motes/0x${toHex(address)}/proofs` };
}

/** Asks for one thing in one block: its header and the nodes that lead there, from item `from` on, within `bytesMax` bytes. */
export interface ProofRequest {
  /** 1 to 2³²−1; the reply repeats it. */
  readonly id: number;
  /** Address of the mote that asks, 20 bytes. */
  readonly to: Uint8Array;
  /** Hash of the block, 32 bytes. */
  readonly block: Uint8Array;
  /** The first item that is wanted: 0 is the header, 1 the first node. */
  readonly from: number;
  readonly bytesMax: number;
  readonly kind: ProofKind;
  /** Of an account or a contract, 20 bytes; for receipts and transactions their place in the block. */
  readonly subject: Uint8Array | number;
  /** The slot's number, 32 bytes; for `PROVE_SLOT` alone. */
  readonly slot?: Uint8Array | undefined;
}

export function encodeProofRequest(request: ProofRequest): Uint8Array {
  const { id, to, block, from, bytesMax, kind, subject, slot } = request;
  const fields = [id, to, block, from, bytesMax, kind, subject];
  if (slot !== undefined) fields.push(slot);
  return encodeFields(fields);
}

/** `request-malformed` where a field is absent or out of its bounds. */
export function decodeProofRequest(bytes: Uint8Array): ProofRequest | Rejection {
  if (bytes.length > MESSAGE_BYTES_MAX) return malformed(`${bytes.length} bytes; at most ${MESSAGE_BYTES_MAX} are read`);
  const map = decode(bytes);
  if (map instanceof Rejection) return malformed(map.toString());
  if (!(map instanceof Map)) return malformed("no map");
  const [id, to, block, from, bytesMax, kind, subject, slot] = [0, 1, 2, 3, 4, 5, 6, 7].map((key) => map.get(key));
  if (map.size !== (kind === PROVE_SLOT ? 8 : 7)) return malformed(`${map.size} entries`);
  if (!uintIn(id, 1, 0xffffffff)) return malformed("id is not 1 to 4294967295");
  if (!bytesOf(to, ADDRESS_BYTES)) return malformed("the mote's address is not 20 bytes");
  if (!bytesOf(block, HASH_BYTES)) return malformed("the block's hash is not 32 bytes");
  if (!uintIn(from, 0, PROOF_ITEMS_MAX)) return malformed(`from is not 0 to ${PROOF_ITEMS_MAX}`);
  if (!uintIn(bytesMax, 1, MESSAGE_BYTES_MAX)) return malformed(`bytesMax is not 1 to ${MESSAGE_BYTES_MAX}`);
  if (!uintIn(kind, PROVE_ACCOUNT, PROVE_TRANSACTION)) return malformed("an unknown kind");
  const common = { id, to, block, from, bytesMax, kind: kind as ProofKind };
  if (kind === PROVE_RECEIPT || kind === PROVE_TRANSACTION)
    return uintIn(subject, 0, INDEX_MAX) ? { ...common, subject } : malformed(`the place is not 0 to ${INDEX_MAX}`);
  if (!bytesOf(subject, ADDRESS_BYTES)) return malformed("the account's address is not 20 bytes");
  if (kind === PROVE_ACCOUNT) return { ...common, subject };
  return bytesOf(slot, SLOT_BYTES) ? { ...common, subject, slot } : malformed("the slot's number is not 32 bytes");
}

function bytesOf(value: CborValue | undefined, length: number): value is Uint8Array {
  return value instanceof Uint8Array && value.length === length;
}

function uintIn(value: CborValue | undefined, min: number, max: number): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= min && value <= max;
}

function malformed(reason: string): Rejection {
  return new Rejection("request-malformed", reason);
}
