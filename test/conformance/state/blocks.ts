// Blocks and their two tries: what the roots of a header have to be, and that the firmware's verifier leads from them to each item.

import { RLP } from "@ethereumjs/rlp";
import { decodeHeader, type EthereumHeader } from "../../../firmware/chain/ethereum/header.js";
import { indexKey, readEnvelope, readReceipt } from "../../../firmware/proof/envelope.js";
import { proveKey, TrieWalk } from "../../../firmware/proof/trie.js";
import { Rejection } from "../../../firmware/rejection.js";
import { fastEngine } from "../../../tools/crypto/engine-fast.js";
import { rebuildHeader } from "../../../tools/ethereum/raw-header.js";
import { Trie } from "../../../tools/ethereum/trie.js";
import { bytesOf, hexOf } from "../../chains/clique-generator.js";
import type { Outcome } from "../set.js";

/** No node of a block's tries is as long as that. */
const NODE_BYTES_MAX = 2 ** 24;

export type Fields = Readonly<Record<string, unknown>>;

export function headerOf(rlp: Uint8Array): EthereumHeader | string {
  const header = decodeHeader(fastEngine, rlp);
  return header instanceof Rejection ? String(header) : header;
}

/** The fields of a JSON-RPC block give the header whose hash it names, and what the firmware reads of it are they. */
export function checkFields(block: Fields, headerRlp?: string): Outcome {
  const rebuilt = rebuildHeader(block);
  if (rebuilt instanceof Rejection) return String(rebuilt);
  if (headerRlp !== undefined && hexOf(rebuilt) !== headerRlp) return `the fields encode to ${hexOf(rebuilt)}`;
  const header = headerOf(rebuilt);
  if (typeof header === "string") return header;
  const found: Fields = {
    hash: hexOf(header.hash),
    parentHash: hexOf(header.parentHash),
    sha3Uncles: hexOf(header.ommersHash),
    miner: hexOf(header.coinbase),
    stateRoot: hexOf(header.stateRoot),
    transactionsRoot: hexOf(header.transactionsRoot),
    receiptsRoot: hexOf(header.receiptsRoot),
    extraData: hexOf(header.extraData),
    mixHash: hexOf(header.mixHash),
    nonce: hexOf(header.nonce),
  };
  for (const [name, value] of Object.entries(found))
    if (value !== block[name]) return `${name} is ${String(value)}, not ${String(block[name])}`;
  const numbers = { number: header.number, timestamp: header.timeS, gasLimit: header.gas.gasLimit, gasUsed: header.gas.gasUsed };
  for (const [name, value] of Object.entries(numbers))
    if (BigInt(value) !== BigInt(block[name] as string)) return `${name} is ${value}, not ${String(block[name])}`;
  return header.difficulty === BigInt(block.difficulty as string) ? undefined : `difficulty ${header.difficulty}`;
}

/** `items`, by their place in a block, make a trie of this root, and each is proven from it. */
export function checkItems(
  root: Uint8Array,
  items: readonly Uint8Array[],
  what: "transactions" | "receipts" | "withdrawals",
): Outcome {
  const trie = new Trie(items.map((item, i) => [indexKey(i), item]));
  if (hexOf(trie.root) !== hexOf(root)) return `${what}: root ${hexOf(trie.root)}, not ${hexOf(root)}`;
  for (const [i, item] of items.entries()) {
    const wrong =
      checkProven(root, i, item, trie.proof(indexKey(i))) ?? (what === "withdrawals" ? undefined : checkForm(item, what));
    if (wrong !== undefined) return `${what} ${i}: ${wrong}`;
  }
  const beyond = provenAt(root, items.length, trie.proof(indexKey(items.length)));
  if (beyond instanceof Rejection) return `${what}: absence of ${items.length}: ${beyond}`;
  return beyond === undefined ? undefined : `${what}: there is an item ${items.length}`;
}

/** What the nodes show at a place of a block. */
export function provenAt(root: Uint8Array, index: number, proof: readonly Uint8Array[]): Uint8Array | undefined | Rejection {
  const shown = proveKey(new TrieWalk(fastEngine, root, indexKey(index), NODE_BYTES_MAX), proof);
  return shown instanceof Rejection ? shown : shown.value;
}

export function checkProven(root: Uint8Array, index: number, value: Uint8Array, proof: readonly Uint8Array[]): Outcome {
  const shown = provenAt(root, index, proof);
  if (shown instanceof Rejection) return String(shown);
  return shown !== undefined && hexOf(shown) === hexOf(value) ? undefined : "another value is proven, or none";
}

function checkForm(item: Uint8Array, what: "transactions" | "receipts"): Outcome {
  const read = what === "receipts" ? readReceipt(item) : readEnvelope(item);
  return read instanceof Rejection ? String(read) : undefined;
}

/** Items of a body or of a list of receipts: a typed one is a byte string, one without a type a list. */
export function itemsOf(list: unknown): Uint8Array[] {
  return (list as (Uint8Array | Uint8Array[])[]).map((item) => (item instanceof Uint8Array ? item : RLP.encode(item)));
}

/** keccak256 of the ommers' list, and the roots of transactions and, where there are any, of withdrawals. */
export function checkBody(header: EthereumHeader, body: readonly unknown[]): Outcome {
  const [transactions, ommers, withdrawals] = body;
  if (hexOf(fastEngine.keccak256(RLP.encode(ommers as Uint8Array[]))) !== hexOf(header.ommersHash))
    return "the hash of the ommers";
  const wrong = checkItems(header.transactionsRoot, itemsOf(transactions), "transactions");
  if (wrong !== undefined || withdrawals === undefined) return wrong;
  const root = (RLP.decode(header.raw) as Uint8Array[])[16];
  return root === undefined ? "no withdrawalsRoot" : checkItems(root, itemsOf(withdrawals), "withdrawals");
}

/** Yellow Paper §4.3.1, M3:2048. */
export function bloomOf(logs: readonly (readonly [Uint8Array, readonly Uint8Array[], Uint8Array])[]): Uint8Array {
  const bloom = new Uint8Array(256);
  for (const [address, topics] of logs)
    for (const entry of [address, ...topics]) {
      const hash = fastEngine.keccak256(entry);
      for (const i of [0, 2, 4]) {
        const bit = (((hash[i] as number) << 8) | (hash[i + 1] as number)) & 2047;
        bloom[255 - (bit >> 3)] = (bloom[255 - (bit >> 3)] as number) | (1 << (bit & 7));
      }
    }
  return bloom;
}

/** Items that stand one after another. */
export function sequenceOf(bytes: Uint8Array): unknown[] {
  const items: unknown[] = [];
  for (let rest = bytes; rest.length > 0; ) {
    const { data, remainder } = RLP.decode(rest, true);
    items.push(data);
    rest = remainder;
  }
  return items;
}

/** A block with its receipts: a header, a body, receipts as RLP has them decoded. */
export interface BesuBlock {
  readonly rlp: Uint8Array;
  readonly body: readonly unknown[];
  readonly receipts: readonly unknown[];
}

/** Besu's import file: how many blocks, and each with the list of its receipts. */
export function besuChain(bytes: Uint8Array): { readonly blocks: readonly BesuBlock[] } {
  const [count, ...items] = sequenceOf(bytes);
  const blocks: BesuBlock[] = [];
  for (let i = 0; i < Number(`0x0${hexOf(count as Uint8Array).slice(2)}`); i += 1) {
    const [header, ...body] = items[2 * i] as unknown[];
    blocks.push({ rlp: RLP.encode(header as Uint8Array[]), body, receipts: items[2 * i + 1] as unknown[] });
  }
  return { blocks };
}

export { bytesOf, hexOf };
