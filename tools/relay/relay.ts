// The relay: carries raw headers from an Ethereum or a Bitcoin node (JSON-RPC) to motes (MQTT). Motes trust it in nothing.
//
// Promises: the newest header is retained on `chains/<id>/head`; a request is answered with consecutive raw headers, at
// most what it asks for, what fits its `bytesMax`, and what its mote has left (token bucket); node and broker may go
// and come back. Never: keeps more than `QUEUE_MAX` requests, answers twice, or judges a header.
// Wire: firmware/link/wire.ts.

import { toHex } from "../../firmware/bytes.js";
import {
  decodeRequest,
  encodeReply,
  HEADERS_PER_REQUEST_MAX,
  type HeaderRequest,
  MESSAGE_BYTES_MAX,
  REPLY_OVERHEAD_BYTES,
  REPLY_OVERHEAD_PER_HEADER_BYTES,
  requestTopic,
  topicsOf,
} from "../../firmware/link/wire.js";
import { Rejection } from "../../firmware/rejection.js";
import type { RawHeader } from "../ethereum/raw-header.js";
import { BrokerLink } from "../mqtt/link.js";
import { Backoff, type BackoffLimits, pause } from "../processes/backoff.js";
import { chainOfNode, headersOf, isBitcoin, type RawHeaders } from "../rpc/chain.js";
import { JsonRpc, RpcError } from "../rpc/json-rpc.js";
import { type BucketLimits, Buckets, TokenBucket } from "./token-bucket.js";

const POLL_MS = 250;
const NODE_RETRY: BackoffLimits = { firstMs: 250, maxMs: 5000 };
/** Requests that wait for an answer. */
export const QUEUE_MAX = 256;
/** Headers that one mote may ask for. */
export const MOTE_HEADERS: BucketLimits = { burst: 512, perSecond: 64 };
export const MOTES_MAX = 4096;
/** Headers that all motes together may ask for. */
export const ALL_HEADERS: BucketLimits = { burst: 4096, perSecond: 1024 };
/** Raw headers kept for the next mote that asks for them. */
const CACHE_HEADERS_MAX = 256;
/** Headers this far below the head may still be replaced by a reorganisation: they are fetched anew. */
const CACHE_DEPTH = 16;

export type RelayEvent =
  | { readonly event: "connected"; readonly to: "broker" | "node" }
  | { readonly event: "lost"; readonly to: "broker" | "node"; readonly reason: string; readonly retryMs: number }
  | { readonly event: "head"; readonly number: number; readonly hash: string; readonly rebuilt: boolean }
  | { readonly event: "hash-differs"; readonly number: number; readonly detail: string }
  | { readonly event: "answered"; readonly to: string; readonly from: number; readonly asked: number; readonly given: number }
  | { readonly event: "refused"; readonly code: string; readonly detail: string };

export interface RelayOptions {
  /** Of the node's JSON-RPC; a function where it may change. */
  readonly rpc: string | (() => string);
  readonly mqtt: string;
  /** Empty or ending in "/". */
  readonly prefix?: string;
  /** CAIP-2; asked of the node where absent. */
  readonly chain?: string;
  /** By which motes can ask this relay alone; without it only what is asked of all is answered. */
  readonly name?: string;
  readonly onEvent?: (event: RelayEvent) => void;
}

export class Relay {
  readonly #rpc: JsonRpc;
  readonly #options: RelayOptions;
  readonly #stop = new AbortController();
  readonly #requests: HeaderRequest[] = [];
  readonly #buckets = new Buckets(MOTE_HEADERS, MOTES_MAX);
  readonly #all = new TokenBucket(ALL_HEADERS, performance.now());
  readonly #cache = new Map<number, RawHeader>();
  readonly #running: Promise<void>;
  #link: BrokerLink | undefined;
  #source: RawHeaders | undefined;
  #chain = "";
  #head: RawHeader | undefined;
  #published = "";
  #nodeLost = false;
  #answering: Promise<void> | undefined;

  constructor(options: RelayOptions) {
    this.#options = options;
    this.#rpc = new JsonRpc(options.rpc);
    this.#running = this.#run();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    await this.#answering;
    await this.#link?.close();
  }

  #emit(event: RelayEvent): void {
    this.#options.onEvent?.(event);
  }

  #topics(mote: Uint8Array): ReturnType<typeof topicsOf> {
    return topicsOf(this.#options.prefix ?? "", mote, this.#chain);
  }

  async #run(): Promise<void> {
    const backoff = new Backoff(NODE_RETRY);
    while (!this.#stop.signal.aborted) {
      try {
        if (this.#chain === "") this.#begin(this.#options.chain ?? (await chainOfNode(this.#rpc)));
        await this.#follow();
        if (this.#nodeLost) this.#emit({ event: "connected", to: "node" });
        this.#nodeLost = false;
        backoff.succeeded();
        await pause(POLL_MS, this.#stop.signal);
      } catch (error) {
        const retryMs = backoff.next();
        const reason = error instanceof Rejection ? error.toString() : error instanceof Error ? error.message : String(error);
        if (!this.#nodeLost) this.#emit({ event: "lost", to: "node", reason, retryMs });
        this.#nodeLost = true;
        await pause(retryMs, this.#stop.signal);
      }
    }
  }

  #begin(chain: string): void {
    this.#chain = chain;
    this.#source = headersOf(this.#rpc, chain);
    const topics = this.#topics(new Uint8Array(20));
    const { name } = this.#options;
    this.#link = new BrokerLink({
      url: this.#options.mqtt,
      role: "relay",
      subscriptions: [topics.requests, ...(name === undefined ? [] : [requestTopic(topics, name)])],
      onMessage: (_topic, payload) => this.#take(payload),
      onFault: (_topic, { message }) => this.#emit({ event: "refused", code: "relay-fault", detail: message }),
      onConnected: () => {
        this.#published = ""; // a broker that restarted has forgotten what it retained
        this.#emit({ event: "connected", to: "broker" });
      },
      onLost: (reason, retryMs) => this.#emit({ event: "lost", to: "broker", reason, retryMs }),
    });
  }

  async #follow(): Promise<void> {
    const head = await this.#source?.header("latest");
    if (head === undefined) return;
    const hash = toHex(head.hash);
    if (this.#head === undefined || toHex(this.#head.hash) !== hash) {
      if (this.#head !== undefined && head.number <= this.#head.number) this.#cache.clear();
      this.#head = head;
      this.#emit({ event: "head", number: head.number, hash: `0x${hash}`, rebuilt: head.rebuilt });
      if (!head.hashed) {
        const detail = isBitcoin(this.#chain)
          ? `the given header does not hash to 0x${hash}`
          : `keccak256 of the ${head.rebuilt ? "rebuilt" : "given"} header is not the block's hash 0x${hash}`;
        this.#emit({ event: "hash-differs", number: head.number, detail });
      }
    }
    if (this.#published === hash || this.#link?.connected !== true) return;
    const { head: topic } = this.#topics(new Uint8Array(20));
    if (await this.#link.publish(topic, head.raw, { qos: 1, retain: true })) this.#published = hash;
  }

  #take(payload: Uint8Array): void {
    const request = decodeRequest(payload);
    if (request instanceof Rejection) {
      this.#emit({ event: "refused", code: request.code, detail: request.detail });
      return;
    }
    if (this.#requests.length >= QUEUE_MAX) {
      this.#emit({ event: "refused", code: "relay-busy", detail: `${QUEUE_MAX} requests are waiting` });
      return;
    }
    this.#requests.push(request);
    this.#answering ??= this.#answerAll().finally(() => {
      this.#answering = undefined;
    });
  }

  async #answerAll(): Promise<void> {
    for (let request = this.#requests.shift(); request !== undefined; request = this.#requests.shift()) {
      if (this.#stop.signal.aborted) return;
      try {
        await this.#answer(request);
      } catch (error) {
        // The node is away or says no; the mote asks again. `#run` tells of a lost node. A mistake of ours is one request's, not all's.
        const isTheirs = error instanceof RpcError || error instanceof Rejection;
        const detail = error instanceof Rejection ? error.detail : error instanceof Error ? error.message : String(error);
        this.#emit({ event: "refused", code: isTheirs ? "node-failed" : "relay-fault", detail });
      }
    }
  }

  async #answer(request: HeaderRequest): Promise<void> {
    const mote = toHex(request.to);
    const nowMs = performance.now();
    const allowed = this.#buckets.take(mote, Math.min(request.count, HEADERS_PER_REQUEST_MAX), nowMs);
    const count = this.#all.take(allowed, nowMs);
    if (count === 0) {
      this.#emit({ event: "refused", code: "request-limit", detail: `0x${mote} asked for more headers than one mote may` });
      return;
    }
    const headers = await this.#headers(request.from, count, Math.min(request.bytesMax, MESSAGE_BYTES_MAX));
    const reply = encodeReply({ id: request.id, from: request.from, headers });
    if (reply.length > request.bytesMax) return;
    const { replies } = this.#topics(request.to);
    await this.#link?.publish(replies, reply, { qos: 0 });
    this.#emit({ event: "answered", to: `0x${mote}`, from: request.from, asked: request.count, given: headers.length });
  }

  /** Raw headers from `from`, as many as exist, fit and are allowed. */
  async #headers(from: number, count: number, bytesMax: number): Promise<Uint8Array[]> {
    const headers: Uint8Array[] = [];
    let room = bytesMax - REPLY_OVERHEAD_BYTES;
    for (let number = from; number < from + count; number += 1) {
      const header = await this.#header(number);
      if (header === undefined) break;
      room -= header.raw.length + REPLY_OVERHEAD_PER_HEADER_BYTES;
      if (room < 0) break;
      headers.push(header.raw);
    }
    return headers;
  }

  async #header(number: number): Promise<RawHeader | undefined> {
    const headNumber = this.#head?.number ?? 0;
    if (number > headNumber) return undefined;
    const kept = this.#cache.get(number);
    if (kept !== undefined) return kept;
    const header = await this.#source?.header(number);
    if (header !== undefined && number + CACHE_DEPTH <= headNumber) {
      this.#cache.set(number, header);
      if (this.#cache.size > CACHE_HEADERS_MAX) this.#cache.delete(this.#cache.keys().next().value as number);
    }
    return header;
  }
}
