// What all signed payloads share: one CBOR map with integer keys, key 0 naming its type and version.
//
// Promises: a payload of another type, a key that the type does not have, and a value of the wrong kind or range are refused
// by name. Never guesses at a type. Codes: payload-malformed, payload-type (an unknown one), and those of codec/cbor.ts.

import { type CborLimits, type CborValue, decode } from "../codec/cbor.js";
import { Rejection } from "../rejection.js";
import { RECORD_PAYLOAD_BYTES_MAX } from "./cose.js";

export const KEY_TYPE = 0;
export const PAYLOAD_TYPE_RECORD = 1;
export const PAYLOAD_TYPE_RECEIPT = 2;
export const PAYLOAD_TYPE_REFUSAL = 3;
export const PAYLOAD_TYPE_ENROLMENT = 4;
export const PAYLOAD_TYPE_VOUCHER = 5;
export const PAYLOAD_TYPE_ROTATION = 6;
export const PAYLOAD_TYPE_COMMAND = 7;
/** Records, too: of one number space, one journal and one form with type 1 (record.ts). */
export const PAYLOAD_TYPE_ANSWER = 8;
export const PAYLOAD_TYPE_STATUS = 9;
export const PAYLOAD_TYPE_RELEASE = 10;
const PAYLOAD_MALFORMED = "payload-malformed";

/** By type, from 1. */
const NAMES: readonly string[] = Object.freeze([
  "record",
  "receipt",
  "refusal",
  "enrolment",
  "voucher",
  "rotation",
  "command",
  "answer",
  "status",
  "release",
]);

/**
 * Depth: map, pack, entry, tag, pair. A record may have as many items as bytes, so only one whose signer is known should be
 * decoded on a board.
 */
const RECORD_LIMITS: CborLimits = Object.freeze({
  depthMax: 5,
  bytesMax: RECORD_PAYLOAD_BYTES_MAX,
  itemsMax: RECORD_PAYLOAD_BYTES_MAX,
});
/** Depth: map, fleet. */
const OTHER_LIMITS: CborLimits = Object.freeze({ depthMax: 2, bytesMax: RECORD_PAYLOAD_BYTES_MAX, itemsMax: 32 });

/** The map that a payload is, its type not looked at; throws a `Rejection`. */
function mapOf(payload: Uint8Array, limits: CborLimits): ReadonlyMap<CborValue, CborValue> {
  const item = decode(payload, limits);
  if (item instanceof Rejection) throw item;
  if (!(item instanceof Map)) throw new Rejection(PAYLOAD_MALFORMED, "the payload is no map");
  return item;
}

/** The fields of one payload, read one by one; each method throws a `Rejection` that names the key. */
export class PayloadFields {
  readonly #map: ReadonlyMap<CborValue, CborValue>;
  /** What it is: another one than was asked for only among records. */
  readonly type: number;
  #read = 1;

  /** Decodes `payload`, which must be of `type`; for that of a record, any of the records' types. */
  constructor(payload: Uint8Array, type: number) {
    this.#map = mapOf(payload, type === PAYLOAD_TYPE_RECORD ? RECORD_LIMITS : OTHER_LIMITS);
    const found = this.#map.get(KEY_TYPE);
    this.type = found as number;
    if (found === type || (type === PAYLOAD_TYPE_RECORD && (found === PAYLOAD_TYPE_ANSWER || found === PAYLOAD_TYPE_STATUS)))
      return;
    if (typeof found !== "number" || found < 0) throw new Rejection(PAYLOAD_MALFORMED, "key 0 (type) is no unsigned integer");
    const name = NAMES[found - 1];
    const known = name === undefined ? `type ${found} is unknown` : `type ${found} is a ${name}`;
    throw new Rejection("payload-type", `${known}; a ${NAMES[type - 1]} has type ${type}`);
  }

  has(key: number): boolean {
    return this.#map.has(key);
  }

  /** The raw item of a key that must be there. */
  item(key: number, name: string): CborValue {
    const value = this.#map.get(key);
    if (value === undefined) throw this.wrong(key, name, "absent");
    this.#read += 1;
    return value;
  }

  /** An unsigned integer from `min` to `max`, at most 2^53 − 1. */
  uint(key: number, name: string, min = 0, max = Number.MAX_SAFE_INTEGER): number {
    const value = this.item(key, name);
    if (typeof value !== "number" || value < min || value > max) throw this.wrong(key, name, `no integer from ${min} to ${max}`);
    return value;
  }

  /** A byte string of exactly `length` bytes, as a view. */
  bytes(key: number, name: string, length: number): Uint8Array {
    const value = this.item(key, name);
    if (!(value instanceof Uint8Array) || value.length !== length)
      throw this.wrong(key, name, `no byte string of ${length} bytes`);
    return value;
  }

  /** A text of 1 to `charactersMax` characters. */
  text(key: number, name: string, charactersMax: number): string {
    const value = this.item(key, name);
    if (typeof value !== "string" || value === "" || value.length > charactersMax)
      throw this.wrong(key, name, `no text of 1 to ${charactersMax} characters`);
    return value;
  }

  /** An array of exactly `length` items. */
  array(key: number, name: string, length: number): readonly CborValue[] {
    const value = this.item(key, name);
    if (!Array.isArray(value) || value.length !== length) throw this.wrong(key, name, `no array of ${length} items`);
    return value as readonly CborValue[];
  }

  /** Refuses keys that nobody has read. */
  end(): void {
    if (this.#map.size !== this.#read) throw new Rejection(PAYLOAD_MALFORMED, "a key that this type does not have");
  }

  wrong(key: number, name: string, reason: string): Rejection {
    return new Rejection(PAYLOAD_MALFORMED, `key ${key} (${name}) is ${reason}`);
  }
}
