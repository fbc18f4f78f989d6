// What the collector checks before anything is stored: that a message is a record, signed by the mote in whose topic it
// came, for the fleet that this collector serves.
//
// Promises: cheap checks before the signature; a `Rejection` for everything else. Never: stores, or trusts a topic.

import { equal, fromHex, toHex } from "../../firmware/bytes.js";
import type { CryptoEngine } from "../../firmware/crypto/engine.js";
import { decodeSign1, SIGN1_BYTES_MAX, verifySign1 } from "../../firmware/record/cose.js";
import { decodeRecord } from "../../firmware/record/record.js";
import { Rejection } from "../../firmware/rejection.js";
import type { CheckedRecord } from "./store.js";

export interface Fleet {
  /** 20 bytes. */
  readonly registry: Uint8Array;
  /** CAIP-2. */
  readonly chain: string;
}

/**
 * @param topicAddress the address in the topic, or undefined where the record came another way
 * @param fleet the only fleet to take records of, or undefined for any
 */
export function checkRecord(
  engine: CryptoEngine,
  message: Uint8Array,
  topicAddress?: Uint8Array,
  fleet?: Fleet,
): CheckedRecord | Rejection {
  if (message.length > SIGN1_BYTES_MAX) return new Rejection("cose-too-long", `${message.length} bytes`);
  const parts = decodeSign1(message);
  if (parts instanceof Rejection) return parts;
  if (topicAddress !== undefined && !equal(parts.kid, topicAddress))
    return new Rejection("address-foreign", `a record of 0x${toHex(parts.kid)} in another mote's topic`);
  const fields = decodeRecord(parts.payload);
  if (fields instanceof Rejection) return fields;
  if (fleet !== undefined && (!equal(fields.fleet.registry, fleet.registry) || fields.fleet.chain !== fleet.chain))
    return new Rejection("fleet-foreign", `a record of fleet 0x${toHex(fields.fleet.registry)} on ${fields.fleet.chain}`);
  const verified = verifySign1(engine, message);
  if (verified instanceof Rejection) return verified;
  return { address: verified.kid, digest: verified.digest, fields, sign1: message };
}

/** The address in `…motes/0x…/records`, or another of a mote's topics; or undefined. */
export function addressOfTopic(topic: string, last = "records"): Uint8Array | undefined {
  const match = topic.endsWith(`/${last}`) ? /(?:^|\/)motes\/0x([0-9a-f]{40})\/[a-z]+$/.exec(topic) : null;
  const bytes = match === null ? undefined : fromHex(match[1] as string);
  return bytes instanceof Uint8Array ? bytes : undefined;
}
