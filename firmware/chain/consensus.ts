// What a consensus is to the follower: one interface for Clique now, and for IBFT, IBFT 2.0, QBFT and Bitcoin.
//
// Promises: a consensus is pure. It reads a raw header, judges it against a `Trusted` state, and answers the next state
// or a `Rejection`; it changes no state, keeps none, knows no clock and no relay. Types only.
//
// The follower keeps few whole states. In between it keeps *deltas*: what a verified header contributed, in tens of
// bytes, from which `replay` makes the same next state again without checking a signature.

import type { Rejection } from "../rejection.js";

/** A decoded header: fields are views of `raw`, which must stay as it is while the header is in use. */
export interface Header {
  readonly raw: Uint8Array;
  /** Height that the header claims; undefined where the format has none (Bitcoin). */
  readonly number: number | undefined;
  /** 32 bytes. */
  readonly parentHash: Uint8Array;
  /** The block's hash as its chain defines it, 32 bytes; made when first asked for. */
  readonly hash: Uint8Array;
  /** Seconds since the Unix epoch. */
  readonly timeS: number;
}

/** What is believed after one block; immutable. Each consensus adds its own fields. */
export interface Trusted {
  readonly number: number;
  /** 32 bytes. */
  readonly hash: Uint8Array;
  /** Time of the block, in seconds since the Unix epoch. */
  readonly timeS: number;
  /** Weight of the chain up to here, for the fork choice; relative to the checkpoint's where that has none. */
  readonly totalDifficulty: bigint;
  /** Height of the newest block that counts as settled by the chain's own measure; at least the checkpoint's. */
  readonly settled: number;
  /** Time of that block, in seconds since the Unix epoch. */
  readonly settledTimeS: number;
  /** What led here from the state before, `DELTA_BYTES_MAX` at most; empty where there is none. Begins with the hash. */
  readonly delta: Uint8Array;
}

export const HASH_BYTES = 32;
export const DELTA_BYTES_MAX = 255;
/**
 * The longest header that is taken in, so that a message of 4,096 bytes holds it. How many signers or validators are followed is
 * derived from it, so that the widest header of as many still fits.
 */
export const HEADER_BYTES_MAX = 4032;

/** What became of a batch of headers: the state after the last that was taken, and the delta of each. */
export interface Extension<T extends Trusted> {
  readonly trusted: T;
  readonly deltas: readonly Uint8Array[];
}

/** The headers that a jump needs: `count` of them from height `from` on. */
export interface Landing {
  readonly from: number;
  readonly count: number;
}

export interface Consensus<H extends Header = Header, T extends Trusted = Trusted> {
  /** As the checkpoint's `consensus` has it. */
  readonly name: string;
  /** CAIP-2. */
  readonly chain: string;
  /** All that the configuration pins about the chain besides the checkpoint's state; a change here voids what is persisted. */
  readonly rules: Uint8Array;
  /** By how many seconds a header may be ahead of a right clock. */
  readonly clockDriftS: number;
  /** The state to start from. */
  readonly checkpoint: T;

  /** Reads and checks all that needs no state. Its cost is bounded, whatever comes. */
  decode(raw: Uint8Array): H | Rejection;
  /**
   * Everything that needs the parent's state but no signature.
   * @param trusted state after the parent
   * @param nowS the clock in seconds, or undefined where it is not known: then no time is too late
   */
  check(trusted: T, header: H, nowS: number | undefined): Rejection | undefined;
  /** The costly rest: signatures, and the next state. Only for a header that passed `check` against the same state. */
  authenticate(trusted: T, header: H): T | Rejection;
  /** `check`, then `authenticate`. */
  verify(trusted: T, header: H, nowS?: number): T | Rejection;
  /** How many signatures `authenticate` checks; 1 where absent. */
  signatures?(header: H): number;
  /**
   * Where many headers together cost less than one by one: `decode` and `verify` of each in turn, up to the first that does
   * not hold, which is left to the caller. For chains whose checks are all cheap: nothing here is counted as work.
   */
  extend?(trusted: T, raws: readonly Uint8Array[], nowS: number | undefined): Extension<T>;
  /** The state after `delta`, which a verified header gave on this very state. Refuses what cannot be one. */
  replay(trusted: T, delta: Uint8Array): T | Rejection;

  /** Whether a block that is verified can never be left: two at one height are then evidence of a fork. */
  readonly isFinal?: boolean;
  /** With no new block for so long, in seconds, something is wrong; undefined where the consensus cannot tell. */
  readonly staleAfterS?: number;
  /**
   * A block is dated at least so long after its parent, in seconds: the least of what applies anywhere on the chain; 0 where there
   * are several a second. Undefined where a header does not say its height.
   */
  readonly leastPeriodS?: number;
  /** For how long a trusted block vouches for others, in seconds; undefined where that has no end. */
  readonly trustingPeriodS?: number | undefined;
  /** Whether `trusted` may still vouch, at `nowS`, for another branch than the one that was believed since; always where absent. */
  vouches?(trusted: T, nowS: number): boolean;
  /** Which headers a jump towards block `target` needs; undefined where there is none that comes nearer. */
  landing?(trusted: T, target: number): Landing | undefined;
  /**
   * The state after the newest of `headers` that counts as settled, without the blocks between. Absent where a chain has to be walked.
   * @param deltas gets those of the headers behind it, which can still be left
   */
  skip?(trusted: T, headers: readonly H[], nowS: number | undefined, deltas?: Uint8Array[]): T | Rejection;
  /** A jump over at most so many blocks is linked to the trusted block by hash; none is where absent (see `follow/linking.ts`). */
  readonly linkBlocksMax?: number;
  /**
   * Whether `header` is so well sealed that the chain has forked if another block stands in its place: undefined where it is.
   * For chains that are final. It has to be a child of the trusted block, by the very set that is known to seal there; where
   * `ours` is given, the header of the trusted block itself, a sibling of that, by the set that sealed `ours`.
   */
  contradicts?(trusted: T, header: H, nowS: number | undefined, ours?: H): Rejection | undefined;

  serialize(trusted: T): Uint8Array;
  /** Strict: `serialize(deserialize(x))` is `x`. */
  deserialize(bytes: Uint8Array): T | Rejection;
}
