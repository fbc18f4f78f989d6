// Which of a mote's records the chain holds: anchor receipts taken in, the root of each proven, and only then the journal told.
//
// Promises: a record counts as anchored only where the collector that the configuration pins has signed a receipt for the digest of this
// very record, or of one whose `prev` leads to it, record by record, as this mote's own journal has them; and where the contract's slot for
// that collector, size and root is proven at a settled block of the mote's own. What counts is a prefix without a gap. "Not proven" is
// not "no": it is asked again, for as long as it takes. Where the chain leaves settled blocks, nothing that is still kept counts any more.
// One message waits, one receipt is looked into. Never: believes a collector's or a relay's word, or checks more than
// `CHECKS_PER_MINUTE_MAX` signatures.
// docs/ledger.md, "Anchors: on the mote". Configuration: `ledger.anchor` (the contract, 20 bytes), `ledger.intervalMs`.
// Codes: anchor-foreign, anchor-unknown, anchor-unlinked, and those of anchor-wire.ts and anchor-receipt.ts.

import { concat, equal, readUint, writeUint } from "../bytes.js";
import { MinuteBudget } from "../chain/follow/budget.js";
import type { Outcome } from "../chain/follow/outcome.js";
import { CborCursor, MAP, UINT } from "../codec/cbor.js";
import type { MoteConfig } from "../config.js";
import type { CryptoEngine } from "../crypto/engine.js";
import { ADDRESS_BYTES } from "../crypto/identity.js";
import type { Feature, FeatureOwner, FeatureType } from "../feature.js";
import { SLOT_BYTES } from "../proof/account.js";
import { decodeAnchorReceipt, type VerifiedAnchor, verifyAnchorReceipt } from "../record/anchor-receipt.js";
import { DIGEST_BYTES, digestOf } from "../record/cose.js";
import { Rejection } from "../rejection.js";
import {
  type AnchorMessage,
  type AnchorTopics,
  anchorTopicsOf,
  decodeAnchorMessage,
  encodeAnchorQuestion,
} from "./anchor-wire.js";
import { PROVE_SLOT } from "./proof-wire.js";
import type { Proof, Prover, Question } from "./prover.js";
import { ledgerFault } from "./state-proofs.js";

/** Receipts a minute whose signature is checked, a public-key operation each. */
export const CHECKS_PER_MINUTE_MAX = 30;
/** Records whose links are checked in one step. */
const LINKS_PER_STEP_MAX = 16;
const RETRY_FIRST_MS = 2_000;
const INTERVAL_MS = 60_000;
const INTERVAL_MS_MIN = 1_000;
const INTERVAL_MS_MAX = 86_400_000;
/** `RecordAnchor`: the slot of its mapping of anchors, and its word from the low end: block number and time. */
const ANCHORS_SLOT = 0;
const NUMBER_BYTES = 6;

/** The mote's proofs (state-proofs.ts). */
export interface SlotProofs {
  readonly prover: Pick<Prover, "ask" | "drop">;
}

/** Comes after the proofs that it asks. */
export class Anchors implements FeatureType, Feature, Question {
  readonly kind = PROVE_SLOT;
  readonly #proofs: SlotProofs | undefined;
  #owner: FeatureOwner | undefined;
  #topics: AnchorTopics | undefined;
  #contract: Uint8Array = new Uint8Array(0);
  #intervalMs = 0;
  #checks: MinuteBudget | undefined;
  /** A message until a step looks at it. */
  #message: Uint8Array | undefined;
  /** The record of the receipt that is looked into, 0 where there is none; its digest, and the slot that has to hold its root. */
  #seq = 0;
  #digest: Uint8Array | undefined;
  #slot: Uint8Array | undefined;
  /** Asked about, and not answered yet. */
  #asking = false;
  /** The last answer did not show it: it is asked for again, and another receipt may take its place. */
  #unproven = false;
  #retryMs = RETRY_FIRST_MS;
  #askAtMs = 0;
  /** Once it is proven: the block and time of the anchor, and how far the links were checked. */
  #block = 0;
  #timeS = 0;
  #linked = 0;
  #linkedDigest: Uint8Array | undefined;
  #from = 0;
  /** When the collector is asked for the receipt of the first record that is not anchored. */
  #questionAtMs = 0;

  /** @param proofs none on a chain without state, where a subclass says what proves an anchor */
  constructor(proofs?: SlotProofs) {
    this.#proofs = proofs;
  }

  get anchors(): boolean {
    return true;
  }

  fault(config: MoteConfig): Rejection | undefined {
    return ledgerFault(config, (fields) => {
      if (this.#proofs !== undefined) this.#contract = fields.bytes("anchor", ADDRESS_BYTES, ADDRESS_BYTES);
      this.#intervalMs = fields.uint("intervalMs", INTERVAL_MS_MIN, INTERVAL_MS_MAX, INTERVAL_MS);
    });
  }

  open(owner: FeatureOwner): Feature {
    this.#owner = owner;
    this.#topics = anchorTopicsOf(owner.config.mqtt.prefix, owner.own);
    this.#checks = new MinuteBudget(owner.device.clock);
    return this;
  }

  get subject(): Uint8Array {
    return this.#contract;
  }

  get slot(): Uint8Array {
    return this.#slot as Uint8Array;
  }

  get subscriptions(): readonly string[] {
    return [this.topics.receipts];
  }

  received(topic: string, message: Uint8Array): boolean {
    if (topic !== this.topics.receipts) return false;
    this.#message ??= message;
    return true;
  }

  /** What came while the link was down is lost, and asked for. */
  linkChanged(up: boolean): void {
    if (up) this.#questionAtMs = 0;
  }

  /** Who may have anchored on a branch that was left has to be proven anew; what was trimmed is gone either way. */
  onOutcome(outcome: Outcome): void {
    if (outcome.kind !== "reorg" || outcome.revoked === 0) return;
    this.owner.journal.voidAnchored();
    this.drop();
    this.#questionAtMs = 0;
  }

  step(): number {
    const nowMs = this.owner.device.clock.ticksMs();
    this.lookAtMessage();
    if (this.#linked > 0 || this.#block > 0) return this.link();
    if (this.#seq > 0) return this.ask(nowMs);
    return this.question(nowMs);
  }

  /** What the state shows of the slot. A zero may be a block too early, or an anchor that is made again: it is asked again. */
  answered(proof: Proof | Rejection): void {
    this.#asking = false;
    if (this.#seq === 0) return;
    const word = proof instanceof Rejection ? undefined : proof.value;
    const block = word === undefined ? 0 : readUint(word, SLOT_BYTES - NUMBER_BYTES, NUMBER_BYTES);
    if (word === undefined || block === 0 || block > (proof as Proof).number) {
      this.#unproven = true;
      this.#askAtMs = this.owner.device.clock.ticksMs() + this.#retryMs;
      this.#retryMs = Math.min(this.#retryMs * 2, this.#intervalMs);
      return;
    }
    this.proven(block, readUint(word, SLOT_BYTES - 2 * NUMBER_BYTES, NUMBER_BYTES));
    this.owner.onWake();
  }

  /** What is looked into was anchored in this block, which is settled. */
  protected proven(block: number, timeS: number): void {
    this.#block = block;
    this.#timeS = timeS;
    this.#linked = this.owner.journal.anchoredThrough;
  }

  /** It is not there yet: the collector is asked at the interval, and another receipt may take its place. */
  protected unproven(nowMs: number): number {
    this.#unproven = true;
    return this.question(nowMs);
  }

  private lookAtMessage(): void {
    const message = this.#message;
    if (message === undefined) return;
    this.#message = undefined;
    const refusal = this.take(message);
    if (refusal !== undefined) this.owner.refusals.write("anchor", refusal);
  }

  /** Cheap checks first: who is said to have signed, for which record, and whether that could matter. */
  private take(bytes: Uint8Array): Rejection | undefined {
    const { config, journal, engine, own } = this.owner;
    const message = decodeAnchorMessage(bytes);
    if (message instanceof Rejection) return message;
    const claimed = decodeAnchorReceipt(message.receipt);
    if (claimed instanceof Rejection) return claimed;
    if (!equal(claimed.kid, config.collector))
      return new Rejection("anchor-foreign", "the receipt is not this mote's collector's");
    const { seq, stream } = message;
    if (seq <= journal.anchoredThrough || this.#block > 0) return undefined;
    // One after the other: whoever sends receipts faster than they can be proven must not keep each from being proven.
    if (this.#seq > 0 && !this.#unproven) return undefined;
    const kept = journal.read(seq);
    if (kept instanceof Rejection || kept.stream !== stream)
      return new Rejection("anchor-unknown", `no record ${seq} of stream ${stream} is kept here`);
    const checks = this.#checks as MinuteBudget;
    if (checks.left(CHECKS_PER_MINUTE_MAX) < 1)
      return new Rejection("work-limit", `${CHECKS_PER_MINUTE_MAX} anchor receipts within a minute were checked`);
    checks.spend();
    const digest = digestOf(engine, own, kept.payload);
    const verified = verifyAnchorReceipt(engine, message.receipt, digest);
    if (verified instanceof Rejection) return verified;
    const slot = this.placeOf(verified, message);
    if (slot instanceof Rejection) return slot;
    if (this.#slot !== undefined && equal(slot, this.#slot) && seq === this.#seq) return undefined;
    this.drop();
    this.#seq = seq;
    this.#digest = digest;
    this.#slot = slot;
    return undefined;
  }

  /** Where the root has to be, 32 bytes: what is proven once for each receipt that is looked into. */
  protected placeOf({ kid, size, root }: VerifiedAnchor, _: AnchorMessage): Uint8Array | Rejection {
    return anchorSlot(this.owner.engine, kid, size, root);
  }

  /** Does what proves it, and then calls `proven`. Answers the milliseconds until it wants to be called again. */
  protected ask(nowMs: number): number {
    if (this.#asking) return Number.POSITIVE_INFINITY;
    if (nowMs < this.#askAtMs) return this.#askAtMs - nowMs;
    // A receipt that cannot be shown may be of a root that was never anchored: what the collector has now may tell more.
    if (this.#unproven) this.question(nowMs);
    this.#asking = (this.#proofs as SlotProofs).prover.ask(this);
    return this.#asking ? 0 : RETRY_FIRST_MS;
  }

  /** Asks the collector, where records wait to be anchored that it has. */
  private question(nowMs: number): number {
    const { bus, journal, engine, own } = this.owner;
    if (!bus.up || journal.storedThrough <= journal.anchoredThrough) return Number.POSITIVE_INFINITY;
    if (nowMs < this.#questionAtMs) return this.#questionAtMs - nowMs;
    this.#questionAtMs = nowMs + this.#intervalMs;
    const first = journal.after(journal.anchoredThrough);
    const kept = first === undefined ? undefined : journal.read(first);
    if (kept !== undefined && !(kept instanceof Rejection))
      bus.publish(this.topics.questions, encodeAnchorQuestion(digestOf(engine, own, kept.payload)), {});
    return this.#intervalMs;
  }

  /** Follows the links from the first record that is not anchored to the receipt's; the watermark moves once all of them hold. */
  private link(): number {
    const { journal, device, engine, own, refusals } = this.owner;
    for (let i = 0; i < LINKS_PER_STEP_MAX; i += 1) {
      const seq = journal.after(this.#linked);
      const kept = seq === undefined || !journal.certain || seq > this.#seq ? undefined : journal.read(seq);
      const before = this.#linkedDigest;
      const isNext =
        kept !== undefined && !(kept instanceof Rejection) && (before === undefined || namesPrevious(kept.payload, before));
      if (!isNext) {
        const detail = `record ${this.#linked} is not one that the receipt of record ${this.#seq} stands for`;
        refusals.write("anchor", new Rejection("anchor-unlinked", detail));
        this.drop();
        return this.#intervalMs;
      }
      const digest = digestOf(engine, own, kept.payload);
      if (this.#from === 0) this.#from = seq as number;
      this.#linked = seq as number;
      this.#linkedDigest = digest;
      if (seq !== this.#seq) continue;
      if (equal(digest, this.#digest as Uint8Array)) {
        journal.markAnchored(seq);
        this.#questionAtMs = 0; // what was anchored meanwhile
        device.log.write("anchored", { from: this.#from, through: seq, block: this.#block, timeS: this.#timeS });
      }
      this.drop();
      return 0;
    }
    return 0;
  }

  /** Nothing is looked into any more. */
  private drop(): void {
    if (this.#asking) this.#proofs?.prover.drop(this);
    this.#asking = this.#unproven = false;
    this.#seq = this.#block = this.#linked = this.#from = this.#askAtMs = 0;
    this.#digest = this.#slot = this.#linkedDigest = undefined;
    this.#retryMs = RETRY_FIRST_MS;
  }

  private get topics(): AnchorTopics {
    return this.#topics as AnchorTopics;
  }

  protected get owner(): FeatureOwner {
    return this.#owner as FeatureOwner;
  }
}

/** Where `RecordAnchor` keeps that an account anchored a root: keccak256(keccak256(account ‖ size in 8 bytes ‖ root) ‖ slot of the mapping). */
export function anchorSlot(engine: CryptoEngine, account: Uint8Array, size: number, root: Uint8Array): Uint8Array {
  const key = new Uint8Array(8);
  writeUint(key, size, 8 - NUMBER_BYTES, NUMBER_BYTES);
  const mapping = new Uint8Array(SLOT_BYTES);
  mapping[SLOT_BYTES - 1] = ANCHORS_SLOT;
  return engine.keccak256(concat(engine.keccak256(concat(account, key, root)), mapping));
}

/** Whether a record's payload links to the record of this digest: {0: type, 1: seq, 2: prev, …}, whatever its type. */
function namesPrevious(payload: Uint8Array, digest: Uint8Array): boolean {
  const cursor = new CborCursor(payload);
  if (cursor.head(MAP) < 3 || cursor.head(UINT) !== 0 || cursor.head(UINT) < 0) return false;
  if (cursor.head(UINT) !== 1 || cursor.head(UINT) < 0 || cursor.head(UINT) !== 2) return false;
  const prev = cursor.bytes(DIGEST_BYTES);
  return prev !== undefined && equal(prev, digest);
}
