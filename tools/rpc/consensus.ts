// What a running node is asked before anybody follows its chain: which chain, under which consensus, by which client, and
// whether the node is still catching up.
//
// Promises: the consensus is read out of the node's newest header (mixHash and extraData tell the Istanbul family and its members,
// Clique's seal recovers; EIP-225, Besu `BftExtraDataCodec`, GoQuorum `core/types/istanbul.go`), never out of what the node says of
// itself; a chain of none of these is refused by what it is. Never: takes an error for a "no": what the node does not say stays
// undefined, or is thrown.

import { ADDRESS_BYTES } from "../../firmware/bytes/primitives.js";
import type { BftConsensusName } from "../../firmware/chain/bft/checkpoint.js";
import { type BftClient, type BftDialect, checkCommonFields } from "../../firmware/chain/bft/header.js";
import { ibft1 } from "../../firmware/chain/bft/ibft1.js";
import { ibft2 } from "../../firmware/chain/bft/ibft2.js";
import { qbft } from "../../firmware/chain/bft/qbft.js";
import { bitcoinNetwork } from "../../firmware/chain/bitcoin/rules.js";
import { recoverSigner } from "../../firmware/chain/clique/consensus.js";

import {
  checkNoOmmers,
  decodeHeader,
  type EthereumHeader,
  MIX_HASH,
  SEAL_BYTES,
  VANITY_BYTES,
} from "../../firmware/chain/ethereum/header.js";

import { Rejection } from "../../firmware/rejection.js";
import { engine } from "../crypto/engine.js";
import type { RawHeader } from "../ethereum/raw-header.js";
import { chainOfNode, hashText, headersOf, isBitcoin } from "./chain.js";
import { type JsonRpc, RpcError } from "./json-rpc.js";

type Rpc = Pick<JsonRpc, "call">;

export type ConsensusName = "bitcoin" | "clique" | BftConsensusName;

export interface NodeChain {
  /** CAIP-2. */
  readonly chain: string;
  readonly consensus: ConsensusName;
  /** As people of the chain write it. */
  readonly genesisHash: string;
  /** The node's newest block. */
  readonly head: number;
  /** What the node calls itself; undefined where it does not say. */
  readonly client: string | undefined;
}

const CLIENT_CHARACTERS_MAX = 60;
/** How people call them. */
export const CONSENSUS_TITLES: Readonly<Record<ConsensusName, string>> = {
  bitcoin: "Bitcoin",
  clique: "Clique",
  ibft: "IBFT",
  ibft2: "IBFT 2.0",
  qbft: "QBFT",
};
const FAMILY: readonly BftDialect[] = [qbft, ibft2, ibft1];

/**
 * @throws RpcError where the node does not answer; Rejection `chain-unsupported` where nobody here can follow its chain, and what the
 * header's own reading refuses
 */
export async function chainOf(rpc: Rpc): Promise<NodeChain> {
  const chain = await chainOfNode(rpc);
  const source = headersOf(rpc, chain);
  const head = held(await source.header("latest"), "newest block");
  const genesis = held(await source.header(0), "genesis block");
  const known = { chain, genesisHash: hashText(chain, genesis.hash), head: head.number };
  if (!isBitcoin(chain)) return { ...known, consensus: consensusOf(head), client: await clientOf(rpc, "web3_clientVersion") };
  if (bitcoinNetwork(chain) === undefined)
    throw new Rejection(
      "chain-unsupported",
      `${chain} is none of Bitcoin's networks: mainnet, testnet3, testnet4, signet, regtest`,
    );
  return { ...known, consensus: "bitcoin", client: await clientOf(rpc, "getnetworkinfo") };
}

/** The consensus that made a header of an Ethereum client; throws a `Rejection` where it is none of ours. */
export function consensusOf({ raw, hashed, number }: RawHeader): Exclude<ConsensusName, "bitcoin"> {
  if (!hashed) throw new Rejection("hash-differs", `block ${number}: its header does not hash to what the node says`);
  const header = decodeHeader(engine, raw);
  if (header instanceof Rejection) throw header;
  if (checkCommonFields(header) === undefined) {
    const dialect = FAMILY.find((each) => reads(each, header));
    if (dialect !== undefined) return dialect.name as BftConsensusName;
    throw unsupported("its blocks have the mixHash of the Istanbul family, and extraData of none of IBFT, IBFT 2.0 and QBFT");
  }
  if (isClique(header)) return "clique";
  if (header.weight === 0) throw unsupported("difficulty 0 and no seal in extraData: proof of stake, or a development node");
  throw unsupported("its newest block has no seal of Clique, IBFT or QBFT; proof of work is followed for Bitcoin alone");
}

/** Whether the node is catching up, and how far it is, for a person; undefined where it is not, or does not say. */
export async function catchingUp(rpc: Rpc, chain: string): Promise<string | undefined> {
  try {
    return await (isBitcoin(chain) ? bitcoinCatchingUp(rpc) : ethereumCatchingUp(rpc));
  } catch (error) {
    if (error instanceof RpcError && !error.unreachable) return undefined;
    throw error;
  }
}

/** Which of the two clients that differ in QBFT this is; undefined where the node does not say. */
export function bftClientOf(client: string | undefined): BftClient | undefined {
  if (client === undefined) return undefined;
  return /quorum/i.test(client) ? "goquorum" : /^besu/i.test(client) ? "besu" : undefined;
}

/** The `config` of the genesis file, as far as the node knows it (admin_nodeInfo); undefined where it does not say. */
export async function configOfNode(rpc: Rpc): Promise<object | undefined> {
  let info: unknown;
  try {
    info = await rpc.call("admin_nodeInfo");
  } catch (error) {
    if (error instanceof RpcError && !error.unreachable) return undefined; // mostly kept from strangers
    throw error;
  }
  const protocols = (info as { protocols?: Readonly<Record<string, { config?: unknown } | null>> } | null)?.protocols;
  for (const protocol of Object.values(protocols ?? {}))
    if (typeof protocol?.config === "object" && protocol.config !== null) return protocol.config;
  return undefined;
}

async function ethereumCatchingUp(rpc: Rpc): Promise<string | undefined> {
  const state = await rpc.call("eth_syncing");
  if (typeof state !== "object" || state === null) return undefined;
  const { currentBlock, highestBlock } = state as Readonly<Record<string, unknown>>;
  return `at block ${heightText(currentBlock)} of ${heightText(highestBlock)}`;
}

async function bitcoinCatchingUp(rpc: Rpc): Promise<string | undefined> {
  const info = (await rpc.call("getblockchaininfo")) as Readonly<Record<string, unknown>> | null;
  const [blocks, headers] = [Number(info?.blocks), Number(info?.headers)];
  // A regtest chain that nobody mined on today is in "initial block download" as well.
  const behind = headers > blocks || (info?.initialblockdownload === true && info.chain !== "regtest");
  return behind ? `at block ${blocks} of ${headers}` : undefined;
}

function heightText(value: unknown): string {
  const number = typeof value === "string" || typeof value === "number" ? Number(value) : Number.NaN;
  return Number.isSafeInteger(number) ? String(number) : "?";
}

async function clientOf(rpc: Rpc, method: string): Promise<string | undefined> {
  try {
    const answer = await rpc.call(method);
    const name = typeof answer === "string" ? answer : (answer as { subversion?: unknown } | null)?.subversion;
    return typeof name === "string" && name !== "" ? name.slice(0, CLIENT_CHARACTERS_MAX) : undefined;
  } catch (error) {
    if (error instanceof RpcError && !error.unreachable) return undefined;
    throw error;
  }
}

function reads(dialect: BftDialect, header: EthereumHeader): boolean {
  try {
    dialect.readExtra(header.extraData);
    return true;
  } catch (error) {
    if (error instanceof Rejection) return false;
    throw error;
  }
}

function isClique(header: EthereumHeader): boolean {
  const list = header.extraData.length - VANITY_BYTES - SEAL_BYTES;
  if (list < 0 || list % ADDRESS_BYTES !== 0 || !header.isFilled(MIX_HASH, 0) || checkNoOmmers(header) !== undefined)
    return false;
  if (header.number === 0) return list > 0; // a genesis block lists the signers, and nobody seals it
  return (header.weight === 1 || header.weight === 2) && !(recoverSigner(engine, header) instanceof Rejection);
}

function held(header: RawHeader | undefined, what: string): RawHeader {
  if (header === undefined) throw new Rejection("block-absent", `the node has no ${what}`);
  return header;
}

function unsupported(reason: string): Rejection {
  return new Rejection("chain-unsupported", `the chain is of no consensus that is followed here: ${reason}`);
}
