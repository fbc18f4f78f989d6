// The network of a board inside the guest, for the long run: a station that is always joined, an NTP server that is always
// right, and an MQTT client whose broker is the process that owns the guest. Timers fire when the run turns the clock.
//
// Promises: what arrives comes when `poll` is called, one message at a time, as a socket's callback would bring it; each
// exchange is one request over the pipe. Never: a byte lost, or a callback from within a call of the firmware.
//
// A request is one byte of operation, then its fields; an answer is one byte of what it brings, or empty:
//   'P' topic length, QoS, packet id (2, big-endian), topic, message     nothing to answer
//   'N' (what next?)   'A' packet id: PUBACK   'M' bytes of the message (2), topic length, topic, its first part
//                      'C' the next part       'E' the run is over

import type {
  ByteBuffer,
  Clock,
  MqttClient,
  MqttControl,
  MqttOptions,
  MqttReadable,
  MqttWrite,
  NtpClient,
  NtpClientOptions,
  Timer,
  TimerHandle,
  WiFi,
  WiFiOptions,
} from "../../../firmware/ports.js";
import { Operation } from "../../modules/mqtt-operation.js";
import { request } from "./host.js";

const OPERATION_PUBLISH = 0x50;
const OPERATION_NEXT = 0x4e;
const ANSWER_ACKNOWLEDGED = 0x41;
const ANSWER_MESSAGE = 0x4d;
const ANSWER_PART = 0x43;
const PUBLISH_HEAD_BYTES = 5;
const MESSAGE_HEAD_BYTES = 4;
/** What a socket takes at once; more than the longest record. */
const WRITABLE_BYTES = 2_920;

/** XS's own conversions; a loop in JavaScript would fill the heap with pieces. */
const { fromString } = ArrayBuffer as unknown as { fromString(text: string): ArrayBuffer };
const { fromArrayBuffer } = String as unknown as { fromArrayBuffer(buffer: ArrayBuffer): string };

interface Pending extends TimerHandle {
  callback: (() => void) | undefined;
  dueMs: number;
}

/** One timer at a time, as the runtime uses it. */
export class GuestTimer implements Timer {
  readonly #clock: Clock & { turn(ms: number): void };
  #pending: Pending | undefined;

  constructor(clock: Clock & { turn(ms: number): void }) {
    this.#clock = clock;
  }

  get isSet(): boolean {
    return this.#pending !== undefined;
  }

  set(callback: () => void, delayMs: number): TimerHandle {
    if (this.#pending !== undefined) throw new Error("a second timer");
    this.#pending = { callback, dueMs: this.#clock.ticksMs() + delayMs };
    return this.#pending;
  }

  clear(handle: TimerHandle | undefined): void {
    if (handle === this.#pending) this.#pending = undefined;
  }

  /** Turns the clock to when the timer is due, and fires it. */
  fire(): void {
    const pending = this.#pending;
    if (pending === undefined) return;
    this.#pending = undefined;
    this.#clock.turn(Math.max(0, pending.dueMs - this.#clock.ticksMs()));
    pending.callback?.();
  }
}

export class GuestStation implements WiFi {
  #address: string | undefined;

  constructor(_options: WiFiOptions) {}

  connect(_options: { SSID: string; password?: string }): void {
    this.#address = "10.0.0.2";
  }

  disconnect(): void {
    this.#address = undefined;
  }

  get address(): string | undefined {
    return this.#address;
  }

  get connection(): number {
    return this.#address === undefined ? 200 : 500;
  }

  close(): void {}
}

/** Answers at once; `options.timeMs` says what time it is. */
export class GuestNtp implements NtpClient {
  readonly #timeMs: () => number;

  constructor(options: NtpClientOptions) {
    this.#timeMs = options.timeMs as () => number;
  }

  getTime(callback: (error: Error | null, timeMs?: number) => void): void {
    callback(null, this.#timeMs());
  }

  close(): void {}
}

/** What a run holds of its clients; the MQTT base names it as `broker`. */
export interface GuestBroker {
  /** The one that is connected. */
  client: GuestMqtt | undefined;
  /** PUBACKs so far. */
  acknowledged: number;
}

export class GuestMqtt extends Operation implements MqttClient {
  readonly target: unknown;
  readonly #options: MqttOptions;
  readonly #broker: GuestBroker;
  /** What the broker owes: a CONNACK or a SUBACK. */
  #owed: MqttControl | undefined = { operation: Operation.CONNACK };
  /** The part that arrived, from where it is read, and what the message still lacks after it, in bytes. */
  #arrived: ArrayBuffer | undefined;
  #from = 0;
  #lacking = 0;

  constructor(options: MqttOptions) {
    super();
    this.target = options.target;
    this.#options = options;
    this.#broker = options.broker as GuestBroker;
    this.#broker.client = this;
  }

  write(data: ByteBuffer | null, options: MqttWrite): number {
    if (options.operation === Operation.SUBSCRIBE) this.#owed = { operation: Operation.SUBACK };
    if (options.operation === Operation.PUBLISH) publish(data as Uint8Array, options);
    return WRITABLE_BYTES;
  }

  read(count: number): ArrayBuffer {
    const from = this.#from;
    this.#from = from + count;
    return (this.#arrived as ArrayBuffer).slice(from, from + count);
  }

  close(): void {
    this.#broker.client = undefined;
  }

  /** Delivers one thing that has arrived. Answers whether there was one; "over" where the run is. */
  poll(): boolean | "over" {
    const { onControl, onReadable, onWritable } = this.#options;
    const owed = this.#owed;
    if (owed !== undefined) {
      this.#owed = undefined;
      onControl?.call(this, owed);
      if (owed.operation === Operation.SUBACK) onWritable?.call(this, WRITABLE_BYTES);
      return true;
    }
    const arrived = request(Uint8Array.of(OPERATION_NEXT));
    if (arrived.byteLength === 0) return false;
    const bytes = new Uint8Array(arrived);
    if (bytes[0] === ANSWER_ACKNOWLEDGED) {
      this.#broker.acknowledged += 1;
      onControl?.call(this, { operation: Operation.PUBACK, id: (bytes[1] as number) * 256 + (bytes[2] as number) });
    } else if (bytes[0] === ANSWER_MESSAGE) this.#begins(arrived, bytes, onReadable);
    else if (bytes[0] === ANSWER_PART) this.#part(arrived, 1, {}, onReadable);
    else return "over";
    return true;
  }

  #begins(arrived: ArrayBuffer, bytes: Uint8Array, onReadable: MqttOptions["onReadable"]): void {
    const from = MESSAGE_HEAD_BYTES + (bytes[3] as number);
    const topic = fromArrayBuffer.call(String, arrived.slice(MESSAGE_HEAD_BYTES, from));
    this.#lacking = (bytes[1] as number) * 256 + (bytes[2] as number);
    this.#part(arrived, from, { topic, QoS: 1, byteLength: this.#lacking }, onReadable);
  }

  #part(arrived: ArrayBuffer, from: number, first: Partial<MqttReadable>, onReadable: MqttOptions["onReadable"]): void {
    const count = arrived.byteLength - from;
    this.#arrived = arrived;
    this.#from = from;
    this.#lacking -= count;
    onReadable?.call(this, count, { ...first, more: this.#lacking > 0 });
    this.#arrived = undefined;
  }
}

function publish(data: Uint8Array, options: MqttWrite): void {
  const topic = new Uint8Array(fromString.call(ArrayBuffer, options.topic ?? ""));
  const id = options.id ?? 0;
  const message = new Uint8Array(PUBLISH_HEAD_BYTES + topic.length + data.length);
  message[0] = OPERATION_PUBLISH;
  message[1] = topic.length;
  message[2] = options.QoS ?? 0;
  message[3] = id >> 8;
  message[4] = id & 255;
  message.set(topic, PUBLISH_HEAD_BYTES);
  message.set(data, PUBLISH_HEAD_BYTES + topic.length);
  request(message);
}
