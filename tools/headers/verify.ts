// Verifies a stream of raw headers from a checkpoint on, with the very code that runs on a mote.
//
// Promises: every header after the checkpoint is checked by every rule, against the clock as it is then; the first that does not hold
// ends it, with its height and its code; the state that is kept has the mote's bounds, whatever the length; however it ends, it says
// how far it came. What stands before the checkpoint is read past, whatever it is: only hashes say where the checkpoint is.
// Never: trusts an order, a height or a hash that a file or a node claims.

import { equal } from "../../firmware/bytes.js";
import type { Consensus, Trusted } from "../../firmware/chain/consensus.js";
import { Rejection } from "../../firmware/rejection.js";
import { hashText } from "../rpc/chain.js";
import { RpcError } from "../rpc/json-rpc.js";

/** What was read past before the headers that are verified. */
export interface Passed {
  /** Headers up to the checkpoint, which is one of them. */
  readonly headers: number;
  /** Bytes of zeros, which a file has where its headers were never filled in. */
  readonly zeroBytes: number;
  /** Pieces that are neither. */
  readonly unreadable: number;
}

export interface Verified {
  readonly trusted: Trusted;
  /** Headers that were verified. */
  readonly count: number;
  readonly passed: Passed;
  /** The header after `trusted` does not hold. */
  readonly refused?: Rejection;
  /** The node gave no more, which says nothing about its headers. */
  readonly failed?: RpcError;
  /** It was told to end. */
  readonly stopped?: true;
}

export interface VerifyOptions {
  /** The clock in seconds: a header too far ahead of it, when its turn comes, is refused. */
  readonly nowS: () => number;
  /** Whether the first header has to be the checkpoint's child, as it is where a node was asked for that. */
  readonly fromChild?: boolean;
  /** Told after each batch. */
  readonly onProgress?: (state: Pick<Verified, "trusted" | "count">) => void;
  readonly signal?: AbortSignal;
}

export async function verifyHeaders(
  consensus: Consensus,
  batches: AsyncIterable<readonly Uint8Array[]>,
  options: VerifyOptions,
): Promise<Verified> {
  const { nowS, onProgress, signal } = options;
  const search = new CheckpointSearch(consensus, options.fromChild ?? false);
  let trusted = consensus.checkpoint;
  let count = 0;
  const end = (why: Pick<Verified, "refused" | "failed" | "stopped"> = {}): Verified => ({
    ...{ trusted, count, passed: search.passed },
    ...why,
  });
  try {
    for await (const raws of batches) {
      let at = search.skip(raws);
      const extended = at === raws.length ? undefined : consensus.extend?.(trusted, raws.slice(at), nowS());
      if (extended !== undefined) {
        trusted = extended.trusted;
        at += extended.deltas.length;
        count += extended.deltas.length;
      }
      for (; at < raws.length; at += 1) {
        if (signal?.aborted === true) return end({ stopped: true });
        const next = verifyOne(consensus, trusted, raws[at] as Uint8Array, nowS());
        if (next instanceof Rejection) return end({ refused: next });
        trusted = next;
        count += 1;
      }
      onProgress?.({ trusted, count });
      if (signal?.aborted === true) return end({ stopped: true });
    }
  } catch (error) {
    if (signal?.aborted === true) return end({ stopped: true });
    if (error instanceof Rejection) return end({ refused: search.absent(error) ?? error });
    if (error instanceof RpcError) return end({ failed: error });
    throw error;
  }
  const absent = search.absent();
  return end(absent === undefined ? {} : { refused: absent });
}

function verifyOne(consensus: Consensus, trusted: Trusted, raw: Uint8Array, nowS: number): Trusted | Rejection {
  const header = consensus.decode(raw);
  return header instanceof Rejection ? header : consensus.verify(trusted, header, nowS);
}

/** Looks for the checkpoint, or its child, by their hashes alone. */
class CheckpointSearch {
  readonly #consensus: Consensus;
  #found: boolean;
  #headers = 0;
  #zeroBytes = 0;
  #unreadable = 0;
  /** Why the first piece that is none was refused. */
  #first: Rejection | undefined;

  constructor(consensus: Consensus, found: boolean) {
    this.#consensus = consensus;
    this.#found = found;
  }

  get passed(): Passed {
    return { headers: this.#headers, zeroBytes: this.#zeroBytes, unreadable: this.#unreadable };
  }

  /** How many of `raws` stand before the first that is to be verified. */
  skip(raws: readonly Uint8Array[]): number {
    let at = 0;
    for (; at < raws.length && !this.#found; at += 1) {
      const raw = raws[at] as Uint8Array;
      if (raw.every((byte) => byte === 0)) {
        this.#zeroBytes += raw.length;
        continue;
      }
      const header = this.#consensus.decode(raw);
      if (header instanceof Rejection) {
        this.#unreadable += 1;
        this.#first ??= header;
        continue;
      }
      const { hash } = this.#consensus.checkpoint;
      this.#found = equal(header.parentHash, hash) || equal(header.hash, hash);
      if (this.#found && equal(header.parentHash, hash)) return at;
      this.#headers += 1;
    }
    return at;
  }

  /** What is wrong where the stream ended, or could not be read on, before the checkpoint was met. */
  absent(fault?: Rejection): Rejection | undefined {
    const read = this.#headers + this.#unreadable + this.#zeroBytes;
    if (this.#found || (read === 0 && fault === undefined)) return undefined;
    const { chain, checkpoint } = this.#consensus;
    const among = `neither the checkpoint, block #${checkpoint.number} ${hashText(chain, checkpoint.hash)}, nor its child is among them`;
    const zeros = this.#zeroBytes === 0 ? "" : ` and ${this.#zeroBytes} bytes of zeros`;
    const first = fault ?? this.#first;
    const why = first === undefined ? "" : `; ${first.detail} (${first.code})`;
    return new Rejection("parent-wrong", `${this.#headers + this.#unreadable} headers${zeros} were read, and ${among}${why}`);
  }
}
