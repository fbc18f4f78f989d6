// QBFT as Besu runs it (EEA QBFT specification 1.0; `consensus/qbft`: `QbftBlockHeaderValidationRulesetFactory`,
// `QbftExtraDataCodec`, `QbftValidatorsValidationRule`), and as GoQuorum does (`consensus/istanbul/qbft`, `consensus/istanbul/backend`).
//
// extraData = RLP[vanity, validators, vote, round (scalar), seals]. Seals are over the header whose seals are an empty list,
// the block's hash over the one whose round is zero besides. The coinbase proposes and votes; an epoch block's vote is ignored.
// Nonce and ommers are bound by no rule of Besu's, only by the seals. In contract mode a header lists nobody and nobody votes:
// the set is the one that the configuration pins.
//
// GoQuorum tallies as for its IBFT: an epoch block's vote counts, votes that would change nothing are not kept, and a block
// without a vote takes back what its proposer said about the zero address. It binds the ommers and not the gas limit. Like its
// IBFT's, its verifier takes F + 1 seals, and we ask for what its nodes commit with.

import { ADDRESS_BYTES } from "../../bytes/primitives.js";
import type { Rejection } from "../../rejection.js";

import { checkNoOmmers } from "../ethereum/header.js";
import { type BftExtra, type BftVote, readQbftExtra } from "./extra.js";
import type { BftDialect, BftHeader } from "./header.js";

export const qbft: BftDialect = Object.freeze({
  name: "qbft",
  client: "besu",
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

  voteOf(header: BftHeader): BftVote | undefined {
    return header.extra.vote;
  },
});

export const goQuorumQbft: BftDialect = Object.freeze({
  ...qbft,
  client: "goquorum",
  epochVoteCounts: true,
  keepsIdleVotes: false,
  boundsGasLimit: false,

  checkAlone(header: BftHeader): Rejection | undefined {
    return checkNoOmmers(header.eth);
  },

  voteOf(header: BftHeader): BftVote | undefined {
    return header.extra.vote ?? { account: new Uint8Array(ADDRESS_BYTES), authorize: false };
  },
});
