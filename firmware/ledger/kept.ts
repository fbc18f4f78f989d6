// What features keep in the key-value store: written and read back, and read as often as it takes.
//
// Promises: a read that goes wrong is made again, and is neither an absence nor a value; what counts of a write is what the store gives back,
// whether or not it has thrown. Never: throws, or judges a value; who keeps it says which ones hold. Code: store-unreadable.

import { equal } from "../bytes.js";
import type { KeyValueDomain } from "../ports.js";
import { READS_MAX } from "../record/journal-sectors.js";
import { Rejection } from "../rejection.js";

/**
 * What the store holds under a key: the first value that holds, else the last that was read.
 * @returns undefined where each read found nothing, `store-unreadable` where the store refused and no read brought a value
 */
export function readKept(
  domain: KeyValueDomain,
  key: string,
  holds: (value: Uint8Array) => boolean,
): Uint8Array | undefined | Rejection {
  let value: Uint8Array | undefined;
  let fault: Rejection | undefined;
  for (let reads = 1; reads <= READS_MAX; reads += 1) {
    try {
      const read = domain.read(key);
      if (read !== undefined) value = new Uint8Array(read);
    } catch (error) {
      fault = new Rejection("store-unreadable", `key ${key}: ${String(error)}`);
    }
    if (value !== undefined && holds(value)) return value;
  }
  return value ?? fault;
}

/** Writes a value and reads it back; why it is not there, or undefined where it is. */
export function writeKept(domain: KeyValueDomain, key: string, bytes: Uint8Array): string | undefined {
  let reason = "the store gives it back differently";
  try {
    domain.write(key, bytes);
  } catch (error) {
    reason = String(error);
  }
  const found = readKept(domain, key, (value) => equal(value, bytes));
  return found instanceof Uint8Array && equal(found, bytes) ? undefined : reason;
}
