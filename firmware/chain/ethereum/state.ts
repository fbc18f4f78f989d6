// The bytes of what is believed about a chain of the Ethereum family, as far as they are the same for all of them.
//
// Promises: strict; what does not fit is our own mistake, what is read and does not hold is refused (trusted-malformed).

import { scalarBytes } from "../../codec/rlp.js";
import { assert, Rejection } from "../../rejection.js";

export function putUint64(bytes: Uint8Array, value: bigint, at: number): void {
  const content = scalarBytes(value);
  assert(content.length <= 8, "a value below 2^64");
  bytes.set(content, at + 8 - content.length);
}

export function malformed(reason: string): Rejection {
  return new Rejection("trusted-malformed", reason);
}
