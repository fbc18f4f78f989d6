// Opens generated Clique chains with the firmware's own verifier, for the tests.

import { type CliqueCheckpoint, cliqueCheckpointFromGenesis, openClique } from "../../firmware/chain/clique/checkpoint.js";
import type { Clique } from "../../firmware/chain/clique/consensus.js";
import type { CliqueTrusted } from "../../firmware/chain/clique/state.js";
import type { CryptoEngine } from "../../firmware/crypto/engine.js";
import { Rejection } from "../../firmware/rejection.js";
import { fastEngine } from "../../tools/crypto/engine-fast.js";
import { type Block, type CliqueChain, hexOf } from "./clique-generator.js";

/** What was expected to hold, or an error that says what came instead. */
export function held<T>(value: T | Rejection): T {
  if (value instanceof Rejection) throw new Error(String(value));
  return value;
}

export function codeOf(value: unknown): string {
  return value instanceof Rejection ? value.code : "accepted";
}

/** The chain's verifier, opened by way of JSON as a configuration would be. */
export function openGenerated(
  chain: CliqueChain,
  engine: CryptoEngine = fastEngine,
  rules: { londonBlock?: number; baseFeeRule?: "zero"; trustingPeriodS?: number } = {},
): Clique {
  const { periodS, epoch } = chain;
  const json = held(cliqueCheckpointFromGenesis(engine, chain.genesis.raw, { chain: "eip155:1337", periodS, epoch, ...rules }));
  return held(openClique(engine, JSON.parse(JSON.stringify(json))));
}

/** What comes of `raw` on `trusted`. */
export function judge(clique: Clique, trusted: CliqueTrusted, raw: Uint8Array, nowS?: number): CliqueTrusted | Rejection {
  const header = clique.decode(raw);
  return header instanceof Rejection ? header : clique.verify(trusted, header, nowS);
}

/** The state after all of `blocks`, each of which has to hold. */
export function walk(clique: Clique, trusted: CliqueTrusted, blocks: readonly Block[]): CliqueTrusted {
  let state = trusted;
  for (const block of blocks) state = held(judge(clique, state, block.raw));
  return state;
}

export function signersOf(trusted: CliqueTrusted): string[] {
  return Array.from({ length: trusted.signerCount }, (_, i) => hexOf(trusted.signers.slice(20 * i, 20 * i + 20)));
}

/** The checkpoint that a person would write who knows all about `block` from its node. */
export function checkpointAt(chain: CliqueChain, block: Block): CliqueCheckpoint {
  const { model, draft } = block;
  const kept = Math.min(Math.floor(model.signers.size / 2) + 1, block.number);
  const first = block.number - kept;
  const [baseFee] = draft.tail;
  return {
    chain: "eip155:1337",
    consensus: "clique",
    genesisHash: hexOf(chain.genesis.hash),
    periodS: chain.periodS,
    epoch: chain.epoch,
    number: block.number,
    hash: hexOf(block.hash),
    timeS: block.timeS,
    signers: model.sorted,
    recents: Object.fromEntries(model.sealers.slice(first).map((signer, i) => [String(first + 1 + i), signer])),
    votes: model.pending,
    gasLimit: `0x${draft.gasLimit.toString(16)}`,
    gasUsed: `0x${draft.gasUsed.toString(16)}`,
    ...(typeof baseFee === "bigint" ? { baseFee: `0x${baseFee.toString(16)}` } : {}),
    totalDifficulty: `0x${block.totalDifficulty.toString(16)}`,
  };
}
