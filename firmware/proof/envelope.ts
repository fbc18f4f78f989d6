// Transactions and receipts as a block's own two tries have them: under RLP(index), in typed envelopes (EIP-2718), and the logs of a
// receipt (Yellow Paper §4.3.1, EIP-658).
//
// Promises: reads the one form that each has; work and memory are bounded by what arrived, `LOGS_MAX` and `LOG_TOPICS_MAX`; what is
// answered are views of the value. Never judges whether a transaction was allowed, and never computes a bloom: the trie binds it.
//
// Codes: envelope-malformed, envelope-type (a type that is not known), receipt-malformed, and those of the RLP decoder.

import { encode, RlpCursor, scalarBytes, scalarOf } from "../codec/rlp.js";
import { ADDRESS_BYTES } from "../crypto/identity.js";
import { assert, Rejection } from "../rejection.js";

/** Transactions in one block: none has a gas limit for more. */
export const INDEX_MAX = 0xff_ffff;
/** Types 0 (no envelope), 1 (EIP-2930), 2 (EIP-1559), 3 (EIP-4844) and 4 (EIP-7702). */
export const ENVELOPE_TYPE_MAX = 4;
const LOGS_MAX = 4_096;
const LOG_TOPICS_MAX = 4;
const TOPIC_BYTES = 32;
const BLOOM_BYTES = 256;
const STATE_ROOT_BYTES = 32;
const GAS_BYTES_MAX = 8;
/** A list begins here or above; what begins below 0x80 is a type. */
const LIST_FROM = 0xc0;

/** Where a block's tries have the transaction, or the receipt, of this place in the block, from 0. */
export function indexKey(index: number): Uint8Array {
  assert(Number.isInteger(index) && index >= 0 && index <= INDEX_MAX, "a place in a block");
  return encode(scalarBytes(index));
}

/** An envelope: `bytes` from `start` on are one list. */
export interface Envelope {
  readonly type: number;
  readonly start: number;
}

/** The type of a transaction or a receipt, and where its list begins; nothing follows that list. */
export function readEnvelope(bytes: Uint8Array): Envelope | Rejection {
  const first = bytes[0];
  if (first === undefined || (first >= 0x80 && first < LIST_FROM))
    return new Rejection("envelope-malformed", "neither a list nor a type and a list");
  const type = first >= LIST_FROM ? 0 : first;
  if (first < LIST_FROM && (type === 0 || type > ENVELOPE_TYPE_MAX))
    return new Rejection("envelope-type", `type ${type} is not known; 0 (without an envelope) to ${ENVELOPE_TYPE_MAX} are`);
  const start = type === 0 ? 0 : 1;
  try {
    const list = new RlpCursor(bytes, start);
    list.next();
    if (!list.isList || !list.atEnd) return new Rejection("envelope-malformed", "no list, or bytes after it");
  } catch (error) {
    if (error instanceof Rejection) return error;
    throw error;
  }
  return { type, start };
}

/** What a contract said. Every field is a view of the receipt. */
export interface Log {
  /** Of the contract, 20 bytes. */
  readonly address: Uint8Array;
  /** At most four, 32 bytes each; the first is keccak256 of the event's signature as a rule. */
  readonly topics: readonly Uint8Array[];
  readonly data: Uint8Array;
}

export interface Receipt {
  readonly type: number;
  /** Whether the transaction did what it was to; undefined before Byzantium, where a state root stands in its place. */
  readonly succeeded: boolean | undefined;
  /** Gas of the block up to and with this transaction. */
  readonly cumulativeGasUsed: bigint;
  readonly bloom: Uint8Array;
  readonly logs: number;
  /** Where the list of logs begins and ends in the receipt. */
  readonly logsStart: number;
  readonly logsEnd: number;
}

/**
 * Reads a receipt and looks at each of its logs.
 * @param bytes the value that `indexKey` leads to from a receiptsRoot
 */
export function readReceipt(bytes: Uint8Array): Receipt | Rejection {
  const envelope = readEnvelope(bytes);
  if (envelope instanceof Rejection) return envelope;
  try {
    return receiptOf(bytes, envelope);
  } catch (error) {
    if (error instanceof Rejection) return malformed(error.detail);
    throw error;
  }
}

/** Log `index` of a receipt, from 0; undefined where it has not so many. */
export function logOf(bytes: Uint8Array, receipt: Receipt, index: number): Log | undefined {
  const cursor = new RlpCursor(bytes, receipt.logsStart, receipt.logsEnd);
  for (let i = 0; !cursor.atEnd; i += 1) {
    cursor.next();
    if (i === index) return readLog(bytes, cursor);
  }
  return undefined;
}

function receiptOf(bytes: Uint8Array, { type, start }: Envelope): Receipt {
  const list = new RlpCursor(bytes, start);
  list.next();
  const item = new RlpCursor(bytes, list.start, list.end);
  item.next();
  const outcome = item.end - item.start;
  const root = outcome === STATE_ROOT_BYTES && type === 0;
  if (item.isList || !(root || outcome === 0 || (outcome === 1 && bytes[item.start] === 1)))
    throw malformed("its outcome is neither 0 nor 1 nor, without an envelope, a state root");
  item.next();
  const gas = item.end - item.start;
  if (item.isList || gas > GAS_BYTES_MAX || (gas > 0 && bytes[item.start] === 0)) throw malformed("its gas is no integer");
  const cumulativeGasUsed = scalarOf(item.view());
  item.next();
  if (item.isList || item.end - item.start !== BLOOM_BYTES) throw malformed(`its bloom is not ${BLOOM_BYTES} bytes`);
  const bloom = item.view();
  item.next();
  if (!item.isList || !item.atEnd) throw malformed("no list of logs, or an item after it");
  const cursor = new RlpCursor(bytes, item.start, item.end);
  let logs = 0;
  for (; !cursor.atEnd; logs += 1) {
    if (logs === LOGS_MAX) throw malformed(`more than ${LOGS_MAX} logs`);
    cursor.next();
    readLog(bytes, cursor);
  }
  const succeeded = root ? undefined : outcome === 1;
  return { type, succeeded, cumulativeGasUsed, bloom, logs, logsStart: item.start, logsEnd: item.end };
}

function readLog(bytes: Uint8Array, at: RlpCursor): Log {
  if (!at.isList) throw malformed("a log that is no list");
  const item = new RlpCursor(bytes, at.start, at.end);
  item.next();
  if (item.isList || item.end - item.start !== ADDRESS_BYTES) throw malformed(`a log's address is not ${ADDRESS_BYTES} bytes`);
  const address = item.view();
  item.next();
  if (!item.isList) throw malformed("a log without a list of topics");
  const topics: Uint8Array[] = [];
  const topic = new RlpCursor(bytes, item.start, item.end);
  while (!topic.atEnd) {
    topic.next();
    if (topic.isList || topic.end - topic.start !== TOPIC_BYTES || topics.length === LOG_TOPICS_MAX)
      throw malformed(`a log's topics are not ${LOG_TOPICS_MAX} at most of ${TOPIC_BYTES} bytes`);
    topics.push(topic.view());
  }
  item.next();
  if (item.isList || !item.atEnd) throw malformed("a log's data is a list, or an item follows it");
  return { address, topics, data: item.view() };
}

function malformed(reason: string): Rejection {
  return new Rejection("receipt-malformed", reason);
}
