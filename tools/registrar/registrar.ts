// The enroller's service: takes enrolments that motes have signed, and brings those motes into their fleet's registry.
//
// Promises: a mote is enrolled once, whatever comes twice, or again after a restart; the registry is asked before anything is sent, and again
// while a node is away; each mote's status is told when it changes, as the node says it. Never: enrols whom `admits` does not
// name, brings back a mote that the admin has suspended, holds more than `MOTES_MAX` enrolments, or sends two transactions at once.
// A mote believes none of this: it proves its own slot (docs/ledger.md). Payload: firmware/record/enrolment.ts.

import { equal, fromHex, toHex } from "../../firmware/bytes.js";
import type { CryptoEngine } from "../../firmware/crypto/engine.js";
import { enrolmentTopicsOf } from "../../firmware/ledger/enrolling.js";
import { decodeSign1, SIGN1_BYTES_MAX, verifySign1 } from "../../firmware/record/cose.js";
import { decodeEnrolment } from "../../firmware/record/enrolment.js";
import { Rejection } from "../../firmware/rejection.js";
import type { Fleet } from "../collector/intake.js";
import { type Account, type Contract, Reverted } from "../contracts/account.js";
import type { MoteStatus } from "../contracts/layout.js";
import { moteOf } from "../contracts/registry.js";
import { BrokerLink } from "../mqtt/link.js";
import { Backoff, type BackoffLimits } from "../processes/backoff.js";
import { Bell } from "../processes/bell.js";

export type RegistrarEvent =
  | { readonly event: "connected" }
  | { readonly event: "lost"; readonly to: "broker" | "registry"; readonly reason: string; readonly retryMs: number }
  | { readonly event: "refused"; readonly mote?: string; readonly code: string; readonly detail: string }
  /** The registry took its enrolment, in this block. */
  | { readonly event: "enrolled"; readonly mote: string; readonly block: number; readonly gas: number }
  /** What the registry says of a mote, as the node reads it: at first, and when it has changed. */
  | {
      readonly event: "status";
      readonly mote: string;
      readonly status: MoteStatus;
      readonly role: number;
      readonly block: number;
    };

/** What a mote is enrolled as. */
export interface Placing {
  /** 0 to 255. */
  readonly role: number;
  /** Numbers in the registry's tables; 0 for none. */
  readonly policyId: number;
  readonly firmwareId: number;
}

export interface RegistrarOptions {
  readonly engine: CryptoEngine;
  readonly mqtt: string;
  /** PEM that the broker's chain has to end in, for mqtts://. */
  readonly ca?: string;
  /** Empty or ending in "/". */
  readonly prefix: string;
  readonly fleet: Fleet;
  readonly registry: Contract;
  /** The enroller's, with money for gas. */
  readonly account: Account;
  /** Resolves once the registry is there and knows the enroller. */
  readonly ready?: Promise<unknown>;
  /** As what to enrol a mote, by its address of 20 bytes; undefined for a stranger. */
  readonly admits: (mote: Uint8Array) => Placing | undefined;
  /** How often each mote's status is read, in milliseconds. */
  readonly statusMs?: number;
  readonly onEvent: (event: RegistrarEvent) => void;
}

/** Motes whose enrolment waits, or whose status is watched. */
const MOTES_MAX = 1024;
const STATUS_MS = 3000;
const RETRY: BackoffLimits = { firstMs: 250, maxMs: 10_000 };
const ANYBODY = new Uint8Array(20);

interface Enrolment {
  readonly mote: Uint8Array;
  readonly message: Uint8Array;
  readonly placing: Placing;
}

export class Registrar {
  readonly #options: RegistrarOptions;
  readonly #link: BrokerLink;
  readonly #bell = new Bell();
  /** By address: the newest enrolment that waits. */
  readonly #waiting = new Map<string, Enrolment>();
  /** By address: the status that was told last; undefined before the first. */
  readonly #watched = new Map<string, string | undefined>();
  readonly #running: Promise<void>;
  #closed = false;

  constructor(options: RegistrarOptions) {
    this.#options = options;
    this.#link = new BrokerLink({
      url: options.mqtt,
      ...(options.ca === undefined ? {} : { ca: options.ca }),
      role: "registrar",
      subscriptions: [enrolmentTopicsOf(options.prefix, ANYBODY).enrolment.replace(/0x0{40}/, "+")],
      onMessage: (topic, payload) => this.#take(topic, new Uint8Array(payload)),
      onFault: (_, { message }) => options.onEvent({ event: "refused", code: "registrar-fault", detail: message }),
      onConnected: () => options.onEvent({ event: "connected" }),
      onLost: (reason, retryMs) => options.onEvent({ event: "lost", to: "broker", reason, retryMs }),
    });
    this.#running = this.#run();
  }

  /** Tells the status of this mote from now on; of motes that are heard of it does so by itself. */
  watch(mote: Uint8Array): void {
    const name = toHex(mote);
    if (this.#watched.has(name) || this.#watched.size >= MOTES_MAX) return;
    this.#watched.set(name, undefined);
    this.#bell.ring();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#bell.ring();
    await this.#link.close();
    await this.#running;
  }

  #take(topic: string, message: Uint8Array): void {
    if (message.length === 0) return; // its mote has its place, and has taken the offer back
    const enrolment = this.#check(topic, message);
    if (enrolment instanceof Rejection) {
      const mote = moteOfTopic(topic);
      const whose = mote === undefined ? {} : { mote: `0x${toHex(mote)}` };
      this.#options.onEvent({ event: "refused", ...whose, code: enrolment.code, detail: enrolment.detail });
      return;
    }
    this.#waiting.set(toHex(enrolment.mote), enrolment);
    this.watch(enrolment.mote);
    this.#bell.ring();
  }

  /** What is cheap first, the signature last. */
  #check(topic: string, message: Uint8Array): Enrolment | Rejection {
    const { engine, fleet, account, admits } = this.#options;
    const mote = moteOfTopic(topic);
    if (mote === undefined) return new Rejection("topic-malformed", "no mote's address in the topic");
    if (message.length > SIGN1_BYTES_MAX) return new Rejection("cose-too-long", `${message.length} bytes`);
    const parts = decodeSign1(message);
    if (parts instanceof Rejection) return parts;
    if (!equal(parts.kid, mote))
      return new Rejection("address-foreign", `an enrolment of 0x${toHex(parts.kid)} in another mote's topic`);
    const fields = decodeEnrolment(parts.payload);
    if (fields instanceof Rejection) return fields;
    if (!equal(fields.fleet.registry, fleet.registry) || fields.fleet.chain !== fleet.chain)
      return new Rejection("fleet-foreign", `an enrolment for fleet 0x${toHex(fields.fleet.registry)} on ${fields.fleet.chain}`);
    if (!equal(fields.enroller, account.address))
      return new Rejection("enroller-foreign", `an enrolment by 0x${toHex(fields.enroller)}`);
    const placing = admits(mote);
    if (placing === undefined) return new Rejection("mote-not-admitted", `0x${toHex(mote)} is none that is to be enrolled`);
    if (this.#waiting.size >= MOTES_MAX && !this.#waiting.has(toHex(mote)))
      return new Rejection("registrar-busy", `${MOTES_MAX} enrolments wait`);
    const verified = verifySign1(engine, message);
    if (verified instanceof Rejection) return verified;
    return { mote, message, placing };
  }

  async #run(): Promise<void> {
    const { ready, statusMs = STATUS_MS, onEvent } = this.#options;
    try {
      await ready;
    } catch {
      return; // whoever made it knows why
    }
    const backoff = new Backoff(RETRY);
    while (!this.#closed)
      try {
        await this.#enrolWaiting();
        await this.#tellStatus();
        backoff.succeeded();
        if (!this.#closed) await this.#bell.wait(statusMs);
      } catch (error) {
        if (this.#closed) return;
        const retryMs = backoff.next();
        onEvent({ event: "lost", to: "registry", reason: error instanceof Error ? error.message : String(error), retryMs });
        await this.#bell.wait(retryMs);
      }
  }

  async #enrolWaiting(): Promise<void> {
    for (const [name, enrolment] of this.#waiting) {
      if (this.#closed) return;
      await this.#enrol(enrolment);
      // A newer one may have come meanwhile.
      if (this.#waiting.get(name) === enrolment) this.#waiting.delete(name);
    }
  }

  async #enrol({ mote, message, placing }: Enrolment): Promise<void> {
    const { registry, account, onEvent } = this.#options;
    const name = `0x${toHex(mote)}`;
    const { status } = await moteOf(registry, mote);
    if (status === "active") return; // its mote has not proven it yet
    if (status !== "absent") {
      const advice = status === "suspended" ? ": the admin has to let it in again" : "";
      onEvent({ event: "refused", mote: name, code: "mote-status", detail: `its key is ${status}${advice}` });
      return;
    }
    try {
      const { role, policyId, firmwareId } = placing;
      const { blockNumber, gasUsed } = await registry.send(account, "enrol", message, role, policyId, firmwareId);
      onEvent({ event: "enrolled", mote: name, block: blockNumber, gas: gasUsed });
    } catch (error) {
      if (!(error instanceof Reverted)) throw error;
      onEvent({ event: "refused", mote: name, code: "registry-refused", detail: error.message });
    }
  }

  async #tellStatus(): Promise<void> {
    for (const [name, told] of this.#watched) {
      if (this.#closed) return;
      const { status, role, sinceBlock } = await moteOf(this.#options.registry, fromHex(name) as Uint8Array);
      const text = `${status} ${role} ${sinceBlock}`;
      if (text === told) continue;
      this.#watched.set(name, text);
      this.#options.onEvent({ event: "status", mote: `0x${name}`, status, role, block: sinceBlock });
    }
  }
}

function moteOfTopic(topic: string): Uint8Array | undefined {
  const match = /(?:^|\/)motes\/0x([0-9a-f]{40})\/enrolment$/.exec(topic);
  const bytes = match === null ? undefined : fromHex(match[1] as string);
  return bytes instanceof Uint8Array ? bytes : undefined;
}
