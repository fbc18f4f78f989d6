// The chain that `chainmote start` runs on this machine: one node, and what a mote's configuration takes from it.
//
// Promises: whatever the chain, the parts that follow it see the same few things (followed-chain.ts). The checkpoint is the genesis
// block's, since it is this machine's own chain.

import { type BitcoinCheckpoint, bitcoinCheckpointFromGenesis } from "../../firmware/chain/bitcoin/checkpoint.js";
import { bitcoinNetwork } from "../../firmware/chain/bitcoin/rules.js";
import { type CliqueCheckpoint, cliqueCheckpointFromGenesis } from "../../firmware/chain/clique/checkpoint.js";
import { Rejection } from "../../firmware/rejection.js";
import { BitcoinHeaderSource } from "../bitcoin/raw-header.js";
import { Account } from "../contracts/account.js";
import { engine } from "../crypto/engine.js";
import { HeaderSource } from "../ethereum/raw-header.js";
import { BitcoinNode, SPENDABLE_FROM_BLOCKS } from "../node/bitcoin.js";
import { EthereumNode } from "../node/ethereum.js";
import { BITCOIN_NODE, ETHEREUM_NODE, needPackages } from "../optional.js";
import type { ChildEnd } from "../processes/supervisor.js";
import { CommandError } from "../terminal.js";
import { type FollowedChain, firstContractOf } from "./followed-chain.js";

export type LocalChainName = "clique" | "bitcoin";
export const LOCAL_CHAINS: readonly LocalChainName[] = ["clique", "bitcoin"];

/** Of coins that nobody else has: a transaction takes at most a fortieth of an ether at the fees of such a chain. */
const WAGE_WEI = 10n ** 20n;
/** On a chain of one signer nothing is replaced: an anchor is settled after a block or two. */
const SETTLED_DEPTH = 2;

/** A chain of this machine's own. */
export interface LocalChain extends FollowedChain {
  /** The genesis file that the chain was made from, where there is one. */
  readonly genesisFile?: string;
  checkpoint(): Promise<CliqueCheckpoint | BitcoinCheckpoint>;
}

export interface LocalChainOptions {
  readonly directory: string;
  readonly periodS: number;
  /** Its coins are to be spent: on Bitcoin the first blocks are there at once. */
  readonly pays?: boolean;
  readonly onEnd: (end: ChildEnd) => void;
}

/** The packages that its node is. */
export function nodePackages(name: LocalChainName): readonly string[] {
  return [name === "bitcoin" ? BITCOIN_NODE : ETHEREUM_NODE];
}

/** Opens the folder and begins to start the node. */
export async function openLocalChain(name: LocalChainName, options: LocalChainOptions): Promise<LocalChain> {
  needPackages(nodePackages(name));
  return name === "bitcoin" ? openBitcoin(options) : openClique(options);
}

async function openClique(options: LocalChainOptions): Promise<LocalChain> {
  const node = await EthereumNode.open(options);
  const over = new AbortController();
  return {
    chain: node.chain,
    get url() {
      return node.url;
    },
    about: `seals ${node.chain} (Clique)`,
    genesisFile: node.genesisFile,
    payer: { account: new Account(node.rpc, node.key, over.signal), wageWei: () => Promise.resolve(WAGE_WEI) },
    settledDepth: SETTLED_DEPTH,
    registry: firstContractOf,
    ready: () => node.ready(),
    stop() {
      over.abort();
      return node.stop();
    },
    async checkpoint() {
      const genesis = await new HeaderSource(node.rpc).header(0);
      if (genesis === undefined) throw new CommandError("the Ethereum node has no genesis block");
      const { period, epoch } = node.genesis.config.clique;
      const rules = { chain: node.chain, periodS: period, epoch, londonBlock: 0 };
      return sure(cliqueCheckpointFromGenesis(engine, genesis.raw, rules));
    },
  };
}

async function openBitcoin(options: LocalChainOptions): Promise<LocalChain> {
  const node = await BitcoinNode.open({ ...options, ...(options.pays === true ? { firstBlocks: SPENDABLE_FROM_BLOCKS } : {}) });
  return {
    chain: node.chain,
    get url() {
      return node.url;
    },
    about: `mines ${node.chain} (Bitcoin, regtest)`,
    registry: () => node.token,
    ready: () => node.ready(),
    stop: () => node.stop(),
    async checkpoint() {
      const genesis = await new BitcoinHeaderSource(node.rpc).header(0);
      const rules = bitcoinNetwork(node.chain);
      if (genesis === undefined || rules === undefined) throw new CommandError("the Bitcoin node has no genesis block");
      return sure(bitcoinCheckpointFromGenesis(engine, rules, genesis.raw));
    },
  };
}

function sure<T>(checkpoint: T | Rejection): T {
  if (checkpoint instanceof Rejection) throw new CommandError(`the genesis block is no checkpoint: ${checkpoint.detail}`);
  return checkpoint;
}
