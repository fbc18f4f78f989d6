// The payloads of a collector's answers (docs/record-format.md): a receipt, type 2, says that it has stored one record; a
// refusal, type 3, that it will never store one message as it came, and why.
//
// Signed like a record (cose.ts), with the collector's key; whether that collector is one to trust is for the mote's
// configuration. Promises and codes as payload.ts has them.

import { CborCursor, CborWriter, MAP, UINT } from "../codec/cbor.js";
import { assert, Rejection } from "../rejection.js";
import { DIGEST_BYTES, KID_BYTES } from "./cose.js";
import { KEY_TYPE, PAYLOAD_TYPE_RECEIPT, PAYLOAD_TYPE_REFUSAL, PayloadFields } from "./payload.js";

export interface ReceiptFields {
  /** Sequence number of the stored record, up to 2^53 − 1. */
  readonly seq: number;
  /** Its digest, 32 bytes. */
  readonly digest: Uint8Array;
  /** Address of the mote, 20 bytes. */
  readonly mote: Uint8Array;
  readonly stream: number;
}

export interface RefusalFields extends Omit<ReceiptFields, "digest"> {
  /**
   * SHA-256 of the whole message, 32 bytes: the digest of a record does not cover its signature, and whoever sent the record of
   * another with a bad one would get a refusal of the good one.
   */
  readonly message: Uint8Array;
  /** One of `REFUSED`; a later collector may know more, up to REASON_MAX. */
  readonly reason: number;
}

/** Why a collector will never store a message: the number in a refusal, under the name that it has in events. */
export const REFUSED = Object.freeze({ fleet: 1, form: 2, version: 3, signature: 4, address: 5 });
const REASON_MAX = 255;

const KEY_SEQ = 1;
const KEY_DIGEST = 2;
const KEY_MOTE = 3;
const KEY_REASON = 4;
const KEY_STREAM = 10;
/** Head, six keys, the type, two integers of 9 bytes, a reason, a digest and an address with their heads. */
const PAYLOAD_BYTES_MAX = 1 + 6 + 1 + 9 + 34 + 21 + 2 + 9;

/** The payload of a receipt. Fields that `decodeReceipt` would refuse are our own mistake. */
export function encodeReceipt({ seq, digest, mote, stream }: ReceiptFields): Uint8Array {
  return encodeAnswer(PAYLOAD_TYPE_RECEIPT, seq, digest, mote, stream);
}

/** The payload of a refusal. Fields that `decodeRefusal` would refuse are our own mistake. */
export function encodeRefusal({ seq, message, mote, stream, reason }: RefusalFields): Uint8Array {
  assert(reason >= 1 && reason <= REASON_MAX, "a reason");
  return encodeAnswer(PAYLOAD_TYPE_REFUSAL, seq, message, mote, stream, reason);
}

function encodeAnswer(type: number, seq: number, hash: Uint8Array, mote: Uint8Array, stream: number, reason = 0): Uint8Array {
  assert(hash.length === DIGEST_BYTES && mote.length === KID_BYTES, "a digest and an address");
  assert(seq >= 0 && stream >= 0, "unsigned integers");
  const writer = new CborWriter(PAYLOAD_BYTES_MAX);
  writer.map(reason === 0 ? 5 : 6);
  writer.key(KEY_TYPE);
  writer.int(type);
  writer.key(KEY_SEQ);
  writer.int(seq);
  writer.key(KEY_DIGEST);
  writer.bytes(hash);
  writer.key(KEY_MOTE);
  writer.bytes(mote);
  if (reason !== 0) {
    writer.key(KEY_REASON);
    writer.int(reason);
  }
  writer.key(KEY_STREAM);
  writer.int(stream);
  return writer.finish();
}

/** Whether a payload begins as that of a refusal does; of anything else that is no receipt, `decodeReceipt` says why. */
export function isRefusal(payload: Uint8Array): boolean {
  return payload[1] === KEY_TYPE && payload[2] === PAYLOAD_TYPE_REFUSAL;
}

/** The fields of a receipt's payload, byte strings as views of it; or why it is none. */
export function decodeReceipt(payload: Uint8Array): ReceiptFields | Rejection {
  const usual = usualReceipt(payload);
  if (usual !== undefined) return usual;
  return caught(() => {
    const fields = new PayloadFields(payload, PAYLOAD_TYPE_RECEIPT);
    const seq = fields.uint(KEY_SEQ, "seq");
    const digest = fields.bytes(KEY_DIGEST, "digest", DIGEST_BYTES);
    const mote = fields.bytes(KEY_MOTE, "mote", KID_BYTES);
    const stream = fields.uint(KEY_STREAM, "stream");
    fields.end();
    return { seq, digest, mote, stream };
  });
}

/** A receipt as they nearly all are, numbers of 32 bits, read without a decoder's objects: what it is not is for the decoder to say. */
function usualReceipt(payload: Uint8Array): ReceiptFields | undefined {
  const cursor = new CborCursor(payload);
  const isReceipt = cursor.head(MAP) === 5 && cursor.head(UINT) === KEY_TYPE && cursor.head(UINT) === PAYLOAD_TYPE_RECEIPT;
  if (!isReceipt || cursor.head(UINT) !== KEY_SEQ) return undefined;
  const seq = cursor.head(UINT);
  const digest = cursor.head(UINT) === KEY_DIGEST ? cursor.bytes(DIGEST_BYTES) : undefined;
  const mote = cursor.head(UINT) === KEY_MOTE ? cursor.bytes(KID_BYTES) : undefined;
  const stream = cursor.head(UINT) === KEY_STREAM ? cursor.head(UINT) : -1;
  if (seq < 0 || digest === undefined || mote === undefined || stream < 0 || !cursor.atEnd) return undefined;
  return { seq, digest, mote, stream };
}

/** The fields of a refusal's payload, byte strings as views of it; or why it is none. */
export function decodeRefusal(payload: Uint8Array): RefusalFields | Rejection {
  return caught(() => {
    const fields = new PayloadFields(payload, PAYLOAD_TYPE_REFUSAL);
    const seq = fields.uint(KEY_SEQ, "seq");
    const message = fields.bytes(KEY_DIGEST, "message", DIGEST_BYTES);
    const mote = fields.bytes(KEY_MOTE, "mote", KID_BYTES);
    const reason = fields.uint(KEY_REASON, "reason", 1, REASON_MAX);
    const stream = fields.uint(KEY_STREAM, "stream");
    fields.end();
    return { seq, message, mote, stream, reason };
  });
}

/** What a refusal's reason is called in events. */
export function reasonName(reason: number): string {
  for (const [name, number] of Object.entries(REFUSED)) if (number === reason) return name;
  return `reason ${reason}`;
}

function caught<T>(read: () => T): T | Rejection {
  try {
    return read();
  } catch (error) {
    if (error instanceof Rejection) return error;
    throw error;
  }
}
