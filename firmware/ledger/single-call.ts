// One call that the configuration names, made once: what `chainmote tx` has a mote do. docs/ledger.md, "Transactions".
//
// Promises: it is made once for each start, and not at all where a call of an earlier start is still under way (`tx-busy`), so that whoever
// starts anew after a loss of power does not do the same thing twice. What keeps it from being sent is said in an `error`, once for all;
// what may pass is waited for. Its states are events of the transactions.
// Never: enrols; the registry's feature does, by a voucher.
// Configuration: `ledger.call` {kind, …}: value {to, wei}, report {records}, anchor {contract}, enrolment.

import type { MoteConfig } from "../config.js";
import { ADDRESS_BYTES } from "../crypto/identity.js";
import type { Feature, FeatureOwner, FeatureType } from "../feature.js";
import { bytesIn, type Fields, quantityIn } from "../fields.js";
import { decodeSign1, digestOf, SIGN1_BYTES_MAX } from "../record/cose.js";
import { assert, Rejection } from "../rejection.js";
import { LATEST_SLOT } from "./calls.js";
import { nextTree } from "./own-tree.js";
import { PROVE_SLOT } from "./proof-wire.js";
import type { Proof, Question } from "./prover.js";
import { mappingSlot } from "./registry-slots.js";
import { ledgerFault, type StateProofs } from "./state-proofs.js";
import type { Transactions } from "./transactions.js";

const KINDS = Object.freeze(["value", "report", "anchor", "enrolment"] as const);
/** Of a value in wei: what 12 bytes hold, more than there is of any coin. */
const WEI_BITS = 96;
const RETRY_MS = 1_000;
/** A head so far behind the clock, in seconds, is one that the mote does not stay at: what is proven there is old. */
const BEHIND_S = 120;
/** So long nobody has paid, at a head that is not behind, before that is an answer: a few proofs of the account. */
const POOR_MS = 15_000;
/** Why a call is not sent yet. */
const PASSING: readonly string[] = Object.freeze(["tx-unproven", "tx-undone"]);

/** Comes after the proofs and the transactions. */
export class SingleCall implements FeatureType, Feature, Question {
  readonly kind = PROVE_SLOT;
  readonly #proofs: StateProofs;
  readonly #transactions: Transactions;
  #owner: FeatureOwner | undefined;
  #call: (typeof KINDS)[number] = "enrolment";
  /** To whom, or which contract. */
  #subject: Uint8Array = new Uint8Array(0);
  #wei = 0n;
  #records: readonly Uint8Array[] = [];
  #slot: Uint8Array | undefined;
  /** Of the root that the contract has of this key; and whether it is asked for. */
  #anchored: Proof | undefined;
  #asking = false;
  #begun = false;
  #sending = false;
  /** It was sent, or never will be. */
  #over = false;
  #dueMs = 0;
  /** Since when the balance does not do, at a head that is not behind; −1 while it is. */
  #poorMs = -1;

  constructor(proofs: StateProofs, transactions: Transactions) {
    this.#proofs = proofs;
    this.#transactions = transactions;
  }

  fault(config: MoteConfig): Rejection | undefined {
    return ledgerFault(config, (fields) => {
      const call = fields.section("call");
      this.#call = call.choice("kind", KINDS);
      if (this.#call === "anchor") this.#subject = call.bytes("contract", ADDRESS_BYTES, ADDRESS_BYTES);
      if (this.#call === "value") {
        this.#subject = call.bytes("to", ADDRESS_BYTES, ADDRESS_BYTES);
        const wei = quantityIn(call.json.wei, 2n ** BigInt(WEI_BITS) - 1n);
        if (wei === undefined) throw call.wrong("wei", "wei, as a whole number or in hexadecimal with 0x");
        this.#wei = wei;
      }
      if (this.#call === "report") this.#records = recordsOf(call);
    });
  }

  open(owner: FeatureOwner): Feature {
    this.#owner = owner;
    this.#slot = mappingSlot(owner.engine, owner.own, LATEST_SLOT);
    return this;
  }

  get subject(): Uint8Array {
    return this.#subject;
  }

  get slot(): Uint8Array {
    return this.#slot as Uint8Array;
  }

  get subscriptions(): readonly string[] {
    return [];
  }

  received(): boolean {
    return false;
  }

  linkChanged(): void {}

  answered(result: Proof | Rejection): void {
    this.#asking = false;
    if (result instanceof Rejection) this.owner.refusals.write("call", result);
    else this.#anchored = result;
    this.owner.onWake();
  }

  step(): number {
    if (!this.#begun) {
      this.#begun = true;
      if (this.#transactions.pending) this.end(new Rejection("tx-busy", "a call of an earlier start is under way"));
    }
    if (this.#over || this.#call === "enrolment") return Number.POSITIVE_INFINITY;
    const nowMs = this.owner.device.clock.ticksMs();
    if (nowMs < this.#dueMs || this.#sending) return Math.max(this.#dueMs - nowMs, RETRY_MS);
    this.#dueMs = nowMs + RETRY_MS;
    if (this.ready()) void this.send();
    return RETRY_MS;
  }

  /** Whether all is known that the call takes. */
  private ready(): boolean {
    if (this.#call !== "anchor") return true;
    if (this.owner.journal.lastSeq === undefined) return false;
    const account = this.#transactions.account();
    // The nonce tells that the account's block is after this key's last call: the root has to be of such a one, too.
    if (account === undefined || this.#transactions.behind) return false;
    if (this.#anchored !== undefined && this.#anchored.number >= account.block) return true;
    if (!this.#asking) this.#asking = this.#proofs.prover.ask(this);
    return false;
  }

  private async send(): Promise<void> {
    this.#sending = true;
    try {
      const sent = await this.made();
      if (typeof sent === "number") this.#over = true;
      else if (this.isPassing(sent.code)) this.owner.refusals.write("call", sent);
      else this.end(sent);
    } catch (error) {
      this.end(new Rejection("call-failed", String(error)));
    }
    this.#sending = false;
    this.owner.onWake();
  }

  private isPassing(code: string): boolean {
    if (code !== "tx-insufficient-balance") return PASSING.includes(code);
    const { device, follower } = this.owner;
    const nowS = this.owner.nowS();
    const nowMs = device.clock.ticksMs();
    if (nowS !== undefined && nowS - follower.head.timeS > BEHIND_S) this.#poorMs = -1;
    else if (this.#poorMs < 0) this.#poorMs = nowMs;
    return this.#poorMs < 0 || nowMs - this.#poorMs < POOR_MS;
  }

  private made(): Promise<number | Rejection> {
    const { config } = this.owner;
    if (this.#call === "value") return this.#transactions.sendValue(this.#subject, this.#wei);
    if (this.#call === "anchor") return this.anchor();
    const [one, other] = this.#records;
    if (one === undefined || other === undefined)
      return Promise.resolve(new Rejection("config-invalid", "two records are needed"));
    const claimed = decodeSign1(one);
    if (claimed instanceof Rejection) return Promise.resolve(claimed);
    return this.#transactions.reportEquivocation(config.fleet.registry, claimed.kid, [one as Uint8Array, other as Uint8Array]);
  }

  private async anchor(): Promise<number | Rejection> {
    const { engine, own, journal, store } = this.owner;
    const kept = journal.read(journal.lastSeq as number);
    const anchored = this.#anchored?.value;
    if (kept instanceof Rejection || anchored === undefined)
      return new Rejection("tx-unproven", kept instanceof Rejection ? kept.detail : "nothing is proven of this account yet");
    const leaf = digestOf(engine, own, kept.payload);
    return this.#transactions.anchor(this.#subject, () => nextTree(engine, store, this.#subject, anchored, leaf));
  }

  private end({ code, detail }: Rejection): void {
    this.#over = true;
    this.owner.device.log.write("error", { what: "call", code, detail });
  }

  private get owner(): FeatureOwner {
    assert(this.#owner !== undefined, "a call is opened before it is made");
    return this.#owner;
  }
}

function recordsOf(call: Fields): readonly Uint8Array[] {
  const texts = call.json.records;
  const records = Array.isArray(texts) ? texts.map((text: unknown) => bytesIn(text, 1, SIGN1_BYTES_MAX)) : [];
  const fits = records.filter((record) => record !== undefined);
  if (fits.length !== 2 || records.length !== 2) throw call.wrong("records", "two signed records in hexadecimal");
  return fits;
}
