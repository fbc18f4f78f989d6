// What travels between a mote and its relays for transactions: the raw transaction, and what a node said of it (docs/ledger.md, "Transactions").
//
// Promises: every decoder bounds what it reads and answers a `Rejection`. Nothing decoded here is believed: a reply is for whoever looks for
// a fault, and a mote decides by proofs alone. Never opens a connection.

import { toHex } from "../bytes.js";
import { type CborValue, decode, encodeFields } from "../codec/cbor.js";
import { ADDRESS_BYTES } from "../crypto/identity.js";
import { Rejection } from "../rejection.js";
import { TRANSACTION_BYTES_MAX } from "./transaction.js";

const HASH_BYTES = 32;
/** A map with three keys, an id, an address, the longest transaction, and their heads. */
const SUBMISSION_BYTES_MAX = 1 + 3 + 5 + 21 + 3 + TRANSACTION_BYTES_MAX;

/** Topics of transactions under the configured prefix: where to hand one to every relay, and where what became of it comes. */
export interface SubmissionTopics {
  readonly submissions: string;
  readonly answers: string;
}

/**
 * @param prefix empty or ending in "/"
 * @param address the mote's address, 20 bytes
 * @param chain CAIP-2
 */
export function submissionTopicsOf(prefix: string, address: Uint8Array, chain: string): SubmissionTopics {
  return { submissions: `${prefix}chains/${chain}/transactions`, answers: `${prefix}motes/0x${toHex(address)}/transactions` };
}

/** Asks a relay to bring a transaction to its node. */
export interface Submission {
  /** 1 to 2³²−1; the answer repeats it. */
  readonly id: number;
  /** Address of the mote that signed it, 20 bytes. */
  readonly to: Uint8Array;
  readonly raw: Uint8Array;
}

/**
 * Why a node did not take a transaction: the number in an answer, under the name that it has in events. `nonce`: it is used already; `balance`:
 * it does not cover the cost; `fee`: too low, or less than a tenth above what waits; `gas`: too little to begin, or more than a block has;
 * `refused`: anything else; `away`: the node could not be asked; `busy`: this mote asks too often.
 */
export const NOT_TAKEN = Object.freeze({ nonce: 1, balance: 2, fee: 3, gas: 4, refused: 5, away: 6, busy: 7 });
const REASON_MAX = 255;

export interface SubmissionAnswer {
  readonly id: number;
  /** Hash of the transaction that the node has, 32 bytes; or one of `NOT_TAKEN`, of a later relay another number. */
  readonly outcome: Uint8Array | number;
}

export function encodeSubmission({ id, to, raw }: Submission): Uint8Array {
  return encodeFields([id, to, raw]);
}

/** `submission-malformed` where a field is absent or out of its bounds; whether it holds a transaction is not looked at. */
export function decodeSubmission(bytes: Uint8Array): Submission | Rejection {
  const fields = fieldsOf(bytes, 3);
  if (fields instanceof Rejection) return fields;
  const [id, to, raw] = fields;
  if (!uintIn(id, 0xffffffff)) return malformed("id is not 1 to 4294967295");
  if (!(to instanceof Uint8Array) || to.length !== ADDRESS_BYTES) return malformed("the mote's address is not 20 bytes");
  if (!(raw instanceof Uint8Array) || raw.length > TRANSACTION_BYTES_MAX)
    return malformed(`no transaction of at most ${TRANSACTION_BYTES_MAX} bytes`);
  return { id, to, raw };
}

export function encodeSubmissionAnswer({ id, outcome }: SubmissionAnswer): Uint8Array {
  return encodeFields([id, outcome]);
}

/** `submission-malformed` where a field is absent or out of its bounds. */
export function decodeSubmissionAnswer(bytes: Uint8Array): SubmissionAnswer | Rejection {
  const fields = fieldsOf(bytes, 2);
  if (fields instanceof Rejection) return fields;
  const [id, outcome] = fields;
  if (!uintIn(id, 0xffffffff)) return malformed("id is not 1 to 4294967295");
  if (outcome instanceof Uint8Array ? outcome.length === HASH_BYTES : uintIn(outcome, REASON_MAX))
    return { id, outcome: outcome as Uint8Array | number };
  return malformed(`the outcome is neither a hash of 32 bytes nor 1 to ${REASON_MAX}`);
}

/** The values of a map whose keys are 0 to `count` − 1. */
function fieldsOf(bytes: Uint8Array, count: number): readonly (CborValue | undefined)[] | Rejection {
  if (bytes.length > SUBMISSION_BYTES_MAX) return malformed(`${bytes.length} bytes; at most ${SUBMISSION_BYTES_MAX} are read`);
  const map = decode(bytes);
  if (map instanceof Rejection) return malformed(map.toString());
  if (!(map instanceof Map) || map.size !== count) return malformed(`no map of ${count} entries`);
  const fields: (CborValue | undefined)[] = [];
  for (let key = 0; key < count; key += 1) fields.push(map.get(key));
  return fields;
}

function uintIn(value: CborValue | undefined, max: number): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= max;
}

function malformed(reason: string): Rejection {
  return new Rejection("submission-malformed", reason);
}
