// The relay's part for proofs: answers what motes ask of the state of a block, out of a node. Motes trust it in nothing.
//
// Promises: a request is answered once, with whole items from the one that it names on, at most what fits its `bytesMax`, and as often as
// its mote, and all together, may ask (token buckets); an empty reply says that the node does not know the block, or has its state no more,
// or that the next item does not fit. Never: keeps more than `QUEUE_MAX` requests, or sends what does not hold.
// Wire: firmware/ledger/proof-wire.ts.

import {
  encodeReply,
  HEADERS_PER_REQUEST_MAX,
  REPLY_OVERHEAD_BYTES,
  REPLY_OVERHEAD_PER_HEADER_BYTES,
} from "../../firmware/bus/wire.js";
import { toHex } from "../../firmware/bytes.js";
import { decodeProofRequest, type ProofRequest, proofTopicsOf } from "../../firmware/ledger/proof-wire.js";
import { Rejection } from "../../firmware/rejection.js";
import { ProofSource } from "../ethereum/proofs.js";
import { type JsonRpc, RpcError } from "../rpc/json-rpc.js";
import { type BucketLimits, Buckets, TokenBucket } from "./token-bucket.js";

/** Requests that wait for an answer. */
const QUEUE_MAX = 256;
/** Requests of one mote: a proof takes a handful. */
export const MOTE_PROOFS: BucketLimits = { burst: 64, perSecond: 4 };
const MOTES_MAX = 4096;
/** Requests of all motes together. */
const ALL_PROOFS: BucketLimits = { burst: 1024, perSecond: 128 };

export interface ProofDeskOptions {
  readonly rpc: Pick<JsonRpc, "call">;
  readonly prefix: string;
  /** CAIP-2. */
  readonly chain: string;
  readonly publish: (topic: string, message: Uint8Array) => Promise<unknown>;
  readonly onAnswered: (to: string, from: number, given: number) => void;
  readonly onRefused: (code: string, detail: string) => void;
}

export class ProofDesk {
  readonly #options: ProofDeskOptions;
  readonly #source: ProofSource;
  readonly #requests: ProofRequest[] = [];
  readonly #buckets = new Buckets(MOTE_PROOFS, MOTES_MAX);
  readonly #all = new TokenBucket(ALL_PROOFS, performance.now());
  #answering: Promise<void> | undefined;
  #busy = false;
  #closed = false;

  constructor(options: ProofDeskOptions) {
    this.#options = options;
    this.#source = new ProofSource(options.rpc);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#answering;
  }

  take(payload: Uint8Array): void {
    const { onRefused } = this.#options;
    const request = decodeProofRequest(payload);
    if (request instanceof Rejection) {
      onRefused(request.code, request.detail);
      return;
    }
    if (this.#requests.length >= QUEUE_MAX) {
      onRefused("relay-busy", `${QUEUE_MAX} requests for proofs are waiting`);
      return;
    }
    this.#requests.push(request);
    if (!this.#busy) this.#answering = this.#answerAll();
  }

  async #answerAll(): Promise<void> {
    this.#busy = true;
    for (let request = this.#requests.shift(); request !== undefined; request = this.#requests.shift()) {
      if (this.#closed) break;
      try {
        await this.#answer(request);
      } catch (error) {
        const isTheirs = error instanceof RpcError || error instanceof Rejection;
        const detail = error instanceof Rejection ? error.toString() : error instanceof Error ? error.message : String(error);
        this.#options.onRefused(isTheirs ? "node-failed" : "relay-fault", detail);
      }
    }
    this.#busy = false;
  }

  async #answer(request: ProofRequest): Promise<void> {
    const { prefix, chain, publish, onAnswered, onRefused } = this.#options;
    const mote = toHex(request.to);
    const nowMs = performance.now();
    if (this.#buckets.take(mote, 1, nowMs) === 0 || this.#all.take(1, nowMs) === 0) {
      onRefused("request-limit", `0x${mote} asked for more proofs than one mote may`);
      return;
    }
    const items = (await this.#source.items(request)) ?? [];
    const given = fitting(items.slice(request.from), request.bytesMax);
    const reply = encodeReply({ id: request.id, from: request.from, headers: given });
    if (reply.length > request.bytesMax) return;
    await publish(proofTopicsOf(prefix, request.to, chain).replies, reply);
    onAnswered(`0x${mote}`, request.from, given.length);
  }
}

/** As many of the first items as fit a reply. */
function fitting(items: readonly Uint8Array[], bytesMax: number): readonly Uint8Array[] {
  let room = bytesMax - REPLY_OVERHEAD_BYTES;
  let count = 0;
  for (const { length } of items) {
    room -= length + REPLY_OVERHEAD_PER_HEADER_BYTES;
    if (room < 0 || count === HEADERS_PER_REQUEST_MAX) break;
    count += 1;
  }
  return items.slice(0, count);
}
