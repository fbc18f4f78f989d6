// Reads a chain's state by proof alone: asks relays for the nodes of one trie after another, and believes none of what they say but what
// leads to a block that this mote has verified and that counts as settled.
//
// Promises: one request under way and one message kept; between messages it keeps the hash of the next node and how far along the key
// that is, so that another relay goes on where one stopped. A node, or a header, that is not the one asked for blames who sent it and
// changes nothing; who says nothing, or does not know the block, is followed by the next without blame, and where nobody brings anything
// for `ATTEMPTS_MAX` asks the question ends in `proof-unavailable`: that is not known, and never a no. Whatever does not get on is begun
// anew at the newest settled block, since nodes prune what is older.
// Each proof tells its block, and how old it is: by the trusted clock, or without one by the time that has passed since a block no newer
// than it was verified here. After a boot nothing is fresh before a newer header, and nothing that was proven of a chain that left settled
// blocks is any more (`revoked`).
// Never decides what stale means: that is for whoever asks.

import {
  decodeReply,
  type HeaderReply,
  MESSAGE_BYTES_MAX,
  REPLY_OVERHEAD_BYTES,
  REPLY_OVERHEAD_PER_HEADER_BYTES,
  RUN_BYTES_MAX,
} from "../bus/wire.js";
import { equal } from "../bytes.js";
import type { Consensus } from "../chain/consensus.js";
import { decodeHeader } from "../chain/ethereum/header.js";
import { ADVANCED } from "../chain/follow/outcome.js";
import type { CryptoEngine } from "../crypto/engine.js";
import { RelayOrder } from "../link/relay-order.js";
import type { Clock } from "../ports.js";
import { type Account, accountKey, readAccount, readSlot, slotKey } from "../proof/account.js";
import { indexKey } from "../proof/envelope.js";
import { TrieWalk } from "../proof/trie.js";
import { assert, Rejection } from "../rejection.js";
import { encodeProofRequest, PROVE_RECEIPT, PROVE_SLOT, PROVE_TRANSACTION, type ProofKind } from "./proof-wire.js";

/** Questions that wait, the one under way among them. */
export const QUESTIONS_MAX = 8;
/** Asks in a row that bring nothing before a question ends unanswered. */
export const ATTEMPTS_MAX = 8;
const REPLY_TIMEOUT_MS = 5_000;
/** A relay that takes so long is borne a few times and no more. */
const REPLY_LATE_MS = 2_500;
const WAIT_FIRST_MS = 500;
const WAIT_MAX_MS = 8_000;
/** How long until it is looked again for a settled block where there is none. */
const WAIT_BLOCK_MS = 1_000;
/** The longest receipt or transaction, with the node that holds it: what one message holds. */
const ITEM_BYTES_MAX = MESSAGE_BYTES_MAX - REPLY_OVERHEAD_BYTES - REPLY_OVERHEAD_PER_HEADER_BYTES;

/** What is to be proven, and who is told. One object may be asked again and again. */
export interface Question {
  readonly kind: ProofKind;
  /** An address, 20 bytes; for a receipt or a transaction its place in the block. */
  readonly subject: Uint8Array | number;
  /** The slot's number, 32 bytes, for `PROVE_SLOT`. */
  readonly slot?: Uint8Array | undefined;
  /**
   * Hash of a block that the mote knows to be of its chain. The newest settled block where absent, and that is what state has to be asked
   * at: older state is pruned.
   */
  readonly block?: Uint8Array | undefined;
  /** Called once, from within a step. `proof-unavailable` and `proof-revoked` say that nothing is known. */
  answered(proof: Proof | Rejection): void;
}

/** What was true after one block. */
export interface Proof {
  /** The block: its number, its hash as the follower had it, and its time in seconds since the Unix epoch. */
  readonly number: number;
  readonly hash: Uint8Array;
  readonly timeS: number;
  /** For `PROVE_ACCOUNT`; undefined where it is proven that there is none. */
  readonly account?: Account | undefined;
  /** The 32 bytes of a slot, zero where it is absent; a receipt or a transaction, undefined where the block has none in that place. */
  readonly value?: Uint8Array | undefined;
  /** Of the block, in wei; undefined where it has none: a chain before London. */
  readonly baseFeePerGas: bigint | undefined;
  /** For `ageS` alone. */
  readonly knownMs: number | undefined;
  readonly era: number;
}

/** What the prover needs of the follower. */
export interface ProvenChain {
  readonly consensus: Pick<Consensus, "decode">;
  readonly head: { readonly number: number };
  readonly settled: number;
  /** What proves that the chain has forked: then nothing is proven any more. */
  readonly fork: unknown;
  readonly window: { readonly base: { readonly number: number }; hashAt(height: number): Uint8Array };
}

/** Its functions are called as its methods. */
export interface ProverOptions {
  readonly engine: CryptoEngine;
  readonly clock: Pick<Clock, "ticksMs">;
  /** The mote's address, 20 bytes: where answers go. */
  readonly own: Uint8Array;
  readonly follower: ProvenChain;
  /** Blocks that have to stand on the one that is asked about, besides its being settled; at most `REORG_DEPTH`. 0 where absent. */
  readonly depthBlocks?: number | undefined;
  /** Names of those who may be asked; whoever listens on the common topic where absent. */
  readonly relays?: readonly string[] | undefined;
  /** Seconds since the Unix epoch where a clock from outside the chain knows them. */
  trustedNowS(): number | undefined;
  /** Publishes a request for a proof to `relay`, the empty name being the common topic; false where it cannot leave now. */
  sendProof(request: Uint8Array, relay: string): boolean;
  /** A fresh number from 1 to 2³²−1, hard to guess. */
  requestId(): number;
  /** What a relay sent was refused. */
  onProofRefused(rejection: Rejection): void;
}

export class Prover {
  readonly #options: ProverOptions;
  #order: RelayOrder;
  readonly #questions: Question[] = [];
  /** The block that is asked about; undefined before the first ask of a question. */
  #block: Uint8Array | undefined;
  /** Of that block, once its header is there. */
  #number = 0;
  #timeS = 0;
  #baseFeePerGas: bigint | undefined;
  #knownMs: number | undefined;
  /** The trie that is walked; undefined before the header is there. */
  #walk: TrieWalk | undefined;
  /** Whether that is the contract's storage and no longer the state. */
  #inStorage = false;
  /** Items that were taken: the next that is asked for. */
  #items = 0;
  /** The request under way; 0 where there is none. */
  #id = 0;
  #sentMs = 0;
  #wide = false;
  #answer: HeaderReply | undefined;
  #attempts = 0;
  #waitMs = WAIT_FIRST_MS;
  #nextMs = 0;
  /** How often the chain has left settled blocks. */
  #era = 0;
  /** The block of this number and every later one were verified at `#sinceMs` or after; when is unknown where that is undefined. */
  #since: number;
  #sinceMs: number | undefined;
  /** The next block of which that can be said, once it is settled; 0 where none is known. */
  #mark = 0;
  #markMs = 0;

  constructor(options: ProverOptions) {
    this.#options = options;
    this.#order = new RelayOrder(options.relays ?? [""]);
    this.#since = options.follower.head.number;
  }

  /** Puts a question behind those that wait; false where there are too many, or it waits already. */
  ask(question: Question): boolean {
    const { kind, subject, slot } = question;
    const isPlace = kind === PROVE_RECEIPT || kind === PROVE_TRANSACTION;
    assert(isPlace === (typeof subject === "number") && (kind === PROVE_SLOT) === (slot !== undefined), "a question of its kind");
    if (this.#questions.length >= QUESTIONS_MAX || this.#questions.includes(question)) return false;
    this.#questions.push(question);
    return true;
  }

  /** Nobody wants to know it any more. */
  drop(question: Question): void {
    const at = this.#questions.indexOf(question);
    if (at < 0) return;
    this.#questions.splice(at, 1);
    if (at === 0) this.beginNext();
  }

  /** A message came on the topic of proofs. */
  replied(message: Uint8Array): void {
    // Cheap first: with nothing asked, or an answer still to be looked at, a reply is not even decoded.
    if (this.#id === 0 || this.#answer !== undefined) return;
    const reply = decodeReply(message);
    if (reply instanceof Rejection) this.#options.onProofRefused(reply);
    else if (reply.id !== this.#id || reply.from !== this.#items)
      this.#options.onProofRefused(new Rejection("reply-unasked", `answers ${reply.id} from ${reply.from}; that was not asked`));
    else this.#answer = reply;
  }

  /** Others may be asked from now on. */
  onRelays(): void {
    this.#order = new RelayOrder(this.#options.relays ?? [""]);
    this.reset();
  }

  /** The connection was lost: nothing asked on it will be answered. What was proven of the way stays. */
  reset(): void {
    this.#id = 0;
    this.#answer = undefined;
    this.#nextMs = 0;
    this.#waitMs = WAIT_FIRST_MS;
  }

  /** The chain has left blocks that had counted as settled: nothing that was proven before holds any more. */
  revoked(): void {
    this.#era += 1;
    this.#since = this.#options.follower.head.number;
    this.#sinceMs = undefined;
    this.#mark = 0;
    // The block that was named may be one of those.
    if (this.#questions[0]?.block === undefined) this.restart();
    else this.conclude(new Rejection("proof-revoked", "the chain has left blocks that had counted as settled"));
  }

  /**
   * How many seconds old what a proof says is; undefined where that is unknown, or it holds no more: after the chain left settled blocks,
   * and after a boot before a newer header.
   */
  ageS(proof: Proof): number | undefined {
    if (proof.era !== this.#era || proof.knownMs === undefined) return undefined;
    const nowS = this.#options.trustedNowS();
    if (nowS !== undefined) return Math.max(0, nowS - proof.timeS);
    return Math.floor((this.#options.clock.ticksMs() - proof.knownMs) / 1_000);
  }

  /** Does what is due; to be called after headers were looked at. Answers the milliseconds until it wants to be called again. */
  step(up: boolean): number {
    const nowMs = this.#options.clock.ticksMs();
    this.noteBlocks(nowMs);
    this.look(nowMs);
    if (this.#questions.length === 0) return Number.POSITIVE_INFINITY;
    if (this.#id !== 0) {
      const leftMs = this.#sentMs + REPLY_TIMEOUT_MS - nowMs;
      if (leftMs > 0) return leftMs;
      this.fruitless(nowMs);
      if (this.#questions.length === 0) return Number.POSITIVE_INFINITY;
    }
    return up ? this.send(nowMs) : Number.POSITIVE_INFINITY;
  }

  /** A block is settled some time after it was verified: that time counts, and a little more where several become so together. */
  private noteBlocks(nowMs: number): void {
    const head = this.#options.follower.head.number;
    if (this.#mark === 0 && head > this.#since) {
      this.#mark = head;
      this.#markMs = nowMs;
    }
    if (this.#mark === 0 || this.settledNumber() < this.#mark) return;
    this.#since = this.#mark;
    this.#sinceMs = this.#markMs;
    this.#mark = head > this.#since ? head : 0;
    this.#markMs = nowMs;
  }

  private settledNumber(): number {
    const { follower, depthBlocks = 0 } = this.#options;
    return Math.min(follower.settled, follower.head.number - depthBlocks);
  }

  /** Hash of the newest block that counts as settled deeply enough; undefined where there is none to prove anything of. */
  private settledBlock(): Uint8Array | undefined {
    const { follower } = this.#options;
    const height = this.settledNumber() - follower.window.base.number;
    return follower.fork !== undefined || height < 0 ? undefined : follower.window.hashAt(height);
  }

  private look(nowMs: number): void {
    const answer = this.#answer;
    if (answer === undefined) return;
    this.#answer = undefined;
    this.#id = 0;
    const items = answer.headers;
    if (items.length === 0) {
      // It may be that the next does not fit.
      if (this.#wide) this.fruitless(nowMs);
      else this.#wide = true;
      return;
    }
    for (const item of items) {
      // What came after the end is refused as well, and what led there holds.
      const fault = this.#walk?.done === true ? this.#walk.feed(item) : this.take(item);
      if (fault !== undefined) {
        this.#order.judge([fault]);
        this.#options.onProofRefused(fault);
        if (this.#walk?.done === true) this.conclude(this.result());
        else this.failed(nowMs);
        return;
      }
    }
    this.#order.judge([ADVANCED], nowMs - this.#sentMs >= REPLY_LATE_MS);
    this.#waitMs = WAIT_FIRST_MS;
    this.#nextMs = 0;
    this.#wide = false;
    if (this.#walk?.done === true) this.conclude(this.result());
  }

  /** Takes the next item of the question under way, or says why it is not that. */
  private take(item: Uint8Array): Rejection | undefined {
    const walk = this.#walk;
    const fault = walk === undefined ? this.takeHeader(item) : walk.feed(item);
    if (fault !== undefined) return fault;
    this.#items += 1;
    const { kind, slot } = this.#questions[0] as Question;
    const leaf = walk?.done === true ? walk.value : undefined;
    if (kind !== PROVE_SLOT || this.#inStorage || leaf === undefined) return undefined;
    const { engine } = this.#options;
    const account = readAccount(leaf);
    if (account instanceof Rejection) return undefined;
    this.#inStorage = true;
    this.#walk = new TrieWalk(engine, account.storageRoot, slotKey(engine, slot as Uint8Array));
    return undefined;
  }

  private takeHeader(raw: Uint8Array): Rejection | undefined {
    const { engine, follower } = this.#options;
    const header = follower.consensus.decode(raw);
    if (header instanceof Rejection) return header;
    if (!equal(header.hash, this.#block as Uint8Array)) return new Rejection("proof-header-wrong", "the header of another block");
    const fields = decodeHeader(engine, raw);
    if (fields instanceof Rejection) return fields;
    const { kind, subject } = this.#questions[0] as Question;
    this.#number = fields.number;
    this.#timeS = fields.timeS;
    this.#baseFeePerGas = fields.gas.baseFee;
    this.#knownMs = fields.number >= this.#since ? this.#sinceMs : undefined;
    if (typeof subject === "number") {
      const root = kind === PROVE_RECEIPT ? fields.receiptsRoot : fields.transactionsRoot;
      this.#walk = new TrieWalk(engine, root, indexKey(subject), ITEM_BYTES_MAX);
    } else this.#walk = new TrieWalk(engine, fields.stateRoot, accountKey(engine, subject));
    return undefined;
  }

  /** What the walk has shown, which is at its end. */
  private result(): Proof | Rejection {
    const { kind } = this.#questions[0] as Question;
    const leaf = (this.#walk as TrieWalk).value;
    const block = {
      number: this.#number,
      hash: this.#block as Uint8Array,
      timeS: this.#timeS,
      baseFeePerGas: this.#baseFeePerGas,
    };
    const found = { ...block, knownMs: this.#knownMs, era: this.#era };
    if (kind === PROVE_RECEIPT || kind === PROVE_TRANSACTION) return { ...found, value: leaf?.slice() };
    if (kind === PROVE_SLOT && (this.#inStorage || leaf === undefined)) {
      const value = readSlot(leaf);
      return value instanceof Rejection ? value : { ...found, value };
    }
    const account = leaf === undefined ? undefined : readAccount(leaf);
    if (account instanceof Rejection) return account;
    return { ...found, account: account && copyOf(account) };
  }

  private conclude(result: Proof | Rejection): void {
    const question = this.#questions.shift() as Question;
    this.beginNext();
    question.answered(result);
  }

  private beginNext(): void {
    this.#attempts = 0;
    this.#waitMs = WAIT_FIRST_MS;
    this.#nextMs = 0;
    this.restart();
  }

  private restart(): void {
    this.#block = undefined;
    this.#walk = undefined;
    this.#inStorage = false;
    this.#items = 0;
    this.#id = 0;
    this.#answer = undefined;
    this.#wide = false;
  }

  /** No answer, or one that brings nothing. */
  private fruitless(nowMs: number): void {
    this.#order.silent();
    this.failed(nowMs);
  }

  private failed(nowMs: number): void {
    this.#id = 0;
    this.#wide = false;
    this.#attempts += 1;
    if (this.#attempts >= ATTEMPTS_MAX) {
      this.conclude(new Rejection("proof-unavailable", `${ATTEMPTS_MAX} asks brought nothing: it is not known`));
      return;
    }
    this.#nextMs = nowMs + this.#waitMs;
    this.#waitMs = Math.min(this.#waitMs * 2, WAIT_MAX_MS);
    if (this.#questions[0]?.block !== undefined) return;
    const newest = this.settledBlock();
    if (newest === undefined || this.#block === undefined || !equal(newest, this.#block)) this.restart();
  }

  private send(nowMs: number): number {
    if (nowMs < this.#nextMs) return this.#nextMs - nowMs;
    const options = this.#options;
    const { kind, subject, slot, block } = this.#questions[0] as Question;
    this.#block ??= block ?? this.settledBlock();
    if (this.#block === undefined) return WAIT_BLOCK_MS;
    const id = options.requestId();
    const bytesMax = this.#wide ? MESSAGE_BYTES_MAX : RUN_BYTES_MAX;
    const request = { id, to: options.own, block: this.#block, from: this.#items, bytesMax, kind, subject, slot };
    if (!options.sendProof(encodeProofRequest(request), this.#order.next)) {
      this.#nextMs = nowMs + WAIT_FIRST_MS;
      return WAIT_FIRST_MS;
    }
    this.#id = id;
    this.#sentMs = nowMs;
    return REPLY_TIMEOUT_MS;
  }
}

/** Its hashes are views of a message. */
function copyOf({ nonce, balance, storageRoot, codeHash }: Account): Account {
  return { nonce, balance, storageRoot: storageRoot.slice(), codeHash: codeHash.slice() };
}
