// A prover on a clock turned by hand, over a chain whose states the test has whole, with a wire that the test holds both ends of.

import { RLP } from "@ethereumjs/rlp";
import { encodeReply, REPLY_OVERHEAD_BYTES, REPLY_OVERHEAD_PER_HEADER_BYTES } from "../../../firmware/bus/wire.js";
import { decodeHeader, type EthereumHeader } from "../../../firmware/chain/ethereum/header.js";
import { nobleEngine } from "../../../firmware/crypto/engine-noble.js";
import {
  decodeProofRequest,
  PROVE_ACCOUNT,
  PROVE_RECEIPT,
  PROVE_SLOT,
  PROVE_TRANSACTION,
  type ProofRequest,
} from "../../../firmware/ledger/proof-wire.js";
import { type Proof, Prover, type ProverOptions, type Question } from "../../../firmware/ledger/prover.js";
import { indexKey } from "../../../firmware/proof/envelope.js";
import { Rejection } from "../../../firmware/rejection.js";
import { rebuildHeader } from "../../../tools/ethereum/raw-header.js";
import { Trie } from "../../../tools/ethereum/trie.js";
import { HandClock } from "../hand-clock.js";

const { keccak256 } = nobleEngine;
export const MOTE = new Uint8Array(20).fill(0xab);
export const CONTRACT = new Uint8Array(20).fill(0xcc);
export const START_S = 1_800_000_000;
const PERIOD_S = 5;
/** In each block. */
export const RECEIPTS = 20;
const EMPTY_CODE = keccak256();

const hex = (bytes: Uint8Array): string => `0x${Buffer.from(bytes).toString("hex")}`;
export const address = (i: number): Uint8Array => keccak256(Uint8Array.of(i >> 8, i & 255, 1)).slice(0, 20);
export const slotOf = (i: number): Uint8Array =>
  Uint8Array.from({ length: 32 }, (_, at) => (at === 31 ? i & 255 : at === 30 ? i >> 8 : 0));

export interface Block {
  readonly raw: Uint8Array;
  readonly hash: Uint8Array;
  readonly number: number;
  /** As JSON-RPC has them. */
  readonly fields: Readonly<Record<string, string>>;
  readonly state: Trie;
  readonly storage: Trie;
  readonly receipts: Trie;
}

/** The nodes of a proof of what is asked, the header before them. */
export function itemsOf(block: Block, { kind, subject, slot }: Pick<ProofRequest, "kind" | "subject" | "slot">): Uint8Array[] {
  if (kind === PROVE_RECEIPT || kind === PROVE_TRANSACTION)
    return [block.raw, ...block.receipts.proof(indexKey(subject as number))];
  const account = block.state.proof(keccak256(subject as Uint8Array));
  const isContract = kind === PROVE_SLOT && hex(subject as Uint8Array) === hex(CONTRACT);
  return [block.raw, ...account, ...(isContract ? block.storage.proof(keccak256(slot as Uint8Array)) : [])];
}

/** A chain of `accounts` accounts, the contract among them with as many slots; the balance of each is the block's number and its own. */
export class MadeChain {
  readonly blocks: Block[] = [];
  /** How many blocks are settled less than are there. */
  depth = 0;
  fork: unknown;
  readonly #accounts: number;

  constructor(accounts = 300) {
    this.#accounts = accounts;
    this.mine();
  }

  mine(salt = 0): Block {
    const number = this.blocks.length;
    const slots = Array.from(
      { length: this.#accounts },
      (_, i) => [keccak256(slotOf(i)), RLP.encode(i + 1 + number * 1000)] as const,
    );
    const storage = new Trie(slots);
    const account = (balance: number, root: Uint8Array): Uint8Array => RLP.encode([number, balance, root, EMPTY_CODE]);
    const none = keccak256(Uint8Array.of(0x80));
    const state = new Trie([
      [keccak256(CONTRACT), account(number, storage.root)],
      ...Array.from({ length: this.#accounts }, (_, i) => [keccak256(address(i)), account(1000 * number + i, none)] as const),
    ]);
    const receipts = new Trie(
      Array.from(
        { length: RECEIPTS },
        (_, i) => [indexKey(i), RLP.encode([1, 21_000 * (i + 1), new Uint8Array(256), []])] as const,
      ),
    );
    const fields = {
      parentHash: this.blocks[number - 1] === undefined ? `0x${"00".repeat(32)}` : hex((this.blocks[number - 1] as Block).hash),
      sha3Uncles: `0x${"11".repeat(32)}`,
      miner: `0x${"00".repeat(20)}`,
      stateRoot: hex(state.root),
      transactionsRoot: hex(receipts.root),
      receiptsRoot: hex(receipts.root),
      logsBloom: `0x${"00".repeat(256)}`,
      difficulty: "0x2",
      number: `0x${number.toString(16)}`,
      gasLimit: "0x1c9c380",
      gasUsed: "0x0",
      timestamp: `0x${(START_S + number * PERIOD_S).toString(16)}`,
      extraData: `0x${salt.toString(16).padStart(2, "0")}`,
      mixHash: `0x${"00".repeat(32)}`,
      nonce: "0x0000000000000000",
    };
    const raw = rebuildHeader(fields) as Uint8Array;
    const hash = keccak256(raw);
    const block = { raw, hash, number, fields: { ...fields, hash: hex(hash) }, state, storage, receipts };
    this.blocks.push(block);
    return block;
  }

  block(hash: Uint8Array): Block | undefined {
    return this.blocks.find((block) => hex(block.hash) === hex(hash));
  }

  get newest(): Block {
    return this.blocks[this.blocks.length - 1] as Block;
  }

  // What the prover sees of the follower.
  readonly consensus = { decode: (raw: Uint8Array): EthereumHeader | Rejection => decodeHeader(nobleEngine, raw) };
  readonly window = { base: { number: 0 }, hashAt: (height: number): Uint8Array => (this.blocks[height] as Block).hash };
  get head(): { number: number } {
    return { number: this.blocks.length - 1 };
  }
  get settled(): number {
    return Math.max(0, this.blocks.length - 1 - this.depth);
  }
}

/** As many of `items` from the one that is asked for as fit. */
function fitting(items: readonly Uint8Array[], { from, bytesMax }: ProofRequest): Uint8Array[] {
  const given: Uint8Array[] = [];
  let room = bytesMax - REPLY_OVERHEAD_BYTES;
  for (const item of items.slice(from)) {
    room -= item.length + REPLY_OVERHEAD_PER_HEADER_BYTES;
    if (room < 0) break;
    given.push(item);
  }
  return given;
}

export interface Asked extends Question {
  readonly results: (Proof | Rejection)[];
}

export function question(kind: Question["kind"], subject: Uint8Array | number, more: Partial<Question> = {}): Asked {
  const results: (Proof | Rejection)[] = [];
  return { kind, subject, ...more, results, answered: (proof) => void results.push(proof) };
}

export function accountQuestion(i: number, more: Partial<Question> = {}): Asked {
  return question(PROVE_ACCOUNT, address(i), more);
}

export function proverOver(chain: MadeChain, options: Partial<ProverOptions> = {}) {
  const clock = new HandClock(1_000);
  const sent: { request: ProofRequest; relay: string }[] = [];
  const refused: string[] = [];
  const state = { nowS: undefined as number | undefined, full: false };
  let id = 100;
  const prover = new Prover({
    engine: nobleEngine,
    clock,
    own: MOTE,
    follower: chain,
    trustedNowS: () => state.nowS,
    sendProof(bytes, relay) {
      if (state.full) return false;
      const request = decodeProofRequest(bytes);
      if (request instanceof Rejection) throw new Error(String(request));
      sent.push({ request, relay });
      return true;
    },
    requestId: () => {
      id += 1;
      return id;
    },
    onProofRefused: ({ code }) => refused.push(code),
    ...options,
  });
  const last = (): ProofRequest => (sent[sent.length - 1] as (typeof sent)[number]).request;
  const reply = (items: readonly Uint8Array[], change: { id?: number; from?: number } = {}): void =>
    prover.replied(encodeReply({ id: last().id, from: last().from, headers: items, ...change }));
  /** What an honest relay says to the last request. */
  const honest = (): Uint8Array[] => {
    const block = chain.block(last().block);
    return block === undefined ? [] : fitting(itemsOf(block, last()), last());
  };
  /** Steps until nothing more is sent at once; each request is answered by `answer`. Answers how many there were. */
  const run = (answer: () => readonly Uint8Array[] | undefined = honest, most = 100): number => {
    let asked = 0;
    for (; asked < most; asked += 1) {
      const before = sent.length;
      prover.step(true);
      if (sent.length === before) break;
      const items = answer();
      if (items !== undefined) reply(items);
    }
    prover.step(true);
    return asked;
  };
  return { clock, prover, sent, refused, state, last, reply, honest, run };
}
