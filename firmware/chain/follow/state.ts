// What the follower keeps across a restart, as bytes: the state under its window, and the deltas from there to the head.
//
// Format: version (1), SHA-256 over the consensus' rules and checkpoint (32), lower bound of the clock (6), length of the
// base state (2) and the state, number of deltas (1) and for each its length (1) and itself, CRC-32 of all before (4).
// Promises: takes back only what was written whole, in this version, under the same configuration. Codes: state-corrupted,
// state-version, state-foreign.

import { crc32, equal, readUint, writeUint } from "../../bytes.js";
import type { CryptoEngine } from "../../crypto/engine.js";
import { assert, Rejection } from "../../rejection.js";
import { type Consensus, DELTA_BYTES_MAX, type Trusted } from "../consensus.js";
import type { DeltaList } from "./delta-list.js";

const VERSION = 1;
const DIGEST_BYTES = 32;
const FIXED_BYTES = 1 + DIGEST_BYTES + 6 + 2;
const CRC_BYTES = 4;
export const BASE_BYTES_MAX = 8192;

export interface FollowerState {
  readonly timeFloorS: number;
  readonly base: Trusted;
  /** Oldest first. */
  readonly deltas: readonly Uint8Array[];
}

/** Binds what is persisted to one configuration: another checkpoint or rule voids it. */
export function configurationDigest(engine: CryptoEngine, consensus: Consensus): Uint8Array {
  return engine.sha256(consensus.rules, consensus.serialize(consensus.checkpoint));
}

/** In one buffer: it may be written while a relay's longest answer is still being looked at. */
export function encodeState(
  consensus: Consensus,
  digest: Uint8Array,
  state: Omit<FollowerState, "deltas"> & { readonly deltas?: Pick<DeltaList, "length" | "packed"> },
): Uint8Array {
  const { length: count = 0, packed = new Uint8Array(0) } = state.deltas ?? {};
  const base = consensus.serialize(state.base);
  assert(base.length <= BASE_BYTES_MAX, "a state within its bound");
  const whole = new Uint8Array(FIXED_BYTES + base.length + 1 + packed.length + CRC_BYTES);
  whole[0] = VERSION;
  whole.set(digest, 1);
  writeUint(whole, state.timeFloorS, 1 + DIGEST_BYTES, 6);
  writeUint(whole, base.length, 7 + DIGEST_BYTES, 2);
  whole.set(base, FIXED_BYTES);
  whole[FIXED_BYTES + base.length] = count;
  whole.set(packed, FIXED_BYTES + base.length + 1);
  const at = whole.length - CRC_BYTES;
  writeUint(whole, crc32(whole.subarray(0, at)), at, CRC_BYTES);
  return whole;
}

/** @param deltasMax how many deltas there may be */
export function decodeState(
  consensus: Consensus,
  digest: Uint8Array,
  bytes: Uint8Array,
  deltasMax: number,
): FollowerState | Rejection {
  const end = bytes.length - CRC_BYTES;
  if (end < FIXED_BYTES + 1 || readUint(bytes, end, CRC_BYTES) !== crc32(bytes.subarray(0, end)))
    return corrupted("the checksum does not hold");
  if (bytes[0] !== VERSION) return new Rejection("state-version", `version ${bytes[0]}, not ${VERSION}`);
  if (!equal(bytes.subarray(1, 1 + DIGEST_BYTES), digest))
    return new Rejection("state-foreign", "it belongs to another checkpoint or other rules");
  const baseEnd = FIXED_BYTES + readUint(bytes, 7 + DIGEST_BYTES, 2);
  if (baseEnd >= end) return corrupted("the state is longer than what holds it");
  const base = consensus.deserialize(bytes.subarray(FIXED_BYTES, baseEnd));
  if (base instanceof Rejection) return base;
  const count = bytes[baseEnd] as number;
  if (count > deltasMax) return corrupted(`${count} deltas, ${deltasMax} at most`);
  const deltas: Uint8Array[] = [];
  let at = baseEnd + 1;
  for (let i = 0; i < count; i += 1) {
    const length = at < end ? (bytes[at] as number) : DELTA_BYTES_MAX;
    if (at + 1 + length > end) return corrupted("a delta is cut off");
    deltas.push(bytes.slice(at + 1, at + 1 + length));
    at += 1 + length;
  }
  if (at !== end) return corrupted("bytes after the last delta");
  return { timeFloorS: readUint(bytes, 1 + DIGEST_BYTES, 6), base, deltas };
}

/** The state after all of `state.deltas`, or why they do not follow from its base. */
export function replayAll(consensus: Consensus, base: Trusted, deltas: readonly Uint8Array[]): Trusted | Rejection {
  let trusted = base;
  for (const delta of deltas) {
    const next = consensus.replay(trusted, delta);
    if (next instanceof Rejection) return next;
    trusted = next;
  }
  return trusted;
}

function corrupted(reason: string): Rejection {
  return new Rejection("state-corrupted", reason);
}
