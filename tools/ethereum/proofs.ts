// The items of a proof, out of a node: a block's raw header, and the nodes of the tries that lead from it to an account, to a slot
// (eth_getProof, EIP-1186), to a receipt or to a transaction, whose tries are made here of all that the block has.
//
// Promises: what is answered is whole and holds; a node whose answer does not is named, and nothing of it is passed on, since whoever passes
// it on would be blamed. Of an answer nothing is used but its nodes. What is embedded in another node, and what follows the end, is left
// out. Never: believes that the block is the chain's; that is for who asked.

import { type NestedUint8Array, RLP } from "@ethereumjs/rlp";
import { equal, fromHex, toHex } from "../../firmware/bytes.js";
import { decodeHeader, type EthereumHeader } from "../../firmware/chain/ethereum/header.js";
import { PROVE_RECEIPT, PROVE_SLOT, PROVE_TRANSACTION, type ProofRequest } from "../../firmware/ledger/proof-wire.js";
import { accountKey, readAccount, slotKey } from "../../firmware/proof/account.js";
import { indexKey } from "../../firmware/proof/envelope.js";
import { TRIE_NODES_MAX, TrieWalk } from "../../firmware/proof/trie.js";
import { Rejection } from "../../firmware/rejection.js";
import { engine } from "../crypto/engine.js";
import { blockIdentity, HeaderSource, type RawHeader } from "./raw-header.js";
import { encodeReceipt } from "./receipts.js";
import { type EthereumRpc, RpcError } from "./rpc.js";
import { Trie } from "./trie.js";

/** Answers that are kept for the rest of them to be asked for. */
const KEPT_MAX = 64;
const HASH_BYTES = 32;
/** Where a node has no eth_getBlockReceipts, each is asked for by itself, up to so many. */
const RECEIPTS_MAX = 512;

export type ProofWanted = Pick<ProofRequest, "block" | "kind" | "subject" | "slot">;

export class ProofSource {
  readonly #rpc: Pick<EthereumRpc, "call">;
  readonly #headers: HeaderSource;
  readonly #kept = new Map<string, Promise<readonly Uint8Array[] | undefined>>();

  constructor(rpc: Pick<EthereumRpc, "call">) {
    this.#rpc = rpc;
    this.#headers = new HeaderSource(rpc);
  }

  /**
   * The raw header and the nodes after it; undefined where the node does not know the block, or has its state no more.
   * @throws RpcError where the node cannot be reached, Rejection where what it gives does not hold
   */
  items(wanted: ProofWanted): Promise<readonly Uint8Array[] | undefined> {
    const { block, kind, subject, slot } = wanted;
    const name = [toHex(block), kind, typeof subject === "number" ? subject : toHex(subject), slot && toHex(slot)].join();
    const kept = this.#kept.get(name);
    if (kept !== undefined) return kept;
    const found = this.#find(wanted);
    this.#kept.set(name, found);
    if (this.#kept.size > KEPT_MAX) this.#kept.delete(this.#kept.keys().next().value as string);
    // What failed, or was not there, may be there the next time.
    const forget = (items?: unknown): void => {
      if (items === undefined && this.#kept.get(name) === found) this.#kept.delete(name);
    };
    found.then(forget, () => forget());
    return found;
  }

  async #find(wanted: ProofWanted): Promise<readonly Uint8Array[] | undefined> {
    const header = await this.#header(wanted.block);
    if (header === undefined) return undefined;
    const fields = decodeHeader(engine, header.raw);
    if (fields instanceof Rejection) throw fields;
    const { kind, subject } = wanted;
    try {
      if (typeof subject !== "number") return [header.raw, ...(await this.#stateNodes(wanted, fields, subject))];
      const items = kind === PROVE_RECEIPT ? await this.#receipts(header) : await this.#transactions(header);
      const root = kind === PROVE_TRANSACTION ? fields.transactionsRoot : fields.receiptsRoot;
      const trie = new Trie(items.map((item, i) => [indexKey(i), item]));
      if (!equal(trie.root, root)) throw differs("what the node says the block holds does not make the header's root");
      return [header.raw, ...trie.proof(indexKey(subject))];
    } catch (error) {
      // The node says no: it has pruned that state, as a rule.
      if (error instanceof RpcError && !error.unreachable && !error.limited && !error.methodAbsent) return undefined;
      throw error;
    }
  }

  async #header(block: Uint8Array): Promise<RawHeader | undefined> {
    const answer = await this.#rpc.call("eth_getBlockByHash", `0x${toHex(block)}`, false);
    if (answer === null || answer === undefined) return undefined;
    const identity = blockIdentity(answer);
    if (identity instanceof Rejection) throw identity;
    const header = await this.#headers.header(identity.number);
    return header !== undefined && equal(header.hash, block) ? header : undefined;
  }

  async #stateNodes({ kind, slot }: ProofWanted, header: EthereumHeader, address: Uint8Array): Promise<Uint8Array[]> {
    const slots = slot === undefined ? [] : [`0x${toHex(slot)}`];
    const answer = await this.#rpc.call("eth_getProof", `0x${toHex(address)}`, slots, `0x${header.number.toString(16)}`);
    const { accountProof, storageProof } = (answer ?? {}) as { accountProof?: unknown; storageProof?: unknown };
    const walk = new TrieWalk(engine, header.stateRoot, accountKey(engine, address));
    const nodes = walked(walk, accountProof);
    if (kind !== PROVE_SLOT || slot === undefined || walk.value === undefined) return nodes;
    const account = readAccount(walk.value);
    if (account instanceof Rejection) throw account;
    const storage = new TrieWalk(engine, account.storageRoot, slotKey(engine, slot));
    const [first] = Array.isArray(storageProof) ? (storageProof as { proof?: unknown }[]) : [];
    return [...nodes, ...walked(storage, first?.proof)];
  }

  async #receipts({ number, hash }: RawHeader): Promise<Uint8Array[]> {
    try {
      const receipts = await this.#rpc.call("eth_getBlockReceipts", `0x${number.toString(16)}`);
      if (Array.isArray(receipts)) return receipts.map(encodeReceipt);
    } catch (error) {
      if (!(error instanceof RpcError) || !error.methodAbsent) throw error;
    }
    const block = await this.#rpc.call("eth_getBlockByHash", `0x${toHex(hash)}`, false);
    const { transactions } = (block ?? {}) as { transactions?: unknown };
    if (!Array.isArray(transactions) || transactions.length > RECEIPTS_MAX)
      throw new Rejection("block-malformed", `no list of at most ${RECEIPTS_MAX} transactions`);
    const receipts: Uint8Array[] = [];
    for (const transaction of transactions)
      receipts.push(encodeReceipt(await this.#rpc.call("eth_getTransactionReceipt", transaction)));
    return receipts;
  }

  async #transactions({ number }: RawHeader): Promise<Uint8Array[]> {
    const block = bytesOf(await this.#rpc.call("debug_getRawBlock", `0x${number.toString(16)}`));
    const [, transactions] = RLP.decode(block) as NestedUint8Array;
    if (!Array.isArray(transactions)) throw new Rejection("block-malformed", "the raw block has no list of transactions");
    return transactions.map((item) => (item instanceof Uint8Array ? item : RLP.encode(item)));
  }
}

/** Those of the nodes that `walk` takes, which then is at its end. */
function walked(walk: TrieWalk, proof: unknown): Uint8Array[] {
  if (!Array.isArray(proof) || proof.length > TRIE_NODES_MAX) throw differs(`no list of at most ${TRIE_NODES_MAX} nodes`);
  const nodes: Uint8Array[] = [];
  for (const text of proof) {
    const node = bytesOf(text);
    if (walk.done) break;
    if (nodes.length > 0 && node.length < HASH_BYTES) continue;
    const fault = walk.feed(node);
    if (fault !== undefined) throw differs(fault.toString());
    nodes.push(node);
  }
  if (!walk.done) throw differs("the nodes end before the key does");
  return nodes;
}

function bytesOf(text: unknown): Uint8Array {
  const bytes = typeof text === "string" ? fromHex(text) : undefined;
  if (!(bytes instanceof Uint8Array)) throw differs("a node that is no hexadecimal text");
  return bytes;
}

function differs(detail: string): Rejection {
  return new Rejection("node-proof-wrong", detail);
}
