// Mirror of `embedded:network/mqtt/client`: MQTT 3.1.1 with the surface of the SDK's client, over the socket and the resolver
// that its options name.
//
// Promises: nothing is read from the socket beyond what the application reads, and a payload comes in the parts in which it
// arrived; a write that does not fit throws "overflow" and sends nothing; QoS 1 deliveries are acknowledged, QoS 2 ones
// brought to their end; `onError` comes once, then the client is closed.
// Quirks of the SDK's client, kept because firmware has to live with them:
//  - its own packet id counts from 2 and is cut to two bytes: the 65,536th is 0, which MQTT forbids. Give ids.
//  - a PUBLISH with an empty payload stops its parser for good: only the keep-alive time-out ends that connection.
//  - bytes that come with a CONNACK that refuses, and a topic that is no UTF-8, throw out of the socket's callback.
//  - what it sends of itself (an acknowledgement, a ping) throws out of its timer where the connection is over and the end not
//    told, because bytes wait that nobody reads.
//  - a QoS 1 delivery is acknowledged when its last part is announced, read or not.
//  - `close` while the name is being resolved throws later, out of the resolver; `close` inside `onReadable` throws right
//    after it (over TCP); a socket that the resolver then opens is never closed. On a board either is an unhandled exception,
//    which restarts it. `close` is safe in `onError`.
//    With the edges "covered" it does neither: so is the client of firmware/board/mqtt-client.ts.
//  - nothing ends a connection whose CONNACK never comes, except the keep-alive. Always set `keepAlive`.
//  - a Will whose message is no ArrayBuffer is sent as its text.
// Left out: payloads written in several parts (`byteLength`), which no firmware of ours uses.

import type { ByteBuffer, MqttControl, MqttReadable } from "../../firmware/ports.js";
import type { Board } from "../hardware/board.js";
import { bytesOf } from "./buffer.js";
import { currentBoard } from "./current.js";
import type { ResolveRequest, ResolverOptions } from "./dns.js";
import { Operation } from "./mqtt-operation.js";
import { encodeConnect, encodeOperation, type Found, type MqttWrite, PacketReader } from "./mqtt-packets.js";
import type { TCPOptions } from "./tcp.js";
import { timeFor } from "./time.js";
import { type Timer, timerFor } from "./timer.js";

interface StreamSocket {
  format: string;
  read(into?: number | ByteBuffer): ArrayBuffer | number | undefined;
  write(data: ByteBuffer): number | undefined;
  close(): void;
}

export interface MQTTClientOptions {
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
  dns: ResolverOptions & { io: new (options: ResolverOptions) => { resolve(request: ResolveRequest): void } };
  socket: { io: new (options: TCPOptions & { host: string }) => StreamSocket; readonly [other: string]: unknown };
}

/** What the SDK's client keeps free in the socket for its own packets. */
const OVERHEAD_BYTES = 8;
const CONNECT_TIMEOUT_MS = 30_000;
const PORT = 1883;

interface Pending extends MqttWrite {
  byteLength: number;
  keepAlive?: boolean;
}

interface Delivery {
  topic: string | undefined;
  readonly byteLength: number;
  readonly QoS: number;
  readonly id: number;
  remaining: number;
}

export function mqttClientFor(board: () => Board, edges: "sharp" | "covered" = "sharp") {
  const Timers = timerFor(board);
  const Time = timeFor(board);

  return class MQTTClient extends Operation {
    readonly target: unknown;
    readonly #reader = new PacketReader();
    readonly #pending: Pending[] = [];
    #options: MQTTClientOptions | undefined;
    #socket: StreamSocket | undefined;
    #state: "resolving" | "connecting" | "login" | "connected" | "closed" = "resolving";
    #writable = 0;
    #readable = 0;
    /** Bytes of the part under way that are announced and not read. */
    #payload = 0;
    #delivery: Delivery | undefined;
    #parsing = false;
    #wedged = false;
    #id = 1;
    #pingSentAt = 0;
    #pingAnsweredAt = 0;
    #connectTimer: Timer | undefined;
    #keepAliveTimer: Timer | undefined;
    #pendingTimer: Timer | undefined;
    #readTimer: Timer | undefined;

    constructor(options: MQTTClientOptions) {
      super();
      if (!options.host) throw new Error("host required");
      this.target = options.target;
      this.#options = options;
      new options.dns.io(options.dns).resolve({
        host: options.host,
        onResolved: (host, address) => this.#connect(options, host, address),
        onError: () => this.#fail("unresolved"),
      });
    }

    get format(): "buffer" {
      return "buffer";
    }

    close(): void {
      for (const timer of [this.#connectTimer, this.#keepAliveTimer, this.#pendingTimer, this.#readTimer]) Timers.clear(timer);
      this.#state = "closed";
      this.#socket?.close();
      this.#socket = undefined;
      this.#options = undefined;
      this.#writable = 0;
      this.#readable = 0;
      this.#payload = 0;
    }

    write(data: ByteBuffer | null, options: MqttWrite): number {
      const socket = this.#socket;
      if (socket === undefined) throw new TypeError("no socket");
      if (this.#state !== "connected") throw new Error();
      const id = options.id ?? this.#nextId();
      const packet = encodeOperation(data === null ? undefined : bytesOf(data), options, id);
      if (packet.length > this.#writable) throw new Error("overflow");
      if (options.operation === Operation.PINGREQ) this.#pingSentAt = Time.ticks;
      this.#writable = socket.write(packet) ?? 0;
      return this.#room();
    }

    read(into: number | ByteBuffer = this.#payload): ArrayBuffer | number | undefined {
      const socket = this.#socket;
      if (socket === undefined) throw new TypeError("no socket");
      const count = Math.min(typeof into === "number" ? into : into.byteLength, this.#payload);
      if (count === 0) return undefined;
      this.#readable -= count;
      this.#payload -= count;
      const result = socket.read(typeof into === "number" ? count : bytesOf(into).subarray(0, count));
      if (this.#payload === 0 && !this.#parsing)
        this.#readTimer ??= Timers.set(() => {
          this.#readTimer = undefined;
          this.#parse();
        });
      return result;
    }

    #nextId(): number {
      this.#id += 1;
      return this.#id;
    }

    #room(): number {
      return Math.max(this.#writable - OVERHEAD_BYTES, 0);
    }

    #connect(options: MQTTClientOptions, host: string, address: string): void {
      if (edges === "covered" && this.#options === undefined) return;
      try {
        this.#state = "connecting";
        this.#socket = new options.socket.io({
          ...options.socket,
          address,
          host,
          port: options.port ?? PORT,
          onReadable: (count) => {
            this.#readable = count;
            this.#parse();
          },
          onWritable: (count) => this.#becomeWritable(count),
          onError: () => this.#fail("socket"),
        });
        if (this.#options === undefined) throw new TypeError("closed while resolving");
        this.#connectTimer = Timers.set(() => this.#fail("connect time-out"), CONNECT_TIMEOUT_MS);
      } catch {
        // No route, or a certificate that is not valid now; after `close` this throws, as on the board.
        this.#fail("no connection");
      }
    }

    #login(): void {
      const options = this.#options as MQTTClientOptions;
      Timers.clear(this.#connectTimer);
      const keepAliveS = Math.ceil((options.keepAlive ?? 0) / 1000);
      const { will } = options;
      const packet = encodeConnect({
        id: options.id ?? "",
        clean: options.clean ?? true,
        keepAliveS,
        user: options.user || undefined,
        password: options.password || undefined,
        will:
          will === undefined
            ? undefined
            : { topic: will.topic, message: textOrBytes(will.message), QoS: will.QoS ?? 0, retain: will.retain === true },
      });
      this.#writable = this.#socket?.write(packet) ?? 0;
      if (keepAliveS > 0) {
        this.#pingSentAt = this.#pingAnsweredAt = Time.ticks;
        this.#keepAliveTimer = Timers.repeat(() => this.#keepAlive(keepAliveS * 1000), keepAliveS * 250);
      }
      this.#state = "login";
    }

    #becomeWritable(count: number): void {
      this.#writable = count;
      if (this.#state === "connecting") this.#login();
      if (this.#state !== "connected") return;
      for (let next = this.#pending[0]; next !== undefined; next = this.#pending[0]) {
        if (this.#writable < next.byteLength) return;
        this.#pending.shift();
        try {
          this.write(null, next);
        } catch (error) {
          if (edges === "sharp") throw error;
          this.#fail("not sent");
        }
      }
      if (this.#writable > OVERHEAD_BYTES) this.#options?.onWritable?.call(this, this.#room());
    }

    #parse(): void {
      if (this.#wedged) return;
      if (this.#parsing) throw new TypeError("the parser was left by an exception");
      this.#parsing = true;
      while (this.#socket !== undefined && this.#payload === 0 && this.#readable > 0 && !this.#wedged) {
        if (this.#delivery !== undefined) this.#deliver(this.#delivery);
        else {
          const found = this.#reader.read(() => this.#nextByte());
          if (found === undefined) break;
          this.#handle(found);
        }
      }
      this.#parsing = false;
    }

    #nextByte(): number | undefined {
      const socket = this.#socket;
      if (socket === undefined || this.#readable === 0) return undefined;
      this.#readable -= 1;
      socket.format = "number";
      const byte = socket.read() as number;
      socket.format = "buffer";
      return byte;
    }

    #handle(found: Found): void {
      if (found.kind === "unreadable") {
        if (edges === "sharp") throw new TypeError("invalid UTF-8");
        this.#fail("a topic that is no UTF-8");
        return;
      }
      if (found.kind === "error") this.#fail(found.detail);
      else if (found.kind === "packet") this.#control(found);
      else if (found.byteLength === 0) this.#wedged = true;
      else this.#delivery = { ...found, remaining: found.byteLength };
    }

    /** Announces the bytes of the payload that are here. */
    #deliver(delivery: Delivery): void {
      const available = Math.min(delivery.remaining, this.#readable);
      delivery.remaining -= available;
      const readable: MqttReadable = { more: delivery.remaining > 0 };
      if (delivery.topic !== undefined) {
        Object.assign(readable, { topic: delivery.topic, byteLength: delivery.byteLength, QoS: delivery.QoS });
        delivery.topic = undefined;
      }
      this.#payload = available;
      if (!readable.more) {
        if (delivery.QoS > 0)
          this.#queue({ operation: delivery.QoS === 1 ? Operation.PUBACK : Operation.PUBREC, id: delivery.id, byteLength: 4 });
        this.#delivery = undefined;
      }
      const socket = this.#socket as StreamSocket;
      this.#options?.onReadable?.call(this, available, readable);
      if (edges === "covered" && this.#socket === undefined) return;
      socket.format = "buffer"; // throws where the application has closed the client
    }

    #control(found: Found & { kind: "packet" }): void {
      const { operation, packet } = found;
      const message: MqttControl = { operation };
      if (packet.messageId !== undefined) message.id = packet.messageId;
      if (packet.cmd === "connack") message.returnCode = packet.returnCode ?? 0;
      if (packet.cmd === "suback") message.payload = packet.granted as number[];
      if (operation === Operation.PINGRESP) this.#pingAnsweredAt = Time.ticks;
      if (operation === Operation.CONNACK) {
        if (message.returnCode !== 0) {
          const more = this.#readable > 0;
          this.#fail("connection rejected");
          if (more && edges === "sharp") throw new TypeError("reads on after the end");
          return;
        }
        this.#state = "connected";
      } else if (operation === Operation.PUBREC) this.#queue({ operation: Operation.PUBREL, id: message.id ?? 0, byteLength: 4 });
      else if (operation === Operation.PUBREL) this.#queue({ operation: Operation.PUBCOMP, id: message.id ?? 0, byteLength: 4 });
      this.#options?.onControl?.call(this, message);
      if (operation === Operation.CONNACK && this.#writable > OVERHEAD_BYTES) this.#options?.onWritable?.call(this, this.#room());
    }

    #keepAlive(intervalMs: number): void {
      const now = Time.ticks;
      if (Time.delta(this.#pingAnsweredAt, now) >= intervalMs * 1.5) this.#fail("time out");
      else if (Time.delta(this.#pingSentAt, now) >= intervalMs * 0.75 - 500) {
        if (this.#pending.some((waiting) => waiting.keepAlive)) this.#fail("time out");
        else this.#queue({ operation: Operation.PINGREQ, byteLength: 2, keepAlive: true });
      }
    }

    #queue(waiting: Pending): void {
      this.#pending.push(waiting);
      this.#pendingTimer ??= Timers.set(() => {
        this.#pendingTimer = undefined;
        this.#becomeWritable(this.#writable);
      });
    }

    /** After `close` there is nobody to tell: throws, as the SDK's does, where the edges are sharp. */
    #fail(_reason: string): void {
      if (this.#options === undefined && edges === "covered") return;
      if (this.#options === undefined) throw new TypeError("closed while resolving");
      this.#options.onError?.call(this);
      this.close();
    }
  };
}

function textOrBytes(value: unknown): Uint8Array {
  return value instanceof ArrayBuffer ? new Uint8Array(value) : new Uint8Array(Buffer.from(String(value), "utf8"));
}

export default mqttClientFor(currentBoard);
