// What the proof works on: a Clique chain that third-party code made, the same each time.

import { toHex } from "../../firmware/bytes.js";
import { cliqueCheckpointFromGenesis } from "../../firmware/chain/clique-checkpoint.js";
import { nobleEngine } from "../../firmware/crypto/engine-noble.js";
import { Rejection } from "../../firmware/rejection.js";
import { accounts, CliqueChain } from "../chains/clique-generator.js";
import type { ProofInput } from "./program/proof.js";

const SIGNERS = 5;
const HEADERS = 8;
/** In the middle, so that the first base fee of a chain is among what is checked. */
const LONDON_BLOCK = 4;

/** First a header whose seal is turned in one bit, then some that hold. */
export function proofInput(digest: string): ProofInput {
  const rules = { periodS: 15, epoch: 30_000, londonBlock: LONDON_BLOCK };
  const chain = new CliqueChain({ signers: accounts(SIGNERS, "sdk"), ...rules });
  const checkpoint = cliqueCheckpointFromGenesis(nobleEngine, chain.genesis.raw, { chain: "eip155:1337", ...rules });
  if (checkpoint instanceof Rejection) throw new Error(`${checkpoint.code}: ${checkpoint.detail}`);
  const bendSeal = (seal: Uint8Array): Uint8Array => seal.map((byte, i) => (i === 5 ? byte ^ 1 : byte));
  const blocks = [...chain.grow(chain.genesis, 1, () => ({ bendSeal })), ...chain.grow(chain.genesis, HEADERS)];
  return { digest, checkpoint, headers: blocks.map((block) => toHex(block.raw)) };
}
