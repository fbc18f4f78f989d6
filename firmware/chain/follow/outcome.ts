// What can come of a header that somebody delivers, and the refusals that concern a delivery as a whole.
//
// Promises: types, constants and texts only; nothing here judges. An outcome holds no state: an answer may bring sixteen of
// them, and what each block left behind would stay on the heap until the last is looked at.

import { Rejection } from "../../rejection.js";

export type Outcome =
  /** The head is the child of what it was. */
  | { readonly kind: "advanced" }
  /**
   * The head is a block further up, now `number`; the blocks between were not verified. `linked` tells whether they were followed
   * by their hashes, so that the block is known to be of the chain that was followed before.
   */
  | { readonly kind: "jumped"; readonly number: number; readonly blocks: number; readonly linked: boolean }
  /** Headers below a block that may become the head belong to it; they do not reach down to the head yet. */
  | { readonly kind: "linking" }
  /**
   * The head moved to another branch, to its block `number`; `depth` blocks were left, at least, of which `revoked` had counted as
   * settled.
   */
  | { readonly kind: "reorg"; readonly number: number; readonly depth: number; readonly revoked: number }
  /** Verified, on a branch that is not heavier. */
  | { readonly kind: "side"; readonly number: number }
  /** Verified, on a branch that leaves ours below the window, or is long, and is not heavier yet. */
  | { readonly kind: "rival"; readonly number: number }
  /** A second block with a quorum at one height: the chain has forked, and the head is frozen. */
  | { readonly kind: "fork"; readonly number: number }
  /** Verified earlier; of a chain that is final, another round or other seals of the same block count as the same. */
  | { readonly kind: "known" }
  /** Its parent is not known, or nobody known vouches for it yet: see `wanted`. Nothing about it is verified. */
  | { readonly kind: "wanting" };

export const ADVANCED: Outcome = Object.freeze({ kind: "advanced" });
export const KNOWN: Outcome = Object.freeze({ kind: "known" });
export const WANTING: Outcome = Object.freeze({ kind: "wanting" });
export const LINKING: Outcome = Object.freeze({ kind: "linking" });

export function movesHead(outcome: Outcome): boolean {
  return outcome.kind === "advanced" || outcome.kind === "jumped" || outcome.kind === "reorg";
}

/** Whether whoever sent it brought the mote on: no reason to wait before asking again. */
export function bringsOn(outcome: Outcome): boolean {
  return movesHead(outcome) || outcome.kind === "linking" || outcome.kind === "rival";
}

export function stale(number: number, base: number): Rejection {
  return new Rejection("stale", `block ${number} is below ${base}, where nothing changes any more`);
}

export function tooLong(count: number, asked: number): Rejection {
  return new Rejection("answer-too-long", `${count} headers, where ${asked} were asked for`);
}

export function frozen(number: number): Rejection {
  return new Rejection("head-frozen", `the chain forked at block ${number}; a new checkpoint is needed`);
}
