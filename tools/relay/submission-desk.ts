// The relay's part for transactions: brings what motes have signed to a node. Motes trust it in nothing, and it trusts nobody: whoever publishes
// on the topic, only a transaction of this chain that the named mote has signed goes on.
//
// Promises: each is handed to the node once as often as its mote, and all together, may (token buckets); the answer says what the node made of
// it, a hash or a reason, for whoever looks for a fault. Never: keeps more than `QUEUE_MAX`, changes a transaction, or sends one by itself.
// Wire: firmware/ledger/submission-wire.ts.

import { equal, toHex } from "../../firmware/bytes.js";
import {
  decodeSubmission,
  encodeSubmissionAnswer,
  NOT_TAKEN,
  type Submission,
  submissionTopicsOf,
} from "../../firmware/ledger/submission-wire.js";
import { decodeTransaction, senderOf } from "../../firmware/ledger/transaction.js";
import { Rejection } from "../../firmware/rejection.js";
import { engine } from "../crypto/engine.js";
import { type JsonRpc, RpcError } from "../rpc/json-rpc.js";
import { type BucketLimits, Buckets, TokenBucket } from "./token-bucket.js";

/** Transactions that wait for the node. */
const QUEUE_MAX = 64;
/** A mote has one under way, and sends it again every few seconds at the most. */
const MOTE_SUBMISSIONS: BucketLimits = { burst: 8, perSecond: 0.2 };
const MOTES_MAX = 4096;
const ALL_SUBMISSIONS: BucketLimits = { burst: 256, perSecond: 32 };

/** What nodes say, by their words: geth, Besu, anvil and their relatives agree on no codes. */
const KNOWN = /already known|known transaction|already imported/i;
const REASONS: readonly (readonly [RegExp, number])[] = [
  [/nonce.{0,12}low/i, NOT_TAKEN.nonce],
  [/insufficient funds|upfront cost|enough funds/i, NOT_TAKEN.balance],
  [/underpriced|fee|gas.?price/i, NOT_TAKEN.fee],
  [/gas/i, NOT_TAKEN.gas],
];

export interface SubmissionDeskOptions {
  readonly rpc: Pick<JsonRpc, "call">;
  readonly prefix: string;
  /** CAIP-2, `eip155:<id>`. */
  readonly chain: string;
  readonly publish: (topic: string, message: Uint8Array) => Promise<unknown>;
  /** What the node made of a transaction: its hash, or a name of `NOT_TAKEN`. */
  readonly onSubmitted: (from: string, outcome: string) => void;
  readonly onRefused: (code: string, detail: string) => void;
}

export class SubmissionDesk {
  readonly #options: SubmissionDeskOptions;
  readonly #waiting: Submission[] = [];
  readonly #buckets = new Buckets(MOTE_SUBMISSIONS, MOTES_MAX);
  readonly #all = new TokenBucket(ALL_SUBMISSIONS, performance.now());
  #working: Promise<void> | undefined;
  #busy = false;
  #closed = false;

  constructor(options: SubmissionDeskOptions) {
    this.#options = options;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#working;
  }

  take(payload: Uint8Array): void {
    const { onRefused } = this.#options;
    const submission = decodeSubmission(payload);
    const refusal = submission instanceof Rejection ? submission : this.#check(submission);
    if (refusal !== undefined) onRefused(refusal.code, refusal.detail);
    else {
      this.#waiting.push(submission as Submission);
      if (!this.#busy) this.#working = this.#work();
    }
  }

  /** Why a submission is not worth a call; whose it is is looked at before it counts as its mote's. */
  #check({ to, raw }: Submission): Rejection | undefined {
    if (this.#waiting.length >= QUEUE_MAX || this.#all.take(1, performance.now()) === 0)
      return new Rejection("relay-busy", "more transactions than are taken");
    const transaction = decodeTransaction(raw);
    if (transaction instanceof Rejection) return transaction;
    if (`eip155:${transaction.chainId}` !== this.#options.chain)
      return new Rejection("submission-chain", `a transaction of eip155:${transaction.chainId}`);
    const sender = senderOf(engine, transaction);
    return sender !== undefined && equal(sender, to)
      ? undefined
      : new Rejection("submission-foreign", `0x${toHex(to)} has not signed it`);
  }

  async #work(): Promise<void> {
    this.#busy = true;
    for (let next = this.#waiting.shift(); next !== undefined && !this.#closed; next = this.#waiting.shift()) {
      try {
        await this.#submit(next);
      } catch (error) {
        this.#options.onRefused("relay-fault", error instanceof Error ? error.message : String(error));
      }
    }
    this.#busy = false;
  }

  async #submit({ id, to, raw }: Submission): Promise<void> {
    const { prefix, chain, publish, onSubmitted } = this.#options;
    const mote = toHex(to);
    const mayAsk = this.#buckets.take(mote, 1, performance.now()) === 1;
    const outcome = mayAsk ? await this.#hand(raw) : NOT_TAKEN.busy;
    await publish(submissionTopicsOf(prefix, to, chain).answers, encodeSubmissionAnswer({ id, outcome }));
    onSubmitted(`0x${mote}`, outcome instanceof Uint8Array ? `0x${toHex(outcome)}` : nameOf(outcome));
  }

  async #hand(raw: Uint8Array): Promise<Uint8Array | number> {
    try {
      await this.#options.rpc.call("eth_sendRawTransaction", `0x${toHex(raw)}`);
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      if (error.passing || error.unreachable) return NOT_TAKEN.away;
      if (!KNOWN.test(error.message)) return REASONS.find(([words]) => words.test(error.message))?.[1] ?? NOT_TAKEN.refused;
    }
    return engine.keccak256(raw);
  }
}

function nameOf(reason: number): string {
  return Object.entries(NOT_TAKEN).find(([, number]) => number === reason)?.[0] ?? `reason ${reason}`;
}
