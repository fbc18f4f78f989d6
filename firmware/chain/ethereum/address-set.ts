// Sets of addresses as one byte string: 20 bytes each, ascending. Who may sign or validate a chain of the Ethereum family.
//
// Promises: a set that was given is never changed.

import { ADDRESS_BYTES, findAddress } from "../../bytes/primitives.js";
import { assert } from "../../rejection.js";

/** `set` and one address that is not in it. */
export function withAddress(set: Uint8Array, address: Uint8Array): Uint8Array<ArrayBuffer> {
  const at = (-1 - findAddress(set, address)) * ADDRESS_BYTES;
  assert(at >= 0, "an address once");
  const longer = new Uint8Array(set.length + ADDRESS_BYTES);
  longer.set(set.subarray(0, at));
  longer.set(address, at);
  longer.set(set.subarray(at), at + ADDRESS_BYTES);
  return longer;
}

/** `set` without the address at `index`. */
export function withoutAddress(set: Uint8Array, index: number): Uint8Array {
  const at = index * ADDRESS_BYTES;
  const shorter = new Uint8Array(set.length - ADDRESS_BYTES);
  shorter.set(set.subarray(0, at));
  shorter.set(set.subarray(at + ADDRESS_BYTES), at);
  return shorter;
}

/**
 * How many of `set` are in `other`.
 * @param marked one byte for each of `set`: where given, only those that it marks with 1 count
 */
export function overlapOf(set: Uint8Array, other: Uint8Array, marked?: Uint8Array): number {
  let overlap = 0;
  for (let i = 0; i * ADDRESS_BYTES < set.length; i += 1) {
    if (marked !== undefined && marked[i] !== 1) continue;
    if (findAddress(other, set, i * ADDRESS_BYTES) >= 0) overlap += 1;
  }
  return overlap;
}
