// IBFT, the first of its name, as GoQuorum runs it (EIP-650; `consensus/istanbul/ibft/engine`, `consensus/istanbul/backend`).
//
// extraData = 32 bytes of vanity ‖ RLP[validators, proposer seal, committed seals]. Votes as in Clique: the coinbase is the
// account, the nonce the direction, the voter whoever made the proposer's seal; an epoch block clears the tally and its own
// vote counts. Committed seals are over keccak256(block hash ‖ 0x02), and the block's hash keeps the proposer's seal.
//
// Stricter than GoQuorum's verifier where that is content with less than its own nodes commit with: a block needs the seals
// that the core waits for, 2F + 1 with F = ⌈n/3⌉ − 1 before `ceil2Nby3Block` and ⌈2n/3⌉ from it, where the verifier takes
// F + 1; and the list in extraData has to be that of the tally, which the verifier never compares.

import { Rejection } from "../../rejection.js";
import { checkNoOmmers } from "../ethereum/header.js";
import { type BftExtra, type BftVote, readIbft1Extra } from "./extra.js";
import type { BftDialect, BftHeader } from "./header.js";

/** The code of a commit message, which its seal covers. */
const COMMIT = 2;
const NONCE_BYTES = 8;

export const ibft1: BftDialect = Object.freeze({
  name: "ibft",
  client: "goquorum",
  proposerSeals: true,
  epochVoteCounts: true,
  keepsIdleVotes: false,
  boundsGasLimit: false,

  readExtra(extraData: Uint8Array): BftExtra {
    return readIbft1Extra(extraData);
  },

  checkAlone(header: BftHeader): Rejection | undefined {
    const { nonce } = header.eth;
    const direction = nonce[0] as number;
    for (let i = 0; i < NONCE_BYTES; i += 1)
      if (nonce[i] !== direction || (direction !== 0 && direction !== 0xff))
        return new Rejection("nonce-wrong", "neither all ff nor all 00");
    const ommers = checkNoOmmers(header.eth);
    if (ommers !== undefined) return ommers;
    if (header.extra.proposerSeal === undefined) return new Rejection("seal-malformed", "no proposer seal");
    return undefined;
  },

  sealDigest(header: BftHeader): Uint8Array {
    return header.hashWithByte(COMMIT);
  },

  voteOf(header: BftHeader): BftVote | undefined {
    return { account: header.eth.coinbase, authorize: header.eth.nonce[0] === 0xff };
  },
});
