// What a collector knows of its node's chain: the newest block, and blocks that were the newest before. By them it notices that the
// chain went another way, also while nobody looked.
//
// Promises: a reorganisation is told with the highest block that both branches have; a node that is merely behind is none; where
// the node cannot say, nothing is concluded. Remembers at most `TRAIL_BLOCKS_MAX` blocks, and as many hashes. Never: judges a head.

import { equal } from "../../firmware/bytes.js";
import type { NodeHead } from "./heads.js";
import { TRAIL_BLOCKS_MAX, type TrailBlock } from "./verdicts.js";

const HASHES_MAX = 4096;

/** What became of the chain since the last look. */
export interface ChainStep {
  /** Same head as before. */
  readonly same: boolean;
  /** Blocks above this were replaced; undefined where none was. -1 where no block is known that stayed. */
  readonly replacedAbove: number | undefined;
  /** Whether the node could tell where its chain went; where not, no verdict is final. */
  readonly certain: boolean;
}

export class Trail {
  /** Lowest first. */
  readonly #blocks: TrailBlock[];
  /** What the chain has at a height, as far as asked since it last went another way. */
  readonly #hashes = new Map<number, Uint8Array>();
  readonly #ask: (number: number) => Promise<Uint8Array | undefined>;
  #head: NodeHead | undefined;

  /**
   * @param blocks as kept from before
   * @param ask the hash that the node's chain has at a height; undefined where it does not say
   */
  constructor(blocks: readonly TrailBlock[], ask: (number: number) => Promise<Uint8Array | undefined>) {
    this.#blocks = [...blocks];
    this.#ask = ask;
  }

  get head(): NodeHead | undefined {
    return this.#head;
  }

  /** The lowest block that is remembered. */
  get lowest(): number {
    return this.#blocks[0]?.number ?? 0;
  }

  /** Compares the node's newest block with what is remembered. Nothing changes until `take`. */
  async step(head: NodeHead): Promise<ChainStep> {
    if (this.#head !== undefined && equal(this.#head.hash, head.hash))
      return { same: true, replacedAbove: undefined, certain: true };
    const known = this.#blocks.filter((block) => block.number <= head.number);
    const top = known.at(-1);
    const above = this.#blocks.some((block) => block.number > head.number);
    // Everything that is remembered is above this node's head, or nothing is remembered.
    if (top === undefined) return { same: false, replacedAbove: undefined, certain: !above };
    const stands = await this.#stands(top, head);
    if (stands === undefined) return { same: false, replacedAbove: undefined, certain: false };
    // A node that is behind has the same blocks as far as it goes.
    if (stands) return { same: false, replacedAbove: undefined, certain: !above };
    return { same: false, replacedAbove: await this.#lastThatStands(known, head), certain: true };
  }

  /** The step is noted: from now on the chain is what it said. */
  take(head: NodeHead, step: ChainStep): void {
    this.#head = head;
    if (step.same) return;
    if (step.replacedAbove !== undefined || !step.certain) this.#hashes.clear();
    const floor = step.replacedAbove ?? Number.POSITIVE_INFINITY;
    while ((this.#blocks.at(-1)?.number ?? -1) > floor) this.#blocks.pop();
    this.#keep(head.number, head.hash);
    if (head.number > 0) this.#keep(head.number - 1, head.parentHash);
    // What may hide a branch that was left is not built upon.
    if (step.certain && (this.#blocks.at(-1)?.number ?? -1) < head.number)
      this.#blocks.push({ number: head.number, hash: head.hash });
    if (this.#blocks.length > TRAIL_BLOCKS_MAX) this.#blocks.splice(0, this.#blocks.length - TRAIL_BLOCKS_MAX);
  }

  /** The hash at a height of the chain; undefined where the node does not say. */
  async hashAt(number: number): Promise<Uint8Array | undefined> {
    const kept = this.#hashes.get(number);
    if (kept !== undefined) return kept;
    const hash = await this.#ask(number);
    if (hash !== undefined) this.#keep(number, hash);
    return hash;
  }

  #keep(number: number, hash: Uint8Array): void {
    this.#hashes.set(number, hash);
    if (this.#hashes.size > HASHES_MAX) this.#hashes.delete(this.#hashes.keys().next().value as number);
  }

  /** Whether a block that is remembered is still the chain's, asked anew. */
  async #stands(block: TrailBlock, head: NodeHead): Promise<boolean | undefined> {
    if (block.number === head.number) return equal(block.hash, head.hash);
    if (block.number === head.number - 1) return equal(block.hash, head.parentHash);
    const hash = await this.#ask(block.number);
    return hash === undefined ? undefined : equal(hash, block.hash);
  }

  /** The highest of these blocks that is still the chain's. Below one that stands all stand: a block names its parent. */
  async #lastThatStands(blocks: readonly TrailBlock[], head: NodeHead): Promise<number> {
    let low = 0;
    let high = blocks.length - 1; // the last one is known to be gone
    while (low < high) {
      const middle = (low + high) >> 1;
      // Where the node cannot say, less is taken for certain.
      if ((await this.#stands(blocks[middle] as TrailBlock, head)) === true) low = middle + 1;
      else high = middle;
    }
    return blocks[low - 1]?.number ?? -1;
  }
}
