// The list of validators in a header: in which order it stands, and the set that it names.
//
// Promises: a list names each address once, in an order that its chain's clients write: by bytes, and where GoQuorum runs by the
// EIP-55 text, too (`ValidatorSortByString`, where capitals stand before small letters). Everything behind this file sees sets
// in the order of bytes. Never takes any other order, and never hashes where the bytes ascend.

import { compare } from "../bytes.js";
import type { CryptoEngine } from "../crypto/engine.js";
import { checksumDigits } from "../crypto/identity.js";
import { assert } from "../rejection.js";
import { ADDRESS_BYTES, findAddress, isAscending } from "./clique-state.js";

/** Whether `list` names each address once, ascending by bytes, or where `byText` says so by its EIP-55 text. */
export function isOrdered(engine: CryptoEngine, list: Uint8Array, byText: boolean): boolean {
  if (isAscending(list)) return true;
  if (!byText) return false;
  let before: Uint8Array | undefined;
  for (let at = 0; at < list.length; at += ADDRESS_BYTES) {
    const text = checksumDigits(engine, list.subarray(at, at + ADDRESS_BYTES));
    if (before !== undefined && compare(before, text) >= 0) return false;
    before = text;
  }
  return true;
}

/** The addresses of an ordered `list`, ascending by bytes; the same object where they are so already. */
export function setOf(list: Uint8Array): Uint8Array {
  if (isAscending(list)) return list;
  let set = new Uint8Array(0);
  for (let at = 0; at < list.length; at += ADDRESS_BYTES) set = withAddress(set, list.subarray(at, at + ADDRESS_BYTES));
  return set;
}

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
