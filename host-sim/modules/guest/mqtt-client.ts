// `embedded:network/mqtt/client` on the XS engine. The client itself, which on a board is JavaScript on this heap, runs on
// the other side of the bridge with its sockets, resolver and TLS session: what these take is not counted here
// (docs/design.md, "The hardware bridge").
//
// Promises: the surface and the order of events of the SDK's client; what is announced by `onReadable` waits until it is
// read. `onWritable` tells what fits when it comes, not what fitted when it was sent.

import type { ByteBuffer, MqttControl, MqttReadable, MqttWrite } from "../../../firmware/ports.js";
import { Operation } from "../mqtt-operation.js";
import { type Answer, bind, call, type Parameter, type Target, unbind } from "./bridge.js";
import type { Transport } from "./sockets.js";

interface ClientOptions {
  host: string;
  port?: number;
  id?: string;
  clean?: boolean;
  user?: string;
  password?: string;
  keepAlive?: number;
  will?: { topic: string; message: ArrayBuffer; QoS?: number; retain?: boolean };
  onReadable?: (count: number, options: MqttReadable) => void;
  onWritable?: (count: number) => void;
  onControl?: (message: MqttControl) => void;
  onError?: () => void;
  target?: unknown;
  dns: { servers: readonly string[] };
  /** The firmware's own TLS socket says nothing of itself. */
  socket: { io: { transport?: Transport }; secure?: { certificate?: ByteBuffer; serverName?: string } };
}

export default class MQTTClient extends Operation implements Target {
  readonly target: unknown;
  #options: ClientOptions | undefined;
  #number = 0;

  constructor(options: ClientOptions) {
    super();
    if (!options.host) throw new Error("host required");
    const { io, secure } = options.socket;
    this.target = options.target;
    this.#options = options;
    this.#number = bind(this);
    const { will } = options;
    // In two calls, for a certificate and a Will together may be long.
    call("mqtt.socket", this.#number, io.transport ?? "tls", secure?.certificate, secure?.serverName, options.dns.servers.length);
    call("mqtt.will", this.#number, will?.topic, will?.message, will?.QoS, will?.retain);
    const { host, port, id, clean, user, password, keepAlive } = options;
    call("mqtt.open", this.#number, host, port, id, clean, user, password, keepAlive);
  }

  get format(): "buffer" {
    return "buffer";
  }

  write(data: ByteBuffer | null, options: MqttWrite): number {
    const number = this.#open();
    const { operation, id, topic, QoS, retain, duplicate, items } = options;
    const listed: Parameter[] = [];
    for (const item of items ?? []) listed.push(item.topic, item.QoS);
    return call<number>("mqtt.write", number, data, operation, id, topic, QoS, retain, duplicate, ...listed);
  }

  read(into?: number | ByteBuffer): ArrayBuffer | number | undefined {
    const number = this.#open();
    if (typeof into !== "object") return call<ArrayBuffer | undefined>("mqtt.read", number, into);
    const bytes = call<ArrayBuffer | undefined>("mqtt.read", number, into.byteLength);
    if (bytes === undefined) return undefined;
    new Uint8Array(into instanceof ArrayBuffer ? into : into.buffer, into instanceof ArrayBuffer ? 0 : into.byteOffset).set(
      new Uint8Array(bytes),
    );
    return bytes.byteLength;
  }

  happened(what: string, a: Answer, b: Answer, c: Answer, d: Answer): void {
    const options = this.#options;
    if (options === undefined) return;
    if (what === "readable") {
      const readable: MqttReadable = { more: b as boolean };
      if (typeof c === "string") {
        readable.topic = c;
        // The length and the QoS share a number: a notice has four values.
        readable.byteLength = (d as number) >>> 2;
        readable.QoS = (d as number) & 3;
      }
      options.onReadable?.call(this, a as number, readable);
    } else if (what === "writable") options.onWritable?.call(this, a as number);
    else if (what === "control") {
      const message: MqttControl = { operation: a as number };
      if (b !== undefined) message.id = b as number;
      if (c !== undefined) message.returnCode = c as number;
      if (d !== undefined) message.payload = Array.from(new Uint8Array(d as ArrayBuffer));
      options.onControl?.call(this, message);
    } else {
      options.onError?.call(this);
      this.close();
    }
  }

  close(): void {
    if (this.#number === 0) return;
    call("mqtt.close", this.#number);
    unbind(this.#number);
    this.#number = 0;
    this.#options = undefined;
  }

  #open(): number {
    if (this.#number === 0) throw new TypeError("no socket");
    return this.#number;
  }
}
