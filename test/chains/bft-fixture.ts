// Opens generated BFT chains with the firmware's own verifier, for the tests.

import { type BftCheckpoint, bftCheckpointFromHeader, openBft } from "../../firmware/chain/bft/checkpoint.js";
import type { Bft } from "../../firmware/chain/bft/consensus.js";
import type { BftTrusted } from "../../firmware/chain/bft/state.js";
import { textsOf } from "../../firmware/chain/ethereum/checkpoint-fields.js";
import type { CryptoEngine } from "../../firmware/crypto/engine.js";
import type { Rejection } from "../../firmware/rejection.js";
import { fastEngine } from "../../tools/crypto/engine-fast.js";
import type { BftBlock, BftChain } from "./bft-generator.js";
import { consensusOf } from "./bft-model.js";
import { held } from "./clique-fixture.js";
import { hexOf } from "./clique-generator.js";

export const TRUSTING_PERIOD_S = 30 * 86_400;

/** The checkpoint that a person would write who knows all about `block` from its node. */
export function bftCheckpointAt(chain: BftChain, block: BftBlock, more: Partial<BftCheckpoint> = {}): BftCheckpoint {
  return {
    chain: "eip155:1337",
    ...consensusOf(chain.kind),
    genesisHash: hexOf(chain.genesis.hash),
    periodS: chain.periodS,
    epoch: chain.epoch,
    trustingPeriodS: TRUSTING_PERIOD_S,
    ...(chain.contract ? { validatorSelection: "contract" } : {}),
    number: block.number,
    hash: hexOf(block.hash),
    timeS: block.timeS,
    validators: block.model.sorted,
    votes: block.model.pending,
    gasLimit: `0x${block.draft.gasLimit.toString(16)}`,
    gasUsed: `0x${block.draft.gasUsed.toString(16)}`,
    ...(typeof block.draft.tail[0] === "bigint" ? { baseFee: `0x${block.draft.tail[0].toString(16)}` } : {}),
    ...more,
  };
}

/** The chain's verifier, opened by way of JSON as a configuration would be: from its genesis, or from `block`. */
export function openBftChain(
  chain: BftChain,
  options: { engine?: CryptoEngine; block?: BftBlock; more?: Partial<BftCheckpoint> } = {},
): Bft {
  const { engine = fastEngine, block = chain.genesis, more } = options;
  return held(openBft(engine, JSON.parse(JSON.stringify(bftCheckpointAt(chain, block, more)))));
}

/** The verifier that the genesis header alone gives. */
export function openFromGenesis(chain: BftChain, engine: CryptoEngine = fastEngine): Bft {
  const json = bftCheckpointFromHeader(engine, chain.genesis.raw, {
    ...{ chain: "eip155:1337", ...consensusOf(chain.kind), periodS: chain.periodS, epoch: chain.epoch },
    trustingPeriodS: TRUSTING_PERIOD_S,
  });
  return held(openBft(engine, JSON.parse(JSON.stringify(held(json)))));
}

/** What comes of `raw` on `trusted`. */
export function judgeBft(bft: Bft, trusted: BftTrusted, raw: Uint8Array, nowS?: number): BftTrusted | Rejection {
  const header = bft.decode(raw);
  return "code" in header ? header : bft.verify(trusted, header, nowS);
}

/** What comes of a jump from `trusted` to `raw`. */
export function jumpBft(bft: Bft, trusted: BftTrusted, raw: Uint8Array, nowS: number | undefined): BftTrusted | Rejection {
  const header = bft.decode(raw);
  return "code" in header ? header : bft.skip(trusted, [header], nowS);
}

/** The state after all of `blocks`, each of which has to hold. */
export function walkBft(bft: Bft, trusted: BftTrusted, blocks: readonly BftBlock[]): BftTrusted {
  let state = trusted;
  for (const block of blocks) state = held(judgeBft(bft, state, block.raw));
  return state;
}

export function validatorsOf(trusted: BftTrusted): string[] {
  return textsOf(trusted.validators);
}
