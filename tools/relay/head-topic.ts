// The topic where a chain's newest header is retained: keeps ours there, whoever else publishes to it.
//
// Promises: what somebody else put there is replaced at once, unless it may be a newer head that our node has not got yet; it
// waits for what is retained before it publishes for the first time; two relays do not dispute for ever; the rate is bounded.
// Never: judges a header.

import { equal, toHex } from "../../firmware/bytes.js";
import { Rejection } from "../../firmware/rejection.js";
import { BitcoinHeaderSource, shownHash } from "../bitcoin/raw-header.js";
import { engine } from "../crypto/engine.js";
import { blockIdentity, type RawHeader } from "../ethereum/raw-header.js";
import { isBitcoin } from "../rpc/chain.js";
import type { JsonRpc } from "../rpc/json-rpc.js";
import { AHEAD_BLOCKS_MAX, readRetained } from "./head-keeper.js";
import { type BucketLimits, TokenBucket } from "./token-bucket.js";

/** How long to wait for what is retained before the first head is published. */
const RETAINED_MS = 150;
/** Echoes of our own heads come in order: what stands there after so long is what is retained. */
const SETTLE_MS = 100;
/** How long a head that our node does not know yet, and that may be another relay's, is left in place. */
const AHEAD_MS = 3000;
/** How often a head is put back that others replaced. */
const PUT_BACK: BucketLimits = { burst: 5, perSecond: 1 };
/** Of one block of a BFT chain two nodes have two raw headers: two relays end their dispute. */
const SAME_BLOCK_MAX = 3;
const BITCOIN_HEADER_BYTES = 80;

export interface HeadTopicOptions {
  readonly rpc: JsonRpc;
  /** CAIP-2. */
  readonly chain: string;
  readonly connected: () => boolean;
  /** True once the broker has it. */
  readonly publish: (raw: Uint8Array) => Promise<boolean>;
  readonly onPutBack: (number: number, detail: string) => void;
}

export class HeadTopic {
  readonly #options: HeadTopicOptions;
  readonly #putBack = new TokenBucket(PUT_BACK, performance.now());
  #head: RawHeader | undefined;
  #closed = false;
  #published = "";
  /** What stands on the head topic, as far as the broker told. */
  #retained: Uint8Array | undefined;
  /** Until then it may still be told. */
  #retainedAtMs = 0;
  #settling: NodeJS.Timeout | undefined;
  /** Since when a head stands there that our node does not know. */
  #aheadSinceMs: number | undefined;
  #sameBlock = 0;

  constructor(options: HeadTopicOptions) {
    this.#options = options;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#settling);
  }

  /** A broker that restarted has forgotten what it retained; another one tells it soon. */
  connected(): void {
    this.#published = "";
    this.#retained = undefined;
    this.#retainedAtMs = performance.now() + RETAINED_MS;
    this.#settle(RETAINED_MS);
  }

  /** The head that belongs there. */
  async head(head: RawHeader): Promise<void> {
    if (this.#head === undefined || !equal(this.#head.hash, head.hash)) {
      this.#sameBlock = 0;
      this.#aheadSinceMs = undefined;
    }
    this.#head = head;
    await this.#publishHead();
  }

  /** Publishes the head where it is not out yet, and nothing stands there that may be newer. */
  async #publishHead(): Promise<void> {
    const head = this.#head;
    if (head === undefined || !this.#options.connected() || performance.now() < this.#retainedAtMs) return;
    const hash = toHex(head.hash);
    if (this.#published === hash) return;
    if (this.#published === "" && this.#retained !== undefined && (await this.#mayBeNewer(this.#retained, head))) return;
    if (await this.#options.publish(head.raw)) {
      this.#published = hash;
      this.#settle(SETTLE_MS);
    }
  }

  see(payload: Uint8Array): void {
    this.#retained = new Uint8Array(payload);
    this.#settle(SETTLE_MS);
  }

  /** Looks at what is retained once the echoes of our own heads are over. */
  #settle(ms: number): void {
    clearTimeout(this.#settling);
    if (this.#closed) return;
    this.#settling = setTimeout(() => {
      // What goes wrong here is the node's being away, which `#run` tells.
      this.#checkRetained().catch(() => this.#settle(AHEAD_MS));
    }, ms);
  }

  /** Puts our head back where something else stands in its place. */
  async #checkRetained(): Promise<void> {
    const head = this.#head;
    const retained = this.#retained;
    if (head === undefined || !this.#options.connected()) return;
    if (retained === undefined || this.#published === "") {
      await this.#publishHead();
      if (this.#published === "" && retained !== undefined) this.#settle(AHEAD_MS);
      return;
    }
    if (equal(retained, head.raw)) {
      this.#aheadSinceMs = undefined;
      return;
    }
    if (await this.#mayBeNewer(retained, head)) {
      this.#settle(AHEAD_MS);
      return;
    }
    const same =
      !isBitcoin(this.#options.chain) && readRetained(retained)?.hashes.some((hash) => equal(hash, head.hash)) === true;
    if (same && this.#sameBlock >= SAME_BLOCK_MAX) return;
    if (this.#putBack.take(1, performance.now()) === 0) {
      this.#settle(1000 / PUT_BACK.perSecond);
      return;
    }
    if (same) this.#sameBlock += 1;
    const detail = `${retained.length} bytes of somebody else's stood in its place`;
    this.#options.onPutBack(head.number, detail);
    if (!(await this.#options.publish(head.raw))) this.#settle(AHEAD_MS);
  }

  /**
   * Whether what stands there may be a head that our node has not got yet: one that it knows and that is no lower, or, for a
   * while, one that is a little higher; for as long as it takes where the node is catching up.
   */
  async #mayBeNewer(retained: Uint8Array, head: RawHeader): Promise<boolean> {
    const known = await this.#heightOf(retained);
    if (known !== undefined) return known > head.number;
    if (!isBitcoin(this.#options.chain)) {
      const number = readRetained(retained)?.number;
      if (number === undefined || number <= head.number) return false;
      if ((await this.#options.rpc.call("eth_syncing").catch(() => false)) !== false) return true;
      if (number > head.number + AHEAD_BLOCKS_MAX) return false;
    } else if (retained.length !== head.raw.length) return false;
    this.#aheadSinceMs ??= performance.now();
    return performance.now() - this.#aheadSinceMs < AHEAD_MS;
  }

  /** The height of a block that our node knows. */
  async #heightOf(raw: Uint8Array): Promise<number | undefined> {
    if (isBitcoin(this.#options.chain)) {
      const hash = shownHash(engine.sha256(engine.sha256(raw)));
      return raw.length === BITCOIN_HEADER_BYTES ? new BitcoinHeaderSource(this.#options.rpc).heightOf(hash) : undefined;
    }
    for (const hash of readRetained(raw)?.hashes ?? []) {
      const block = blockIdentity(await this.#options.rpc.call("eth_getBlockByHash", `0x${toHex(hash)}`, false));
      if (!(block instanceof Rejection)) return block.number;
    }
    return undefined;
  }
}
