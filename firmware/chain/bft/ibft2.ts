// IBFT 2.0 as Besu runs it (`consensus/ibft`: `IbftBlockHeaderValidationRulesetFactory`, `IbftExtraDataCodec`).
//
// extraData = RLP[vanity, validators, vote, round (4 bytes), seals]. Seals are over the header whose extra data lacks the
// seals, the block's hash over the one that lacks seals and round. The coinbase proposes and votes; an epoch block's vote is
// ignored.

import { Rejection } from "../../rejection.js";
import { checkNoOmmers, NONCE } from "../ethereum/header.js";
import { type BftExtra, type BftVote, readIbft2Extra } from "./extra.js";
import type { BftDialect, BftHeader } from "./header.js";

export const ibft2: BftDialect = Object.freeze({
  name: "ibft2",
  client: "besu",
  proposerSeals: false,
  epochVoteCounts: false,
  keepsIdleVotes: true,
  boundsGasLimit: true,

  readExtra(extraData: Uint8Array): BftExtra {
    return readIbft2Extra(extraData);
  },

  checkAlone(header: BftHeader): Rejection | undefined {
    if (!header.eth.isFilled(NONCE, 0)) return new Rejection("nonce-wrong", "not zero");
    return checkNoOmmers(header.eth);
  },

  sealDigest(header: BftHeader): Uint8Array {
    return header.hashForSeals;
  },

  voteOf(header: BftHeader): BftVote | undefined {
    return header.extra.vote;
  },
});
