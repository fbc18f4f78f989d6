// What the BFT benchmarks work on: chains of four validators and three seals a block, made by third-party code, the same each
// time. Node only; the cases themselves are in bft-cases.ts.

import { bftCheckpointAt } from "../chains/bft-fixture.js";
import { BftChain } from "../chains/bft-generator.js";
import { accounts } from "../chains/clique-generator.js";
import type { BftBenchInputs } from "./bft-cases.js";

const VALIDATORS = 4;
const HEADERS = 26;
const PERIOD_S = 2;

export function bftBenchInputs(): BftBenchInputs {
  const inputOf = (kind: "ibft2" | "qbft") => {
    const chain = new BftChain({ kind, validators: accounts(VALIDATORS, "bench"), periodS: PERIOD_S, tail: [0n] });
    const blocks = chain.grow(chain.genesis, HEADERS);
    return {
      checkpoint: bftCheckpointAt(chain, chain.genesis, { londonBlock: 0 }),
      headers: blocks.map((block) => Buffer.from(block.raw).toString("hex")),
    };
  };
  return { ibft2: inputOf("ibft2"), qbft: inputOf("qbft") };
}
