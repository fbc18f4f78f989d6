// Clique headers a second on Node, side by side: chainmote's whole verification (decoding, every rule, the signer, the next state)
// against @ethereumjs/block's decoding and `cliqueSigner` alone, on the same headers in one run.
//
// The two take turns, round by round, so that a busy machine slows both; the median of the rounds counts.

import { cliqueSigner, createBlockHeaderFromRLP } from "@ethereumjs/block";
import { ConsensusAlgorithm, ConsensusType, createCustomCommon, Hardfork, Mainnet } from "@ethereumjs/common";
import { openClique } from "../../firmware/chain/clique/checkpoint.js";
import { Rejection } from "../../firmware/rejection.js";
import { fastEngine } from "../../tools/crypto/engine-fast.js";
import { checkpointAt } from "../chains/clique-fixture.js";
import { accounts, CliqueChain, hexOf } from "../chains/clique-generator.js";

const SIGNERS = 5;
const HEADERS = 200;
const ROUNDS = 9;

export interface SideBySide {
  readonly name: string;
  /** Headers a second, the median over the rounds. */
  readonly ours: number;
  readonly theirs: number;
  readonly against: string;
}

export function cliqueSideBySide(rounds = ROUNDS): SideBySide {
  const chain = new CliqueChain({ signers: accounts(SIGNERS, "bench"), londonBlock: 0 });
  const blocks = chain.grow(chain.genesis, HEADERS);
  const clique = openClique(fastEngine, { ...checkpointAt(chain, chain.genesis), londonBlock: 0 });
  if (clique instanceof Rejection) throw new Error(String(clique));
  const common = createCustomCommon(
    {
      chainId: 1337,
      consensus: {
        type: ConsensusType.ProofOfAuthority,
        algorithm: ConsensusAlgorithm.Clique,
        clique: { period: 15, epoch: 30_000 },
      },
    },
    Mainnet,
    { hardfork: Hardfork.London },
  );
  const ours = (): void => {
    let trusted = clique.checkpoint;
    for (const block of blocks) {
      const header = clique.decode(block.raw);
      const next = header instanceof Rejection ? header : clique.verify(trusted, header);
      if (next instanceof Rejection) throw new Error(String(next));
      trusted = next;
    }
  };
  const theirs = (): void => {
    for (const block of blocks) {
      const header = createBlockHeaderFromRLP(block.raw, { common });
      if (cliqueSigner(header).toString() !== block.signer?.hex) throw new Error(`another signer of block ${block.number}`);
    }
  };
  if (hexOf(chain.genesis.hash) !== hexOf(clique.checkpoint.hash)) throw new Error("another genesis block");
  ours();
  theirs();
  const times: { ours: number[]; theirs: number[] } = { ours: [], theirs: [] };
  for (let round = 0; round < rounds; round += 1) {
    times.ours.push(secondsOf(ours));
    times.theirs.push(secondsOf(theirs));
  }
  return {
    name: "header-clique",
    ours: Math.round(HEADERS / median(times.ours)),
    theirs: Math.round(HEADERS / median(times.theirs)),
    against: "@ethereumjs/block createBlockHeaderFromRLP + cliqueSigner",
  };
}

function secondsOf(work: () => void): number {
  const from = process.hrtime.bigint();
  work();
  return Number(process.hrtime.bigint() - from) / 1e9;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] as number;
}
