// Builds IBFT 1, IBFT 2.0 and QBFT chains of any length, with votes, epochs, transitions, forks and faults, out of third-party
// code alone: @ethereumjs/rlp, hash-wasm and the libsecp256k1 of @bitauth/libauth. test/conformance/poa/generator-check.ts
// checks it against real headers.

import { instantiateSecp256k1 } from "@bitauth/libauth/build/lib/crypto/secp256k1.js";
import { type BftDraft, encodeHeader, hashOf, proposalDigestOf, sealDigestOf } from "./bft-encoding.js";
import { type BftKind, BftModel } from "./bft-model.js";
import { type Account, bytesOf, hexOf, type Sealer } from "./clique-generator.js";
import { keccak256Of } from "./keccak.js";

const libsecp256k1 = await instantiateSecp256k1();

export const MIX_HASH = bytesOf("0x63746963616c2062797a616e74696e65206661756c7420746f6c6572616e6365");
const EMPTY_TRIE = bytesOf("0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421");
const NO_OMMERS = bytesOf("0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347");

/** r ‖ s ‖ v by libsecp256k1. */
export const fastSealer: Sealer = (digest, signer) => {
  const made = libsecp256k1.signMessageHashRecoverableCompact(signer.secret, digest);
  if (typeof made === "string") throw new Error(made);
  return Uint8Array.from([...made.signature, made.recoveryId]);
};

export interface BftBlock {
  readonly raw: Uint8Array;
  /** Of the block. */
  readonly hash: Uint8Array;
  readonly draft: Readonly<BftDraft>;
  readonly number: number;
  readonly timeS: number;
  readonly proposer: Account | undefined;
  /** After the block. */
  readonly model: BftModel;
}

export interface BftChildOptions {
  readonly proposer?: Account;
  readonly vote?: { account: Uint8Array; authorize: boolean };
  readonly round?: number;
  /** Who seals; as many of the set as the quorum asks for where absent. */
  readonly sealers?: readonly Account[];
  readonly afterS?: number;
  readonly gasUsed?: bigint;
  /** Bends the header before it is sealed. */
  readonly bend?: (draft: BftDraft) => void;
  /** Bends the seals. */
  readonly bendSeals?: (seals: Uint8Array[], digest: Uint8Array) => Uint8Array[];
  /** Bends the proposer's seal of IBFT 1. */
  readonly bendProposerSeal?: (seal: Uint8Array) => Uint8Array;
}

/** EIP-55, from its text. */
export function checksumText(hex: string): string {
  const digits = hex.slice(2);
  const hash = hexOf(keccak256Of(new TextEncoder().encode(digits))).slice(2);
  return `0x${[...digits].map((digit, i) => ("89abcdef".includes(hash[i] as string) ? digit.toUpperCase() : digit)).join("")}`;
}

export type ListOrder = "bytes" | "text";

export interface BftChainOptions {
  readonly kind: BftKind;
  readonly validators: readonly Account[];
  readonly periodS?: number;
  readonly epoch?: number;
  readonly timeS?: number;
  readonly sealer?: Sealer;
  /** What follows the nonce: [] before London, [baseFee, …] from it. */
  readonly tail?: (bigint | Uint8Array)[];
  /** Headers list nobody. */
  readonly contract?: boolean;
  /** Of the lists in headers: by bytes, or by EIP-55 text, as GoQuorum's IBFT has it. */
  readonly order?: ListOrder;
  /** block → the set that takes over there. */
  readonly replaced?: ReadonlyMap<number, readonly Account[]>;
}

export class BftChain {
  readonly kind: BftKind;
  readonly periodS: number;
  readonly epoch: number;
  readonly genesis: BftBlock;
  readonly contract: boolean;
  readonly sealer: Sealer;
  /** Of the lists in headers to come. */
  order: ListOrder;
  readonly #replaced: ReadonlyMap<number, readonly Account[]>;
  readonly #accounts = new Map<string, Account>();

  constructor(options: BftChainOptions) {
    this.kind = options.kind;
    this.periodS = options.periodS ?? 2;
    this.epoch = options.epoch ?? 30_000;
    this.sealer = options.sealer ?? fastSealer;
    this.contract = options.contract ?? false;
    this.order = options.order ?? (this.kind === "ibft" ? "text" : "bytes");
    this.#replaced = options.replaced ?? new Map();
    for (const validator of options.validators) this.know(validator);
    for (const set of this.#replaced.values()) for (const validator of set) this.know(validator);
    const model = new BftModel(
      this.kind,
      this.epoch,
      0,
      options.validators.map(({ hex }) => hex),
    );
    const draft: BftDraft = {
      parentHash: new Uint8Array(32),
      ommersHash: NO_OMMERS,
      coinbase: new Uint8Array(20),
      stateRoot: keccak256Of(new TextEncoder().encode("genesis")),
      transactionsRoot: EMPTY_TRIE,
      receiptsRoot: EMPTY_TRIE,
      logsBloom: new Uint8Array(256),
      difficulty: 1n,
      number: 0n,
      gasLimit: 8_000_000n,
      gasUsed: 0n,
      timeS: BigInt(options.timeS ?? 1_700_000_000),
      vanity: new Uint8Array(32),
      mixHash: MIX_HASH,
      nonce: new Uint8Array(8),
      tail: options.tail ?? [],
      validators: this.contract ? [] : model.sorted.map(bytesOf),
      vote: undefined,
      round: 0,
      proposerSeal: new Uint8Array(0),
      seals: [],
    };
    this.genesis = this.#block(draft, undefined, model);
  }

  know(account: Account): Account {
    this.#accounts.set(account.hex, account);
    return account;
  }

  validatorsAfter(block: BftBlock): Account[] {
    return block.model.sorted.map((name) => this.#accounts.get(name) as Account);
  }

  /** `set` as a header lists it. */
  listOf(set: readonly Account[]): Account[] {
    if (this.order === "bytes") return [...set];
    return [...set].sort((a, b) => (checksumText(a.hex) < checksumText(b.hex) ? -1 : 1));
  }

  child(parent: BftBlock, options: BftChildOptions = {}): BftBlock {
    const number = parent.number + 1;
    const set = this.validatorsAfter(parent);
    const proposer = options.proposer ?? (set[number % set.length] as Account);
    const { vote } = options;
    const isIbft1 = this.kind === "ibft";
    const draft: BftDraft = {
      ...parent.draft,
      parentHash: parent.hash,
      coinbase: isIbft1 ? (vote?.account ?? new Uint8Array(20)) : proposer.address,
      nonce: new Uint8Array(8).fill(isIbft1 && vote?.authorize === true ? 0xff : 0),
      stateRoot: keccak256Of(parent.draft.stateRoot),
      number: BigInt(number),
      gasUsed: options.gasUsed ?? 0n,
      timeS: BigInt(parent.timeS + (options.afterS ?? this.periodS)),
      validators: this.contract ? [] : this.listOf(set).map(({ address }) => address),
      vote: isIbft1 ? undefined : vote,
      round: options.round ?? 0,
      proposerSeal: new Uint8Array(0),
      seals: [],
    };
    options.bend?.(draft);
    if (isIbft1) {
      const seal = this.sealer(proposalDigestOf(draft), proposer);
      draft.proposerSeal = options.bendProposerSeal?.(seal) ?? seal;
    }
    const sealers = options.sealers ?? set.slice(0, parent.model.quorum);
    const digest = sealDigestOf(this.kind, draft);
    const seals = sealers.map((account) => this.sealer(digest, account));
    draft.seals = options.bendSeals?.(seals, digest) ?? seals;
    return this.#block(draft, proposer, this.#modelAfter(parent, proposer, vote));
  }

  /** `count` blocks after `parent`. */
  grow(parent: BftBlock, count: number, options?: (index: number, parent: BftBlock) => BftChildOptions): BftBlock[] {
    const blocks: BftBlock[] = [];
    let tip = parent;
    for (let i = 0; i < count; i += 1) {
      tip = this.child(tip, options?.(i, tip));
      blocks.push(tip);
    }
    return blocks;
  }

  /** The same block as other nodes may keep it: sealed in another round or by others. */
  resealed(parent: BftBlock, block: BftBlock, sealers: readonly Account[], round = block.draft.round): BftBlock {
    const draft = { ...block.draft, round };
    const digest = sealDigestOf(this.kind, draft);
    draft.seals = sealers.map((account) => this.sealer(digest, account));
    return this.#block(draft, block.proposer, this.#modelAfter(parent, block.proposer as Account, draft.vote));
  }

  /** Besu: a set that takes over at a block stands before the vote of the block before it. */
  #modelAfter(parent: BftBlock, proposer: Account, vote: BftChildOptions["vote"]): BftModel {
    const replacing = this.#replaced.get(parent.number + 2);
    const model = replacing === undefined ? parent.model : parent.model.replaced(replacing.map(({ hex }) => hex));
    return model.after(proposer.hex, vote && { account: hexOf(vote.account), authorize: vote.authorize });
  }

  #block(draft: BftDraft, proposer: Account | undefined, model: BftModel): BftBlock {
    const raw = encodeHeader(this.kind, draft);
    const hash = hashOf(this.kind, draft);
    return { raw, hash, draft, number: Number(draft.number), timeS: Number(draft.timeS), proposer, model };
  }
}
