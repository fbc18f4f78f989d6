// Verifies a stream of raw headers from a checkpoint on, with the very code that runs on a mote.
//
// Promises: every header is checked by every rule; the first that does not hold ends it, with its height and its code; the state that
// is kept has the mote's bounds, whatever the length. What is at or below the checkpoint is read past, if it is the checkpoint's
// own chain up to there. Never: trusts an order, a height or a hash that a file or a node claims.

import { equal } from "../../firmware/bytes.js";
import type { Consensus, Trusted } from "../../firmware/chain/consensus.js";
import { Rejection } from "../../firmware/rejection.js";

export interface Verified {
  readonly trusted: Trusted;
  /** Headers that were verified. */
  readonly count: number;
  /** Headers up to the checkpoint, which were read past. */
  readonly passed: number;
  /** Why it ended before the stream did. */
  readonly refused: Rejection | undefined;
}

/**
 * @param nowS the clock: a header too far ahead of it is refused
 * @param onProgress told after each batch
 */
export async function verifyHeaders(
  consensus: Consensus,
  batches: AsyncIterable<readonly Uint8Array[]>,
  nowS: number,
  onProgress: (state: Pick<Verified, "trusted" | "count">) => void = () => undefined,
): Promise<Verified> {
  let trusted = consensus.checkpoint;
  let count = 0;
  let passed = 0;
  /** What the first header is refused for, as long as the checkpoint was not met. */
  let unmet: Rejection | undefined;
  try {
    for await (const raws of batches) {
      let at = 0;
      if (count === 0) {
        at = afterCheckpoint(consensus, raws);
        passed += at;
        if (at === raws.length) {
          // The checkpoint may end this batch, or come in a later one.
          if (isCheckpoint(consensus, raws[at - 1])) {
            unmet = undefined;
            continue;
          }
          const refusal = verifyOne(consensus, trusted, raws[0] as Uint8Array, nowS);
          if (refusal instanceof Rejection) unmet ??= refusal;
          continue;
        }
        unmet = undefined;
      }
      const extended = consensus.extend?.(trusted, at === 0 ? raws : raws.slice(at), nowS);
      if (extended !== undefined) {
        trusted = extended.trusted;
        at += extended.steps.length;
        count += extended.steps.length;
      }
      for (; at < raws.length; at += 1) {
        const next = verifyOne(consensus, trusted, raws[at] as Uint8Array, nowS);
        if (next instanceof Rejection) return { trusted, count, passed, refused: next };
        trusted = next;
        count += 1;
      }
      onProgress({ trusted, count });
    }
  } catch (error) {
    if (error instanceof Rejection) return { trusted, count, passed, refused: error };
    throw error;
  }
  return { trusted, count, passed, refused: unmet };
}

function isCheckpoint(consensus: Consensus, raw: Uint8Array | undefined): boolean {
  const header = raw === undefined ? undefined : consensus.decode(raw);
  return header !== undefined && !(header instanceof Rejection) && equal(header.hash, consensus.checkpoint.hash);
}

function verifyOne(consensus: Consensus, trusted: Trusted, raw: Uint8Array, nowS: number): Trusted | Rejection {
  const header = consensus.decode(raw);
  return header instanceof Rejection ? header : consensus.verify(trusted, header, nowS);
}

/**
 * Where the headers after the checkpoint begin: at its child, or after the checkpoint itself. The list's length where neither is
 * in it; 0 for what cannot be read at all, so that it is refused.
 */
function afterCheckpoint(consensus: Consensus, raws: readonly Uint8Array[]): number {
  const { hash } = consensus.checkpoint;
  for (let i = 0; i < raws.length; i += 1) {
    const header = consensus.decode(raws[i] as Uint8Array);
    if (header instanceof Rejection || equal(header.parentHash, hash)) return i;
    if (equal(header.hash, hash)) return i + 1;
  }
  return raws.length;
}
