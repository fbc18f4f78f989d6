// What travels between a mote and its collector for anchors: anchor receipts, and the question for the one that is missing (docs/wire.md).
//
// Promises: decoders bound what they read and answer a `Rejection`; nothing decoded here is believed: stream and seq say where to look, and
// the digest of the record that is found there has to fit the receipt. Never opens a connection.

import { toHex } from "../bytes.js";
import { CborCursor, encodeFields, MAP, UINT } from "../codec/cbor.js";
import { ANCHOR_RECEIPT_BYTES_MAX } from "../record/anchor-receipt.js";
import { DIGEST_BYTES } from "../record/cose.js";
import { Rejection } from "../rejection.js";

/** What shows the anchor beside the receipt, on chains without state: on Bitcoin (bitcoin-anchor.ts). */
export const EVIDENCE_BYTES_MAX = 2600;
/** Longest message: map, four keys, two numbers of 32 bits, two heads, receipt and evidence. */
export const ANCHOR_MESSAGE_BYTES_MAX = 1 + 4 + 2 * 5 + 2 * 3 + ANCHOR_RECEIPT_BYTES_MAX + EVIDENCE_BYTES_MAX;

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
  /** What shows the anchor, where no state does: on Bitcoin (bitcoin-anchor.ts). */
  readonly evidence?: Uint8Array | undefined;
}

export function encodeAnchorMessage({ stream, seq, receipt, evidence }: AnchorMessage): Uint8Array {
  return encodeFields(evidence === undefined ? [stream, seq, receipt] : [stream, seq, receipt, evidence]);
}

/** `anchor-malformed` where it is not {0: stream, 1: seq, 2: receipt, ? 3: evidence}; byte strings are views. */
export function decodeAnchorMessage(bytes: Uint8Array): AnchorMessage | Rejection {
  if (bytes.length > ANCHOR_MESSAGE_BYTES_MAX)
    return malformed(`${bytes.length} bytes; at most ${ANCHOR_MESSAGE_BYTES_MAX} are read`);
  const cursor = new CborCursor(bytes);
  const fields = cursor.head(MAP);
  if (fields !== 3 && fields !== 4) return malformed("no map of three or four");
  const stream = cursor.head(UINT) === 0 ? cursor.head(UINT) : -1;
  const seq = cursor.head(UINT) === 1 ? cursor.head(UINT) : -1;
  const receipt = cursor.head(UINT) === 2 ? cursor.bytes() : undefined;
  const evidence = fields === 4 && cursor.head(UINT) === 3 ? cursor.bytes() : undefined;
  if (stream < 0 || seq < 1 || receipt === undefined || (evidence === undefined) !== (fields === 3) || !cursor.atEnd)
    return malformed("not {0: stream, 1: seq from 1, 2: receipt, 3: evidence where there is any}, and no more");
  return evidence === undefined ? { stream, seq, receipt } : { stream, seq, receipt, evidence };
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
