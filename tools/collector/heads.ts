// Whether the real node knows the heads that records name (eth_getBlockByNumber, or Bitcoin's getblockhash), asked again while it
// cannot tell.
//
// Promises: each distinct head is asked for once in a round, rounds slow down while the node is away; a head that is
// ahead of the node stays open until the node gets there. Never: waits for the node before a record is stored.

import { equal, toHex } from "../../firmware/bytes.js";
import { Rejection } from "../../firmware/rejection.js";
import { BitcoinHeaderSource, shownHash } from "../bitcoin/raw-header.js";
import { blockIdentity } from "../ethereum/raw-header.js";
import { isBitcoin } from "../rpc/chain.js";
import { type JsonRpc, RpcError } from "../rpc/json-rpc.js";
import { HEAD_FOREIGN, HEAD_KNOWN, HEAD_ORPHANED } from "./schema.js";
import type { UncheckedHead } from "./store.js";

/** What the node says of a head: one of the states of schema.ts, or undefined while it cannot say. */
export async function headStateAt(rpc: JsonRpc, chain: string, head: UncheckedHead): Promise<number | undefined> {
  if (head.chain !== chain) return HEAD_FOREIGN;
  if (isBitcoin(chain)) return bitcoinStateAt(new BitcoinHeaderSource(rpc), head);
  const block = await rpc.call("eth_getBlockByNumber", `0x${head.number.toString(16)}`, false).catch(noSuchBlock);
  if (block === null) return undefined; // ahead of the node
  const identity = blockIdentity(block);
  if (identity instanceof Rejection) throw new RpcError(`eth_getBlockByNumber: ${identity.detail}`);
  if (equal(identity.hash, head.hash)) return HEAD_KNOWN;
  const other = await rpc.call("eth_getBlockByHash", `0x${toHex(head.hash)}`, false).catch(noSuchBlock);
  return other === null ? HEAD_FOREIGN : HEAD_ORPHANED;
}

/** Some nodes answer null for a block that they have not got, others an error. */
function noSuchBlock(error: unknown): null {
  if (error instanceof RpcError && !error.unreachable) return null;
  throw error;
}

async function bitcoinStateAt(source: BitcoinHeaderSource, head: UncheckedHead): Promise<number | undefined> {
  const there = await source.hashAt(head.number);
  if (there === undefined) return undefined; // ahead of the node
  const hash = shownHash(head.hash);
  if (there === hash) return HEAD_KNOWN;
  return (await source.heightOf(hash)) === undefined ? HEAD_FOREIGN : HEAD_ORPHANED;
}
