// Where a collector's roots stand on a chain of Bitcoin: OP_RETURNs that the node's wallet pays for (tools/bitcoin/commitment.ts).
//
// Promises: what is anchored is what the node's blocks hold, from the block on that the first record of the tree names as its head, before which
// none of its roots can stand. Never: holds coins, or believes that what was sent will be mined.

import { toHex } from "../../firmware/bytes.js";
import { CommitmentWatch, commit, evidenceOf } from "../bitcoin/commitment.js";
import { BitcoinHeaderSource } from "../bitcoin/raw-header.js";
import type { MerkleTree } from "../merkle/tree.js";
import { pause } from "../processes/backoff.js";
import type { JsonRpc } from "../rpc/json-rpc.js";
import type { BlockShown } from "../verify/anchored.js";
import type { Anchored, AnchorLedger, NewestRoot, Standing } from "./anchor-ledger.js";
import type { AnchorStore } from "./anchor-store.js";
import { nodeHead } from "./heads.js";

const POLL_MS = 1000;
const NO_CONTRACT = new Uint8Array(20);
/** Looks for a transaction in new blocks before it is sent once more: another may have taken its coins. */
const LOOKS_MAX = 1800;

export class BitcoinLedger implements AnchorLedger {
  readonly contract = NO_CONTRACT;
  readonly #rpc: JsonRpc;
  readonly #source: BitcoinHeaderSource;
  readonly #store: AnchorStore;
  readonly #stop: AbortSignal;
  #watch: CommitmentWatch | undefined;

  constructor(rpc: JsonRpc, store: AnchorStore, stop: AbortSignal) {
    this.#rpc = rpc;
    this.#source = new BitcoinHeaderSource(rpc);
    this.#store = store;
    this.#stop = stop;
  }

  head(): Promise<{ readonly number: number; readonly settledDepth: number }> {
    return nodeHead(this.#rpc, this.#source);
  }

  async newest(tree: MerkleTree, sizes: readonly number[], head: number): Promise<NewestRoot | undefined> {
    if (sizes.length === 0) return undefined;
    this.#watch ??= new CommitmentWatch(this.#rpc, (await this.#store.firstHead()) ?? head);
    const roots = new Map(sizes.map((size) => [toHex(tree.root(size)), size]));
    await this.#watch.look(head, (root) => roots.has(root));
    const newest = [...sizes].reverse().find((size) => this.#watch?.at(tree.root(size)) !== undefined);
    return newest === undefined ? undefined : { size: newest, root: tree.root(newest) };
  }

  async standing(size: number, root: Uint8Array): Promise<Standing | undefined> {
    const found = this.#watch?.at(root);
    return found === undefined ? undefined : { size, block: found.block, timeS: found.timeS };
  }

  async anchor(tree: MerkleTree, size: number): Promise<Anchored> {
    const root = tree.root(size);
    const transaction = await commit(this.#rpc, root);
    for (let i = 0; i < LOOKS_MAX && !this.#stop.aborted; i += 1) {
      await this.#watch?.look((await this.head()).number, (one) => one === toHex(root));
      const found = this.#watch?.at(root);
      if (found !== undefined) return { block: found.block, transaction };
      await pause(POLL_MS, this.#stop);
    }
    throw new Error(`transaction ${transaction} is in no block yet: it is sent once more`);
  }

  evidence(root: Uint8Array): Uint8Array | undefined {
    const found = this.#watch?.at(root);
    return found === undefined ? undefined : evidenceOf(found);
  }

  timestamp(root: Uint8Array): Uint8Array | undefined {
    return this.#watch?.at(root)?.timestamp;
  }

  async proof(_size: number, root: Uint8Array): Promise<BlockShown | undefined> {
    const evidence = this.evidence(root);
    return evidence === undefined ? undefined : { evidence };
  }
}
