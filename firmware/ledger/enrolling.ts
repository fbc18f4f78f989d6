// How a mote enters its fleet's registry: it offers an enrolment that it has signed to the configured enroller, and where that one sends a
// voucher, it enters by a transaction of its own. docs/ledger.md, "Enrolment".
//
// Promises: an offer names the configured enroller, this fleet, a counter above the one that the registry has, and a block after which it
// counts no more; it is retained by the broker, signed again before it expires, and taken back once the key has its place. A voucher is
// looked at in a step, and only while the key has no place. Never: enrols with anybody else's voucher.
// Codes of vouchers: voucher-foreign, voucher-expired, voucher-counter, voucher-unusable, and those of record/enrolment.ts and cose.ts.

import { equal, toHex } from "../bytes.js";
import type { FeatureOwner } from "../feature.js";
import { decodeSign1, digestOf, encodeSign1, SIGN1_BYTES_MAX, verifySign1 } from "../record/cose.js";
import { decodeVoucher, encodeEnrolment, type VoucherFields } from "../record/enrolment.js";
import { Rejection } from "../rejection.js";
import type { Transactions } from "./transactions.js";

/** For so many blocks beyond the head an enrolment holds; a new one is made when half of them are left. */
export const ENROLMENT_BLOCKS = 5_760;
const RETRY_MS = 1_000;
/** Between two looks at vouchers, so that a flood of them costs no more than a signature's check each time. */
const VOUCHER_INTERVAL_MS = 2_000;
/** After one that could not be used now. */
const VOUCHER_RETRY_MS = 15_000;

/** Where a mote's enrolment is retained, and where a voucher for it comes, under the configured prefix. */
export interface EnrolmentTopics {
  readonly enrolment: string;
  readonly voucher: string;
}

/** @param address the mote's address, 20 bytes */
export function enrolmentTopicsOf(prefix: string, address: Uint8Array): EnrolmentTopics {
  const mote = `${prefix}motes/0x${toHex(address)}`;
  return { enrolment: `${mote}/enrolment`, voucher: `${mote}/voucher` };
}

export class Enrolling {
  readonly #owner: FeatureOwner;
  readonly #enroller: Uint8Array;
  readonly #transactions: Transactions | undefined;
  readonly #topics: EnrolmentTopics;
  /** The counter that the next enrolment has; 0 while none is wanted. */
  #counter = 0;
  /** The last block at which the offer under way holds; 0 where there is none. */
  #expiryBlock = 0;
  #offer: Uint8Array | undefined;
  #signing = false;
  /** Whether the broker has to be told, on this connection. */
  #unsent = false;
  #retryMs = 0;
  #voucher: Uint8Array | undefined;
  #voucherDueMs = 0;

  constructor(owner: FeatureOwner, enroller: Uint8Array, transactions: Transactions | undefined) {
    this.#owner = owner;
    this.#enroller = enroller;
    this.#transactions = transactions;
    this.#topics = enrolmentTopicsOf(owner.config.mqtt.prefix, owner.own);
  }

  /** @param stored the counter that the registry has of this key */
  wanted(stored: bigint): void {
    const counter = Number(stored) + 1;
    if (counter > Number.MAX_SAFE_INTEGER || counter === this.#counter) return;
    this.#counter = counter;
    this.#expiryBlock = 0;
  }

  /** The key has its place, or none any more. */
  ended(): void {
    if (this.#counter === 0) return;
    this.#counter = 0;
    this.#voucher = undefined;
    // An empty message takes the retained one from the broker.
    this.#offer = new Uint8Array(0);
    this.#unsent = true;
    this.#owner.device.log.write("enrolment", { state: "ended" });
  }

  /** A place is waited for. */
  get active(): boolean {
    return this.#counter !== 0;
  }

  get subscriptions(): readonly string[] {
    return this.#transactions === undefined ? [] : [this.#topics.voucher];
  }

  received(topic: string, message: Uint8Array): boolean {
    if (topic !== this.#topics.voucher || this.#transactions === undefined) return false;
    if (this.#counter !== 0 && message.length <= SIGN1_BYTES_MAX) this.#voucher ??= message;
    return true;
  }

  linkChanged(up: boolean): void {
    if (up && this.#counter !== 0) this.#unsent = true;
  }

  step(nowMs: number): number {
    let dueMs = Number.POSITIVE_INFINITY;
    if (this.#counter !== 0) {
      if (this.head + ENROLMENT_BLOCKS / 2 > this.#expiryBlock) this.sign(nowMs);
      dueMs = this.lookAtVoucher(nowMs);
    }
    if (!this.#unsent || this.#offer === undefined || !this.#owner.bus.up) return dueMs;
    this.#unsent = !this.#owner.bus.publish(this.#topics.enrolment, this.#offer, { retain: true });
    return this.#unsent ? Math.min(dueMs, RETRY_MS) : dueMs;
  }

  private get head(): number {
    return this.#owner.follower.head.number;
  }

  private sign(nowMs: number): void {
    if (this.#signing || nowMs < this.#retryMs) return;
    this.#retryMs = nowMs + RETRY_MS;
    const counter = this.#counter;
    const expiryBlock = this.head + ENROLMENT_BLOCKS;
    this.#signing = true;
    this.signed(counter, expiryBlock, (message) => {
      this.#signing = false;
      if (message === undefined || counter !== this.#counter) return;
      this.#offer = message;
      this.#expiryBlock = expiryBlock;
      this.#unsent = true;
      this.#owner.device.log.write("enrolment", { state: "offered", counter, expiryBlock });
    });
  }

  /** Hands an enrolment of this counter on, at once where the key signs at once; undefined where it could not be signed. */
  private signed(counter: number, expiryBlock: number, then: (message: Uint8Array | undefined) => void): void {
    const { engine, own, device, key, config, refusals } = this.#owner;
    const payload = encodeEnrolment({ counter, enroller: this.#enroller, expiryBlock, fleet: config.fleet });
    const failed = (error: unknown): void => {
      refusals.write("enrolment", new Rejection("signature-failed", String(error)));
      then(undefined);
    };
    try {
      const signature = device.keys.sign(key, digestOf(engine, own, payload));
      if (signature instanceof Uint8Array) then(encodeSign1(own, payload, signature));
      else void signature.then((bytes) => then(encodeSign1(own, payload, bytes))).catch(failed);
    } catch (error) {
      failed(error);
    }
  }

  private lookAtVoucher(nowMs: number): number {
    const message = this.#voucher;
    if (message === undefined) return Number.POSITIVE_INFINITY;
    if (nowMs < this.#voucherDueMs) return this.#voucherDueMs - nowMs;
    this.#voucherDueMs = nowMs + VOUCHER_INTERVAL_MS;
    this.#voucher = undefined;
    const voucher = this.readVoucher(message);
    if (voucher instanceof Rejection) this.#owner.refusals.write("voucher", voucher);
    else this.enter(voucher, message);
    return Number.POSITIVE_INFINITY;
  }

  private readVoucher(message: Uint8Array): VoucherFields | Rejection {
    const { engine, own, config } = this.#owner;
    const claimed = decodeSign1(message);
    if (claimed instanceof Rejection) return claimed;
    if (!equal(claimed.kid, this.#enroller))
      return new Rejection("voucher-foreign", `signed by 0x${toHex(claimed.kid)}, which is not the configured enroller`);
    const voucher = decodeVoucher(claimed.payload);
    if (voucher instanceof Rejection) return voucher;
    const { fleet, mote, counter, expiryBlock } = voucher;
    if (!equal(mote, own)) return new Rejection("voucher-foreign", "it is for another mote");
    if (!equal(fleet.registry, config.fleet.registry) || fleet.chain !== config.fleet.chain)
      return new Rejection("voucher-foreign", "it is for another fleet");
    if (expiryBlock <= this.head) return new Rejection("voucher-expired", `at block ${expiryBlock}; the head is ${this.head}`);
    if (counter < this.#counter)
      return new Rejection("voucher-counter", `counter ${counter}; the registry takes ${this.#counter} and above`);
    const verified = verifySign1(engine, message);
    return verified instanceof Rejection ? verified : voucher;
  }

  private enter({ counter, expiryBlock }: VoucherFields, voucher: Uint8Array): void {
    const { config, refusals, device } = this.#owner;
    const transactions = this.#transactions as Transactions;
    this.signed(counter, expiryBlock, (enrolment) => {
      if (enrolment === undefined) return;
      void transactions.enrol(config.fleet.registry, counter, { enrolment, voucher }).then((sent) => {
        if (sent instanceof Rejection) {
          refusals.write("voucher", sent);
          // It may be sent later: nothing is proven of the account yet, or there is no balance, or another call is under way.
          this.#voucher ??= voucher;
          this.#voucherDueMs = device.clock.ticksMs() + VOUCHER_RETRY_MS;
        } else device.log.write("enrolment", { state: "sent", counter, expiryBlock });
      });
    });
  }
}
