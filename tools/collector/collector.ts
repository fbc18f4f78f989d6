// The collector: takes records from MQTT, checks them, stores them, and says so with a signed receipt.
//
// Promises: a receipt names only what is committed, and says nothing of the head; a record is stored once, whatever is delivered
// twice, late or out of order; each mote's newest record is retained on `latest`, which only moves forward; what does not
// hold is refused with its reason. Never: holds more than `QUEUE_MAX` records outside the store, lets a mote wait for its
// receipt while another one's chain is linked, or asks the node before it stores.
// Wire: firmware/bus/wire.ts; receipts: firmware/record/receipt.ts.

import { topicsOf } from "../../firmware/bus/topics.js";
import { toHex } from "../../firmware/bytes.js";
import type { CryptoEngine } from "../../firmware/crypto/engine.js";
import { digestOf, encodeSign1 } from "../../firmware/record/cose.js";
import { encodeReceipt } from "../../firmware/record/receipt.js";
import { Rejection } from "../../firmware/rejection.js";
import type { KeyFile } from "../crypto/key-file.js";
import { BrokerLink } from "../mqtt/link.js";
import { Backoff, type BackoffLimits, pause } from "../processes/backoff.js";
import { Anchoring } from "./anchoring.js";
import { type CollectorEvent, placeText } from "./events.js";
import { HeadWatch } from "./head-watch.js";
import { addressOfTopic, checkRecord, type Fleet } from "./intake.js";
import { Latest } from "./latest.js";
import { Linker } from "./linker.js";
import type { Place } from "./place.js";
import { Refusals } from "./refusals.js";
import { BATCH_RECORDS_MAX, type CheckedRecord, type RecordStore } from "./store.js";

export type { CollectorEvent } from "./events.js";

/** Records that wait for the next commit. */
const QUEUE_MAX = 1024;
const BATCH_MAX = Math.min(128, BATCH_RECORDS_MAX);
/** How long to wait for more before a commit, in milliseconds. */
const BATCH_MS = 20;
const STORE_RETRY: BackoffLimits = { firstMs: 200, maxMs: 10_000 };
export interface CollectorOptions {
  readonly store: RecordStore;
  readonly key: KeyFile;
  readonly engine: CryptoEngine;
  readonly mqtt: string;
  /** PEM that the broker's chain has to end in, for mqtts://. */
  readonly ca?: string;
  readonly rpc: string | (() => string);
  /** CAIP-2 of the node's chain. */
  readonly chain: string;
  readonly prefix?: string;
  readonly fleet?: Fleet;
  /** The only motes to take records of: addresses as 40 small hexadecimal digits. All where absent. */
  readonly allow?: ReadonlySet<string>;
  /** Blocks after which a verdict about a head is settled; by the kind of chain where absent. */
  readonly settledDepth?: number;
  /** How often the node's newest block is asked for, in milliseconds; by need where absent. */
  readonly pollMs?: number;
  /** How long a head that the node could not judge is left alone. */
  readonly unknownRetry?: BackoffLimits;
  /** How long the node may look for a block by its hash, in milliseconds. */
  readonly byHashTimeoutMs?: number;
  /** How long a record waits for one before it that nobody has, in milliseconds. */
  readonly gapAfterMs?: number;
  /** Store no more than this many new records; those beyond get no receipt, and their motes keep them. */
  readonly recordsMax?: number;
  /** Anchors what is verified in this contract (20 bytes; none on Bitcoin), a batch each `intervalMs` where records wait. */
  readonly anchoring?: { readonly contract?: Uint8Array | undefined; readonly intervalMs: number };
  readonly onEvent?: (event: CollectorEvent) => void;
  /** How long the check of one record took, in seconds. */
  readonly onChecked?: (seconds: number) => void;
}

export class Collector {
  readonly #options: CollectorOptions;
  readonly #link: BrokerLink;
  readonly #stop = new AbortController();
  readonly #queue: CheckedRecord[] = [];
  readonly #latest: Latest;
  readonly #linker: Linker;
  readonly #heads: HeadWatch;
  readonly #refusals: Refusals;
  readonly #anchoring: Anchoring | undefined;
  /** Calls those who wait for room in the queue. */
  #room: (() => void)[] = [];
  #committing: Promise<void> | undefined;
  #busy = false;
  #stored = 0;

  constructor(options: CollectorOptions) {
    this.#options = options;
    this.#refusals = new Refusals(options.engine);
    const { records } = topicsOf(options.prefix ?? "", new Uint8Array(20), options.chain);
    const onEvent = (event: CollectorEvent): void => this.#emit(event);
    const { anchoring, prefix = "" } = options;
    if (anchoring !== undefined)
      this.#anchoring = new Anchoring({
        ...{ store: options.store.anchors, key: options.key, engine: options.engine, rpc: options.rpc, chain: options.chain },
        ...{ ...anchoring, settledDepth: options.settledDepth, prefix, onEvent },
        publish: (topic, message) => this.#link.publish(topic, message, { qos: 1 }),
      });
    this.#link = new BrokerLink({
      url: options.mqtt,
      ...(options.ca === undefined ? {} : { ca: options.ca }),
      role: "collector",
      subscriptions: [records.replace(/0x0{40}/, "+"), ...(this.#anchoring === undefined ? [] : [this.#anchoring.subscription])],
      onMessage: (topic, payload) => this.#take(topic, payload),
      onFault: (topic, { message }) => this.#emit({ event: "refused", topic, code: "collector-fault", detail: message }),
      onConnected: () => {
        this.#emit({ event: "connected" });
        void this.#retainAll();
      },
      onLost: (reason, retryMs) => this.#emit({ event: "lost", to: "broker", reason, retryMs }),
    });
    this.#latest = new Latest((address, sign1) => {
      const { latest } = topicsOf(options.prefix ?? "", address, options.chain);
      return this.#link.publish(latest, sign1, { qos: 1, retain: true });
    });
    this.#linker = new Linker({ store: options.store, onEvent, gapAfterMs: options.gapAfterMs });
    this.#heads = new HeadWatch({
      ...{ verdicts: options.store.verdicts, rpc: options.rpc, chain: options.chain, collector: toHex(options.key.address) },
      ...{ settledDepth: options.settledDepth, pollMs: options.pollMs, unknownRetry: options.unknownRetry },
      ...{ byHashTimeoutMs: options.byHashTimeoutMs, onEvent },
    });
  }

  get connected(): boolean {
    return this.#link.connected;
  }

  /** Commits what has been taken in, and ends. The store stays open. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#committing;
    await this.#linker.close();
    await this.#heads.close();
    await this.#anchoring?.close();
    this.#latest.close();
    for (const go of this.#room.splice(0)) go();
    await this.#link.close();
  }

  #emit(event: CollectorEvent): void {
    this.#options.onEvent?.(event);
  }

  /** Takes one message in; returns once there is room for the next, which slows the broker down. */
  async #take(topic: string, message: Uint8Array): Promise<void> {
    if (this.#stop.signal.aborted) return;
    const asking = addressOfTopic(topic, "unanchored");
    if (asking !== undefined) {
      const refused = await this.#anchoring?.asked(asking, message);
      if (refused !== undefined) this.#emit({ event: "refused", topic, code: refused.code, detail: refused.detail });
      return;
    }
    const address = addressOfTopic(topic);
    const { allow, onChecked } = this.#options;
    const begunMs = performance.now();
    const record =
      address === undefined
        ? new Rejection("topic-malformed", "no mote's address in the topic")
        : allow?.has(toHex(address)) === false
          ? new Rejection("mote-not-allowed", `0x${toHex(address)} is not on the list of motes`)
          : checkRecord(this.#options.engine, new Uint8Array(message), address, this.#options.fleet);
    onChecked?.((performance.now() - begunMs) / 1000);
    if (record instanceof Rejection) {
      this.#emit({ event: "refused", topic, code: record.code, detail: record.detail });
      if (address !== undefined) this.#answer(address, this.#refusals.answer(address, new Uint8Array(message), record));
      return;
    }
    this.#queue.push(record);
    if (!this.#busy) this.#committing = this.#commitAll();
    if (this.#queue.length >= QUEUE_MAX) await new Promise<void>((resolve) => this.#room.push(resolve));
  }

  async #commitAll(): Promise<void> {
    this.#busy = true;
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
    // In the same turn as the last look at the queue: what is taken in after that begins anew.
    this.#busy = false;
  }

  async #commit(batch: readonly CheckedRecord[]): Promise<void> {
    const { store } = this.#options;
    const taken = await this.#withinLimit(batch);
    if (taken.length === 0) return;
    const { added, evidence } = await store.insert(taken);
    this.#stored += added.length;
    const fresh = new Set(added.map((place) => toHex(place.digest)));
    for (const record of taken) {
      this.#receipt(record);
      this.#emit({ event: "stored", duplicate: !fresh.has(toHex(record.digest)), ...placeText(placeOf(record)) });
    }
    for (const pair of evidence) this.#emit({ event: "evidence", kind: pair.kind, a: placeText(pair.a), b: placeText(pair.b) });
    this.#linker.take(added.map((place) => place.digest));
    this.#heads.due();
    await this.#offerLatest(taken);
  }

  /** What the store holds of a mote that was not heard of in this run may be newer than what has just come. */
  async #offerLatest(taken: readonly CheckedRecord[]): Promise<void> {
    const strangers = new Map(taken.map(({ address }) => [toHex(address), address]));
    for (const [mote, address] of strangers) if (this.#latest.knows(address)) strangers.delete(mote);
    for (const record of await this.#options.store.newestOf([...strangers.values()])) this.#latest.offer(record);
    for (const { address, fields, sign1 } of taken)
      this.#latest.offer({ address, sign1, stream: fields.stream, seq: fields.seq });
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

  /** A broker that restarted has forgotten what it retained. */
  async #retainAll(): Promise<void> {
    const backoff = new Backoff(STORE_RETRY);
    while (!this.#stop.signal.aborted && this.#link.connected)
      try {
        // What has come meanwhile is newer than what is read here, and stays.
        for await (const record of this.#options.store.newest()) {
          if (this.#stop.signal.aborted) return;
          this.#latest.offer(record, true);
        }
        return;
      } catch (error) {
        const retryMs = backoff.next();
        this.#emit({ event: "lost", to: "store", reason: error instanceof Error ? error.message : String(error), retryMs });
        await pause(retryMs, this.#stop.signal);
      }
  }
}

function placeOf({ address, digest, fields }: CheckedRecord): Place {
  return { address, digest, stream: fields.stream, seq: fields.seq };
}
