// Where a collector's roots stand on a chain with contracts: RecordAnchor.sol, one transaction of the collector's account for each.
//
// Promises: what is anchored is what the contract says, each time. Never: remembers it.

import { fromHex } from "../../firmware/bytes.js";
import { decodeHeader } from "../../firmware/chain/ethereum/header.js";
import type { CryptoEngine } from "../../firmware/crypto/engine.js";
import { anchorSlot } from "../../firmware/ledger/anchors.js";
import { PROVE_SLOT } from "../../firmware/ledger/proof-wire.js";
import { accountKey } from "../../firmware/proof/account.js";
import { TrieWalk } from "../../firmware/proof/trie.js";
import { Rejection } from "../../firmware/rejection.js";
import { Account, type Contract } from "../contracts/account.js";
import { anchorTree, openAnchor } from "../contracts/anchor.js";
import { anchorKey } from "../contracts/layout.js";
import type { KeyFile } from "../crypto/key-file.js";
import { ProofSource } from "../ethereum/proofs.js";
import type { MerkleTree } from "../merkle/tree.js";
import type { JsonRpc } from "../rpc/json-rpc.js";
import type { StateShown } from "../verify/anchored.js";
import type { Anchored, AnchorLedger, NewestRoot, Standing } from "./anchor-ledger.js";
import { canonicalHash, nodeHead } from "./heads.js";

const NO_HASH = new Uint8Array(32);

export class ContractLedger implements AnchorLedger {
  readonly contract: Uint8Array;
  readonly #rpc: JsonRpc;
  readonly #engine: CryptoEngine;
  readonly #chain: string;
  readonly #account: Account;
  readonly #anchors: Contract;
  readonly #proofs: ProofSource;

  /**
   * @param contract address of RecordAnchor, 20 bytes
   * @param signal ends what is waited for
   */
  constructor(rpc: JsonRpc, engine: CryptoEngine, chain: string, key: KeyFile, contract: Uint8Array, signal: AbortSignal) {
    this.contract = contract;
    this.#rpc = rpc;
    this.#engine = engine;
    this.#chain = chain;
    this.#account = new Account(rpc, key, signal);
    this.#anchors = openAnchor(rpc, contract);
    this.#proofs = new ProofSource(rpc);
  }

  head(): Promise<{ readonly number: number; readonly settledDepth: number }> {
    return nodeHead(this.#rpc, undefined);
  }

  async newest(): Promise<NewestRoot | undefined> {
    const [root, size] = await this.#anchors.read("latest", this.#account.address);
    return size === 0n ? undefined : { size: Number(size), root: wordOf(root as bigint) };
  }

  async standing(size: number, root: Uint8Array): Promise<Standing | undefined> {
    const [block, timeS] = await this.#anchors.read("anchors", anchorKey(this.#account.address, size, root));
    return block === 0n ? undefined : { size, block: Number(block), timeS: Number(timeS) };
  }

  async anchor(tree: MerkleTree, size: number): Promise<Anchored> {
    const { blockNumber, hash } = await anchorTree(this.#anchors, this.#account, tree, size);
    return { block: blockNumber, transaction: hash };
  }

  evidence(): undefined {
    return undefined;
  }

  timestamp(): undefined {
    return undefined;
  }

  /** The header of a settled block, and the nodes that lead from it to the contract's slot; undefined where the node has that state no more. */
  async proof(size: number, root: Uint8Array, number: number): Promise<StateShown | undefined> {
    const block = await canonicalHash(this.#rpc, this.#chain, number);
    const slot = anchorSlot(this.#engine, this.#account.address, size, root);
    const items = await this.#proofs.items({ kind: PROVE_SLOT, subject: this.contract, slot, block: block ?? NO_HASH });
    const header = items?.[0];
    const fields = header === undefined ? undefined : decodeHeader(this.#engine, header);
    if (items === undefined || header === undefined || fields === undefined || fields instanceof Rejection) return undefined;
    const walk = new TrieWalk(this.#engine, fields.stateRoot, accountKey(this.#engine, this.contract));
    let at = 1;
    for (; at < items.length && !walk.done; at += 1) walk.feed(items[at] as Uint8Array);
    return { header, account: items.slice(1, at), storage: items.slice(at) };
  }
}

function wordOf(value: bigint): Uint8Array {
  return fromHex(value.toString(16).padStart(64, "0")) as Uint8Array;
}
