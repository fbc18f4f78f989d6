// Records out, receipts in: the part of the mote that the collector speaks with.
//
// Promises: records leave in order, at least once, until a receipt has come that is signed by the collector which the
// configuration pins and that names the record's own digest; that collector's refusal of the very message ends the waiting;
// what is not this mote's and this fleet's is set aside; messages wait in mailboxes of bounded size until a step looks at
// them. Never: counts a record as stored on anyone else's word, checks a signature that cannot matter, or lets forged receipts
// and refusals cost more than `FAILED_CHECKS_PER_MINUTE_MAX`. A true one that falls victim to that comes again with its record.

import type { Bus, BusUser } from "./bus/bus.js";
import { equal, toHex } from "./bytes.js";
import { MinuteBudget } from "./chain/follow/budget.js";
import type { MoteConfig } from "./config.js";
import type { CryptoEngine } from "./crypto/engine.js";
import type { Device } from "./ports.js";
import { decodeSign1, digestOf, encodeSign1, SIGN1_BYTES_MAX, verifySign1 } from "./record/cose.js";
import type { Journal, KeptRecord } from "./record/journal.js";
import { Outbox, type OutboxOptions, UNANSWERED_MAX } from "./record/outbox.js";
import type { Ownership } from "./record/ownership.js";
import { decodeReceipt, decodeRefusal, isRefusal, reasonName } from "./record/receipt.js";
import type { RefusalLog } from "./refusal-log.js";
import { Rejection } from "./rejection.js";

/** Receipts that wait for a step: each record's that may wait for one. One more is dropped, and comes again when its record does. */
const RECEIPTS_WAITING_MAX = UNANSWERED_MAX;
/**
 * Public-key operations a minute for receipts that then do not hold: 1 to 2 % of an ESP32-C3. One receipt is one of them, or two
 * until the collector's public key is known.
 */
export const FAILED_CHECKS_PER_MINUTE_MAX = 60;
/** Records sent in one step, so that a long backlog delays no sample. */
const RECORDS_PER_STEP_MAX = 8;
const RECEIPT_TIMEOUT_MS = 10_000;

/** Its functions are called as its methods: what implements it spares a board a closure for each. */
export interface DeliveryOptions {
  readonly device: Pick<Device, "clock" | "log">;
  readonly engine: CryptoEngine;
  /** Whose `collector` is the address of the key that signs receipts. */
  readonly config: Pick<MoteConfig, "collector">;
  /** The mote's address, 20 bytes. */
  readonly own: Uint8Array;
  readonly bus: Pick<Bus, "topics" | "hasRoomFor" | "publish">;
  readonly journal: Journal;
  readonly ownership: Ownership;
  readonly refusals: RefusalLog;
  onWake(): void;
  onStored?(seq: number): void;
}

export class Delivery implements OutboxOptions, BusUser {
  readonly #options: DeliveryOptions;
  readonly #outbox: Outbox;
  readonly #failedChecks: MinuteBudget;
  #receipts: Uint8Array[] = [];
  /**
   * The collector's public key, 65 bytes, once one of its receipts has held. The configuration pins the address alone, the last 20
   * bytes of the key's hash: a key that a signature recovered to, and whose address was compared with the pinned one then, is that
   * collector's as surely as the next recovery could tell, and to verify with it costs less. A signature holds by it exactly where it
   * would recover to it. Nobody can put another here without a second key of the same address. It lives as long as the mote runs.
   */
  #collectorKey: Uint8Array | undefined;
  /** Records set aside and not said yet. */
  #setAside = 0;

  constructor(options: DeliveryOptions) {
    this.#options = options;
    this.#failedChecks = new MinuteBudget(options.device.clock);
    this.#outbox = new Outbox(this);
  }

  get journal(): Journal {
    return this.#options.journal;
  }

  get subscriptions(): readonly string[] {
    return [this.#options.bus.topics.receipts];
  }

  /** Does what is due, the network being there. Answers the milliseconds until it wants to be called again. */
  step(): number {
    this.lookAtReceipts();
    return this.send();
  }

  received(topic: string, message: Uint8Array): boolean {
    if (topic !== this.#options.bus.topics.receipts) return false;
    if (this.#receipts.length < RECEIPTS_WAITING_MAX) this.#receipts.push(message);
    return true;
  }

  linkChanged(): void {
    this.#outbox.reset();
  }

  acknowledged(packetId: number): void {
    const seq = this.#outbox.acknowledged(packetId);
    if (seq === undefined) return;
    this.#options.device.log.write("delivered", { seq });
    this.#options.onWake();
  }

  private lookAtReceipts(): void {
    const receipts = this.#receipts;
    if (receipts.length === 0) return;
    this.#receipts = [];
    for (const message of receipts) {
      const refusal = this.lookAtReceipt(message);
      if (refusal !== undefined) this.#options.refusals.write("receipt", refusal);
    }
  }

  /** Cheap checks first: who is said to have signed, for whom, and whether a record with that very digest still waits. */
  private lookAtReceipt(message: Uint8Array): Rejection | undefined {
    const { config, own, device } = this.#options;
    const claimed = decodeSign1(message);
    if (claimed instanceof Rejection) return claimed;
    if (!equal(claimed.kid, config.collector))
      return new Rejection("receipt-foreign", `signed by 0x${toHex(claimed.kid)}, which is not the collector`);
    if (isRefusal(claimed.payload)) return this.lookAtRefusal(message, claimed.payload);
    const receipt = decodeReceipt(claimed.payload);
    if (receipt instanceof Rejection) return receipt;
    if (!equal(receipt.mote, own)) return new Rejection("receipt-foreign", "it is for another mote");
    const at = this.#outbox.awaiting(receipt.seq, receipt.digest);
    if (at < 0) return undefined;
    const refused = this.checkSignature(message);
    if (refused !== undefined) return refused;
    this.#outbox.store(at);
    device.log.write("stored", { seq: receipt.seq, digest: toHex(receipt.digest) });
    this.#options.onStored?.(receipt.seq);
    return undefined;
  }

  /** Whether the collector has signed `message`, which names it as its signer; what fails is counted. */
  private checkSignature(message: Uint8Array): Rejection | undefined {
    const known = this.#collectorKey;
    const cost = known === undefined ? 2 : 1;
    if (this.#failedChecks.left(FAILED_CHECKS_PER_MINUTE_MAX) < cost)
      return new Rejection(
        "work-limit",
        `${FAILED_CHECKS_PER_MINUTE_MAX} signature checks of receipts within a minute led nowhere`,
      );
    const verified = verifySign1(this.#options.engine, message, known);
    if (verified instanceof Rejection) {
      this.#failedChecks.spend(cost);
      return verified;
    }
    this.#collectorKey = verified.publicKey;
    return undefined;
  }

  /** A refusal counts for a record that has been sent, and only if it names the message byte for byte. */
  private lookAtRefusal(message: Uint8Array, payload: Uint8Array): Rejection | undefined {
    const { engine, own, device } = this.#options;
    const refusal = decodeRefusal(payload);
    if (refusal instanceof Rejection) return refusal;
    const { seq, stream, reason } = refusal;
    if (!equal(refusal.mote, own)) return new Rejection("receipt-foreign", "it is for another mote");
    const sent = this.#outbox.underWay(seq);
    if (sent === undefined || !equal(engine.sha256(sent), refusal.message)) return undefined;
    const refused = this.checkSignature(message);
    if (refused !== undefined) return refused;
    this.#outbox.refuse(seq);
    device.log.write("not-stored", { seq, stream, reason: reasonName(reason) });
    return undefined;
  }

  get receiptTimeoutMs(): number {
    return RECEIPT_TIMEOUT_MS;
  }

  encode(payload: Uint8Array, signature: Uint8Array): Uint8Array {
    return encodeSign1(this.#options.own, payload, signature);
  }

  digest(payload: Uint8Array): Uint8Array {
    return digestOf(this.#options.engine, this.#options.own, payload);
  }

  foreign(seq: number, kept: KeptRecord): Rejection | undefined {
    return this.#options.ownership.foreign(seq, kept);
  }

  /** Those that are not ours are counted, and said together. */
  onLost(seq: number, { code, detail }: Rejection): void {
    if (code === "fleet-foreign" || code === "key-foreign") this.#setAside += 1;
    else this.#options.device.log.write("error", { what: `record ${seq}`, code, detail });
  }

  private saySetAside(): void {
    const records = this.#setAside;
    this.#setAside = 0;
    const { passedThrough } = this.#options.journal;
    this.#options.device.log.write("set-aside", { records, through: passedThrough, reason: "of another key or another fleet" });
  }

  private send(): number {
    const { bus, device } = this.#options;
    const { records } = bus.topics;
    for (let sent = 0; sent < RECORDS_PER_STEP_MAX; sent += 1) {
      // The outbox counts as sent what it hands out: asked for only where the longest record would leave whole.
      if (!bus.hasRoomFor(records, SIGN1_BYTES_MAX)) return Number.POSITIVE_INFINITY;
      const record = this.#outbox.next(device.clock.ticksMs());
      if (this.#setAside > 0 && !this.#outbox.more) this.saySetAside();
      if (record === undefined) return this.#outbox.more ? 0 : RECEIPT_TIMEOUT_MS;
      const { packetId, bytes, duplicate } = record;
      if (!bus.publish(records, bytes, { QoS: 1, packetId, duplicate })) return RECEIPT_TIMEOUT_MS;
    }
    return 0;
  }
}
