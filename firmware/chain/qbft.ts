// QBFT as Besu runs it (EEA QBFT specification 1.0; `consensus/qbft`: `QbftBlockHeaderValidationRulesetFactory`,
// `QbftExtraDataCodec`, `QbftValidatorsValidationRule`).
//
// extraData = RLP[vanity, validators, vote, round (scalar), seals]. Seals are over the header whose seals are an empty list,
// the block's hash over the one whose round is zero besides. The coinbase proposes and votes; an epoch block's vote is ignored.
// Nonce and ommers are bound by no rule of Besu's, only by the seals. In contract mode a header lists nobody and nobody votes:
// the set is the one that the configuration pins.

import type { Rejection } from "../rejection.js";
import { type BftExtra, type BftVote, readQbftExtra } from "./bft-extra.js";
import type { BftDialect, BftHeader } from "./bft-header.js";
import { quorumOf } from "./bft-seals.js";

export const qbft: BftDialect = Object.freeze({
  name: "qbft",
  proposerSeals: false,
  epochVoteCounts: false,
  keepsIdleVotes: true,
  boundsGasLimit: true,

  readExtra(extraData: Uint8Array): BftExtra {
    return readQbftExtra(extraData);
  },

  checkAlone(): Rejection | undefined {
    return undefined;
  },

  sealDigest(header: BftHeader): Uint8Array {
    return header.hashForSeals;
  },

  quorum(validatorCount: number): number {
    return quorumOf(validatorCount);
  },

  voteOf(header: BftHeader): BftVote | undefined {
    return header.extra.vote;
  },
});
