// The mote's own calls as a feature: the sender (sender.ts) over what is proven of the chain, and the way of its transactions to the
// relays. docs/ledger.md, "Transactions".
//
// Promises: the account, and the slot that shows a call's effect, are proven anew as blocks are settled while a call is under way, and at
// the interval of the ledger otherwise; each state of a call is an event (`transaction`), and `key-used-elsewhere` an alarm.
// Never: believes what a relay says of a transaction, which is on the log for whoever looks for a fault; proves a transaction's receipt: a
// used nonce is judged by its effect alone.
// Configuration: `ledger.intervalMs`, `ledger.fees` {gasMax, maxFeePerGas, tip}.

import { drawRequestId } from "../bus/bus.js";
import { equal } from "../bytes.js";
import type { Outcome } from "../chain/follow/outcome.js";
import type { MoteConfig } from "../config.js";
import type { Feature, FeatureOwner, FeatureType } from "../feature.js";
import { type Fields, quantityIn } from "../fields.js";
import { assert, Rejection } from "../rejection.js";
import { anchorCall, enrolmentCall, reportCall, valueCall } from "./calls.js";
import type { NextTree } from "./own-tree.js";
import { PROVE_ACCOUNT, PROVE_SLOT, type ProofKind } from "./proof-wire.js";
import type { Proof, Question } from "./prover.js";
import {
  type Call,
  type CallState,
  type FeeLimits,
  GONE,
  type LedgerView,
  type ProvenAccount,
  type ProvenInclusion,
  type ProvenSlot,
  Sender,
  type SenderOptions,
} from "./sender.js";
import { ledgerFault, type StateProofs } from "./state-proofs.js";
import {
  decodeSubmissionAnswer,
  encodeSubmission,
  NOT_TAKEN,
  type SubmissionTopics,
  submissionTopicsOf,
} from "./submission-wire.js";

const INTERVAL_MS = 300_000;
/** While a call is under way: between two proofs of one thing, and between two looks at it. */
const PROOF_INTERVAL_MS = 4_000;
const CHAIN_NAMESPACE = "eip155:";
const GAS_MIN = 21_000;
const GAS_MAX = 30_000_000;
/** Of wei for a gas: a thousand ether, which is a mistake. */
const FEE_MAX = 21;

/** Labels of the calls that this feature makes itself; an application's begin with 16. */
const LABEL_VALUE = 1;
const LABEL_ENROLMENT = 2;
const LABEL_REPORT = 3;
const LABEL_ANCHOR = 4;

/** One thing that is proven again and again. */
class Watched implements Question {
  readonly kind: ProofKind;
  readonly subject: Uint8Array;
  readonly slot: Uint8Array | undefined;
  readonly #owner: FeatureOwner;
  proof: Proof | undefined;
  asked = false;
  lookedMs = Number.NEGATIVE_INFINITY;

  constructor(owner: FeatureOwner, kind: ProofKind, subject: Uint8Array, slot?: Uint8Array) {
    this.#owner = owner;
    this.kind = kind;
    this.subject = subject;
    this.slot = slot;
  }

  answered(result: Proof | Rejection): void {
    this.asked = false;
    this.lookedMs = this.#owner.device.clock.ticksMs();
    if (result instanceof Rejection) this.#owner.refusals.write("transaction", result);
    else this.proof = result;
    this.#owner.onWake();
  }
}

/** Comes after the proofs. */
export class Transactions implements FeatureType, Feature, LedgerView, SenderOptions {
  readonly #proofs: StateProofs;
  #owner: FeatureOwner | undefined;
  #sender: Sender | Rejection | undefined;
  #topics: SubmissionTopics | undefined;
  #limits: FeeLimits | undefined;
  #intervalMs = INTERVAL_MS;
  #account: Watched | undefined;
  /** The slot that shows the effect of the call under way. */
  #slot: Watched | undefined;
  #looking: Promise<void> | undefined;
  /** Somebody waits for a newer proof of the account. */
  #wanted = true;

  constructor(proofs: StateProofs) {
    this.#proofs = proofs;
  }

  fault(config: MoteConfig): Rejection | undefined {
    if (!config.fleet.chain.startsWith(CHAIN_NAMESPACE))
      return new Rejection(
        "config-invalid",
        `fleet.chain: expected one of eip155, where transactions are; found "${config.fleet.chain}"`,
      );
    return ledgerFault(config, (fields) => {
      this.#intervalMs = fields.uint("intervalMs", 1_000, 86_400_000, INTERVAL_MS);
      const fees = fields.section("fees");
      const limits = {
        gasMax: fees.uint("gasMax", GAS_MIN, GAS_MAX),
        feePerGasMax: weiOf(fees, "maxFeePerGas"),
        tipPerGas: weiOf(fees, "tip"),
      };
      if (limits.tipPerGas > limits.feePerGasMax) throw fees.wrong("tip", "at most maxFeePerGas");
      this.#limits = limits;
    });
  }

  open(owner: FeatureOwner): Feature {
    this.#owner = owner;
    this.#topics = submissionTopicsOf(owner.config.mqtt.prefix, owner.own, owner.follower.chain);
    this.#account = new Watched(owner, PROVE_ACCOUNT, owner.own);
    this.#sender = Sender.open(this);
    if (this.#sender instanceof Rejection) this.refused(this.#sender);
    return this;
  }

  /**
   * Sends a call. One is under way at a time; its end is told by an event.
   * @returns its nonce, or why nothing was sent (sender.ts). `tx-unproven`: the account is asked for; try again in a few seconds
   */
  send(call: Call | Rejection): Promise<number | Rejection> {
    return this.sendMade(() => call);
  }

  /** @param make is asked once nothing is in the way of a call, and what it makes is sent at once */
  private async sendMade(make: () => Call | Rejection): Promise<number | Rejection> {
    const sender = this.#sender;
    if (!(sender instanceof Sender)) return sender ?? new Rejection("tx-unproven", "the key is not there yet; try again");
    // The look at what is under way may not be at its end, though nothing is.
    await this.#looking;
    const ready = sender.ready();
    const call = ready instanceof Rejection ? ready : make();
    const sent = call instanceof Rejection ? call : await sender.send(call, this.owner.device.clock.ticksMs());
    if (sent instanceof Rejection) this.#wanted = true;
    this.owner.onWake();
    return sent;
  }

  /** @param value in wei, for an account of 20 bytes without code */
  sendValue(to: Uint8Array, value: bigint, label = LABEL_VALUE): Promise<number | Rejection> {
    return this.send(valueCall(to, value, label));
  }

  /** This mote enters `registry` with two signed messages of one counter. */
  enrol(
    registry: Uint8Array,
    counter: number,
    messages: { readonly enrolment: Uint8Array; readonly voucher: Uint8Array },
  ): Promise<number | Rejection> {
    return this.send(enrolmentCall(this.engine, registry, this.address, counter, messages, LABEL_ENROLMENT));
  }

  /** Two records by which `mote` contradicts itself. */
  reportEquivocation(
    registry: Uint8Array,
    mote: Uint8Array,
    records: readonly [Uint8Array, Uint8Array],
  ): Promise<number | Rejection> {
    return this.send(reportCall(this.engine, registry, mote, records, LABEL_REPORT));
  }

  /**
   * The root of this mote's own tree, with the proof that it goes on from the one that it anchored last.
   * @param next makes and keeps that tree, and is asked only where it can be sent: one that is kept too early takes the place of the one before
   */
  anchor(anchor: Uint8Array, next: () => NextTree | Rejection): Promise<number | Rejection> {
    return this.sendMade(() => {
      const tree = next();
      return tree instanceof Rejection ? tree : anchorCall(this.engine, anchor, this.address, tree, LABEL_ANCHOR);
    });
  }

  /** Whether a call is under way. */
  get pending(): boolean {
    return this.#sender instanceof Sender && this.#sender.pending;
  }

  /** Whether what is proven is of a block before this key's last call was settled, as it is of a mote that catches up with its chain. */
  get behind(): boolean {
    return !(this.#sender instanceof Sender) || this.#sender.ready() instanceof Rejection;
  }

  get subscriptions(): readonly string[] {
    return [this.topics.answers];
  }

  received(topic: string, message: Uint8Array): boolean {
    if (topic !== this.topics.answers) return false;
    const answer = decodeSubmissionAnswer(message);
    if (answer instanceof Rejection) this.refused(answer);
    else if (typeof answer.outcome === "number")
      this.refused(new Rejection("tx-not-taken", `a relay's node: ${reasonOf(answer.outcome)}`));
    return true;
  }

  linkChanged(): void {}

  onOutcome(outcome: Outcome): void {
    if (outcome.kind !== "reorg" || outcome.revoked === 0) return;
    for (const watched of [this.#account, this.#slot]) if (watched !== undefined) watched.proof = undefined;
  }

  step(): number {
    const sender = this.#sender;
    if (!(sender instanceof Sender)) return Number.POSITIVE_INFINITY;
    const nowMs = this.owner.device.clock.ticksMs();
    this.#looking = sender.step(nowMs);
    const account = this.#account as Watched;
    const before = account.proof;
    const dueMs = this.watch(
      account,
      sender.pending || this.#wanted || before === undefined ? PROOF_INTERVAL_MS : this.#intervalMs,
      nowMs,
    );
    if (account.asked && before !== undefined) this.#wanted = false;
    if (!sender.pending) {
      this.#slot = undefined;
      return dueMs;
    }
    const slot = this.#slot;
    return Math.min(dueMs, slot === undefined ? PROOF_INTERVAL_MS : this.watch(slot, PROOF_INTERVAL_MS, nowMs));
  }

  /** Asks where it is due and a newer block is settled than the one of the last proof. */
  private watch(watched: Watched, intervalMs: number, nowMs: number): number {
    const { proof, asked, lookedMs } = watched;
    if (asked) return Number.POSITIVE_INFINITY;
    const waitMs = lookedMs + intervalMs - nowMs;
    if (waitMs > 0) return waitMs;
    if (proof !== undefined && this.owner.follower.settled <= proof.number) return intervalMs;
    watched.asked = this.#proofs.prover.ask(watched);
    return watched.asked ? 0 : PROOF_INTERVAL_MS;
  }

  // What the sender asks for and is told.

  get engine(): SenderOptions["engine"] {
    return this.owner.engine;
  }

  get keys(): SenderOptions["keys"] {
    return this.owner.device.keys;
  }

  get key(): SenderOptions["key"] {
    return this.owner.key;
  }

  get address(): Uint8Array {
    return this.owner.own;
  }

  get chainId(): number {
    return Number(this.owner.follower.chain.slice(CHAIN_NAMESPACE.length));
  }

  get domain(): SenderOptions["domain"] {
    return this.owner.store;
  }

  get limits(): FeeLimits {
    assert(this.#limits !== undefined, "the configuration was looked at");
    return this.#limits;
  }

  get view(): LedgerView {
    return this;
  }

  account(): ProvenAccount | undefined {
    const proof = this.#account?.proof;
    if (proof === undefined) return undefined;
    const { number: block, account } = proof;
    return account === undefined ? { block, nonce: 0, balance: 0n } : { block, nonce: account.nonce, balance: account.balance };
  }

  /** Of the newest block that something was proven at. */
  baseFeePerGas(): bigint | undefined {
    return this.#account?.proof?.baseFeePerGas;
  }

  slot(contract: Uint8Array, slot: Uint8Array): ProvenSlot | undefined {
    const watched = this.#slot;
    if (watched === undefined || !equal(watched.subject, contract) || !equal(watched.slot as Uint8Array, slot)) {
      this.#slot = new Watched(this.owner, PROVE_SLOT, contract, slot);
      return undefined;
    }
    return watched.proof && { block: watched.proof.number, value: watched.proof.value as Uint8Array };
  }

  inclusion(): ProvenInclusion | typeof GONE {
    return GONE;
  }

  submit(raw: Uint8Array): void {
    const { device, refusals, own, bus } = this.owner;
    // What does not leave now is sent again.
    const id = drawRequestId(device, refusals);
    if (bus.up) bus.publish(this.topics.submissions, encodeSubmission({ id, to: own, raw }), {});
  }

  report(state: CallState, nonce: number, label: number): void {
    this.owner.device.log.write("transaction", { state, nonce, label });
  }

  alarm(provenNonce: number, ownNonce: number): void {
    const { device, follower } = this.owner;
    device.log.write("alarm", { alarm: "key-used-elsewhere", head: follower.head.number });
    this.refused(
      new Rejection("key-used-elsewhere", `the account's nonce is ${provenNonce}, this mote has used those below ${ownNonce}`),
    );
  }

  refused(refusal: Rejection): void {
    this.owner.refusals.write("transaction", refusal);
  }

  private get topics(): SubmissionTopics {
    return this.#topics as SubmissionTopics;
  }

  private get owner(): FeatureOwner {
    assert(this.#owner !== undefined, "transactions are opened before they are sent");
    return this.#owner;
  }
}

/** A number of wei, in decimal below 2^53 or in hexadecimal with 0x. */
function weiOf(fees: Fields, name: string): bigint {
  const wei = quantityIn(fees.json[name], 10n ** BigInt(FEE_MAX));
  if (wei === undefined) throw fees.wrong(name, `wei, at most 10^${FEE_MAX}, as a whole number or in hexadecimal with 0x`);
  return wei;
}

function reasonOf(outcome: number): string {
  for (const [name, reason] of Object.entries(NOT_TAKEN)) if (reason === outcome) return name;
  return `reason ${outcome}`;
}
