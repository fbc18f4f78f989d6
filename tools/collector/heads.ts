// Whether the real node knows the heads that records name (eth_getBlockByNumber and eth_getBlockByHash, or Bitcoin's getblockhash
// and getblockheader), asked again until that is settled.
//
// Promises: "known" only where the node's chain has that block at that height, "orphaned" only where the node shows the block and
// its chain another one, "foreign" only where a node that is not catching up has another block there and says that it
// does not know this one. Everything else, every error, time-out and odd answer, is no verdict. Never: asks above the
// node's own height.

import { equal, toHex } from "../../firmware/bytes.js";
import { Rejection } from "../../firmware/rejection.js";
import { BitcoinHeaderSource, shownHash } from "../bitcoin/raw-header.js";
import { type BlockIdentity, blockIdentity } from "../ethereum/raw-header.js";
import { isBitcoin } from "../rpc/chain.js";
import { type JsonRpc, RpcError } from "../rpc/json-rpc.js";
import { HEAD_FOREIGN, HEAD_KNOWN, HEAD_ORPHANED } from "./schema.js";
import type { NamedHead } from "./verdicts.js";

type Rpc = Pick<JsonRpc, "call">;

/** Blocks above which a block of Clique is not replaced: more than half of the most signers that are supported. */
const CLIQUE_DEPTH = 33;
const BITCOIN_DEPTH = 6;
/** Beyond finality on Ethereum's own proof of stake (two to three epochs of 32 slots), and where nothing is known of the chain. */
const OTHER_DEPTH = 96;
/** By which blocks of the Istanbul family are known: they are final at once. */
const BFT_MIX_HASH = "0x63746963616c2062797a616e74696e65206661756c7420746f6c6572616e6365";

/** The node's newest block. */
export interface NodeHead extends BlockIdentity {
  /** How many blocks on a verdict is settled. */
  readonly settledDepth: number;
}

/** @throws RpcError, Rejection where the node cannot say */
export async function nodeHead(rpc: Rpc, source: BitcoinHeaderSource | undefined): Promise<NodeHead> {
  if (source !== undefined) {
    const head = await source.header("latest");
    if (head === undefined) throw new Rejection("block-absent", "the node's newest block has just changed");
    return { ...head, settledDepth: BITCOIN_DEPTH };
  }
  const block = await rpc.call("eth_getBlockByNumber", "latest", false);
  const identity = blockIdentity(block);
  if (identity instanceof Rejection) throw identity;
  const { mixHash, difficulty } = block as Readonly<Record<string, unknown>>;
  const clique = typeof mixHash === "string" && /^0x0*$/.test(mixHash) && (difficulty === "0x1" || difficulty === "0x2");
  return { ...identity, settledDepth: mixHash === BFT_MIX_HASH ? 0 : clique ? CLIQUE_DEPTH : OTHER_DEPTH };
}

/** The hash of the block that the node's chain has at a height; undefined where the node does not say. */
export async function canonicalHash(rpc: Rpc, chain: string, number: number): Promise<Uint8Array | undefined> {
  if (isBitcoin(chain)) {
    const shown = await new BitcoinHeaderSource(rpc).hashAt(number);
    return shown === undefined ? undefined : hashOfShown(shown);
  }
  const block = await rpc.call("eth_getBlockByNumber", `0x${number.toString(16)}`, false).catch(noAnswer);
  const identity = blockIdentity(block);
  return identity instanceof Rejection || identity.number !== number ? undefined : identity.hash;
}

/** When the block was made that the node's chain has at a height, in seconds since the Unix epoch; undefined where the node does not say. */
export async function blockTime(rpc: Rpc, chain: string, number: number): Promise<number | undefined> {
  if (isBitcoin(chain)) return (await new BitcoinHeaderSource(rpc).header(number))?.timeS;
  const block = await rpc.call("eth_getBlockByNumber", `0x${number.toString(16)}`, false).catch(noAnswer);
  const identity = blockIdentity(block);
  return identity instanceof Rejection || identity.number !== number ? undefined : identity.timeS;
}

/**
 * What the node says of a head: one of the states of schema.ts, or undefined while it cannot say.
 * @param canonical what stands at the head's height, where that is known already
 * @throws RpcError where the node cannot be reached
 */
export async function headStateAt(rpc: Rpc, chain: string, head: NamedHead, canonical?: Uint8Array): Promise<number | undefined> {
  if (head.chain !== chain) return HEAD_FOREIGN;
  const there = canonical ?? (await canonicalHash(rpc, chain, head.number));
  if (there === undefined) return undefined; // ahead of the node, or the node has forgotten that height
  if (equal(there, head.hash)) return HEAD_KNOWN;
  const known = await (isBitcoin(chain) ? bitcoinKnows(rpc, head) : ethereumKnows(rpc, head));
  if (known === true) return HEAD_ORPHANED;
  if (known === undefined || (await syncing(rpc, chain)) !== false) return undefined;
  return HEAD_FOREIGN;
}

/** Whether the node has got the block at all, on any branch; undefined where it does not say. */
async function ethereumKnows(rpc: Rpc, head: NamedHead): Promise<boolean | undefined> {
  const block = await rpc.call("eth_getBlockByHash", `0x${toHex(head.hash)}`, false).catch(noAnswer);
  if (block === null) return false;
  const identity = blockIdentity(block);
  return identity instanceof Rejection || !equal(identity.hash, head.hash) ? undefined : true;
}

async function bitcoinKnows(rpc: Rpc, head: NamedHead): Promise<boolean | undefined> {
  try {
    return (await new BitcoinHeaderSource(rpc).heightOf(shownHash(head.hash))) !== undefined;
  } catch (error) {
    if (error instanceof Rejection) return undefined;
    return noAnswer(error);
  }
}

/** A node that catches up with its chain has not got blocks that exist. */
async function syncing(rpc: Rpc, chain: string): Promise<boolean | undefined> {
  try {
    if (isBitcoin(chain)) return await new BitcoinHeaderSource(rpc).syncing();
    return (await rpc.call("eth_syncing")) !== false;
  } catch (error) {
    if (error instanceof Rejection) return undefined;
    if (error instanceof RpcError && error.methodAbsent) return false; // a node that has no such state
    return noAnswer(error);
  }
}

/** The node says that it cannot: that is no answer. One that cannot be reached, or wants to be left alone, is another matter. */
function noAnswer(error: unknown): undefined {
  if (error instanceof RpcError && !error.unreachable && !error.limited) return undefined;
  throw error;
}

function hashOfShown(shown: string): Uint8Array {
  return Uint8Array.from(Buffer.from(shown, "hex")).reverse();
}
