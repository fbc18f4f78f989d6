// The mote's end of its broker: one connection, and the parts of the mote that send and receive over it.
//
// Promises: a message goes to the part whose topic it came on, and to no other; each part is told when the link comes up and when it
// is lost, and of every acknowledgement. A new part joins with topics of its own, and no other part is touched for it. Never: looks
// into a message, keeps one, or believes that whoever publishes on a topic may.

import { readUint, toHex, writeUint } from "../bytes.js";
import type { MoteConfig, MqttConfig } from "../config.js";
import type { Clock, Device, Log, MqttBase } from "../ports.js";
import type { RefusalLog } from "../refusal-log.js";
import { Rejection } from "../rejection.js";
import type { Topics } from "./topics.js";
import { type Publishing, Uplink, type UplinkOptions } from "./uplink.js";
import { encodeWill } from "./wire.js";

/** A part of the mote that sends and receives over the bus. Its functions are called as its methods: no closure lives for it. */
export interface BusUser {
  /** The topics whose messages it takes in, all subscribed with QoS 1. */
  readonly subscriptions: readonly string[];
  /**
   * A message came, the receiver's to keep. What costs more than a look waits for a step, in a mailbox of bounded size.
   * @returns whether the topic is one of its own
   */
  received(topic: string, message: Uint8Array): boolean;
  /** The state of the link changed: connected and subscribed, or lost. */
  linkChanged(up: boolean): void;
  /** PUBACK; of any part's message, or of one that a connection before this one carried. */
  acknowledged?(packetId: number): void;
}

/** Its functions are called as its methods: what implements it spares a board a closure for each. */
export interface BusOptions {
  readonly device: Pick<Device, "clock" | "log" | "network">;
  readonly config: Pick<MoteConfig, "mqtt">;
  /** The mote's address, 20 bytes. */
  readonly own: Uint8Array;
  readonly refusals: RefusalLog;
  /** There is something to look at, or room to write again. */
  onWake(): void;
}

export class Bus implements UplinkOptions {
  readonly topics: Topics;
  readonly #options: BusOptions;
  readonly #uplink: Uplink;
  readonly #users: BusUser[] = [];

  constructor(options: BusOptions, topics: Topics) {
    this.topics = topics;
    this.#options = options;
    this.#uplink = new Uplink(this);
  }

  /** From the next connection on; before the first step, all are there. */
  join(user: BusUser): void {
    this.#users.push(user);
  }

  /** Connected and subscribed. */
  get up(): boolean {
    return this.#uplink.up;
  }

  /** Does what is due, the network being there. Answers the milliseconds until it wants to be called again. */
  step(): number {
    return this.#uplink.step();
  }

  /** Whether a message of so many bytes could leave whole now. */
  hasRoomFor(topic: string, messageBytes: number): boolean {
    return this.#uplink.hasRoomFor(topic, messageBytes);
  }

  /** Publishes whole, or answers false where it cannot now: whoever sends keeps what has to leave. */
  publish(topic: string, message: Uint8Array, options: Publishing): boolean {
    return this.#uplink.publish(topic, message, options);
  }

  /** Ends the connection in the orderly way. */
  close(): void {
    this.#uplink.close();
  }

  get clock(): Clock {
    return this.#options.device.clock;
  }

  get log(): Log {
    return this.#options.device.log;
  }

  get config(): MqttConfig {
    return this.#options.config.mqtt;
  }

  /** The client that the configuration asks for: over TLS where it names a certificate authority. */
  get mqtt(): MqttBase {
    const { network } = this.#options.device;
    if (this.config.ca === undefined) return network.mqtt;
    if (network.mqtts === undefined) throw new Error("mqtt.ca is configured, but this build has no TLS");
    return network.mqtts;
  }

  get id(): string {
    return `mote-${toHex(this.#options.own)}`;
  }

  get will(): { readonly topic: string; readonly message: Uint8Array } {
    return { topic: this.topics.health, message: encodeWill() };
  }

  get subscriptions(): readonly string[] {
    const all: string[] = [];
    for (const user of this.#users) all.push(...user.subscriptions);
    return all;
  }

  received(topic: string, message: Uint8Array): void {
    for (const user of this.#users) if (user.received(topic, message)) break;
    this.#options.onWake();
  }

  refused(rejection: Rejection): void {
    this.#options.refusals.write("message", rejection);
  }

  acknowledged(packetId: number): void {
    for (const user of this.#users) user.acknowledged?.(packetId);
  }

  linkChanged(up: boolean): void {
    for (const user of this.#users) user.linkChanged(up);
    // What waited for the link is due now, though the broker may have nothing to say.
    this.#options.onWake();
  }

  onWake(): void {
    this.#options.onWake();
  }
}

/**
 * A number for a request, 1 to 2³²−1. Hard to guess; without noise it can be guessed: a forged answer costs a request, while answers must
 * go on coming.
 */
export function drawRequestId(device: Pick<Device, "clock" | "entropy">, refusals: Pick<RefusalLog, "write">): number {
  const bytes = new Uint8Array(4);
  try {
    device.entropy.read(bytes);
  } catch (error) {
    refusals.write("noise", new Rejection("entropy-failed", String(error)));
    writeUint(bytes, device.clock.ticksMs() % 0x1_0000_0000, 0, 4);
  }
  return readUint(bytes) || 1;
}
