// `chainmote/verify`: checks records, receipts and whole sequences of records, in a browser, in a function without a server, or on Node.
//
// Promises: the verdicts of `chainmote verify`, by the same code; nothing of Node and no network, so it runs where JavaScript runs;
// whatever the bytes are, a `Rejection` or a verdict, and no exception. Never: believes anything that a signature does not cover.
// The engine is the reference in JavaScript unless another is given: some hundred signatures a second.

import { equal, toHex } from "../../firmware/bytes.js";
import type { CryptoEngine } from "../../firmware/crypto/engine.js";
import { nobleEngine } from "../../firmware/crypto/engine-noble.js";
import { verifySign1 } from "../../firmware/record/cose.js";
import {
  decodeReceipt,
  decodeRefusal,
  isRefusal,
  type ReceiptFields,
  type RefusalFields,
  reasonName,
} from "../../firmware/record/receipt.js";
import { decodeRecord, type RecordFields } from "../../firmware/record/record.js";
import { type ResolvedEntry, resolveSenml } from "../../firmware/record/senml.js";
import { Rejection } from "../../firmware/rejection.js";
import { type Evidence, Judge, type Verdict } from "./judge.js";
import { pieces } from "./sequence.js";

export { fromHex, toHex } from "../../firmware/bytes.js";
export type { CryptoEngine } from "../../firmware/crypto/engine.js";
export { nobleEngine } from "../../firmware/crypto/engine-noble.js";
export { numericText } from "../../firmware/record/decimal.js";
export type { ReceiptFields, RefusalFields } from "../../firmware/record/receipt.js";
export type { RecordFields } from "../../firmware/record/record.js";
export type { ResolvedEntry } from "../../firmware/record/senml.js";
export { Rejection } from "../../firmware/rejection.js";
export { evidenceFile, evidenceObject } from "./evidence.js";
export { CHECKS, type Check, type Evidence, Judge, type Verdict } from "./judge.js";
export { senmlEntries } from "./senml-json.js";
export { type Piece, pieces } from "./sequence.js";

export interface VerifyOptions {
  /** The reference where absent. */
  readonly engine?: CryptoEngine;
}

/** A record whose signature holds. */
export interface VerifiedRecord {
  /** Address of the mote that signed it, 0x… in lower case. */
  readonly mote: string;
  /** 64 hexadecimal digits: what the record after it names as `prev`, and what a receipt is for. */
  readonly digest: string;
  readonly fields: RecordFields;
  /** Each value by itself: base values added, names joined, times in seconds since the Unix epoch (RFC 8428 §4.6). */
  readonly measurements: readonly ResolvedEntry[];
}

/** What a collector says of a record, signed by the key that the mote pins. */
export type VerifiedReceipt =
  | { readonly kind: "receipt"; readonly collector: string; readonly fields: ReceiptFields }
  | { readonly kind: "refusal"; readonly collector: string; readonly fields: RefusalFields; readonly reason: string };

export interface SequenceVerdict {
  /** Whether every record holds, and there is one. */
  readonly ok: boolean;
  readonly verdicts: readonly Verdict[];
  readonly hold: number;
  readonly fail: number;
  /** How many motes signed records in it. */
  readonly motes: number;
  /** Pairs of signed records that contradict each other. */
  readonly evidence: readonly Evidence[];
}

/**
 * One record as it came over MQTT or out of a database: form, signature and payload. Its place in the chain of its mote is for
 * `verifySequence`, or a `Judge` that is shown one after the other.
 * @param message a COSE_Sign1 (docs/record-format.md)
 */
export function verifyRecord(message: Uint8Array, { engine = nobleEngine }: VerifyOptions = {}): VerifiedRecord | Rejection {
  const verified = verifySign1(engine, message);
  if (verified instanceof Rejection) return verified;
  const fields = decodeRecord(verified.payload);
  if (fields instanceof Rejection) return fields;
  const measurements = resolveSenml(fields.measurements, fields.timeQuality > 0 ? fields.time : undefined);
  return { mote: `0x${toHex(verified.kid)}`, digest: toHex(verified.digest), fields, measurements };
}

/**
 * A receipt or a refusal.
 * @param message a COSE_Sign1
 * @param collector the only address whose word counts, 20 bytes
 */
export function verifyReceipt(
  message: Uint8Array,
  collector: Uint8Array,
  { engine = nobleEngine }: VerifyOptions = {},
): VerifiedReceipt | Rejection {
  const verified = verifySign1(engine, message);
  if (verified instanceof Rejection) return verified;
  const { kid, payload } = verified;
  const whose = `0x${toHex(kid)}`;
  if (!equal(kid, collector)) return new Rejection("collector-foreign", `signed by ${whose}, not by 0x${toHex(collector)}`);
  if (isRefusal(payload)) {
    const fields = decodeRefusal(payload);
    if (fields instanceof Rejection) return fields;
    return { kind: "refusal", collector: whose, fields, reason: reasonName(fields.reason) };
  }
  const fields = decodeReceipt(payload);
  return fields instanceof Rejection ? fields : { kind: "receipt", collector: whose, fields };
}

/**
 * All records of a file.
 * @param sequence a CBOR sequence (RFC 8742) of COSE_Sign1, whole or part by part in order
 */
export function verifySequence(
  sequence: Uint8Array | Iterable<Uint8Array>,
  { engine = nobleEngine }: VerifyOptions = {},
): SequenceVerdict {
  const judge = new Judge(engine);
  const verdicts: Verdict[] = [];
  for (const piece of pieces(sequence)) verdicts.push(judge.judge(piece));
  const fail = verdicts.filter(({ fault }) => fault !== undefined).length;
  const hold = verdicts.length - fail;
  return { ok: fail === 0 && hold > 0, verdicts, hold, fail, motes: judge.motes, evidence: judge.evidence };
}
