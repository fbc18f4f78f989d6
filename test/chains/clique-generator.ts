// Builds Clique chains of any length, with votes, epochs, forks and faults, out of third-party code alone: @ethereumjs/rlp,
// @noble/secp256k1, hash-wasm. It never uses the firmware's codec, so that it cannot share its mistakes.

import { RLP } from "@ethereumjs/rlp";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import * as secp from "@noble/secp256k1";
import type { CryptoEngine } from "../../firmware/crypto/engine.js";
import { CliqueModel } from "./clique-model.js";
import { keccak256Of } from "./keccak.js";

secp.hashes.sha256 = sha256;
secp.hashes.hmacSha256 = (key, message) => hmac(sha256, key, message);

export interface Account {
  readonly name: string;
  readonly secret: Uint8Array;
  /** 65 bytes. */
  readonly publicKey: Uint8Array;
  readonly address: Uint8Array;
  /** Lower-case with 0x. */
  readonly hex: string;
}

export function hexOf(bytes: Uint8Array): string {
  return `0x${Buffer.from(bytes).toString("hex")}`;
}

export function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex.slice(2), "hex"));
}

/** The account whose key is made of `name`. */
export function account(name: string): Account {
  const secret = keccak256Of(new TextEncoder().encode(`clique ${name}`));
  const publicKey = secp.getPublicKey(secret, false);
  const address = keccak256Of(publicKey.slice(1)).slice(12);
  return { name, secret, publicKey, address, hex: hexOf(address) };
}

export function accounts(count: number, prefix = "signer"): Account[] {
  return Array.from({ length: count }, (_, i) => account(`${prefix} ${i}`)).sort((a, b) => (a.hex < b.hex ? -1 : 1));
}

/** 65 bytes r ‖ s ‖ v over a digest. */
export type Sealer = (digest: Uint8Array, signer: Account) => Uint8Array;

const ecdsaSealer: Sealer = (digest, signer) => {
  const recovered = secp.sign(digest, signer.secret, { prehash: false, format: "recovered" });
  return Uint8Array.from([...recovered.slice(1), recovered[0] as number]);
};

/**
 * Seals without elliptic curves, for properties over thousands of blocks: `sealer` notes who sealed which digest, and the
 * engine that it makes out of `engine` recovers exactly that.
 */
export function notary(engine: CryptoEngine): { sealer: Sealer; engine: CryptoEngine; recoveries: () => number } {
  const sealed = new Map<string, Uint8Array>();
  let recoveries = 0;
  return {
    sealer(digest, signer) {
      const seal = new Uint8Array(65);
      seal.set(keccak256Of(Uint8Array.from([...digest, ...signer.address])));
      sealed.set(hexOf(seal.slice(0, 64)) + hexOf(digest), signer.publicKey);
      return seal;
    },
    engine: {
      ...engine,
      secp256k1: {
        ...engine.secp256k1,
        recover(signature, recovery, digest) {
          recoveries += 1;
          return recovery === 0 ? sealed.get(hexOf(signature) + hexOf(digest)) : undefined;
        },
      },
    },
    recoveries: () => recoveries,
  };
}

/** A header before it is sealed: what a test may bend. */
export interface Draft {
  parentHash: Uint8Array;
  ommersHash: Uint8Array;
  coinbase: Uint8Array;
  stateRoot: Uint8Array;
  transactionsRoot: Uint8Array;
  receiptsRoot: Uint8Array;
  logsBloom: Uint8Array;
  difficulty: bigint;
  number: bigint;
  gasLimit: bigint;
  gasUsed: bigint;
  timeS: bigint;
  vanity: Uint8Array;
  /** Between vanity and seal. */
  list: Uint8Array;
  mixHash: Uint8Array;
  nonce: Uint8Array;
  /** Base fee and what follows it. */
  tail: (bigint | Uint8Array)[];
}

export interface Block {
  readonly raw: Uint8Array;
  readonly hash: Uint8Array;
  readonly draft: Readonly<Draft>;
  readonly number: number;
  readonly timeS: number;
  readonly totalDifficulty: bigint;
  readonly signer: Account | undefined;
  readonly model: CliqueModel;
}

export interface ChildOptions {
  readonly vote?: { readonly account: Uint8Array; readonly authorize: boolean };
  readonly afterS?: number;
  readonly gasUsed?: bigint;
  /** Bends the header before it is sealed. */
  readonly bend?: (draft: Draft) => void;
  /** Bends the seal. */
  readonly bendSeal?: (seal: Uint8Array) => Uint8Array;
}

export interface ChainOptions {
  readonly signers: readonly Account[];
  readonly periodS?: number;
  readonly epoch?: number;
  /** First block with a base fee; none where undefined. */
  readonly londonBlock?: number;
  readonly baseFeeRule?: "eip1559" | "zero";
  readonly gasLimit?: bigint;
  readonly timeS?: number;
  readonly sealer?: Sealer;
}

const NO_OMMERS = keccak256Of(RLP.encode([]));
const EMPTY_TRIE = keccak256Of(RLP.encode(new Uint8Array(0)));

export class CliqueChain {
  readonly genesis: Block;
  readonly periodS: number;
  readonly epoch: number;
  readonly #londonBlock: number | undefined;
  readonly #baseFeeRule: "eip1559" | "zero";
  readonly #sealer: Sealer;
  readonly #accounts = new Map<string, Account>();

  constructor(options: ChainOptions) {
    this.periodS = options.periodS ?? 15;
    this.epoch = options.epoch ?? 30_000;
    this.#londonBlock = options.londonBlock;
    this.#baseFeeRule = options.baseFeeRule ?? "eip1559";
    this.#sealer = options.sealer ?? ecdsaSealer;
    for (const signer of options.signers) this.know(signer);
    const draft: Draft = {
      parentHash: new Uint8Array(32),
      ommersHash: NO_OMMERS,
      coinbase: new Uint8Array(20),
      stateRoot: keccak256Of(new TextEncoder().encode("genesis")),
      transactionsRoot: EMPTY_TRIE,
      receiptsRoot: EMPTY_TRIE,
      logsBloom: new Uint8Array(256),
      difficulty: 1n,
      number: 0n,
      gasLimit: options.gasLimit ?? 8_000_000n,
      gasUsed: 0n,
      timeS: BigInt(options.timeS ?? 1_700_000_000),
      vanity: new Uint8Array(32),
      list: Buffer.concat(options.signers.map((signer) => signer.address)),
      mixHash: new Uint8Array(32),
      nonce: new Uint8Array(8),
      tail: this.#londonBlock === 0 ? [this.#baseFeeRule === "zero" ? 0n : 1_000_000_000n] : [],
    };
    const model = new CliqueModel(
      this.epoch,
      options.signers.map((signer) => signer.hex),
    );
    this.genesis = blockOf(draft, new Uint8Array(65), undefined, 1n, model);
  }

  /** Makes an account known that may be voted in later. */
  know(signer: Account): Account {
    this.#accounts.set(signer.hex, signer);
    return signer;
  }

  /** Those who may seal a child of `parent`, whoever is in turn first. */
  sealersOf(parent: Block): Account[] {
    const { model } = parent;
    return model.sorted
      .filter((name) => model.maySeal(name))
      .sort((a, b) => model.difficultyOf(b) - model.difficultyOf(a))
      .map((name) => this.#accounts.get(name) as Account);
  }

  /** The child of `parent` by `signer`, or by whoever is first in `sealersOf`. */
  child(parent: Block, signer: Account = this.sealersOf(parent)[0] as Account, options: ChildOptions = {}): Block {
    const number = parent.number + 1;
    const isEpoch = number % this.epoch === 0;
    const vote = isEpoch ? undefined : options.vote;
    const london = this.#londonBlock !== undefined && number >= this.#londonBlock;
    const begins = london && parent.draft.tail.length === 0;
    const gasLimit = begins ? parent.draft.gasLimit * 2n : parent.draft.gasLimit;
    const draft: Draft = {
      ...parent.draft,
      parentHash: parent.hash,
      coinbase: vote?.account ?? new Uint8Array(20),
      stateRoot: keccak256Of(parent.draft.stateRoot),
      difficulty: BigInt(parent.model.difficultyOf(signer.hex)),
      number: BigInt(number),
      gasLimit,
      gasUsed: options.gasUsed ?? 0n,
      timeS: BigInt(parent.timeS + (options.afterS ?? this.periodS)),
      list: isEpoch ? Buffer.concat(parent.model.sorted.map(bytesOf)) : new Uint8Array(0),
      nonce: new Uint8Array(8).fill(vote?.authorize === true ? 0xff : 0),
      tail: london ? [this.#baseFeeRule === "zero" ? 0n : baseFeeAfter(parent.draft)] : [],
    };
    options.bend?.(draft);
    const unsealed = RLP.encode(itemsOf(draft, new Uint8Array(0)));
    const seal = this.#sealer(keccak256Of(unsealed), signer);
    const authorize = draft.nonce[0] === 0xff;
    const model = parent.model.after(signer.hex, hexOf(draft.coinbase), authorize);
    return blockOf(draft, options.bendSeal?.(seal) ?? seal, signer, parent.totalDifficulty + draft.difficulty, model);
  }

  /** `count` blocks after `parent`, each by whoever is in turn if they may. */
  grow(parent: Block, count: number, options?: (index: number, parent: Block) => ChildOptions): Block[] {
    const blocks: Block[] = [];
    let tip = parent;
    for (let i = 0; i < count; i += 1) {
      tip = this.child(tip, undefined, options?.(i, tip));
      blocks.push(tip);
    }
    return blocks;
  }
}

/** Header items in order, `seal` at the end of the extra data. */
export function itemsOf(draft: Readonly<Draft>, seal: Uint8Array): (bigint | Uint8Array)[] {
  return [
    draft.parentHash,
    draft.ommersHash,
    draft.coinbase,
    draft.stateRoot,
    draft.transactionsRoot,
    draft.receiptsRoot,
    draft.logsBloom,
    draft.difficulty,
    draft.number,
    draft.gasLimit,
    draft.gasUsed,
    draft.timeS,
    Buffer.concat([draft.vanity, draft.list, seal]),
    draft.mixHash,
    draft.nonce,
    ...draft.tail,
  ];
}

function blockOf(
  draft: Draft,
  seal: Uint8Array,
  signer: Account | undefined,
  totalDifficulty: bigint,
  model: CliqueModel,
): Block {
  const raw = RLP.encode(itemsOf(draft, seal));
  const number = Number(draft.number);
  return { raw, hash: keccak256Of(raw), draft, number, timeS: Number(draft.timeS), totalDifficulty, signer, model };
}

/** EIP-1559, from its text. */
function baseFeeAfter(parent: Readonly<Draft>): bigint {
  const fee = parent.tail[0];
  if (typeof fee !== "bigint") return 1_000_000_000n;
  const target = parent.gasLimit / 2n;
  if (parent.gasUsed === target) return fee;
  if (parent.gasUsed < target) return fee - (fee * (target - parent.gasUsed)) / target / 8n;
  const rise = (fee * (parent.gasUsed - target)) / target / 8n;
  return fee + (rise > 1n ? rise : 1n);
}
