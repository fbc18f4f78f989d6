// The mote's prover as a feature: what other features want to know of the chain's state, they ask here.
//
// Promises: one prover for all of them, on the topics of proofs, told of the link and of settled blocks that the chain has left.
// Never: believes more than the prover does, or decides by it.
// docs/ledger.md, "Proofs". Configuration: `ledger.depthBlocks`.

import { drawRequestId } from "../bus/bus.js";
import type { Outcome } from "../chain/follow/outcome.js";
import { REORG_DEPTH } from "../chain/follow/window.js";
import type { MoteConfig } from "../config.js";
import type { CryptoEngine } from "../crypto/engine.js";
import type { Feature, FeatureOwner, FeatureType } from "../feature.js";
import { Fields } from "../fields.js";
import type { Clock } from "../ports.js";
import { assert, Rejection } from "../rejection.js";
import { type ProofTopics, proofTopicsOf } from "./proof-wire.js";
import { type ProvenChain, Prover, type ProverOptions } from "./prover.js";

/** Comes before the features that ask it. */
export class StateProofs implements FeatureType, Feature, ProverOptions {
  #owner: FeatureOwner | undefined;
  #prover: Prover | undefined;
  #topics: ProofTopics | undefined;
  #depthBlocks = 0;

  fault(config: MoteConfig): Rejection | undefined {
    return ledgerFault(config, (fields) => {
      this.#depthBlocks = fields.uint("depthBlocks", 0, REORG_DEPTH, 0);
    });
  }

  open(owner: FeatureOwner): Feature {
    this.#owner = owner;
    this.#topics = proofTopicsOf(owner.config.mqtt.prefix, owner.own, owner.follower.chain);
    this.#prover = new Prover(this);
    return this;
  }

  /** From `open` on. */
  get prover(): Prover {
    assert(this.#prover !== undefined, "proofs are opened before who asks for them");
    return this.#prover;
  }

  get subscriptions(): readonly string[] {
    return [this.topics.replies];
  }

  received(topic: string, message: Uint8Array): boolean {
    if (topic !== this.topics.replies) return false;
    this.prover.replied(message);
    return true;
  }

  linkChanged(up: boolean): void {
    if (!up) this.prover.reset();
  }

  onOutcome(outcome: Outcome): void {
    if (outcome.kind === "reorg" && outcome.revoked > 0) this.prover.revoked();
  }

  onRelays(): void {
    this.prover.onRelays();
  }

  step(): number {
    return this.prover.step(this.owner.bus.up);
  }

  get engine(): CryptoEngine {
    return this.owner.engine;
  }

  get clock(): Clock {
    return this.owner.device.clock;
  }

  get own(): Uint8Array {
    return this.owner.own;
  }

  get follower(): ProvenChain {
    return this.owner.follower;
  }

  get depthBlocks(): number {
    return this.#depthBlocks;
  }

  get relays(): readonly string[] | undefined {
    return this.owner.config.relays;
  }

  trustedNowS(): number | undefined {
    return this.owner.nowS();
  }

  sendProof(request: Uint8Array, relay: string): boolean {
    const { requests } = this.topics;
    return this.owner.bus.publish(relay === "" ? requests : `${requests}/${relay}`, request, {});
  }

  requestId(): number {
    return drawRequestId(this.owner.device, this.owner.refusals);
  }

  onProofRefused(rejection: Rejection): void {
    this.owner.refusals.write("proof", rejection);
  }

  private get topics(): ProofTopics {
    return this.#topics as ProofTopics;
  }

  private get owner(): FeatureOwner {
    return this.#owner as FeatureOwner;
  }
}

/** The part of the configuration that the ledger's features read; each checks its own fields. */
export function ledgerOf(config: MoteConfig): Fields {
  return new Fields(config.ledger ?? {}, "ledger");
}

/** Has a feature read its fields of that part; `config-invalid` where one is not as it has to be. */
export function ledgerFault(config: MoteConfig, read: (fields: Fields) => void): Rejection | undefined {
  try {
    read(ledgerOf(config));
    return undefined;
  } catch (error) {
    if (error instanceof Rejection) return error;
    throw error;
  }
}
