// The payload of a receipt, type 2 (docs/record-format.md): a collector says that it has stored one record.
//
// Signed like a record (cose.ts), with the collector's key; whether that collector is one to trust is for the mote's
// configuration. Promises and codes as payload.ts has them.

import { CborWriter } from "../codec/cbor.js";
import { assert, Rejection } from "../rejection.js";
import { DIGEST_BYTES, KID_BYTES } from "./cose.js";
import { KEY_TYPE, PAYLOAD_TYPE_RECEIPT, PayloadFields } from "./payload.js";

export interface ReceiptFields {
  /** Sequence number of the stored record, up to 2^53 − 1. */
  readonly seq: number;
  /** Its digest, 32 bytes. */
  readonly digest: Uint8Array;
  /** Address of the mote, 20 bytes. */
  readonly mote: Uint8Array;
  readonly stream: number;
}

const KEY_SEQ = 1;
const KEY_DIGEST = 2;
const KEY_MOTE = 3;
const KEY_STREAM = 10;
/** Head, five keys, two integers of 9 bytes, a digest and an address with their heads. */
const RECEIPT_PAYLOAD_BYTES_MAX = 1 + 5 + 1 + 9 + 34 + 21 + 9;

/** The payload of a receipt. Fields that `decodeReceipt` would refuse are our own mistake. */
export function encodeReceipt(receipt: ReceiptFields): Uint8Array {
  assert(receipt.digest.length === DIGEST_BYTES && receipt.mote.length === KID_BYTES, "a digest and an address");
  assert(receipt.seq >= 0 && receipt.stream >= 0, "unsigned integers");
  const writer = new CborWriter(RECEIPT_PAYLOAD_BYTES_MAX);
  writer.map(5);
  writer.key(KEY_TYPE);
  writer.int(PAYLOAD_TYPE_RECEIPT);
  writer.key(KEY_SEQ);
  writer.int(receipt.seq);
  writer.key(KEY_DIGEST);
  writer.bytes(receipt.digest);
  writer.key(KEY_MOTE);
  writer.bytes(receipt.mote);
  writer.key(KEY_STREAM);
  writer.int(receipt.stream);
  return writer.finish();
}

/** The fields of a receipt's payload, byte strings as views of it; or why it is none. */
export function decodeReceipt(payload: Uint8Array): ReceiptFields | Rejection {
  try {
    const fields = new PayloadFields(payload, PAYLOAD_TYPE_RECEIPT);
    const seq = fields.uint(KEY_SEQ, "seq");
    const digest = fields.bytes(KEY_DIGEST, "digest", DIGEST_BYTES);
    const mote = fields.bytes(KEY_MOTE, "mote", KID_BYTES);
    const stream = fields.uint(KEY_STREAM, "stream");
    fields.end();
    return { seq, digest, mote, stream };
  } catch (error) {
    if (error instanceof Rejection) return error;
    throw error;
  }
}
