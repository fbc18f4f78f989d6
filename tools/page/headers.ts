// The chain as the page shows it: headers that were announced, what each of them says, and how many motes have verified it.
//
// Promises: who sealed a block is recovered from its seal; a header counts as verified only where a mote of this system says that its own code has verified
// that very hash; who may seal, and votes, are taken from such headers alone, and from the checkpoint that the motes start from. Never: follows the chain by itself, or asks a node.

import { toHex } from "../../firmware/bytes.js";
import { Bft } from "../../firmware/chain/bft/consensus.js";
import type { BftHeader } from "../../firmware/chain/bft/header.js";
import { openChain } from "../../firmware/chain/checkpoint.js";
import { Clique, recoverSigner } from "../../firmware/chain/clique/consensus.js";
import type { Consensus, Header } from "../../firmware/chain/consensus.js";
import { type EthereumHeader, SEAL_BYTES, VANITY_BYTES } from "../../firmware/chain/ethereum/header.js";
import { Rejection } from "../../firmware/rejection.js";
import { engine } from "../crypto/engine.js";
import { BLOCK_TIMES_MAX, HEADERS_MAX, VOTES_SHOWN_MAX } from "./bounds.js";

const ADDRESS_BYTES = 20;

export interface Vote {
  /** Who votes, and on whom: addresses. */
  readonly by: string;
  readonly account: string;
  readonly authorize: boolean;
  readonly block: number;
}

/** One header; hashes in hexadecimal in the order in which they are hashed. */
export interface ShownHeader {
  readonly hash: string;
  /** Undefined where the format has none and no mote has told it. */
  number?: number;
  readonly timeS: number;
  /** Hash of the header before it, where the header itself is here. */
  readonly parent?: string;
  /** Address; absent on a chain of work. */
  readonly sealer?: string;
  readonly vote?: Vote;
  /** Committed seals, on a BFT chain. */
  readonly seals?: number;
  readonly validators?: readonly string[];
  /** Numbers of the boards that have verified it. */
  readonly by: number[];
}

/** Who may seal, as far as this page has seen. */
export interface Validators {
  readonly consensus: string;
  readonly list: readonly string[];
  /** Since which block this list is known. */
  readonly sinceBlock: number;
  readonly votes: readonly Vote[];
}

export class HeaderBook {
  readonly #consensus: Consensus | undefined;
  readonly #headers = new Map<string, ShownHeader>();
  /** Time of blocks that a mote has verified. */
  readonly #times = new Map<number, number>();
  #validators: Validators | undefined;

  /** @param checkpoint as a mote's configuration has it */
  constructor(checkpoint: unknown) {
    const consensus = openChain(engine, checkpoint);
    if (consensus instanceof Rejection) return;
    this.#consensus = consensus;
    const list =
      consensus instanceof Clique
        ? consensus.checkpoint.signers
        : consensus instanceof Bft
          ? consensus.checkpoint.validators
          : undefined;
    const { number, timeS } = consensus.checkpoint;
    this.#times.set(number, timeS);
    this.#validators = { consensus: consensus.name, list: addressesIn(list), sinceBlock: number, votes: [] };
  }

  get all(): readonly ShownHeader[] {
    return [...this.#headers.values()];
  }

  get validators(): Validators | undefined {
    return this.#validators;
  }

  /** Seconds since the Unix epoch, of a block that a mote of this system has verified. */
  timeOf(block: number): number | undefined {
    return this.#times.get(block);
  }

  /** A header that somebody has announced: nobody has verified it by that. Answers what that changes; nothing where it cannot be read. */
  announced(raw: Uint8Array): readonly ShownHeader[] {
    const header = this.#consensus?.decode(raw);
    if (header === undefined || header instanceof Rejection) return [];
    const hash = toHex(header.hash);
    const known = this.#headers.get(hash);
    if (known?.parent !== undefined) return [known];
    const boards = known?.by ?? [];
    const number = known?.number;
    // A board may have told of it before it came here: then nobody knew what it says, and what it follows.
    const read = this.#keep({ ...this.#read(header, hash), ...(number === undefined ? {} : { number }), by: [] });
    return [read, ...boards.flatMap((board) => this.#verifiedBy(board, read))];
  }

  /** A mote has verified this header, and so all that lead to it; answers those of them of which that was not known before, ascending. */
  verified(board: number, number: number, hash: string, timeS: number): readonly ShownHeader[] {
    const newest = this.#headers.get(hash) ?? this.#keep({ hash, number, timeS, by: [] });
    newest.number = number;
    return this.#verifiedBy(board, newest);
  }

  #verifiedBy(board: number, newest: ShownHeader): readonly ShownHeader[] {
    const path: ShownHeader[] = [];
    for (let at: ShownHeader | undefined = newest; at !== undefined && !at.by.includes(board); ) {
      path.unshift(at);
      at = at.parent === undefined ? undefined : this.#headers.get(at.parent);
    }
    for (const header of path) {
      header.by.push(board);
      if (header.by.length === 1) this.#believe(header);
    }
    return path;
  }

  #believe({ validators, vote, number, timeS }: ShownHeader): void {
    if (number === undefined) return;
    this.#times.set(number, timeS);
    trim(this.#times, BLOCK_TIMES_MAX);
    const before = this.#validators;
    if (before === undefined) return;
    const changed = validators !== undefined && [...validators].sort().join() !== [...before.list].sort().join();
    const list = changed ? validators : before.list;
    // An epoch block of Clique lists the signers, and all votes are void from there on.
    const isReset = validators !== undefined && this.#consensus instanceof Clique;
    if (!changed && !isReset && vote === undefined) return;
    const votes = [...(isReset ? [] : before.votes), ...(vote === undefined ? [] : [vote])].slice(-VOTES_SHOWN_MAX);
    this.#validators = { ...before, list, votes, sinceBlock: changed || isReset ? number : before.sinceBlock };
  }

  #keep(header: ShownHeader): ShownHeader {
    this.#headers.delete(header.hash);
    this.#headers.set(header.hash, header);
    trim(this.#headers, HEADERS_MAX);
    return header;
  }

  #read(header: Header, hash: string): Omit<ShownHeader, "by"> {
    const { number, timeS } = header;
    const common = { hash, timeS, parent: toHex(header.parentHash), ...(number === undefined ? {} : { number }) };
    if (this.#consensus instanceof Clique) {
      const clique = header as EthereumHeader;
      const sealer = recoverSigner(engine, clique);
      if (sealer instanceof Rejection) return common;
      const by = `0x${toHex(sealer)}`;
      const listed = clique.extraData.subarray(VANITY_BYTES, Math.max(VANITY_BYTES, clique.extraData.length - SEAL_BYTES));
      const voted = clique.coinbase.some((byte) => byte !== 0);
      const vote = { by, account: `0x${toHex(clique.coinbase)}`, authorize: clique.nonce[0] === 0xff, block: clique.number };
      return {
        ...{ ...common, sealer: by },
        ...(voted ? { vote } : {}),
        ...(listed.length > 0 ? { validators: addressesIn(listed) } : {}),
      };
    }
    if (this.#consensus instanceof Bft) {
      const { extra, eth } = header as BftHeader;
      const by = `0x${toHex(eth.coinbase)}`;
      const { vote } = extra;
      return {
        ...{ ...common, sealer: by, seals: extra.seals.length, validators: addressesIn(extra.validators) },
        ...(vote === undefined
          ? {}
          : { vote: { by, account: `0x${toHex(vote.account)}`, authorize: vote.authorize, block: eth.number } }),
      };
    }
    return common;
  }
}

function addressesIn(packed: Uint8Array | undefined): readonly string[] {
  const list: string[] = [];
  for (let at = 0; packed !== undefined && at + ADDRESS_BYTES <= packed.length; at += ADDRESS_BYTES)
    list.push(`0x${toHex(packed.subarray(at, at + ADDRESS_BYTES))}`);
  return list;
}

/** Takes the oldest out where there are too many. */
export function trim<K, V>(map: Map<K, V>, max: number): void {
  for (const key of map.keys()) {
    if (map.size <= max) return;
    map.delete(key);
  }
}
