// A QBFT chain of millions of blocks that is made where it is looked at: the hash of a QBFT block covers no seals, so that a
// whole chain is hashed in seconds, and a block is sealed when somebody asks for it. Third-party code alone, as in
// bft-generator.ts; the sets change by votes as in the model.

import { type BftDraft, encodeExtra, encodeHeader, sealDigestOf } from "./bft-encoding.js";
import { MIX_HASH } from "./bft-generator.js";
import { type Account, bytesOf, type Sealer } from "./clique-generator.js";
import { keccak256Of } from "./keccak.js";

/** Every so many blocks a hash is kept, from which those after it follow. */
const STRIDE = 256;

/** From `block` on these validate. The vote that passes stands in the block before. */
export interface Era {
  readonly block: number;
  readonly validators: readonly Account[];
}

export interface LongChainOptions {
  /** The first height; large enough that heights take the same number of bytes from there on. */
  readonly first: number;
  readonly length: number;
  readonly timeS: number;
  readonly periodS: number;
  readonly eras: readonly Era[];
  readonly sealer: Sealer;
  /** Who seals a block; the first ⌈2n/3⌉ of its set where absent. */
  readonly sealersOf?: (number: number, set: readonly Account[]) => readonly Account[];
}

export class LongChain {
  readonly #options: LongChainOptions;
  /** Hash of block first + i × STRIDE at index i. */
  readonly #kept: Uint8Array[] = [];
  /** How often somebody asked for a header. */
  asks = 0;

  constructor(options: LongChainOptions) {
    this.#options = options;
    let hash: Uint8Array = new Uint8Array(32);
    for (const block of this.#blocks(options.first, options.first + options.length - 1, hash)) {
      hash = block.hash;
      if ((block.number - options.first) % STRIDE === 0) this.#kept.push(hash);
    }
  }

  get last(): number {
    return this.#options.first + this.#options.length - 1;
  }

  timeOf(number: number): number {
    return this.#options.timeS + (number - this.#options.first) * this.#options.periodS;
  }

  setAt(number: number): readonly Account[] {
    const { eras } = this.#options;
    let set = (eras[0] as Era).validators;
    for (const era of eras) if (era.block <= number) set = era.validators;
    return [...set].sort((a, b) => (a.hex < b.hex ? -1 : 1));
  }

  hashOf(number: number): Uint8Array {
    const { first } = this.#options;
    const index = Math.floor((number - first) / STRIDE);
    const start = first + index * STRIDE;
    let hash = this.#kept[index] as Uint8Array;
    for (const block of this.#blocks(start + 1, number, hash)) hash = block.hash;
    return hash;
  }

  /** The raw header, sealed. */
  raw(number: number): Uint8Array {
    this.asks += 1;
    const { sealer, first, sealersOf } = this.#options;
    const set = this.setAt(number);
    const parentHash = number === first ? new Uint8Array(32) : this.hashOf(number - 1);
    const draft = this.draft(number, parentHash);
    const sealers = sealersOf?.(number, set) ?? set.slice(0, Math.ceil((2 * set.length) / 3));
    const digest = sealDigestOf("qbft", draft);
    return encodeHeader("qbft", { ...draft, seals: sealers.map((account) => sealer(digest, account)) });
  }

  draft(number: number, parentHash: Uint8Array): BftDraft {
    const set = this.setAt(number);
    const roots = new Uint8Array(32).fill(9);
    return {
      ...{ parentHash, ommersHash: roots, coinbase: (set[number % set.length] as Account).address, stateRoot: roots },
      ...{ transactionsRoot: roots, receiptsRoot: roots, logsBloom: new Uint8Array(256), difficulty: 1n, number: BigInt(number) },
      ...{ gasLimit: 8_000_000n, gasUsed: 0n, timeS: BigInt(this.timeOf(number)), vanity: new Uint8Array(32) },
      ...{ mixHash: MIX_HASH, nonce: new Uint8Array(8), tail: [], validators: set.map(({ address }) => address) },
      ...{ vote: this.#voteAt(number), round: 0, proposerSeal: new Uint8Array(0), seals: [] },
    };
  }

  /** Before a set changes by one, a majority votes for it, the last of them in the block right before. */
  #voteAt(number: number): BftDraft["vote"] {
    const { eras } = this.#options;
    for (let i = 1; i < eras.length; i += 1) {
      const { block, validators } = eras[i] as Era;
      const before = (eras[i - 1] as Era).validators;
      const needed = Math.floor(before.length / 2) + 1;
      if (number < block - needed || number >= block) continue;
      const added = validators.find((account) => !before.includes(account));
      const removed = before.find((account) => !validators.includes(account));
      const account = (added ?? removed) as Account;
      return { account: account.address, authorize: added !== undefined };
    }
    return undefined;
  }

  /** Hashes of the blocks from `from` to `to`, the first of which is the child of `parent`. */
  *#blocks(from: number, to: number, parent: Uint8Array): Generator<{ number: number; hash: Uint8Array }> {
    let hash = parent;
    for (let number = from; number <= to; number += 1) {
      const set = this.setAt(number);
      // One encoding serves all blocks in a row that differ in parent, coinbase, number and time alone, which have fixed places.
      const plain = this.#voteAt(number) === undefined;
      const bytes = plain ? this.#template(number, set) : encodeHeader("qbft", this.draft(number, hash), "block");
      if (plain) {
        bytes.set(hash, this.#parentAt);
        bytes.set((set[number % set.length] as Account).address, this.#parentAt + 32 + 33 + 1);
        writeBig(bytes, number, this.#numberAt, 3);
        writeBig(bytes, this.timeOf(number), this.#timeAt, 4);
      }
      hash = keccak256Of(bytes);
      yield { number, hash };
    }
  }

  #templateOf = "";
  #templateBytes: Uint8Array = new Uint8Array(0);
  #parentAt = 0;
  #numberAt = 0;
  #timeAt = 0;

  #template(number: number, set: readonly Account[]): Uint8Array {
    const key = set.map(({ hex }) => hex).join();
    if (key === this.#templateOf) return this.#templateBytes;
    this.#templateOf = key;
    const draft = this.draft(number, new Uint8Array(32));
    const bytes = encodeHeader("qbft", draft, "block");
    this.#templateBytes = bytes;
    // Behind the list's prefix of three bytes and the string's of one; the later fields are counted from the end, which is
    // extra data (prefix of two or three), mix hash and nonce.
    this.#parentAt = 4;
    const extra = encodeExtra("qbft", draft, "block").length;
    const extraAt = bytes.length - (33 + 9) - extra - (extra > 255 ? 3 : 2);
    this.#timeAt = extraAt - 4;
    // Time has a prefix, before it gas used (one byte), gas limit (prefix and 3), and the number (3).
    this.#numberAt = this.#timeAt - 1 - 1 - 4 - 3;
    if (!sameBytes(bytes.subarray(this.#numberAt, this.#numberAt + 3), bytesOf(`0x${number.toString(16).padStart(6, "0")}`)))
      throw new Error("the number is not where it was looked for");
    return bytes;
  }
}

function writeBig(bytes: Uint8Array, value: number, at: number, length: number): void {
  let rest = value;
  for (let i = length - 1; i >= 0; i -= 1) {
    bytes[at + i] = rest & 255;
    rest = Math.floor(rest / 256);
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
