// The fleet's registry, read by proof alone: the mote's own place in it, and on demand its commanders' mandates, its peers' places and the
// hashes of policies. docs/ledger.md, "The registry, read by the mote".
//
// Promises: what is known is proven at a settled block; what is not known is asked for, and whoever wants to know is woken. Each answer
// tells how old it is; after the chain left settled blocks none holds. A key whose place is lost for ever (rotated, revoked, quarantined)
// signs one record that says so, and no measurements after it.
// Never: takes "not known" or "stale" for a no; stops the mote's own signing and publishing for want of a proof.
// Configuration: `ledger.intervalMs`, `ledger.freshS`, `ledger.enroller`.

import { crc32, equal, readUint, writeUint } from "../bytes.js";
import type { Outcome } from "../chain/follow/outcome.js";
import type { MoteConfig } from "../config.js";
import type { Feature, FeatureOwner, FeatureType, Statement } from "../feature.js";
import { isObject } from "../fields.js";
import type { Written } from "../record/author.js";
import { assert, Rejection } from "../rejection.js";
import { Enrolling } from "./enrolling.js";
import { readKept, writeKept } from "./kept.js";
import { PROVE_SLOT } from "./proof-wire.js";
import type { Proof, Question } from "./prover.js";
import {
  ABSENT,
  ADMIN_SLOT,
  COMMANDERS_SLOT,
  FIRMWARE_SLOT,
  type MandateWord,
  MOTES_SLOT,
  type MoteWord,
  mandateOfWord,
  mappingSlot,
  moteOfWord,
  POLICIES_SLOT,
  plainSlot,
  ROTATED,
  SUSPENDED,
  statusName,
  WORD_BYTES,
} from "./registry-slots.js";
import { ledgerFault, type StateProofs } from "./state-proofs.js";
import type { Transactions } from "./transactions.js";

/** Slots that are known or asked for, besides the mote's own. */
const PLACES_MAX = 8;
const INTERVAL_MS = 300_000;
const INTERVAL_MS_MIN = 1_000;
const INTERVAL_MS_MAX = 86_400_000;
const FRESH_S = 900;
const FRESH_S_MAX = 604_800;
/** After a question that brought nothing. */
const RETRY_UNKNOWN_MS = 30_000;
/** Where what is known is too old and somebody wants to know. */
const RETRY_STALE_MS = 5_000;
/** While the mote's own place is waited for. */
const ENROLLING_INTERVAL_MS = 30_000;
/** In the key-value store: version, address, registry, status, CRC-32 of all before. */
const MARK_KEY = "registry";
const MARK_VERSION = 1;
const STATUS_AT = 1 + 20 + 20;
const MARK_BYTES = STATUS_AT + 1 + 4;

/** When and how surely something was known. */
export interface Known {
  /** The block at which it was proven. */
  readonly provenAtBlock: number;
  /** When it was asked for last; undefined where that cannot be said: after a boot, before a newer block is settled. */
  readonly ageS: number | undefined;
}

export interface ProvenMote extends MoteWord, Known {}
export interface ProvenMandate extends MandateWord, Known {}

/** One slot of the registry, and the question for it. */
class Place implements Question {
  readonly #registry: Registry;
  readonly slot: Uint8Array;
  proof: Proof | undefined;
  /** When the last answer came, or the last question was begun. */
  lookedMs = Number.NEGATIVE_INFINITY;
  /** When somebody looked for it last; of the mote's own Infinity. */
  usedMs: number;
  /** Somebody wants it fresh, which it is not. */
  wanted = true;

  constructor(registry: Registry, slot: Uint8Array, usedMs: number) {
    this.#registry = registry;
    this.slot = slot;
    this.usedMs = usedMs;
  }

  get kind(): typeof PROVE_SLOT {
    return PROVE_SLOT;
  }

  get subject(): Uint8Array {
    return this.#registry.address;
  }

  answered(result: Proof | Rejection): void {
    this.#registry.answered(this, result);
  }
}

/** Comes after the proofs, and the transactions where a mote enrols itself; before who asks it. */
export class Registry implements FeatureType, Feature {
  readonly #proofs: StateProofs;
  readonly #transactions: Transactions | undefined;
  #owner: FeatureOwner | undefined;
  #intervalMs = INTERVAL_MS;
  #freshS = FRESH_S;
  #enroller: Uint8Array | undefined;
  #enrolling: Enrolling | undefined;
  /** The mote's own comes first. */
  #places: Place[] = [];
  #asked: Place | undefined;
  #withholds = false;
  /** The status that the newest status record has; 0 where none was made. */
  #stated = 0;
  #stating = false;

  constructor(proofs: StateProofs, transactions?: Transactions) {
    this.#proofs = proofs;
    this.#transactions = transactions;
  }

  fault(config: MoteConfig): Rejection | undefined {
    const { fleet, checkpoint } = config;
    const chain = isObject(checkpoint) ? checkpoint.chain : undefined;
    if (!fleet.chain.startsWith("eip155:") || chain !== fleet.chain)
      return new Rejection(
        "config-invalid",
        `fleet.chain: expected the chain of the checkpoint, and one of eip155: the registry is read there; found "${fleet.chain}"`,
      );
    return ledgerFault(config, (fields) => {
      this.#intervalMs = fields.uint("intervalMs", INTERVAL_MS_MIN, INTERVAL_MS_MAX, INTERVAL_MS);
      const freshMin = Math.ceil(this.#intervalMs / 1_000);
      this.#freshS = fields.uint("freshS", freshMin, FRESH_S_MAX, Math.max(FRESH_S, 2 * freshMin));
      this.#enroller = fields.has("enroller") ? fields.bytes("enroller", 20, 20) : undefined;
    });
  }

  open(owner: FeatureOwner): Feature {
    this.#owner = owner;
    if (this.#enroller !== undefined) this.#enrolling = new Enrolling(owner, this.#enroller, this.#transactions);
    this.#places = [new Place(this, mappingSlot(owner.engine, owner.own, MOTES_SLOT), Number.POSITIVE_INFINITY)];
    this.readMark();
    return this;
  }

  /** The mote's own place as it was proven last, however old that is; undefined where it never was, or the chain left settled blocks. */
  get own(): ProvenMote | undefined {
    const { proof } = this.#places[0] as Place;
    return proof && { ...moteOfWord(proof.value as Uint8Array), ...this.knownOf(proof) };
  }

  /** A commander's mandate, fresh; undefined where it is not known: it is asked for, and the mote woken. */
  mandateOf(commander: Uint8Array): ProvenMandate | undefined {
    const proof = this.fresh(commander, COMMANDERS_SLOT);
    return proof && { ...mandateOfWord(proof.value as Uint8Array), ...this.knownOf(proof) };
  }

  /** A peer's place, fresh; undefined where it is not known: it is asked for, and the mote woken. */
  moteOf(peer: Uint8Array): ProvenMote | undefined {
    const proof = this.fresh(peer, MOTES_SLOT);
    return proof && { ...moteOfWord(proof.value as Uint8Array), ...this.knownOf(proof) };
  }

  /** The hash that a policy's number names, 32 bytes, zeros for none; undefined where it is not known, as above. */
  policyHash(id: bigint): Uint8Array | undefined {
    return this.fresh(id, POLICIES_SLOT)?.value;
  }

  /** The address that governs the registry, 20 bytes; undefined where it is not known, as above. */
  admin(): Uint8Array | undefined {
    return this.freshAt(plainSlot(ADMIN_SLOT))?.value?.subarray(WORD_BYTES - 20);
  }

  /** The hash of the firmware that this mote is to run, 32 bytes, zeros for none; undefined where it is not known, as above. */
  firmwareHash(): Uint8Array | undefined {
    const own = this.own;
    if (own === undefined || !this.isFresh(own)) {
      this.lookAgain();
      return undefined;
    }
    return own.firmwareId > 0n ? this.fresh(own.firmwareId, FIRMWARE_SLOT)?.value : new Uint8Array(WORD_BYTES);
  }

  isFresh({ ageS }: Known): boolean {
    return ageS !== undefined && ageS <= this.#freshS;
  }

  /** Has the mote's own place proven again soon: something has happened to it. */
  lookAgain(): void {
    (this.#places[0] as Place).wanted = true;
  }

  /** For its places. */
  get address(): Uint8Array {
    return this.owner.config.fleet.registry;
  }

  /** For its places: a question has come to its end. */
  answered(place: Place, result: Proof | Rejection): void {
    this.#asked = undefined;
    place.lookedMs = this.owner.device.clock.ticksMs();
    if (result instanceof Rejection) {
      this.owner.refusals.write("registry", result);
      return;
    }
    const before = place.proof;
    place.proof = result;
    place.wanted = !this.isFresh(this.knownOf(result));
    if (place === this.#places[0]) this.ownProven(result, before);
    this.owner.onWake();
  }

  get withholds(): boolean {
    return this.#withholds;
  }

  get subscriptions(): readonly string[] {
    return this.#enrolling?.subscriptions ?? [];
  }

  received(topic: string, message: Uint8Array): boolean {
    return this.#enrolling?.received(topic, message) ?? false;
  }

  linkChanged(up: boolean): void {
    this.#enrolling?.linkChanged(up);
  }

  onOutcome(outcome: Outcome): void {
    if (outcome.kind !== "reorg" || outcome.revoked === 0) return;
    for (const place of this.#places) {
      place.proof = undefined;
      place.lookedMs = Number.NEGATIVE_INFINITY;
    }
    this.#places.length = 1;
  }

  step(): number {
    const nowMs = this.owner.device.clock.ticksMs();
    let dueMs = this.#enrolling?.step(nowMs) ?? Number.POSITIVE_INFINITY;
    if (this.#asked !== undefined) return dueMs;
    for (const place of this.#places) {
      const waitMs = this.waitMs(place, nowMs);
      if (waitMs <= 0 && this.#proofs.prover.ask(place)) {
        this.#asked = place;
        place.lookedMs = nowMs;
        // The prover, which steps before this, takes it up at once.
        return 0;
      }
      dueMs = Math.min(dueMs, Math.max(waitMs, RETRY_STALE_MS));
    }
    return dueMs;
  }

  private waitMs({ proof, lookedMs, usedMs, wanted }: Place, nowMs: number): number {
    const passedMs = nowMs - lookedMs;
    if (proof === undefined) return RETRY_UNKNOWN_MS - passedMs;
    // A question to the same block would have the same answer.
    if (wanted && this.owner.follower.settled > proof.number) return RETRY_STALE_MS - passedMs;
    if (this.#enrolling?.active === true && usedMs === Number.POSITIVE_INFINITY)
      return Math.min(this.#intervalMs, ENROLLING_INTERVAL_MS) - passedMs;
    return usedMs > lookedMs ? this.#intervalMs - passedMs : Number.POSITIVE_INFINITY;
  }

  private fresh(key: Uint8Array | bigint, mapping: number): Proof | undefined {
    return this.freshAt(mappingSlot(this.owner.engine, key, mapping));
  }

  private freshAt(slot: Uint8Array): Proof | undefined {
    const place = this.#places.find((one) => equal(one.slot, slot)) ?? this.admit(slot);
    if (place === undefined) return undefined;
    place.usedMs = this.owner.device.clock.ticksMs();
    const { proof } = place;
    if (proof !== undefined && this.isFresh(this.knownOf(proof))) return proof;
    place.wanted = true;
    return undefined;
  }

  /**
   * A place for one more slot. Where there is no room, what is proven empty gives way, or what nobody has looked for through an interval; never
   * what is still asked for or in use, or a flood of keys that nobody knows would keep every answer away.
   */
  private admit(slot: Uint8Array): Place | undefined {
    const places = this.#places;
    const nowMs = this.owner.device.clock.ticksMs();
    if (places.length > PLACES_MAX) {
      const out = places.findIndex(
        ({ proof, usedMs }, i) =>
          i > 0 && proof !== undefined && (isEmpty(proof.value as Uint8Array) || nowMs - usedMs >= this.#intervalMs),
      );
      if (out < 0) return undefined;
      places.splice(out, 1);
    }
    const place = new Place(this, slot, nowMs);
    places.push(place);
    this.owner.onWake();
    return place;
  }

  private knownOf(proof: Proof): Known {
    return { provenAtBlock: proof.number, ageS: this.#proofs.prover.ageS(proof) };
  }

  private ownProven(proof: Proof, before: Proof | undefined): void {
    const word = proof.value as Uint8Array;
    const { status, role, sinceBlock, counter } = moteOfWord(word);
    if (before === undefined || !equal(before.value as Uint8Array, word)) {
      const { ageS } = this.knownOf(proof);
      const said = { status: statusName(status), role, sinceBlock, block: proof.number };
      this.owner.device.log.write("registry", ageS === undefined ? said : { ...said, ageS });
    }
    this.#withholds = status >= ROTATED;
    if (this.#withholds) this.stateLoss(status, proof);
    else if (this.#stated !== 0) this.writeMark(0);
    if (status === ABSENT || status === SUSPENDED) this.#enrolling?.wanted(counter);
    else this.#enrolling?.ended();
  }

  /** One record for each status that is an end, and no second one after a restart. */
  private stateLoss(status: number, { number: block, hash }: Proof): void {
    if (this.#stated === status || this.#stating) return;
    this.#stating = this.owner.state(new Loss(this, { status, block, hash }));
  }

  /** For `Loss`. */
  lossWritten(status: number, result: Written | Rejection): void {
    this.#stating = false;
    if (!(result instanceof Rejection) || result.code === "signature-failed") this.writeMark(status);
  }

  private readMark(): void {
    const { store, own, refusals } = this.owner;
    const mark = readKept(store, MARK_KEY, isMark);
    if (mark instanceof Rejection) refusals.write("registry", mark); // the next proof says the same
    if (!(mark instanceof Uint8Array) || !isMark(mark)) return;
    if (!equal(mark.subarray(1, 21), own) || !equal(mark.subarray(21, STATUS_AT), this.address)) return;
    this.#stated = mark[STATUS_AT] as number;
    this.#withholds = this.#stated >= ROTATED;
  }

  private writeMark(status: number): void {
    const { store, own, device } = this.owner;
    const mark = new Uint8Array(MARK_BYTES);
    mark[0] = MARK_VERSION;
    mark.set(own, 1);
    mark.set(this.address, 21);
    mark[STATUS_AT] = status;
    writeUint(mark, crc32(mark.subarray(0, STATUS_AT + 1)), STATUS_AT + 1, 4);
    this.#stated = status;
    const reason = writeKept(store, MARK_KEY, mark);
    // After a restart one more record says the same.
    if (reason !== undefined) device.log.write("store", { what: MARK_KEY, state: "failed", reason });
  }

  private get owner(): FeatureOwner {
    assert(this.#owner !== undefined, "the registry is opened before who asks it");
    return this.#owner;
  }
}

/** The last record of a key whose place is lost. */
class Loss implements Statement {
  readonly #registry: Registry;
  readonly status: NonNullable<Statement["status"]>;

  constructor(registry: Registry, status: NonNullable<Statement["status"]>) {
    this.#registry = registry;
    this.status = status;
  }

  written(result: Written | Rejection): void {
    this.#registry.lossWritten(this.status.status, result);
  }
}

function isMark(bytes: Uint8Array): boolean {
  if (bytes.length !== MARK_BYTES || bytes[0] !== MARK_VERSION) return false;
  return crc32(bytes.subarray(0, STATUS_AT + 1)) === readUint(bytes, STATUS_AT + 1, 4);
}

function isEmpty(word: Uint8Array): boolean {
  for (let i = 0; i < word.length; i += 1) if (word[i] !== 0) return false;
  return true;
}
