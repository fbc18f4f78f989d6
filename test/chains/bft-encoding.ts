// Headers of the BFT family as bytes, out of @ethereumjs/rlp and hash-wasm alone: what the generator seals, and what the
// conformance tests compare the firmware's reading with.

import { RLP } from "@ethereumjs/rlp";
import type { BftKind } from "./bft-model.js";
import { type Draft, itemsOf } from "./clique-generator.js";
import { keccak256Of } from "./keccak.js";

/** What stands in the extra data. */
export interface ExtraDraft {
  vanity: Uint8Array;
  /** As they are listed, in whatever order. */
  validators: Uint8Array[];
  vote: { account: Uint8Array; authorize: boolean } | undefined;
  round: number;
  /** IBFT 1. */
  proposerSeal: Uint8Array;
  seals: Uint8Array[];
}

export interface BftDraft extends Omit<Draft, "list">, ExtraDraft {}

/** What is left out of the extra data: nothing, what the block's hash leaves out, or what the seals leave out. */
export type Cover = "all" | "block" | "seals";

export function encodeExtra(kind: BftKind, draft: Readonly<ExtraDraft>, cover: Cover = "all"): Uint8Array {
  const { vanity, validators, vote, round, proposerSeal, seals } = draft;
  const none: Uint8Array[] = [];
  if (kind === "ibft") {
    // IBFT 1: the proposer's seal covers neither seal, the block's hash covers the proposer's.
    const items = [validators, cover === "seals" ? new Uint8Array(0) : proposerSeal, cover === "all" ? seals : none];
    return Buffer.concat([vanity, RLP.encode(items)]);
  }
  if (kind === "ibft2") {
    const ballot = vote === undefined ? new Uint8Array(0) : [vote.account, Uint8Array.of(vote.authorize ? 0xff : 0)];
    const rounds = Buffer.alloc(4);
    rounds.writeUInt32BE(round);
    const items = [vanity, validators, ballot, ...(cover === "block" ? [] : [rounds]), ...(cover === "all" ? [seals] : [])];
    return RLP.encode(items);
  }
  const ballot = vote === undefined ? [] : [vote.account, vote.authorize ? Uint8Array.of(0xff) : new Uint8Array(0)];
  return RLP.encode([vanity, validators, ballot, cover === "block" ? 0 : round, cover === "all" ? seals : none]);
}

/** @param extraData in the place of what the draft says */
export function encodeHeader(kind: BftKind, draft: Readonly<BftDraft>, cover: Cover = "all", extraData?: Uint8Array): Uint8Array {
  const vanity = extraData ?? encodeExtra(kind, draft, cover);
  return RLP.encode(itemsOf({ ...draft, vanity, list: new Uint8Array(0) }, new Uint8Array(0)));
}

/** The hash of the block; a genesis block's covers all there is. */
export function hashOf(kind: BftKind, draft: Readonly<BftDraft>): Uint8Array {
  return keccak256Of(encodeHeader(kind, draft, draft.number === 0n ? "all" : "block"));
}

/** What the committed seals are over. */
export function sealDigestOf(kind: BftKind, draft: Readonly<BftDraft>): Uint8Array {
  if (kind === "ibft") return keccak256Of(Buffer.concat([hashOf(kind, draft), Uint8Array.of(2)]));
  return keccak256Of(encodeHeader(kind, draft, "seals"));
}

/** What the proposer's seal of IBFT 1 is over. */
export function proposalDigestOf(draft: Readonly<BftDraft>): Uint8Array {
  return keccak256Of(keccak256Of(encodeHeader("ibft", draft, "seals")));
}
