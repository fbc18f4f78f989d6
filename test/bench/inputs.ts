// What the benchmarks work on: chains that third-party code made, the same each time.

import { cliqueCheckpointFromGenesis } from "../../firmware/chain/clique/checkpoint.js";
import { nobleEngine } from "../../firmware/crypto/engine-noble.js";
import { Rejection } from "../../firmware/rejection.js";
import { accounts, CliqueChain } from "../chains/clique-generator.js";
import { bftBenchInputs } from "./bft-inputs.js";
import { bitcoinInputs } from "./bitcoin-inputs.js";
import type { BenchInputs } from "./cases.js";
import { proofInputs } from "./proof-inputs.js";

const SIGNERS = 5;
const HEADERS = 30;
const PERIOD_S = 15;
const EPOCH = 30_000;

export function benchInputs(): BenchInputs {
  const chain = new CliqueChain({ signers: accounts(SIGNERS, "bench"), periodS: PERIOD_S, epoch: EPOCH, londonBlock: 0 });
  const rules = { chain: "eip155:1337", periodS: PERIOD_S, epoch: EPOCH, londonBlock: 0 };
  const checkpoint = cliqueCheckpointFromGenesis(nobleEngine, chain.genesis.raw, rules);
  if (checkpoint instanceof Rejection) throw new Error(`${checkpoint.code}: ${checkpoint.detail}`);
  const headers = chain.grow(chain.genesis, HEADERS).map((block) => Buffer.from(block.raw).toString("hex"));
  return { clique: { checkpoint, headers }, bft: bftBenchInputs(), bitcoin: bitcoinInputs(), proof: proofInputs() };
}
