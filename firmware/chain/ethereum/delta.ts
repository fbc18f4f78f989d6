// The delta of a block of the Ethereum family: what a verified header contributed, from which the next state follows.
//
// Format: hash (32), flags (1), time (6), gas limit (8), gas used (8), index of whoever sealed it (1), then as the flags say the
// account voted on (20) and the base fee (the rest).
// Promises: at most 108 bytes. Written as it is kept in flash; read in place, by offset and not by calls, since every block of a walk is.

import { ADDRESS_BYTES } from "../../bytes/primitives.js";
import { copyInto, writeUint } from "../../bytes.js";
import { scalarOf } from "../../codec/rlp.js";
import { Rejection } from "../../rejection.js";
import { HASH_BYTES } from "../consensus.js";

import type { Gas } from "./gas.js";
import type { EthereumHeader } from "./header.js";

export const FLAGS_AT = HASH_BYTES;
export const TIME_AT = FLAGS_AT + 1;
export const TIME_BYTES = 6;
const GAS_LIMIT_AT = TIME_AT + TIME_BYTES;
const GAS_USED_AT = GAS_LIMIT_AT + 8;
export const SEALER_AT = GAS_USED_AT + 8;
export const ACCOUNT_AT = SEALER_AT + 1;
export const ACCOUNT_END = ACCOUNT_AT + ADDRESS_BYTES;
const BASE_FEE_BYTES_MAX = 32;

/** The vote is for the account. */
export const FLAG_AUTHORIZE = 1;
/** There is an account, from `ACCOUNT_AT` to `ACCOUNT_END`. */
export const FLAG_ACCOUNT = 2;
const FLAG_BASE_FEE = 4;
/** Clique's: whoever sealed it was in turn. */
export const FLAG_IN_TURN = 8;

/**
 * @param hash of the block
 * @param sealer index, in the set that the block was sealed by
 * @param account that the block votes on; undefined where it does on none
 * @param flags `FLAG_AUTHORIZE`, `FLAG_IN_TURN`
 */
export function deltaOf(
  header: EthereumHeader,
  hash: Uint8Array,
  sealer: number,
  account: Uint8Array | undefined,
  flags: number,
): Uint8Array {
  const fee = header.baseFeeBytes;
  const delta = new Uint8Array(ACCOUNT_AT + (account === undefined ? 0 : ADDRESS_BYTES) + fee.length);
  copyInto(delta, 0, hash);
  delta[FLAGS_AT] = flags | (account === undefined ? 0 : FLAG_ACCOUNT) | (header.tailItems > 0 ? FLAG_BASE_FEE : 0);
  writeUint(delta, header.timeS, TIME_AT, TIME_BYTES);
  header.putGas(delta, GAS_LIMIT_AT);
  delta[SEALER_AT] = sealer;
  if (account !== undefined) copyInto(delta, ACCOUNT_AT, account);
  copyInto(delta, delta.length - fee.length, fee);
  return delta;
}

/**
 * The gas of a delta that comes from flash, or delta-malformed.
 * @param sealerCount how many there are that may have sealed it
 * @param number height of the block before
 */
export function gasOfDelta(delta: Uint8Array, sealerCount: number, number: number): Gas | Rejection {
  const flags = delta[FLAGS_AT] ?? 0;
  const feeAt = ACCOUNT_AT + (flags & FLAG_ACCOUNT ? ADDRESS_BYTES : 0);
  const feeBytes = delta.length - feeAt;
  const feeBytesMax = flags & FLAG_BASE_FEE ? BASE_FEE_BYTES_MAX : 0;
  if (feeBytes < 0 || feeBytes > feeBytesMax || (delta[SEALER_AT] as number) >= sealerCount)
    return new Rejection("delta-malformed", `${delta.length} bytes that follow from no header on block ${number}`);
  return {
    gasLimit: scalarOf(delta.subarray(GAS_LIMIT_AT, GAS_USED_AT)),
    gasUsed: scalarOf(delta.subarray(GAS_USED_AT, SEALER_AT)),
    baseFee: flags & FLAG_BASE_FEE ? scalarOf(delta.subarray(feeAt)) : undefined,
  };
}
