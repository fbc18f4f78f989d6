// What travels between a mote and its collector for anchors: anchor receipts, and the question for the one that is missing (docs/wire.md).
//
// Promises: decoders bound what they read and answer a `Rejection`; nothing decoded here is believed: stream and seq say where to look, and
// the digest of the record that is found there has to fit the receipt. Never opens a connection.

import { toHex } from "../bytes.js";
import { CborCursor, encodeFields, MAP, UINT } from "../codec/cbor.js";
import { ANCHOR_RECEIPT_BYTES_MAX } from "../record/anchor-receipt.js";
import { DIGEST_BYTES } from "../record/cose.js";
import { Rejection } from "../rejection.js";

/** Longest message: map, three keys, two numbers of 32 bits, head and receipt. */
export const ANCHOR_MESSAGE_BYTES_MAX = 1 + 3 + 2 * 5 + 3 + ANCHOR_RECEIPT_BYTES_MAX;

/** Topics of anchors under the configured prefix: where receipts come, and where a mote asks for one. */
export interface AnchorTopics {
  readonly receipts: string;
  readonly questions: string;
}

/**
 * @param prefix empty or ending in "/"
 * @param mote its address as 0x and 40 digits, or a wildcard
 */
export function anchorTopicsOf(prefix: string, mote: Uint8Array | "+"): AnchorTopics {
  const own = `${prefix}motes/${mote === "+" ? mote : `0x${toHex(mote)}`}`;
  return { receipts: `${own}/anchors`, questions: `${own}/unanchored` };
}

/** A receipt, and which of the mote's records it is for. */
export interface AnchorMessage {
  readonly stream: number;
  /** From 1. */
  readonly seq: number;
  /** At most `ANCHOR_RECEIPT_BYTES_MAX` bytes. */
  readonly receipt: Uint8Array;
}

export function encodeAnchorMessage({ stream, seq, receipt }: AnchorMessage): Uint8Array {
  return encodeFields([stream, seq, receipt]);
}

/** `anchor-malformed` where it is not {0: stream, 1: seq, 2: receipt}; the receipt is a view. */
export function decodeAnchorMessage(bytes: Uint8Array): AnchorMessage | Rejection {
  if (bytes.length > ANCHOR_MESSAGE_BYTES_MAX)
    return malformed(`${bytes.length} bytes; at most ${ANCHOR_MESSAGE_BYTES_MAX} are read`);
  const cursor = new CborCursor(bytes);
  if (cursor.head(MAP) !== 3) return malformed("no map of three");
  const stream = cursor.head(UINT) === 0 ? cursor.head(UINT) : -1;
  const seq = cursor.head(UINT) === 1 ? cursor.head(UINT) : -1;
  const receipt = cursor.head(UINT) === 2 ? cursor.bytes() : undefined;
  if (stream < 0 || seq < 1 || receipt === undefined || !cursor.atEnd)
    return malformed("not {0: stream, 1: seq from 1, 2: receipt}, and no more");
  return { stream, seq, receipt };
}

/** Asks for the receipt of the leaf that stands for a record of this digest, 32 bytes. */
export function encodeAnchorQuestion(digest: Uint8Array): Uint8Array {
  return encodeFields([digest]);
}

/** `request-malformed` where it is not {0: digest}. */
export function decodeAnchorQuestion(bytes: Uint8Array): Uint8Array | Rejection {
  const cursor = new CborCursor(bytes);
  const digest = cursor.head(MAP) === 1 && cursor.head(UINT) === 0 ? cursor.bytes(DIGEST_BYTES) : undefined;
  return digest === undefined || !cursor.atEnd ? new Rejection("request-malformed", "not {0: digest of 32 bytes}") : digest;
}

function malformed(reason: string): Rejection {
  return new Rejection("anchor-malformed", reason);
}
