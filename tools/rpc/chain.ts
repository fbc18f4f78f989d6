// Which chain a node follows, and its raw headers, whatever kind of node it is.
//
// Promises: a node that knows eth_chainId is taken for Ethereum's, one that knows getblockhash for Bitcoin's. Never: guesses a
// chain where the node cannot be reached.

import { toHex } from "../../firmware/bytes.js";
import { Rejection } from "../../firmware/rejection.js";
import { BitcoinHeaderSource, shownHash } from "../bitcoin/raw-header.js";
import { HeaderSource, type RawHeader } from "../ethereum/raw-header.js";
import { type JsonRpc, RpcError } from "./json-rpc.js";

export interface RawHeaders {
  header(block: number | "latest"): Promise<RawHeader | undefined>;
}

export function isBitcoin(chain: string): boolean {
  return chain.startsWith("bip122:");
}

/** A block's hash as people of its chain write it: reversed and bare on Bitcoin, with 0x elsewhere. */
export function hashText(chain: string, hash: Uint8Array): string {
  return isBitcoin(chain) ? shownHash(hash) : `0x${toHex(hash)}`;
}

/** The headers of a node that follows `chain` (CAIP-2). */
export function headersOf(rpc: Pick<JsonRpc, "call">, chain: string): RawHeaders {
  return isBitcoin(chain) ? new BitcoinHeaderSource(rpc) : new HeaderSource(rpc);
}

/** CAIP-2 of the node's chain; throws RpcError or a Rejection where the node does not tell. */
export async function chainOfNode(rpc: Pick<JsonRpc, "call">): Promise<string> {
  let id: unknown;
  try {
    id = await rpc.call("eth_chainId");
  } catch (error) {
    if (!(error instanceof RpcError) || !error.methodAbsent) throw error;
    return new BitcoinHeaderSource(rpc).chain();
  }
  const number = typeof id === "string" ? Number(id) : Number.NaN;
  if (!Number.isSafeInteger(number) || number < 1) throw new Rejection("chain-malformed", "the node gave no chain id");
  return `eip155:${number}`;
}
