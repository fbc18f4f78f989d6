// Committing to roots in blocks of Bitcoin, through a node whose wallet pays (Bitcoin Core's RPC), and finding what was committed.
//
// Promises: what is anchored is read from the node's chain, block by block, and what a reorganisation takes is forgotten; the first
// block that commits to a root counts. Never: holds a key, or believes a block whose transactions do not lead to its header.
// docs/ledger.md, "Anchors: on Bitcoin".

import { concat, equal, toHex } from "../../firmware/bytes.js";
import {
  ANCHOR_COINBASE_BYTES_MAX,
  ANCHOR_TRANSACTION_BYTES_MAX,
  anchorScript,
  type BitcoinAnchor,
  encodeBitcoinAnchor,
} from "../../firmware/ledger/bitcoin-anchor.js";
import type { JsonRpc } from "../rpc/json-rpc.js";
import { encodeTimestamp } from "./open-timestamp.js";
import { branchOf, rawBlock } from "./raw-block.js";
import { BitcoinHeaderSource } from "./raw-header.js";

type Rpc = Pick<JsonRpc, "call">;

/** Where a root stands. */
export interface Commitment {
  readonly root: Uint8Array;
  readonly block: number;
  readonly timeS: number;
  readonly anchor: BitcoinAnchor;
  /** OpenTimestamps proof of the root. */
  readonly timestamp: Uint8Array;
}

const HEADER_TIME_AT = 68;
const ROOT_BYTES = 32;
/** In front of the root, whatever root. */
const PREFIX = anchorScript(new Uint8Array(ROOT_BYTES)).slice(0, -ROOT_BYTES);

export class CommitmentWatch {
  readonly #rpc: Rpc;
  readonly #source: BitcoinHeaderSource;
  /** Hashes of the blocks that were looked into, from `#from` on. */
  readonly #blocks: Uint8Array[] = [];
  readonly #from: number;
  readonly #found = new Map<string, Commitment>();

  /** @param from the first block that is looked into */
  constructor(rpc: Rpc, from: number) {
    this.#rpc = rpc;
    this.#source = new BitcoinHeaderSource(rpc);
    this.#from = from;
  }

  /** Looks into the blocks that are new, up to `number`; those that the chain has left no longer count. `wanted` says whose roots are ours. */
  async look(number: number, wanted: (root: string) => boolean): Promise<void> {
    while (this.#blocks.length > 0) {
      const at = this.#from + this.#blocks.length - 1;
      const shown = await this.#source.hashAt(at);
      if (shown !== undefined && shown === toHex((this.#blocks.at(-1) as Uint8Array).slice().reverse())) break;
      this.#blocks.pop();
      for (const [root, { block }] of this.#found) if (block >= at) this.#found.delete(root);
    }
    for (let at = this.#from + this.#blocks.length; at <= number; at += 1) {
      const header = await this.#source.header(at);
      const before = this.#blocks.at(-1);
      if (header === undefined || (before !== undefined && !equal(header.parentHash, before))) return; // the chain has just turned
      await this.#lookInto(at, header.hash, wanted);
      this.#blocks.push(header.hash);
    }
  }

  at(root: Uint8Array): Commitment | undefined {
    return this.#found.get(toHex(root));
  }

  async #lookInto(number: number, hash: Uint8Array, wanted: (root: string) => boolean): Promise<void> {
    const block = await rawBlock(this.#rpc, hash);
    const { header, transactions } = block;
    const coinbase = transactions[0] as Uint8Array;
    if (coinbase.length > ANCHOR_COINBASE_BYTES_MAX) return; // no mote could read it: what is in it is anchored again
    for (let position = 1; position < transactions.length; position += 1) {
      const transaction = transactions[position] as Uint8Array;
      const prefixAt = Buffer.from(transaction).indexOf(PREFIX);
      const digestAt = prefixAt + PREFIX.length;
      if (prefixAt < 0 || transaction.length > ANCHOR_TRANSACTION_BYTES_MAX || digestAt + ROOT_BYTES > transaction.length)
        continue;
      const root = transaction.slice(digestAt, digestAt + ROOT_BYTES);
      if (!wanted(toHex(root)) || this.#found.has(toHex(root))) continue;
      const siblings = branchOf(block, position);
      const coinbaseSiblings = concat(...branchOf(block, 0));
      const timeS = new DataView(header.buffer, header.byteOffset).getUint32(HEADER_TIME_AT, true);
      const branch = { position, siblings };
      this.#found.set(toHex(root), {
        ...{ root, block: number, timeS },
        anchor: { header, position, transaction, siblings: concat(...siblings), coinbase, coinbaseSiblings },
        timestamp: encodeTimestamp({ digest: root, transaction, digestAt, branch, height: number }),
      });
    }
  }
}

/** Sends a transaction that commits to a root; answers its id as Bitcoin shows it. @throws RpcError, Error where the wallet does not pay */
export async function commit(rpc: Rpc, root: Uint8Array): Promise<string> {
  const script = anchorScript(root);
  // No input, one output of no value.
  const empty = concat(
    Uint8Array.of(2, 0, 0, 0, 0, 1),
    new Uint8Array(8),
    Uint8Array.of(script.length),
    script,
    new Uint8Array(4),
  );
  const funded = await hexOf(rpc, "fundrawtransaction", toHex(empty));
  const signed = await hexOf(rpc, "signrawtransactionwithwallet", funded);
  const id = await rpc.call("sendrawtransaction", signed);
  if (typeof id !== "string") throw new Error("sendrawtransaction: no transaction id");
  return id;
}

/** What a mote is sent beside a receipt. */
export function evidenceOf({ anchor }: Commitment): Uint8Array {
  return encodeBitcoinAnchor(anchor);
}

async function hexOf(rpc: Rpc, method: string, parameter: string): Promise<string> {
  const answer = (await rpc.call(method, parameter)) as { hex?: unknown; complete?: unknown } | null;
  if (typeof answer?.hex !== "string" || answer.complete === false)
    throw new Error(`${method}: the node's wallet does not pay: give it coins`);
  return answer.hex;
}
