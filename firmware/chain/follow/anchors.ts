// Older states that were believed, in the key-value store and not on the heap: where another branch is walked from that left ours
// before the window begins.
//
// Promises: for each of the `STRIDES` the newest two bases of the window that were persisted first after a multiple of it, so that
// at least one is between one and two strides old. One write for each multiple: a 128th of a write for each block and a little,
// against one for 64 blocks at most of the state itself. All together take `ANCHOR_BYTES_MAX`, or two states where one is larger
// than half of that. The checkpoint is the last of them and takes nothing. Never believes bytes that are not whole, of this
// version and of this configuration.

import type { KeyValueDomain } from "../../ports.js";
import { Rejection } from "../../rejection.js";
import type { Consensus, Trusted } from "../consensus.js";
import { decodeState, encodeState } from "./state.js";

/** In blocks; where a state is so large that they do not all fit, the first ones are kept. */
const STRIDES: readonly number[] = Object.freeze([1_024, 8_192, 128, 65_536]);
/** No rival begins further below our head, in blocks: twice the longest stride. */
export const RIVAL_DEPTH_MAX = 131_072;
export const ANCHOR_BYTES_MAX = 3_072;
const PER_STRIDE = 2;

/**
 * Keeps `base` where it is the first after a multiple of a stride. Throws what the store throws.
 * @param before height of the base that this was called with before
 */
export function keepAnchors(
  consensus: Consensus,
  store: KeyValueDomain,
  digest: Uint8Array,
  base: Trusted,
  before: number,
): void {
  let whole: Uint8Array | undefined;
  STRIDES.forEach((stride, level) => {
    const turn = Math.floor(base.number / stride);
    if (turn === Math.floor(before / stride)) return;
    whole ??= encodeState(consensus, digest, { timeFloorS: 0, base });
    const fits = level === 0 || PER_STRIDE * (level + 1) * whole.length <= ANCHOR_BYTES_MAX;
    if (fits) store.write(keyOf(level, turn % PER_STRIDE), whole);
    else for (let i = 0; i < PER_STRIDE; i += 1) if (store.read(keyOf(level, i)) !== undefined) store.delete(keyOf(level, i));
  });
}

/**
 * The newest state that was kept of a block below `number`, or the checkpoint; undefined where that is not below, too far below
 * `head`, or too old to vouch for what comes after it.
 * @param nowS the clock, or undefined where it is not known: then the head's time is what is known of it
 */
export function anchorFor(
  consensus: Consensus,
  store: KeyValueDomain,
  digest: Uint8Array,
  number: number,
  head: Trusted,
  nowS: number | undefined,
): Trusted | undefined {
  const state = anchorBelow(consensus, store, digest, number);
  if (state === undefined || head.number - state.number > RIVAL_DEPTH_MAX) return undefined;
  // Signers that left long ago are not to be heard.
  return consensus.vouches?.(state, Math.max(nowS ?? 0, head.timeS)) === false ? undefined : state;
}

function anchorBelow(consensus: Consensus, store: KeyValueDomain, digest: Uint8Array, number: number): Trusted | undefined {
  let newest = consensus.checkpoint.number < number ? consensus.checkpoint : undefined;
  for (let key = 0; key < PER_STRIDE * STRIDES.length; key += 1) {
    const value = store.read(keyOf(Math.floor(key / PER_STRIDE), key % PER_STRIDE));
    const state = value === undefined ? undefined : decodeState(consensus, digest, new Uint8Array(value), 0);
    if (state === undefined || state instanceof Rejection) continue;
    const { base } = state;
    if (base.number < number && base.number > (newest?.number ?? -1)) newest = base;
  }
  return newest;
}

function keyOf(level: number, turn: number): string {
  return `anchor${level}${turn}`;
}
