// Safe mode: the board is there and says why it is no mote now. It joins its network, publishes the cause, takes updates where the image has
// that part, and starts anew after an hour, since a cause may pass.
//
// Promises: nothing is erased or written, no key is opened, made or used, nothing is measured. The cause is on the log, and retained on
// `<prefix>boards/<MAC>/health` (docs/wire.md): without NVS there is no address by which a mote's topics are named. Never: leaves by itself
// but for the restart.

import { Bus, type BusOptions, type BusUser } from "../bus/bus.js";
import type { Topics } from "../bus/topics.js";
import { encodeSafeHealth } from "../bus/wire.js";
import { toHex } from "../bytes.js";
import type { MoteConfig } from "../config.js";
import { Association, type AssociationOptions } from "../link/association.js";
import { Pacer } from "../pacer.js";
import type { Device, KeyValueDomain } from "../ports.js";
import { RefusalLog } from "../refusal-log.js";
import { Rejection } from "../rejection.js";
import { Timekeeper, type TimekeeperOptions } from "../timekeeper.js";

/** So long after its start a board in safe mode starts anew. */
const RETRY_MS = 3_600_000;
const HEALTH_MS = 60_000;
const STEP_INTERVAL_MAX_MS = 60_000;
/** Of a detail, on the wire. */
const DETAIL_CHARACTERS_MAX = 120;

/** Nothing is read or written, whatever state NVS is in. */
const NO_STORE: KeyValueDomain = Object.freeze({
  read: () => undefined,
  write: () => undefined,
  delete: () => undefined,
  close: () => undefined,
});

/** Why a board is in safe mode: a fault of NVS, or resets, and how many of these were counted. */
export interface SafeCause {
  readonly code: string;
  readonly detail: string;
  readonly resets: number;
}

/** A part of safe mode that an image may have: it takes updates. */
export interface SafePart extends BusUser {
  /** Does what is due, the network being there. Answers the milliseconds until it wants to be called again. */
  step(): number;
}

/** Makes that part, once: of the board, its configuration and its bus; undefined where that takes none. It opens no key, and NVS may not be there. */
export type SafePartType = (owner: SafeMode) => SafePart | undefined;

export class SafeMode implements AssociationOptions, TimekeeperOptions, BusOptions, BusUser {
  readonly #device: Device;
  readonly #config: MoteConfig | Rejection;
  readonly cause: SafeCause;
  readonly #pacer: Pacer;
  #association: Association | undefined;
  #timekeeper: Timekeeper | undefined;
  #bus: Bus | undefined;
  readonly refusals: RefusalLog;
  readonly #updates: SafePartType | undefined;
  #part: SafePart | undefined;
  #healthDueMs = 0;

  constructor(device: Device, config: MoteConfig | Rejection, cause: SafeCause, updates?: SafePartType) {
    this.#device = device;
    this.#config = config;
    this.cause = cause;
    this.#updates = updates;
    this.#pacer = new Pacer(device.timer, device.log, this);
    this.refusals = new RefusalLog(device.clock, device.log);
  }

  /** Says the cause, and is there until it starts anew. */
  run(): void {
    const { log } = this.#device;
    const { code, detail, resets } = this.cause;
    log.write("safe-mode", { cause: code, detail, resets });
    const config = this.#config;
    if (config instanceof Rejection) log.write("error", { what: "start", code: config.code, detail: config.detail });
    else {
      this.#association = new Association(this);
      // TLS knows no certificate without the time.
      this.#timekeeper = new Timekeeper(this);
      this.#bus = new Bus(this, this.topics(config));
      this.#part = this.#updates?.(this);
      for (const user of [this, ...(this.#part === undefined ? [] : [this.#part])]) this.#bus.join(user);
    }
    this.#pacer.run();
  }

  /** Does what is due. Answers the milliseconds until it wants to be called again. */
  step(): number {
    const { clock, restart } = this.#device;
    const nowMs = clock.ticksMs();
    if (nowMs >= RETRY_MS && restart !== undefined) restart();
    let dueMs = STEP_INTERVAL_MAX_MS;
    const [association, bus] = [this.#association, this.#bus];
    if (association === undefined || bus === undefined) return dueMs;
    dueMs = Math.min(dueMs, association.step(), this.#timekeeper?.step(association.online) ?? dueMs);
    if (!association.online) return dueMs;
    dueMs = Math.min(dueMs, bus.step(), this.#part?.step() ?? dueMs);
    if (bus.up && nowMs >= this.#healthDueMs) {
      this.#healthDueMs = nowMs + HEALTH_MS;
      bus.publish(bus.topics.health, this.health(), { retain: true });
    }
    return dueMs;
  }

  /** There once it runs. */
  get bus(): Bus {
    return this.#bus as Bus;
  }

  get device(): Device {
    return this.#device;
  }

  get config(): MoteConfig {
    return this.#config as MoteConfig;
  }

  get store(): KeyValueDomain {
    return NO_STORE;
  }

  /** Stands for the address that it has not got: the client is `mote-<MAC>`. */
  get own(): Uint8Array {
    return this.#device.chip?.mac() ?? new Uint8Array(6);
  }

  onWake(): void {
    this.#pacer.wake();
  }

  /** What updates come on; also, a session is up only with a subscription that the broker has granted (bus/uplink.ts). */
  get subscriptions(): readonly string[] {
    return [`${this.board(this.config)}/updates`];
  }

  received(): boolean {
    return false;
  }

  linkChanged(up: boolean): void {
    if (up) this.#healthDueMs = 0;
  }

  private board({ mqtt }: MoteConfig): string {
    return `${mqtt.prefix}boards/${toHex(this.own)}`;
  }

  /** A mote's other topics are nobody's here, and nothing is published or asked on them. */
  private topics(config: MoteConfig): Topics {
    const none = { records: "", latest: "", receipts: "", replies: "", head: "", requests: "" };
    return { ...none, health: `${this.board(config)}/health` };
  }

  private health(): Uint8Array {
    const { code, detail, resets } = this.cause;
    const { chip } = this.#device;
    return encodeSafeHealth({
      cause: code,
      detail: detail.slice(0, DETAIL_CHARACTERS_MAX),
      resets,
      profile: chip?.profile() ?? "dev",
      lastReset: chip?.resetReason() ?? "unknown",
    });
  }
}
