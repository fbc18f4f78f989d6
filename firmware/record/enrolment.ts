// The payloads by which a key enters a fleet's registry (docs/record-format.md, section 9): an enrolment, type 4, signed by the mote;
// a voucher, type 5, signed by an enroller, for a mote that enrols itself; a rotation, type 6, signed by the old key and by the new.
//
// Promises: `encode(decode(x))` is `x` for every payload that is accepted, and the registry's contract (docs/ledger.md) takes what
// this encodes. Never knows how they are signed (cose.ts), nor whether the registry would still take them. Codes as payload.ts has them.

import { CborWriter } from "../codec/cbor.js";
import { assert, Rejection } from "../rejection.js";
import { KID_BYTES } from "./cose.js";
import { PAYLOAD_TYPE_ENROLMENT, PAYLOAD_TYPE_ROTATION, PAYLOAD_TYPE_VOUCHER, PayloadFields } from "./payload.js";
import { type Fleet, isChainId } from "./record.js";

/** What all three name. Numbers are unsigned integers up to 2^53 − 1. */
interface Admission {
  /** From 1; above every counter that the registry has taken of this mote. */
  readonly counter: number;
  /** The last block at which the registry may take it. */
  readonly expiryBlock: number;
  readonly fleet: Fleet;
}

/** The mote is the signer. */
export interface EnrolmentFields extends Admission {
  /** Address of the only account that may enrol with it, or whose voucher it needs; 20 bytes. */
  readonly enroller: Uint8Array;
}

/** The enroller is the signer. */
export interface VoucherFields extends Admission {
  /** Address of the mote, 20 bytes. Its enrolment has the same counter. */
  readonly mote: Uint8Array;
  /** 0 to 255. */
  readonly role: number;
  /** Numbers in the registry's tables; 0 for none. */
  readonly policyId: number;
  readonly firmwareId: number;
}

/** Two messages with one payload: one signed by the mote's key, one by its successor. */
export interface RotationFields extends Admission {
  /** Addresses, 20 bytes. */
  readonly mote: Uint8Array;
  readonly successor: Uint8Array;
}

const KEY_COUNTER = 1;
const KEY_MOTE = 3;
/** Of an enrolment and of a rotation. */
const KEY_NAMED = 4;
const KEY_ROLE = 4;
const KEY_EXPIRY = 5;
const KEY_POLICY = 6;
const KEY_FIRMWARE = 7;
const KEY_FLEET = 9;
const ROLE_MAX = 255;
/** Eight pairs, five integers of 9 bytes, three addresses, and a chain of 41 characters. */
const PAYLOAD_BYTES_MAX = 1 + 8 + 1 + 5 * 9 + 3 * 21 + 1 + 43;

/** The payload of an enrolment. Fields that `decodeEnrolment` would refuse are our own mistake. */
export function encodeEnrolment({ counter, enroller, expiryBlock, fleet }: EnrolmentFields): Uint8Array {
  const writer = begin(5, PAYLOAD_TYPE_ENROLMENT, counter);
  writeAddress(writer, KEY_NAMED, enroller);
  writer.uint(KEY_EXPIRY, expiryBlock);
  return end(writer, fleet);
}

/** The payload of a voucher. Fields that `decodeVoucher` would refuse are our own mistake. */
export function encodeVoucher({ counter, mote, role, expiryBlock, policyId, firmwareId, fleet }: VoucherFields): Uint8Array {
  assert(role <= ROLE_MAX, "a role of one byte");
  const writer = begin(8, PAYLOAD_TYPE_VOUCHER, counter);
  writeAddress(writer, KEY_MOTE, mote);
  writer.uint(KEY_ROLE, role);
  writer.uint(KEY_EXPIRY, expiryBlock);
  writer.uint(KEY_POLICY, policyId);
  writer.uint(KEY_FIRMWARE, firmwareId);
  return end(writer, fleet);
}

/** The payload of a rotation. Fields that `decodeRotation` would refuse are our own mistake. */
export function encodeRotation({ counter, mote, successor, expiryBlock, fleet }: RotationFields): Uint8Array {
  const writer = begin(6, PAYLOAD_TYPE_ROTATION, counter);
  writeAddress(writer, KEY_MOTE, mote);
  writeAddress(writer, KEY_NAMED, successor);
  writer.uint(KEY_EXPIRY, expiryBlock);
  return end(writer, fleet);
}

/** The fields of an enrolment's payload, byte strings as views of it; or why it is none. */
export function decodeEnrolment(payload: Uint8Array): EnrolmentFields | Rejection {
  return read(payload, PAYLOAD_TYPE_ENROLMENT, (fields, common) => ({
    ...common,
    enroller: fields.bytes(KEY_NAMED, "enroller", KID_BYTES),
  }));
}

/** The fields of a voucher's payload, byte strings as views of it; or why it is none. */
export function decodeVoucher(payload: Uint8Array): VoucherFields | Rejection {
  return read(payload, PAYLOAD_TYPE_VOUCHER, (fields, common) => ({
    ...common,
    mote: fields.bytes(KEY_MOTE, "mote", KID_BYTES),
    role: fields.uint(KEY_ROLE, "role", 0, ROLE_MAX),
    policyId: fields.uint(KEY_POLICY, "policyId"),
    firmwareId: fields.uint(KEY_FIRMWARE, "firmwareId"),
  }));
}

/** The fields of a rotation's payload, byte strings as views of it; or why it is none. */
export function decodeRotation(payload: Uint8Array): RotationFields | Rejection {
  return read(payload, PAYLOAD_TYPE_ROTATION, (fields, common) => ({
    ...common,
    mote: fields.bytes(KEY_MOTE, "mote", KID_BYTES),
    successor: fields.bytes(KEY_NAMED, "successor", KID_BYTES),
  }));
}

function begin(pairs: number, type: number, counter: number): CborWriter {
  assert(counter >= 1, "a counter from 1");
  const writer = new CborWriter(PAYLOAD_BYTES_MAX);
  writer.map(pairs);
  writer.uint(0, type);
  writer.uint(KEY_COUNTER, counter);
  return writer;
}

function writeAddress(writer: CborWriter, key: number, address: Uint8Array): void {
  assert(address.length === KID_BYTES, "an address of 20 bytes");
  writer.key(key);
  writer.bytes(address);
}

function end(writer: CborWriter, { registry, chain }: Fleet): Uint8Array {
  assert(registry.length === KID_BYTES && isChainId(chain), "a registry of 20 bytes, and a CAIP-2 chain");
  writer.key(KEY_FLEET);
  writer.array(2);
  writer.bytes(registry);
  writer.text(chain);
  return writer.finish();
}

function read<T>(payload: Uint8Array, type: number, own: (fields: PayloadFields, common: Admission) => T): T | Rejection {
  try {
    const fields = new PayloadFields(payload, type);
    const counter = fields.uint(KEY_COUNTER, "counter", 1);
    const expiryBlock = fields.uint(KEY_EXPIRY, "expiryBlock");
    const decoded = own(fields, { counter, expiryBlock, fleet: readFleet(fields) });
    fields.end();
    return decoded;
  } catch (error) {
    if (error instanceof Rejection) return error;
    throw error;
  }
}

function readFleet(fields: PayloadFields): Fleet {
  const [registry, chain] = fields.array(KEY_FLEET, "fleet", 2);
  if (!(registry instanceof Uint8Array) || registry.length !== KID_BYTES || !isChainId(chain))
    throw fields.wrong(KEY_FLEET, "fleet", "without a registry of 20 bytes and a CAIP-2 chain");
  return { registry, chain };
}
