// One TCP connection of a board, over a real socket or a stream of this process, with the little memory that a board's TCP has.
//
// Promises: at most 5,744 bytes wait to be read and at most 5,744 to be sent (the SDK's window and send buffer); what is
// not read stays with the sender; the peer's end is told only after everything before it was read, and again where the last of
// it is read inside the event that brought the end with it, as lwIP's does; events come one at a time from the machine's event
// loop, never from inside a call. A board has few of these at once. No wire beyond what the network maps.
// Faults it may cause: those of the network (ragged pieces, a stalled link, a broken one).

import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Network } from "../world/network.js";
import type { Radio } from "./radio.js";

/** CONFIG_LWIP_TCP_WND_DEFAULT and CONFIG_LWIP_TCP_SND_BUF_DEFAULT of the SDK. */
const WINDOW_BYTES = 5744;
const SEND_BYTES = 5744;
/** Beyond this the machine's socket is paused: what one read of the machine may bring. */
const ARRIVED_BYTES_PAUSE = 65_536;

/** As an exception in it is named. */
const CALLBACK = "a callback of a TCP socket";

export interface StreamEvents {
  connected(): void;
  /** Bytes came in; `available` tells how many wait in all. */
  received(): void;
  /** Bytes went out; `room` tells how many more fit. */
  sent(): void;
  /** The connection is over. */
  failed(): void;
}

export class Stream {
  readonly #radio: Radio;
  readonly #network: Network;
  readonly #events: StreamEvents;
  readonly #socket: Duplex;
  readonly #stopWatching: () => void;
  readonly #stopListening: () => void;
  readonly #giveBack: () => void;
  readonly #arrived = new ByteQueue();
  readonly #window = new ByteQueue();
  readonly #held: Uint8Array[] = [];
  #unsent = 0;
  #delivering: NodeJS.Immediate | undefined;
  #connected = false;
  #unannounced = false;
  #broken = false;
  #over = false;
  #closed = false;

  /** @param socket not yet connected; @param readyEvent the socket's event that says it can be written to */
  constructor(radio: Radio, network: Network, socket: Duplex, readyEvent: "connect" | "secureConnect", events: StreamEvents) {
    socket.on("error", () => this.#break());
    try {
      this.#giveBack = network.takeSocket("tcp");
    } catch (error) {
      this.#closed = true;
      socket.destroy();
      throw error;
    }
    this.#radio = radio;
    this.#network = network;
    this.#socket = socket;
    this.#events = events;
    if (socket instanceof Socket) socket.setNoDelay(true);
    socket.on(readyEvent, () => {
      if (network.link === "up") this.#connect();
      else this.#unannounced = true;
    });
    socket.on("data", (chunk: Uint8Array) => {
      this.#arrived.push(chunk);
      if (this.#arrived.length > ARRIVED_BYTES_PAUSE) socket.pause();
      this.#deliver();
    });
    socket.on("end", () => this.#break());
    socket.on("close", () => this.#break());
    this.#stopWatching = radio.watch(() => {
      if (!radio.online) this.#abort();
    });
    this.#stopListening = network.onLink((link) => {
      if (link === "up") this.#resume();
    });
  }

  get available(): number {
    return this.#window.length;
  }

  get room(): number {
    return this.#broken || !this.#connected ? 0 : SEND_BYTES - this.#unsent;
  }

  /** Connected, and nothing told of an end. */
  get ready(): boolean {
    return this.#connected && !this.#over;
  }

  /** Whether the peer is gone, told or not yet. */
  get broken(): boolean {
    return this.#broken;
  }

  read(byteLength: number): Uint8Array {
    const bytes = this.#window.shift(byteLength);
    this.#taken();
    return bytes;
  }

  readByte(): number {
    const byte = this.#window.shiftByte();
    this.#taken();
    return byte;
  }

  #taken(): void {
    if (this.#over && this.#window.length === 0) this.#post(() => this.#events.failed());
    else this.#deliver();
  }

  /** The caller checks `room`. */
  write(bytes: Uint8Array): void {
    const copy = bytes.slice();
    this.#unsent += copy.length;
    if (this.#network.link === "up") this.#send(copy);
    else this.#held.push(copy);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#giveBack();
    this.#stopListening();
    if (this.#delivering !== undefined) clearImmediate(this.#delivering);
    if (this.#broken || this.#network.link !== "up") {
      this.#stopWatching();
      this.#socket.destroy();
    } else {
      // A peer that never ends its half is not waited for beyond the board's own time on the air.
      this.#socket.once("close", this.#stopWatching);
      this.#socket.end();
      this.#socket.resume(); // so that the peer's own end is seen and the socket goes
    }
  }

  #connect(): void {
    this.#connected = true;
    this.#post(() => this.#events.connected());
  }

  #send(bytes: Uint8Array): void {
    if (this.#broken) return;
    this.#socket.write(bytes, () => {
      this.#unsent -= bytes.length;
      this.#post(() => {
        if (!this.#broken) this.#events.sent();
      });
    });
  }

  #resume(): void {
    if (this.#unannounced) this.#connect();
    this.#unannounced = false;
    for (const bytes of this.#held.splice(0)) this.#send(bytes);
    this.#deliver();
  }

  /** Moves one segment a turn into the window, as packets come, and tells of it. */
  #deliver(): void {
    if (this.#delivering !== undefined || this.#closed || this.#over) return;
    if (this.#network.link === "stalled") return;
    const room = WINDOW_BYTES - this.#window.length;
    const ends = this.#broken && this.#arrived.length === 0;
    if (!ends && (this.#arrived.length === 0 || room === 0)) return;
    this.#delivering = setImmediate(() => {
      this.#delivering = undefined;
      if (!this.#radio.on) return; // the board has no power
      if (ends) {
        this.#over = true;
        if (this.#window.length === 0) this.#radio.enter(CALLBACK, () => this.#events.failed());
        return;
      }
      this.#window.push(this.#arrived.shift(Math.min(this.#network.segmentBytes(), this.#arrived.length, room)));
      if (this.#arrived.length <= ARRIVED_BYTES_PAUSE) this.#socket.resume();
      // An end that is here already comes with the last bytes.
      this.#over = this.#broken && this.#arrived.length === 0;
      this.#radio.enter(CALLBACK, () => this.#events.received());
      if (!this.#over) this.#deliver();
      else if (!this.#closed && this.#window.length === 0) this.#radio.enter(CALLBACK, () => this.#events.failed());
    });
  }

  /** The peer is gone; what it had sent is still delivered. */
  #break(): void {
    this.#broken = true;
    this.#deliver();
  }

  /** The board's own end is gone: nothing more arrives. */
  #abort(): void {
    this.#arrived.clear();
    this.#socket.destroy();
    this.#break();
  }

  #post(event: () => void): void {
    setImmediate(() => {
      if (!this.#closed && this.#radio.on) this.#radio.enter(CALLBACK, event);
    });
  }
}

class ByteQueue {
  readonly #chunks: Uint8Array[] = [];
  /** How much of the first chunk is gone. */
  #gone = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#length += chunk.length;
  }

  shift(byteLength: number): Uint8Array {
    const bytes = new Uint8Array(byteLength);
    for (let at = 0; at < byteLength; ) {
      const chunk = this.#first();
      const count = Math.min(byteLength - at, chunk.length - this.#gone);
      bytes.set(chunk.subarray(this.#gone, this.#gone + count), at);
      this.#drop(chunk, count);
      at += count;
    }
    return bytes;
  }

  shiftByte(): number {
    const chunk = this.#first();
    const byte = chunk[this.#gone] as number;
    this.#drop(chunk, 1);
    return byte;
  }

  clear(): void {
    this.#chunks.length = 0;
    this.#gone = 0;
    this.#length = 0;
  }

  #first(): Uint8Array {
    const [chunk] = this.#chunks;
    if (chunk === undefined) throw new RangeError("more bytes asked for than are there");
    return chunk;
  }

  #drop(chunk: Uint8Array, count: number): void {
    this.#gone += count;
    this.#length -= count;
    if (this.#gone < chunk.length) return;
    this.#chunks.shift();
    this.#gone = 0;
  }
}
