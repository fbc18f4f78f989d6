// Whole blocks of a Bitcoin node (getblock of Bitcoin Core's JSON-RPC), for what a Merkle branch is made of.
//
// Promises: a block's transactions lead to the Merkle root of its header, and the header has the hash that was asked for; transactions are
// given without their witnesses, as their ids are hashed. Never: says whether the block is valid. Hashes are in the order in
// which they are hashed. Layout: BIP 144, and the Bitcoin developer reference, "Raw transaction format".

import { concat, equal, fromHex } from "../../firmware/bytes.js";
import { Rejection } from "../../firmware/rejection.js";
import { engine } from "../crypto/engine.js";
import type { JsonRpc } from "../rpc/json-rpc.js";
import { shownHash } from "./raw-header.js";

const HEADER_BYTES = 80;
const MERKLE_ROOT_AT = 36;

export interface RawBlock {
  /** 80 bytes. */
  readonly header: Uint8Array;
  readonly hash: Uint8Array;
  /** Without witnesses, the coinbase first. */
  readonly transactions: readonly Uint8Array[];
}

/** @throws RpcError, Rejection where what the node gives is not the block of this hash (32 bytes) */
export async function rawBlock(rpc: Pick<JsonRpc, "call">, hash: Uint8Array): Promise<RawBlock> {
  const text = await rpc.call("getblock", shownHash(hash), 0);
  const raw = typeof text === "string" ? fromHex(text) : undefined;
  if (!(raw instanceof Uint8Array)) throw malformed("getblock: no hexadecimal");
  const block = readBlock(raw);
  if (!equal(block.hash, hash)) throw malformed("getblock: another block");
  return block;
}

/** @throws Rejection where it is no block, or its transactions are not those of its header */
export function readBlock(raw: Uint8Array): RawBlock {
  const reader = new Reader(raw);
  const header = reader.take(HEADER_BYTES);
  const count = reader.compactSize();
  const transactions: Uint8Array[] = [];
  for (let i = 0; i < count; i += 1) transactions.push(reader.transaction());
  if (reader.at !== raw.length || count === 0) throw malformed("a block that does not end with its transactions");
  const levels = levelsOf(transactions.map(doubleSha256));
  if (!equal((levels.at(-1) as Uint8Array[])[0] as Uint8Array, header.subarray(MERKLE_ROOT_AT, MERKLE_ROOT_AT + 32)))
    throw malformed("transactions that do not lead to the Merkle root");
  return { header, hash: doubleSha256(header), transactions };
}

/** The hashes beside the way from a transaction up to the Merkle root, bottom up. */
export function branchOf({ transactions }: RawBlock, position: number): Uint8Array[] {
  const siblings: Uint8Array[] = [];
  let at = position;
  for (const level of levelsOf(transactions.map(doubleSha256)).slice(0, -1)) {
    siblings.push((level[at ^ 1] ?? level[at]) as Uint8Array);
    at >>= 1;
  }
  return siblings;
}

/** The tree from its leaves up; the last of an odd number stands for two. */
function levelsOf(ids: Uint8Array[]): Uint8Array[][] {
  const levels = [ids];
  for (let level = ids; level.length > 1; levels.push(level)) {
    const below = level;
    level = [];
    for (let i = 0; i < below.length; i += 2)
      level.push(doubleSha256(concat(below[i] as Uint8Array, (below[i + 1] ?? below[i]) as Uint8Array)));
  }
  return levels;
}

function doubleSha256(bytes: Uint8Array): Uint8Array {
  return engine.sha256(engine.sha256(bytes));
}

class Reader {
  readonly #bytes: Uint8Array;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  take(length: number): Uint8Array {
    if (length > this.#bytes.length - this.at) throw malformed(`the end comes within ${length} bytes`);
    this.at += length;
    return this.#bytes.subarray(this.at - length, this.at);
  }

  compactSize(): number {
    const first = this.take(1)[0] as number;
    if (first < 0xfd) return first;
    const bytes = this.take(2 ** (first - 0xfc));
    let value = 0;
    for (let i = bytes.length - 1; i >= 0; i -= 1) value = value * 256 + (bytes[i] as number);
    return value;
  }

  /** One transaction, without the marker, the flag and the witnesses that BIP 144 puts into it. */
  transaction(): Uint8Array {
    const version = this.take(4);
    const witnesses = this.#bytes[this.at] === 0;
    if (witnesses && this.take(2)[1] !== 1) throw malformed("a transaction with an unknown flag");
    const from = this.at;
    const inputs = this.compactSize();
    for (let i = 0; i < inputs; i += 1) {
      this.take(36);
      this.take(this.compactSize());
      this.take(4);
    }
    const outputs = this.compactSize();
    for (let i = 0; i < outputs; i += 1) {
      this.take(8);
      this.take(this.compactSize());
    }
    const body = this.#bytes.subarray(from, this.at);
    if (witnesses)
      for (let i = 0; i < inputs; i += 1)
        for (let items = this.compactSize(); items > 0; items -= 1) this.take(this.compactSize());
    return concat(version, body, this.take(4));
  }
}

function malformed(reason: string): Rejection {
  return new Rejection("block-malformed", reason);
}
