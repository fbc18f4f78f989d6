// The relay: carries raw headers from an Ethereum or a Bitcoin node (JSON-RPC) to motes (MQTT), proofs of an Ethereum chain's state
// (proof-desk.ts), and what motes have signed to its node (submission-desk.ts). Motes trust it in nothing.
//
// Promises: the newest header is retained on `chains/<id>/head`, never goes back but where the chain did, and is put back where
// somebody else replaced it; the node is asked by need, no oftener than told, and left alone as long as it asks for; a request is answered with consecutive raw headers, at
// most what it asks for, what fits its `bytesMax`, and what its mote has left (token bucket); node and broker may go
// and come back. Never: keeps more than `QUEUE_MAX` requests, answers twice, or judges a header.
// Wire: firmware/bus/wire.ts.

import { requestTopic, topicsOf } from "../../firmware/bus/topics.js";
import {
  decodeRequest,
  encodeReply,
  HEADERS_PER_REQUEST_MAX,
  type HeaderRequest,
  MESSAGE_BYTES_MAX,
  REPLY_OVERHEAD_BYTES,
  REPLY_OVERHEAD_PER_HEADER_BYTES,
} from "../../firmware/bus/wire.js";
import { toHex } from "../../firmware/bytes.js";
import { proofTopicsOf } from "../../firmware/ledger/proof-wire.js";
import { submissionTopicsOf } from "../../firmware/ledger/submission-wire.js";
import { Rejection } from "../../firmware/rejection.js";
import type { RawHeader } from "../ethereum/raw-header.js";
import { BrokerLink } from "../mqtt/link.js";
import { Backoff, type BackoffLimits, pause } from "../processes/backoff.js";
import { Bell } from "../processes/bell.js";
import { chainOfNode, headersOf, isBitcoin, type RawHeaders } from "../rpc/chain.js";
import { JsonRpc, RpcError } from "../rpc/json-rpc.js";
import { NewHeads } from "../rpc/new-heads.js";
import { PollPace } from "../rpc/pace.js";
import { HeadKeeper } from "./head-keeper.js";
import { HeadTopic } from "./head-topic.js";
import { ProofDesk } from "./proof-desk.js";
import { SubmissionDesk } from "./submission-desk.js";
import { type BucketLimits, Buckets, TokenBucket } from "./token-bucket.js";

/** While the node itself tells of new heads: in case that it stopped. */
const POLL_LIVE_MS = 30_000;
const NODE_RETRY: BackoffLimits = { firstMs: 250, maxMs: 5000 };
/** Requests that wait for an answer. */
const QUEUE_MAX = 256;
/** Headers that one mote may ask for. */
export const MOTE_HEADERS: BucketLimits = { burst: 512, perSecond: 64 };
const MOTES_MAX = 4096;
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
  | { readonly event: "reorganised"; readonly number: number; readonly hash: string; readonly from: number }
  /** The node shows less than it did: what is retained stays. */
  | { readonly event: "behind"; readonly number: number; readonly head: number }
  /** Somebody else's message stood in the head's place. */
  | { readonly event: "put-back"; readonly number: number; readonly detail: string }
  | { readonly event: "hash-differs"; readonly number: number; readonly detail: string }
  | { readonly event: "answered"; readonly to: string; readonly from: number; readonly asked: number; readonly given: number }
  /** Items of a proof, from the one that was asked for; none where the node has none. */
  | { readonly event: "proved"; readonly to: string; readonly from: number; readonly given: number }
  /** A mote's transaction was handed to the node: its hash, or why the node did not take it. */
  | { readonly event: "submitted"; readonly from: string; readonly outcome: string }
  | { readonly event: "refused"; readonly code: string; readonly detail: string };

export interface RelayOptions {
  /** Of the node's JSON-RPC; a function where it may change. */
  readonly rpc: string | (() => string);
  readonly mqtt: string;
  /** PEM that the broker's chain has to end in, for mqtts://. */
  readonly ca?: string;
  /** Empty or ending in "/". */
  readonly prefix?: string;
  /** CAIP-2; asked of the node where absent. */
  readonly chain?: string;
  /** By which motes can ask this relay alone; without it only what is asked of all is answered. */
  readonly name?: string;
  /** How often the node's newest block is asked for, in milliseconds; by need where absent. */
  readonly pollMs?: number;
  /** Calls of the node in a second, of all kinds; unbounded where absent. */
  readonly callsPerSecond?: number;
  /** ws:// or wss:// of the node, which tells of new heads there. */
  readonly ws?: string;
  readonly onEvent?: (event: RelayEvent) => void;
}

export class Relay {
  readonly #rpc: JsonRpc;
  readonly #options: RelayOptions;
  readonly #pace: PollPace;
  readonly #keeper = new HeadKeeper();
  readonly #news: NewHeads | undefined;
  readonly #stop = new AbortController();
  readonly #requests: HeaderRequest[] = [];
  readonly #buckets = new Buckets(MOTE_HEADERS, MOTES_MAX);
  readonly #all = new TokenBucket(ALL_HEADERS, performance.now());
  readonly #cache = new Map<number, RawHeader>();
  readonly #running: Promise<void>;
  #link: BrokerLink | undefined;
  #topic: HeadTopic | undefined;
  #proofs: ProofDesk | undefined;
  #submissions: SubmissionDesk | undefined;
  #source: RawHeaders | undefined;
  #chain = "";
  #differed = false;
  /** Rings at news of the node, and at the end. */
  readonly #bell = new Bell();
  /** The node showed less than before, and that was said. */
  #behind = false;
  /** The node asked to be left alone until then. */
  #restUntilMs = 0;
  #nodeLost = false;
  #answering: Promise<void> | undefined;
  #busy = false;

  constructor(options: RelayOptions) {
    this.#options = options;
    this.#rpc = new JsonRpc(options.rpc, { callsPerSecond: options.callsPerSecond });
    this.#pace = new PollPace(options.pollMs);
    this.#news = options.ws === undefined ? undefined : new NewHeads(options.ws, () => this.#bell.ring());
    this.#running = this.#run();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#news?.close();
    this.#topic?.close();
    this.#bell.ring();
    await this.#running;
    await this.#answering;
    await this.#proofs?.close();
    await this.#submissions?.close();
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
        const waitMs = await this.#follow();
        if (this.#nodeLost) this.#emit({ event: "connected", to: "node" });
        this.#nodeLost = false;
        backoff.succeeded();
        await this.#bell.wait(waitMs);
      } catch (error) {
        const retryMs = Math.max(backoff.next(), error instanceof RpcError ? (error.http?.retryAfterMs ?? 0) : 0);
        this.#restUntilMs = performance.now() + retryMs;
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
    this.#topic = new HeadTopic({
      ...{ rpc: this.#rpc, chain },
      connected: () => this.#link?.connected === true,
      publish: async (raw) => (await this.#link?.publish(topics.head, raw, { qos: 1, retain: true })) === true,
      onPutBack: (number, detail) => this.#emit({ event: "put-back", number, detail }),
    });
    const { name, mqtt, ca, prefix = "" } = this.#options;
    const own = new Uint8Array(20);
    const proofs = proofTopicsOf(prefix, own, chain).requests;
    const { submissions } = submissionTopicsOf(prefix, own, chain);
    const desk = {
      ...{ rpc: this.#rpc, prefix, chain },
      publish: async (topic: string, message: Uint8Array) => this.#link?.publish(topic, message, { qos: 0 }),
      onRefused: (code: string, detail: string) => this.#emit({ event: "refused", code, detail }),
    };
    if (!isBitcoin(chain)) {
      this.#proofs = new ProofDesk({
        ...desk,
        onAnswered: (to, from, given) => this.#emit({ event: "proved", to, from, given }),
      });
      this.#submissions = new SubmissionDesk({
        ...desk,
        onSubmitted: (from, outcome) => this.#emit({ event: "submitted", from, outcome }),
      });
    }
    const asked = [topics.requests, ...(isBitcoin(chain) ? [] : [proofs, submissions])];
    this.#link = new BrokerLink({
      url: mqtt,
      ...(ca === undefined ? {} : { ca }),
      role: "relay",
      subscriptions: [
        topics.head,
        ...asked,
        ...(name === undefined ? [] : asked.map((requests) => requestTopic({ requests }, name))),
      ],
      onMessage: (topic, payload) => {
        if (topic === topics.head) this.#topic?.see(payload);
        else if (topic.startsWith(proofs)) this.#proofs?.take(payload);
        else if (topic.startsWith(submissions)) this.#submissions?.take(payload);
        else this.#take(payload);
      },
      onFault: (_topic, { message }) => this.#emit({ event: "refused", code: "relay-fault", detail: message }),
      onConnected: () => {
        this.#topic?.connected();
        this.#emit({ event: "connected", to: "broker" });
      },
      onLost: (reason, retryMs) => this.#emit({ event: "lost", to: "broker", reason, retryMs }),
    });
  }

  /** Asks for the newest block; answers how long to wait before it is asked for again, in milliseconds. */
  async #follow(): Promise<number> {
    const head = await this.#source?.header("latest");
    if (head === undefined) return this.#pace.unchanged();
    const before = this.#keeper.head;
    const change = this.#keeper.offer(head);
    if (change === "behind" && before !== undefined && !this.#behind)
      this.#emit({ event: "behind", number: head.number, head: before.number });
    this.#behind = change === "behind";
    if (change === "newer" || change === "reorganised") {
      const hash = `0x${toHex(head.hash)}`;
      if (change === "reorganised") {
        this.#cache.clear();
        this.#emit({ event: "reorganised", number: head.number, hash, from: before?.number ?? 0 });
      }
      this.#emit({ event: "head", number: head.number, hash, rebuilt: head.rebuilt });
      this.#tellHash(head);
    }
    if (this.#keeper.head !== undefined) await this.#topic?.head(this.#keeper.head);
    const waitMs =
      change === "newer" || change === "reorganised" ? this.#pace.changed(head.number, head.timeS) : this.#pace.unchanged();
    return this.#news?.live === true ? POLL_LIVE_MS : waitMs;
  }

  /** Once, and not at every block of a chain whose hashes we do not know. */
  #tellHash(head: RawHeader): void {
    if (!head.hashed && !this.#differed) {
      const hash = toHex(head.hash);
      const detail = isBitcoin(this.#chain)
        ? `the given header does not hash to 0x${hash}`
        : `keccak256 of the ${head.rebuilt ? "rebuilt" : "given"} header is not the block's hash 0x${hash}, by no rule that is known here`;
      this.#emit({ event: "hash-differs", number: head.number, detail });
    }
    this.#differed = !head.hashed;
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
    if (!this.#busy) this.#answering = this.#answerAll();
  }

  async #answerAll(): Promise<void> {
    this.#busy = true;
    for (let request = this.#requests.shift(); request !== undefined; request = this.#requests.shift()) {
      if (this.#stop.signal.aborted) break;
      try {
        await this.#answer(request);
      } catch (error) {
        // The node is away or says no; the mote asks again. `#run` tells of a lost node. A mistake of ours is one request's, not all's.
        const isTheirs = error instanceof RpcError || error instanceof Rejection;
        const detail = error instanceof Rejection ? error.detail : error instanceof Error ? error.message : String(error);
        this.#emit({ event: "refused", code: isTheirs ? "node-failed" : "relay-fault", detail });
      }
    }
    // In the same turn as the last look at the queue: what is taken in after that begins anew.
    this.#busy = false;
  }

  async #answer(request: HeaderRequest): Promise<void> {
    if (performance.now() < this.#restUntilMs) {
      this.#emit({ event: "refused", code: "node-failed", detail: "the node is away, or asked to be left alone for a while" });
      return;
    }
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
    const headNumber = this.#keeper.head?.number ?? 0;
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
