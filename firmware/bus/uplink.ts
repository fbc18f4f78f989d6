// One MQTT 3.1.1 connection, kept alive: connects, subscribes, publishes, and comes back with backoff.
//
// Promises: a message is handed on whole and at most `MESSAGE_BYTES_MAX` bytes long, or read past and dropped; a
// publish either left whole or did not happen; after a loss the next attempt waits, twice as long each time up to a
// minute, until a session has lasted: a broker that lets in and then kicks (a publish that it does not allow, a second client of
// the same name) is not asked more and more. Never: holds more than one message, queues what does not fit (the outbox keeps it), or trusts a topic.

import type { MqttConfig } from "../config.js";
import type { Clock, Log, MqttBase, MqttClient, MqttControl, MqttReadable } from "../ports.js";
import { assert, Rejection } from "../rejection.js";
import { MESSAGE_BYTES_MAX } from "./wire.js";

const BACKOFF_FIRST_MS = 1_000;
const BACKOFF_MAX_MS = 60_000;
/** A session that lasted so long was a good one: longer than two clients of one name, each at its longest wait, leave each other. */
export const SESSION_LASTED_MS = 2 * BACKOFF_MAX_MS;
/** From the first byte sent to the broker's last SUBACK. */
const CONNECT_TIMEOUT_MS = 40_000;
/** Fixed header, topic length and packet id of a PUBLISH, at their longest. */
const PUBLISH_OVERHEAD_BYTES = 1 + 4 + 2 + 2;
/** Publishing starts only after SUBACK, so this id meets no other in flight. */
const SUBSCRIBE_PACKET_ID = 1;
/** Characters of a topic that a refusal shows. */
const TOPIC_SHOWN_MAX = 80;
const SUBACK_FAILURE = 0x80;

/** How a message leaves; QoS 0, not retained, where nothing is said. */
export interface Publishing {
  readonly QoS?: number;
  /** 1 to 65,535; of a message with QoS 1. */
  readonly packetId?: number;
  readonly retain?: boolean;
  readonly duplicate?: boolean;
}

/** Whoever is told what happens on the connection. */
export interface UplinkListener {
  /** `message` is the receiver's to keep. */
  received(topic: string, message: Uint8Array): void;
  /** A message was read past and dropped. */
  refused(rejection: Rejection): void;
  /** PUBACK. */
  acknowledged(packetId: number): void;
  /** The state changed: connected and subscribed, or lost. */
  linkChanged(up: boolean): void;
}

/** Its functions are called as its methods: what implements it spares a board an object, and a closure for each. */
export interface UplinkOptions extends UplinkListener {
  readonly mqtt: MqttBase;
  readonly clock: Clock;
  readonly log: Log;
  readonly config: MqttConfig;
  /** Client identifier, unique at the broker. */
  readonly id: string;
  readonly will: { readonly topic: string; readonly message: Uint8Array };
  /** Topics, all subscribed with QoS 1. */
  readonly subscriptions: readonly string[];
  /** There is room to write again, or something else to look at. */
  onWake(): void;
}

export class Uplink {
  /**
   * What a client calls, its `target` being the uplink that made it: four closures would live as long as each connection does. A callback
   * of a client that was given up must not touch its successor: each one compares first.
   */
  private static readonly callbacks = Object.freeze({
    onControl(this: MqttClient, message: MqttControl): void {
      const uplink = this.target as Uplink;
      if (this === uplink.#client) uplink.call(uplink.control, message);
    },
    onReadable(this: MqttClient, count: number, options: MqttReadable): void {
      const uplink = this.target as Uplink;
      if (this === uplink.#client) uplink.call(uplink.readable, count, options);
    },
    onWritable(this: MqttClient, count: number): void {
      const uplink = this.target as Uplink;
      if (this === uplink.#client) uplink.call(uplink.writable, count);
    },
    onError(this: MqttClient): void {
      const uplink = this.target as Uplink;
      if (this === uplink.#client) uplink.call(uplink.failed);
    },
  });
  readonly #options: UplinkOptions;
  #client: MqttClient | undefined;
  #up = false;
  #writableBytes = 0;
  #backoffMs = BACKOFF_FIRST_MS;
  #nextAttemptMs = 0;
  /** When the attempt began, or the session. */
  #startedMs = 0;
  #topic = "";
  /** The message under way; undefined while none is, or while one too long is read past. */
  #message: Uint8Array | undefined;
  #received = 0;

  constructor(options: UplinkOptions) {
    this.#options = options;
  }

  /** Connected and subscribed. */
  get up(): boolean {
    return this.#up;
  }

  /** Does what is due. Answers the milliseconds until it wants to be called again. */
  step(): number {
    const now = this.#options.clock.ticksMs();
    if (this.#client === undefined) {
      if (now < this.#nextAttemptMs) return this.#nextAttemptMs - now;
      this.connect(now);
      if (this.#client === undefined) return this.#nextAttemptMs - now;
    } else if (!this.#up && now - this.#startedMs >= CONNECT_TIMEOUT_MS) {
      this.lost("no answer from the broker in time");
      return this.#nextAttemptMs - now;
    }
    return this.#up ? Number.POSITIVE_INFINITY : CONNECT_TIMEOUT_MS;
  }

  /** Whether a message of so many bytes could leave whole now. */
  hasRoomFor(topic: string, messageBytes: number): boolean {
    return this.#up && topic.length + messageBytes + PUBLISH_OVERHEAD_BYTES <= this.#writableBytes;
  }

  /** Publishes whole, or answers false where it cannot now. */
  publish(topic: string, message: Uint8Array, options: Publishing): boolean {
    const client = this.#client;
    if (client === undefined || !this.hasRoomFor(topic, message.length)) return false;
    try {
      this.#writableBytes = client.write(message, {
        operation: this.#options.mqtt.io.PUBLISH,
        topic,
        QoS: options.QoS ?? 0,
        retain: options.retain ?? false,
        duplicate: options.duplicate ?? false,
        id: options.packetId ?? SUBSCRIBE_PACKET_ID,
      });
      return true;
    } catch (error) {
      this.lost(`the connection failed while writing: ${reason(error)}`);
      return false;
    }
  }

  /** Ends the connection in the orderly way: the broker does not publish the Last Will. */
  close(): void {
    const client = this.#client;
    this.forget();
    this.#nextAttemptMs = Number.POSITIVE_INFINITY;
    if (client === undefined) return;
    try {
      client.write(null, { operation: this.#options.mqtt.io.DISCONNECT });
    } catch (error) {
      this.#options.log.write("link", { state: "closing", reason: reason(error) });
    }
    client.close();
  }

  private connect(now: number): void {
    const { mqtt, config, id, will, log } = this.#options;
    this.#startedMs = now;
    this.#message = undefined;
    // The certificate is checked for the name in the configuration, whatever a resolver makes of that (an address, of "localhost").
    const socket =
      config.ca === undefined
        ? undefined
        : { ...(mqtt.socket as object), secure: { certificate: config.ca, serverName: config.host } };
    try {
      this.#client = new mqtt.io({
        ...mqtt,
        ...(socket === undefined ? {} : { socket }),
        host: config.host,
        port: config.port,
        id,
        clean: true,
        keepAlive: config.keepAliveMs,
        ...(config.user === undefined ? {} : { user: config.user }),
        ...(config.password === undefined ? {} : { password: config.password }),
        will: { topic: will.topic, message: toArrayBuffer(will.message), QoS: 1, retain: true },
        target: this,
        ...Uplink.callbacks,
      });
    } catch (error) {
      log.write("link", { state: "error", reason: reason(error) });
      this.backOff();
    }
  }

  /** Nothing leaves a callback of the client, where it would restart the board: what is thrown ends this session, and is said. */
  private call<Parameters extends unknown[]>(method: (...parameters: Parameters) => void, ...parameters: Parameters): void {
    try {
      method.call(this, ...parameters);
    } catch (error) {
      try {
        this.lost(`an event of the connection could not be taken: ${reason(error)}`);
      } catch (again) {
        this.#options.log.write("error", { what: "link", detail: reason(again) });
      }
    }
  }

  private writable(count: number): void {
    this.#writableBytes = count;
    if (this.#up) this.#options.onWake();
  }

  /** A captive portal answers every connection, and speaks no MQTT: on the wire that looks like a broker that turns us down. */
  private failed(): void {
    const { host, port } = this.#options.config;
    if (this.#up) this.lost("the connection was lost");
    else
      this.lost(`${host}:${port} let nobody in: no broker there, another user or password, or a network that asks for a login`);
  }

  private control(message: MqttControl): void {
    const { mqtt, subscriptions } = this.#options;
    if (message.operation === mqtt.io.CONNACK) {
      try {
        (this.#client as MqttClient).write(null, {
          operation: mqtt.io.SUBSCRIBE,
          id: SUBSCRIBE_PACKET_ID,
          items: subscriptions.map((topic) => ({ topic, QoS: 1 })),
        });
      } catch (error) {
        this.lost(`the subscription could not be sent: ${reason(error)}`);
      }
    } else if (message.operation === mqtt.io.SUBACK) {
      const refused = message.payload?.indexOf(SUBACK_FAILURE) ?? -1;
      if (refused >= 0) {
        this.lost(`the broker refuses the subscription to ${subscriptions[refused]}: its access list has to allow it`);
        return;
      }
      this.#up = true;
      this.#startedMs = this.#options.clock.ticksMs();
      this.#options.log.write("link", { state: "up" });
      this.#options.linkChanged(true);
    } else if (message.operation === mqtt.io.PUBACK && message.id !== undefined) {
      this.#options.acknowledged(message.id);
    }
  }

  private readable(count: number, options: MqttReadable): void {
    const part = new Uint8Array((this.#client as MqttClient).read(count));
    if (options.topic !== undefined) {
      const length = options.byteLength ?? count;
      this.#topic = options.topic;
      this.#message = length <= MESSAGE_BYTES_MAX ? new Uint8Array(length) : undefined;
      this.#received = 0;
      if (this.#message === undefined)
        this.#options.refused(new Rejection("message-too-long", `${length} bytes on ${this.#topic.slice(0, TOPIC_SHOWN_MAX)}`));
    }
    const message = this.#message;
    if (message === undefined) return;
    assert(this.#received + part.length <= message.length, "a message's parts add up to its announced length");
    message.set(part, this.#received);
    this.#received += part.length;
    if (options.more) return;
    this.#message = undefined;
    this.#options.received(this.#topic, message);
  }

  private lost(why: string): void {
    const client = this.#client;
    const wasUp = this.#up;
    const nowMs = this.#options.clock.ticksMs();
    const lasted: Readonly<Record<string, number>> = wasUp ? { lastedMs: nowMs - this.#startedMs } : {};
    if (wasUp && nowMs - this.#startedMs >= SESSION_LASTED_MS) this.#backoffMs = BACKOFF_FIRST_MS;
    this.forget();
    try {
      client?.close();
    } catch (error) {
      this.#options.log.write("link", { state: "closing", reason: reason(error) });
    }
    this.backOff();
    this.#options.log.write("link", { state: "down", reason: why, ...lasted, retryMs: this.#nextAttemptMs - nowMs });
    if (wasUp) this.#options.linkChanged(false);
    this.#options.onWake();
  }

  private forget(): void {
    this.#client = undefined;
    this.#up = false;
    this.#writableBytes = 0;
    this.#message = undefined;
  }

  /** Up to a quarter is added by the client identifier, so that a thousand boards do not return in one second. */
  private backOff(): void {
    const { id, clock } = this.#options;
    let spread = 0;
    for (let i = 0; i < id.length; i += 1) spread = (spread * 31 + id.charCodeAt(i)) % 256;
    this.#nextAttemptMs = clock.ticksMs() + this.#backoffMs + Math.floor((this.#backoffMs * spread) / 1024);
    this.#backoffMs = Math.min(this.#backoffMs * 2, BACKOFF_MAX_MS);
  }
}

function toArrayBuffer(bytes: Uint8Array): ArrayBuffer {
  return bytes.slice().buffer as ArrayBuffer;
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
