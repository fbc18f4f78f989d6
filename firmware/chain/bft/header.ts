// A header of the BFT family with its two hashes, and what tells one member of the family from another.
//
// Promises: the hash of the block and what the seals are over are computed from the bytes that came, once each and when first
// asked for (Besu `BftBlockHashing`: keccak256 of the raw header is neither). Never judges the chain's rules but those that
// the header alone can break.

import { equal } from "../../bytes.js";
import type { CryptoEngine } from "../../crypto/engine.js";
import { Rejection } from "../../rejection.js";
import type { Header } from "../consensus.js";
import { type EthereumHeader, MIX_HASH } from "../ethereum/header.js";
import { type BftExtra, type BftVote, setOf } from "./extra.js";

/** By which clients know the family: "ctical byzantine fault tolerance". */
const FAMILY = "63746963616c2062797a616e74696e65206661756c7420746f6c6572616e6365";

export class BftHeader implements Header {
  readonly eth: EthereumHeader;
  readonly extra: BftExtra;
  readonly #engine: CryptoEngine;
  #hash: Uint8Array | undefined;
  #forSeals: Uint8Array | undefined;
  #set: Uint8Array | undefined;

  constructor(engine: CryptoEngine, eth: EthereumHeader, extra: BftExtra) {
    this.#engine = engine;
    this.eth = eth;
    this.extra = extra;
  }

  get raw(): Uint8Array {
    return this.eth.raw;
  }
  get number(): number {
    return this.eth.number;
  }
  get parentHash(): Uint8Array {
    return this.eth.parentHash;
  }
  get timeS(): number {
    return this.eth.timeS;
  }

  /** The hash of the block: without committed seals, for IBFT 2.0 and QBFT without the round. A genesis block's covers all. */
  get hash(): Uint8Array {
    this.#hash ??= this.number === 0 ? this.eth.hash : this.eth.hashWithExtraData(this.extra.forBlock);
    return this.#hash;
  }

  /** The addresses that it lists, ascending by bytes: `known` itself where that is the same set, so that it is compared once. */
  setAs(known: Uint8Array): Uint8Array {
    let set = this.#set ?? this.extra.validators;
    if (set === known) return known;
    if (equal(set, known)) set = known;
    else if (this.#set === undefined) {
      set = setOf(set);
      if (equal(set, known)) set = known;
    }
    this.#set = set;
    return set;
  }

  /** keccak256 of the header with the extra data that seals cover. */
  get hashForSeals(): Uint8Array {
    const { forBlock, forSeals } = this.extra;
    this.#forSeals ??= forSeals === forBlock && this.number > 0 ? this.hash : this.eth.hashWithExtraData(forSeals);
    return this.#forSeals;
  }

  /** keccak256 of the block's hash and one more byte: what IBFT 1 commits to. */
  hashWithByte(byte: number): Uint8Array {
    return this.#engine.keccak256(this.hash, Uint8Array.of(byte));
  }

  /** keccak256 of `hashForSeals`: what the proposer of IBFT 1 signs. */
  get proposalDigest(): Uint8Array {
    return this.#engine.keccak256(this.hashForSeals);
  }
}

export type BftClient = "besu" | "goquorum";

/** What one member of the family does in its own way; everything else is common. */
export interface BftDialect {
  /** As the checkpoint's `consensus` has it. */
  readonly name: string;
  /** Whose rules these are, where the consensus is run by two clients that differ. */
  readonly client: BftClient;
  /** Throws a `Rejection`. */
  readExtra(extraData: Uint8Array): BftExtra;
  /** Rules that the header alone can break, besides the common ones. */
  checkAlone(header: BftHeader): Rejection | undefined;
  /** What the committed seals sign. */
  sealDigest(header: BftHeader): Uint8Array;
  /** The vote of a block, wherever it stands; undefined where there is none. */
  voteOf(header: BftHeader): BftVote | undefined;
  /** Whether the proposer is the signer of a seal of its own, and not the coinbase. */
  readonly proposerSeals: boolean;
  /** Whether an epoch block's own vote counts after it cleared the tally. */
  readonly epochVoteCounts: boolean;
  /** See `castVote`. */
  readonly keepsIdleVotes: boolean;
  /** Whether the gas limit is bound to the parent's. */
  readonly boundsGasLimit: boolean;
}

/** mix-hash-wrong, difficulty-range. */
export function checkCommonFields(header: EthereumHeader): Rejection | undefined {
  if (!header.hasHex(MIX_HASH, FAMILY)) return new Rejection("mix-hash-wrong", "not that of the Istanbul family");
  if (header.weight !== 1) return new Rejection("difficulty-range", `${header.difficulty}, not 1`);
  return undefined;
}
