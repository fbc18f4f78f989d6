// Anchors what a collector has verified: a tree over records, its roots in the contract, a receipt to each mote.
//
// Promises: leaves are in the store before a root of them leaves (anchor-store.ts); what is anchored, and since when, is read from the
// contract each time, never remembered: so a kill -9 at any moment and a reorganisation end alike, with the same roots anchored again,
// in the same order. A receipt is sent once its root has stood for as many blocks as settle it, and again to each mote that asks. It is of the
// smallest settled tree that has the leaf, so that it stays the same. Never: holds up the storing of records, or signs for a root that is
// not settled.
// docs/ledger.md, "Anchors: the collector". Wire: firmware/ledger/anchor-wire.ts.

import { equal, toHex } from "../../firmware/bytes.js";
import type { CryptoEngine } from "../../firmware/crypto/engine.js";
import { anchorTopicsOf, decodeAnchorQuestion, encodeAnchorMessage } from "../../firmware/ledger/anchor-wire.js";
import { ANCHOR_TREE_SIZE_MAX, anchorDigest, encodeAnchorReceipt } from "../../firmware/record/anchor-receipt.js";
import { Rejection } from "../../firmware/rejection.js";
import type { KeyFile } from "../crypto/key-file.js";
import { MerkleTree } from "../merkle/tree.js";
import { Backoff, type BackoffLimits, pause } from "../processes/backoff.js";
import { Bell } from "../processes/bell.js";
import { type BucketLimits, Buckets } from "../relay/token-bucket.js";
import { isBitcoin } from "../rpc/chain.js";
import { JsonRpc, RpcError } from "../rpc/json-rpc.js";
import { encodeAnchored } from "../verify/anchored.js";
import type { AnchorLedger, Standing } from "./anchor-ledger.js";
import type { AnchorStore, LeafRecord } from "./anchor-store.js";
import { BitcoinLedger } from "./bitcoin-ledger.js";
import { ContractLedger } from "./contract-ledger.js";
import { type PlaceText, placeText } from "./events.js";

const RETRY: BackoffLimits = { firstMs: 250, maxMs: 10_000 };
/** How often the node is looked at while an anchor is to settle, and for new records where none waits. */
const POLL_MS = 1000;
/** The settled anchor is looked at again this often where nothing else is to be done: a reorganisation may have taken it. */
const IDLE_MS = 15_000;
/** What one mote may ask. */
const QUESTIONS: BucketLimits = { burst: 4, perSecond: 0.2 };
const MOTES_MAX = 100_000;

export interface AnchoringOptions {
  readonly store: AnchorStore;
  readonly key: KeyFile;
  readonly engine: CryptoEngine;
  readonly rpc: string | (() => string);
  /** CAIP-2 of the node's chain. */
  readonly chain: string;
  /** Of RecordAnchor, 20 bytes; none on a chain of Bitcoin, where the node's wallet pays for OP_RETURNs. */
  readonly contract?: Uint8Array | undefined;
  /** From one batch to the next, where records wait, in milliseconds. */
  readonly intervalMs: number;
  /** Blocks above an anchor after which it is settled; by the kind of chain where absent. */
  readonly settledDepth?: number | undefined;
  readonly prefix: string;
  /** Resolves to false where the broker did not take it; the mote asks for it. */
  readonly publish: (topic: string, message: Uint8Array) => Promise<boolean>;
  readonly onEvent: (event: AnchorEvent) => void;
}

export type AnchorEvent =
  | { readonly event: "lost"; readonly to: "node" | "store"; readonly reason: string; readonly retryMs: number }
  | { readonly event: "back"; readonly to: "anchors" }
  /** A root is in a block; not settled. */
  | {
      readonly event: "anchor";
      readonly size: number;
      readonly root: string;
      readonly block: number;
      readonly transaction: string;
    }
  /** The node's chain went another way, and the contract has fewer leaves than it had. */
  | { readonly event: "anchor-gone"; readonly size: number; readonly was: number }
  /** Settled: the receipt of a leaf, and the item that shows it to whoever has a checkpoint; in hexadecimal. */
  | ({
      readonly event: "anchored";
      readonly leaf: number;
      readonly size: number;
      readonly root: string;
      readonly block: number;
      readonly timeS: number;
      readonly receipt: string;
      /** Absent where the state, or the transaction, is too large for one item. */
      readonly item?: string;
      /** OpenTimestamps proof of the root, on Bitcoin. */
      readonly timestamp?: string;
    } & PlaceText);

export class Anchoring {
  readonly #options: AnchoringOptions;
  readonly #ledger: AnchorLedger;
  readonly #tree: MerkleTree;
  /** Sizes of the tree after each batch, ascending. */
  readonly #sizes: number[] = [];
  readonly #untold = new Set<number>();
  readonly #buckets = new Buckets(QUESTIONS, MOTES_MAX);
  readonly #stop = new AbortController();
  readonly #bell = new Bell();
  readonly #running: Promise<void>;
  #loaded = false;
  #settled = 0;
  #onChain = 0;
  #batchAtMs = 0;

  constructor(options: AnchoringOptions) {
    const { key, contract, engine, chain, store } = options;
    this.#options = options;
    const rpc = new JsonRpc(options.rpc);
    if (contract === undefined && !isBitcoin(chain)) throw new Error(`anchors on ${chain} need a contract`);
    this.#ledger =
      contract === undefined
        ? new BitcoinLedger(rpc, store, this.#stop.signal)
        : new ContractLedger(rpc, engine, chain, key, contract, this.#stop.signal);
    this.#tree = new MerkleTree(engine);
    this.#running = this.#run();
  }

  /** Where motes ask. */
  get subscription(): string {
    return anchorTopicsOf(this.#options.prefix, "+").questions;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#bell.ring();
    await this.#running;
  }

  /** A mote asks for the receipt that stands for one of its records. Nothing is said where there is none yet. */
  async asked(mote: Uint8Array, message: Uint8Array): Promise<Rejection | undefined> {
    const digest = decodeAnchorQuestion(message);
    if (digest instanceof Rejection) return digest;
    if (!this.#loaded || this.#buckets.take(toHex(mote), 1, performance.now()) < 1) return undefined;
    const leaf = await this.#options.store.leafOf(mote, digest);
    if (leaf === undefined) return undefined;
    if (this.#settled === 0) return undefined;
    const root = this.#tree.root(this.#settled);
    // Where a block shows it, the newest: motes know no old ones.
    const size = this.#ledger.evidence(root) === undefined ? this.#sizes.find((one) => one > leaf) : this.#settled;
    if (size === undefined || size <= leaf || size > this.#settled) return undefined;
    const [record] = await this.#options.store.records(leaf, leaf + 1);
    // Not waited for: the broker's acknowledgement is behind the message that is being handled here.
    if (record !== undefined) void this.#send(record, size, this.#receipt(leaf, size));
    return undefined;
  }

  async #run(): Promise<void> {
    const backoff = new Backoff(RETRY);
    let lost = false;
    while (!this.#stop.signal.aborted)
      try {
        if (!this.#loaded) await this.#load();
        const waitMs = await this.#round();
        if (lost) this.#options.onEvent({ event: "back", to: "anchors" });
        lost = false;
        backoff.succeeded();
        if (!this.#stop.signal.aborted) await this.#bell.wait(waitMs);
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        const retryMs = backoff.next();
        const to = this.#loaded || error instanceof RpcError ? "node" : "store";
        const reason = `anchors: ${error instanceof Error ? error.message : String(error)}`;
        if (!lost) this.#options.onEvent({ event: "lost", to, reason, retryMs });
        lost = true;
        await pause(retryMs, this.#stop.signal);
      }
  }

  async #load(): Promise<void> {
    const { store, key, chain, engine } = this.#options;
    const { contract } = this.#ledger;
    await store.open({ contract, account: key.address, chain }, engine.sha256(key.address, contract));
    await this.#grow();
    this.#loaded = true;
  }

  /** Takes in the batches that the store has and this tree has not. */
  async #grow(): Promise<void> {
    const { store } = this.#options;
    for (const { size, told } of await store.batches(this.#sizes.at(-1))) {
      this.#sizes.push(size);
      if (!told) this.#untold.add(size);
    }
    for await (const digest of store.leaves(this.#tree.size)) this.#tree.append(digest);
  }

  /** Looks at the chain, and does the one thing that is due; answers the milliseconds until the next. */
  async #round(): Promise<number> {
    const node = await this.#ledger.head();
    const depth = this.#options.settledDepth ?? node.settledDepth;
    const onChain = await this.#newest(node.number);
    if (onChain < this.#onChain) this.#options.onEvent({ event: "anchor-gone", size: onChain, was: this.#onChain });
    this.#onChain = onChain;
    const standing = await this.#newestSettled(onChain, node.number - depth);
    this.#settled = standing?.size ?? 0;
    for (const size of [...this.#untold]) if (size <= this.#settled) await this.#tell(size, node.number - depth);
    const next = this.#sizes.find((size) => size > onChain);
    if (next !== undefined) {
      await this.#anchor(next);
      return 0;
    }
    if (this.#stop.signal.aborted) return 0;
    const left = this.#batchAtMs - performance.now();
    if (left <= 0 && this.#tree.size < ANCHOR_TREE_SIZE_MAX && (await this.#options.store.batch()) !== undefined) {
      this.#batchAtMs = performance.now() + this.#options.intervalMs;
      await this.#grow();
      return 0;
    }
    return this.#untold.size > 0 || left <= 0 ? POLL_MS : Math.min(left, IDLE_MS);
  }

  /** Leaves of the newest tree that the chain has of this account, which has to be one of ours. */
  async #newest(head: number): Promise<number> {
    const newest = await this.#ledger.newest(this.#tree, this.#sizes, head);
    if (newest === undefined) return 0;
    const { size: leaves, root } = newest;
    const isOurs = (): boolean => this.#sizes.includes(leaves) && equal(this.#tree.root(leaves), root);
    // Another collector of this key and store may have been first.
    if (!isOurs()) await this.#grow();
    if (!isOurs())
      throw new Error(
        `the contract has a tree of ${leaves} leaves of this account that the store has not: put the store back, or anchor with another key`,
      );
    return leaves;
  }

  #standing(size: number): Promise<Standing | undefined> {
    return this.#ledger.standing(size, this.#tree.root(size));
  }

  /** The newest anchor in a block up to `number`. Each root of the contract's has all those before it. */
  async #newestSettled(onChain: number, number: number): Promise<Standing | undefined> {
    for (let i = this.#sizes.length - 1; i >= 0; i -= 1) {
      const size = this.#sizes[i] as number;
      if (size > onChain) continue;
      const standing = await this.#standing(size);
      if (standing !== undefined && standing.block <= number) return standing;
    }
    return undefined;
  }

  async #anchor(size: number): Promise<void> {
    const stopped = new Promise<undefined>((resolve) => {
      this.#stop.signal.addEventListener("abort", () => resolve(undefined), { once: true });
    });
    const outcome = await Promise.race([this.#ledger.anchor(this.#tree, size), stopped]);
    if (outcome === undefined) return;
    const root = toHex(this.#tree.root(size));
    this.#options.onEvent({ event: "anchor", size, root, ...outcome });
  }

  /** Sends the receipts of a batch, and says so. */
  async #tell(size: number, settledNumber: number): Promise<void> {
    const { store, onEvent } = this.#options;
    const standing = await this.#standing(size);
    if (standing === undefined) return;
    const before = this.#sizes[this.#sizes.indexOf(size) - 1] ?? 0;
    const root = this.#tree.root(size);
    const proof = await this.#ledger.proof(size, root, settledNumber);
    const timestamp = this.#ledger.timestamp(root);
    for (const record of await store.records(before, size)) {
      const receipt = this.#receipt(record.leaf, size);
      await this.#send(record, size, receipt);
      const item = proof === undefined ? undefined : encodeAnchored({ record: record.sign1, receipt, ...proof });
      onEvent({
        ...{ event: "anchored", ...placeText(record), leaf: record.leaf, size, root: toHex(this.#tree.root(size)) },
        ...{ block: standing.block, timeS: standing.timeS, receipt: toHex(receipt) },
        ...(item === undefined || item instanceof Rejection ? {} : { item: toHex(item) }),
        ...(timestamp === undefined ? {} : { timestamp: toHex(timestamp) }),
      });
    }
    await store.noteTold(size);
    this.#untold.delete(size);
  }

  #receipt(leaf: number, size: number): Uint8Array {
    const { engine, key } = this.#options;
    const kid = key.address;
    const signature = key.sign(anchorDigest(engine, kid, this.#tree.root(size)));
    return encodeAnchorReceipt({ kid, size, index: leaf, path: this.#tree.inclusionProof(leaf, size), signature });
  }

  #send({ address, stream, seq }: LeafRecord, size: number, receipt: Uint8Array): Promise<boolean> {
    const { receipts } = anchorTopicsOf(this.#options.prefix, address);
    return this.#options.publish(
      receipts,
      encodeAnchorMessage({ stream, seq, receipt, evidence: this.#ledger.evidence(this.#tree.root(size)) }),
    );
  }
}
