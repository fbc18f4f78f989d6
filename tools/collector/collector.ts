// The collector: takes records from MQTT, checks them, stores them, and says so with a signed receipt.
//
// Promises: a receipt names only what is committed; a record is stored once, whatever is delivered twice, late or out of
// order; each mote's newest record is retained on `latest`, which only moves forward; what does not hold is refused with
// its reason. Never: holds more than `QUEUE_MAX` records outside the store, or asks the node before it stores.
// Wire: firmware/link/wire.ts; receipts: firmware/record/receipt.ts.

import { toHex } from "../../firmware/bytes.js";
import type { CryptoEngine } from "../../firmware/crypto/engine.js";
import { topicsOf } from "../../firmware/link/wire.js";
import { digestOf, encodeSign1 } from "../../firmware/record/cose.js";
import { encodeReceipt } from "../../firmware/record/receipt.js";
import { Rejection } from "../../firmware/rejection.js";
import type { KeyFile } from "../crypto/key-file.js";
import { BrokerLink } from "../mqtt/link.js";
import { Backoff, type BackoffLimits, pause } from "../processes/backoff.js";
import { hashText } from "../rpc/chain.js";
import { JsonRpc, RpcError } from "../rpc/json-rpc.js";
import { headStateAt } from "./heads.js";
import { addressOfTopic, checkRecord, type Fleet } from "./intake.js";
import { Newest } from "./newest.js";
import { Refusals } from "./refusals.js";
import { HEAD_KNOWN } from "./schema.js";
import { BATCH_RECORDS_MAX, type CheckedRecord, type Evidence, type Place, type RecordStore } from "./store.js";

/** Records that wait for the next commit. */
export const QUEUE_MAX = 1024;
const BATCH_MAX = Math.min(128, BATCH_RECORDS_MAX);
/** How long to wait for more before a commit, in milliseconds. */
const BATCH_MS = 20;
const STORE_RETRY: BackoffLimits = { firstMs: 200, maxMs: 10_000 };
const NODE_RETRY: BackoffLimits = { firstMs: 250, maxMs: 10_000 };
const HEADS_PER_ROUND_MAX = 64;
const HEAD_IDLE_MS = 500;

export type CollectorEvent =
  | { readonly event: "connected" }
  | { readonly event: "lost"; readonly to: "broker" | "node" | "store"; readonly reason: string; readonly retryMs: number }
  | { readonly event: "back"; readonly to: "node" }
  | { readonly event: "refused"; readonly topic: string; readonly code: string; readonly detail: string }
  | ({ readonly event: "stored"; readonly duplicate: boolean } & PlaceText)
  | ({ readonly event: "verified" } & PlaceText)
  | { readonly event: "head-unknown"; readonly number: number; readonly hash: string; readonly detail: string }
  | { readonly event: "evidence"; readonly kind: Evidence["kind"]; readonly a: PlaceText; readonly b: PlaceText };

export interface PlaceText {
  readonly mote: string;
  readonly stream: number;
  readonly seq: number;
  readonly digest: string;
}

export interface CollectorOptions {
  readonly store: RecordStore;
  readonly key: KeyFile;
  readonly engine: CryptoEngine;
  readonly mqtt: string;
  readonly rpc: string | (() => string);
  /** CAIP-2 of the node's chain. */
  readonly chain: string;
  readonly prefix?: string;
  readonly fleet?: Fleet;
  /** Store no more than this many new records; those beyond get no receipt, and their motes keep them. */
  readonly recordsMax?: number;
  readonly onEvent?: (event: CollectorEvent) => void;
}

export class Collector {
  readonly #options: CollectorOptions;
  readonly #rpc: JsonRpc;
  readonly #link: BrokerLink;
  readonly #stop = new AbortController();
  readonly #queue: CheckedRecord[] = [];
  readonly #newest = new Newest();
  readonly #refusals: Refusals;
  readonly #headsRunning: Promise<void>;
  /** Calls those who wait for room in the queue. */
  #room: (() => void)[] = [];
  #committing: Promise<void> | undefined;
  #stored = 0;
  /** Records were stored since the last round began. */
  #headsDue = true;
  #headsWaiting: (() => void) | undefined;

  constructor(options: CollectorOptions) {
    this.#options = options;
    this.#refusals = new Refusals(options.engine);
    this.#rpc = new JsonRpc(options.rpc);
    const { records } = topicsOf(options.prefix ?? "", new Uint8Array(20), options.chain);
    this.#link = new BrokerLink({
      url: options.mqtt,
      role: "collector",
      subscriptions: [records.replace(/0x0{40}/, "+")],
      onMessage: (topic, payload) => this.#take(topic, payload),
      onFault: (topic, { message }) => this.#emit({ event: "refused", topic, code: "collector-fault", detail: message }),
      onConnected: () => {
        this.#emit({ event: "connected" });
        void this.#retainAll();
      },
      onLost: (reason, retryMs) => this.#emit({ event: "lost", to: "broker", reason, retryMs }),
    });
    this.#headsRunning = this.#checkHeads();
  }

  get connected(): boolean {
    return this.#link.connected;
  }

  /** Commits what has been taken in, and ends. The store stays open. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#headsWaiting?.();
    await this.#committing;
    await this.#headsRunning;
    for (const go of this.#room.splice(0)) go();
    await this.#link.close();
  }

  #emit(event: CollectorEvent): void {
    this.#options.onEvent?.(event);
  }

  /** Takes one message in; returns once there is room for the next, which slows the broker down. */
  async #take(topic: string, message: Uint8Array): Promise<void> {
    if (this.#stop.signal.aborted) return;
    const address = addressOfTopic(topic);
    const record =
      address === undefined
        ? new Rejection("topic-malformed", "no mote's address in the topic")
        : checkRecord(this.#options.engine, new Uint8Array(message), address, this.#options.fleet);
    if (record instanceof Rejection) {
      this.#emit({ event: "refused", topic, code: record.code, detail: record.detail });
      if (address !== undefined) this.#answer(address, this.#refusals.answer(address, new Uint8Array(message), record));
      return;
    }
    this.#queue.push(record);
    this.#committing ??= this.#commitAll().finally(() => {
      this.#committing = undefined;
    });
    if (this.#queue.length >= QUEUE_MAX) await new Promise<void>((resolve) => this.#room.push(resolve));
  }

  async #commitAll(): Promise<void> {
    const backoff = new Backoff(STORE_RETRY);
    await pause(BATCH_MS, this.#stop.signal);
    while (this.#queue.length > 0) {
      const batch = this.#queue.slice(0, BATCH_MAX);
      try {
        await this.#commit(batch);
        backoff.succeeded();
        this.#queue.splice(0, batch.length);
      } catch (error) {
        const retryMs = backoff.next();
        this.#emit({ event: "lost", to: "store", reason: error instanceof Error ? error.message : String(error), retryMs });
        // Told to end while the store is away: what is not stored has no receipt, so its mote keeps it.
        if (this.#stop.signal.aborted) return;
        await pause(retryMs, this.#stop.signal);
      }
      if (this.#queue.length < QUEUE_MAX) for (const go of this.#room.splice(0)) go();
    }
  }

  async #commit(batch: readonly CheckedRecord[]): Promise<void> {
    const { store } = this.#options;
    const taken = await this.#withinLimit(batch);
    if (taken.length === 0) return;
    const { added, verified, evidence } = await store.add(taken);
    this.#stored += added.length;
    const fresh = new Set(added.map((place) => toHex(place.digest)));
    for (const record of taken) {
      this.#receipt(record);
      this.#emit({ event: "stored", duplicate: !fresh.has(toHex(record.digest)), ...placeText(placeOf(record)) });
    }
    for (const pair of evidence) this.#emit({ event: "evidence", kind: pair.kind, a: placeText(pair.a), b: placeText(pair.b) });
    for (const record of this.#newest.forward(taken)) void this.#retain(record.address, record.sign1);
    for (const place of verified) this.#emit({ event: "verified", ...placeText(place) });
    this.#headsDue = true;
    this.#headsWaiting?.();
  }

  /** Those that may be stored: all where there is no limit, else duplicates and as many new ones as are left. */
  async #withinLimit(batch: readonly CheckedRecord[]): Promise<readonly CheckedRecord[]> {
    const { recordsMax, store } = this.#options;
    const distinct = [...new Map(batch.map((record) => [toHex(record.digest), record])).values()];
    if (recordsMax === undefined) return distinct;
    const known = new Set((await store.known(distinct.map((record) => record.digest))).map(toHex));
    let left = recordsMax - this.#stored;
    return distinct.filter((record) => {
      if (known.has(toHex(record.digest))) return true;
      left -= 1;
      return left >= 0;
    });
  }

  #receipt(record: CheckedRecord): void {
    const { seq, stream } = record.fields;
    // A receipt that gets lost is asked for again: the mote sends its record anew, and a duplicate gets its receipt too.
    this.#answer(record.address, encodeReceipt({ seq, stream, digest: record.digest, mote: record.address }));
  }

  /** Signs a receipt or a refusal and sends it to a mote. */
  #answer(address: Uint8Array, payload: Uint8Array | undefined): void {
    if (payload === undefined) return;
    const { engine, key, prefix, chain } = this.#options;
    const signature = key.sign(digestOf(engine, key.address, payload));
    const { receipts } = topicsOf(prefix ?? "", address, chain);
    void this.#link.publish(receipts, encodeSign1(key.address, payload, signature), { qos: 1 });
  }

  async #retainAll(): Promise<void> {
    try {
      for await (const record of this.#options.store.newest()) {
        this.#newest.note(record.address, record.stream, record.seq);
        await this.#retain(record.address, record.sign1);
      }
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#emit({ event: "lost", to: "store", reason, retryMs: 0 });
    }
  }

  async #retain(address: Uint8Array, sign1: Uint8Array): Promise<void> {
    const { latest } = topicsOf(this.#options.prefix ?? "", address, this.#options.chain);
    await this.#link.publish(latest, sign1, { qos: 1, retain: true });
  }

  async #checkHeads(): Promise<void> {
    const backoff = new Backoff(NODE_RETRY);
    let lost = false;
    while (!this.#stop.signal.aborted) {
      try {
        this.#headsDue = false;
        const open = await this.#checkRound();
        if (lost) this.#emit({ event: "back", to: "node" });
        lost = false;
        backoff.succeeded();
        await this.#headPause(open ? HEAD_IDLE_MS : undefined);
      } catch (error) {
        const retryMs = backoff.next();
        const reason = error instanceof Error ? error.message : String(error);
        if (!lost) this.#emit({ event: "lost", to: error instanceof RpcError ? "node" : "store", reason, retryMs });
        lost = true;
        await pause(retryMs, this.#stop.signal);
      }
    }
  }

  /** Waits for `ms`, or for the next commit, or for the end. */
  #headPause(ms: number | undefined): Promise<void> {
    if (this.#headsDue || this.#stop.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = ms === undefined ? undefined : setTimeout(() => this.#headsWaiting?.(), ms);
      this.#headsWaiting = () => {
        clearTimeout(timer);
        this.#headsWaiting = undefined;
        resolve();
      };
    });
  }

  /** Looks up the heads that are open; true where some stay so. */
  async #checkRound(): Promise<boolean> {
    const { store, chain } = this.#options;
    let after = -1;
    let open = false;
    for (;;) {
      const heads = await store.uncheckedHeads(HEADS_PER_ROUND_MAX, after);
      for (const head of heads) {
        if (this.#stop.signal.aborted) return false;
        const state = await headStateAt(this.#rpc, chain, head);
        if (state === undefined) {
          open = true;
          continue;
        }
        const places = await store.setHeadState(head, state);
        if (state === HEAD_KNOWN) for (const place of places) this.#emit({ event: "verified", ...placeText(place) });
        else
          this.#emit({
            event: "head-unknown",
            number: head.number,
            hash: hashText(head.chain, head.hash),
            detail: headFault(head.chain, chain),
          });
      }
      const last = heads.at(-1);
      if (heads.length < HEADS_PER_ROUND_MAX || last === undefined) return open;
      after = last.number;
    }
  }
}

function headFault(chain: string, ours: string): string {
  return chain === ours ? "the node's chain has another block there" : `it is of ${chain}; the node follows ${ours}`;
}

function placeOf({ address, digest, fields }: CheckedRecord): Place {
  return { address, digest, stream: fields.stream, seq: fields.seq };
}

export function placeText(place: Place): PlaceText {
  return { mote: `0x${toHex(place.address)}`, stream: place.stream, seq: place.seq, digest: toHex(place.digest) };
}
