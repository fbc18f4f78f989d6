// `embedded:io/socket/tcp` on the XS engine, as the SDK's own clients use it: the simulated board's socket, over the bridge.
//
// On a board the object is a host object of two slots, and callbacks and bytes that wait are C's. Here the callbacks are fields, and
// a few bytes are fetched ahead, for the client reads headers byte by byte: it takes some three hundred bytes more.
// Promises: what `modules/tcp.ts` promises; a closed socket throws at every touch.

import type { ByteBuffer } from "../../../../firmware/ports.js";
import { type Answer, bind, call, fill, type Target, unbind } from "../../../../host-sim/modules/guest/bridge.js";

const AHEAD_BYTES = 64;

interface TCPOptions {
  address: string;
  port: number;
  target?: unknown;
  onReadable?: (count: number) => void;
  onWritable?: (count: number) => void;
  onError?: () => void;
}

export default class TCP implements Target {
  target?: unknown;
  number: number;
  bytewise = false;
  /** Fetched, and read up to `at`. */
  ahead: Uint8Array | undefined;
  at = 0;
  readonly onReadable: TCPOptions["onReadable"];
  readonly onWritable: TCPOptions["onWritable"];
  readonly onError: TCPOptions["onError"];

  constructor(options: TCPOptions) {
    if (options.target !== undefined) this.target = options.target;
    this.onReadable = options.onReadable;
    this.onWritable = options.onWritable;
    this.onError = options.onError;
    this.number = bind(this);
    try {
      call("tcp.open", this.number, options.address, options.port);
    } catch (error) {
      unbind(this.number);
      throw error;
    }
  }

  /** A byte in the format "number", undefined where none waits; as many as asked for in the format "buffer", which wait. */
  read(into?: number | ByteBuffer): ArrayBuffer | number | undefined {
    this.check();
    if (this.bytewise) return this.byte();
    const given = typeof into === "object";
    const bytes = given ? viewOf(into) : new Uint8Array(into as number);
    let from = 0;
    if (this.ahead !== undefined) {
      const part = this.ahead.subarray(this.at, this.at + bytes.length);
      bytes.set(part);
      from = part.length;
      this.advance(from);
    }
    if (from < bytes.length) fill(from === 0 ? bytes : bytes.subarray(from), "tcp.read", this.number);
    return given ? bytes.length : (bytes.buffer as ArrayBuffer);
  }

  write(data: ByteBuffer): number | undefined {
    this.check();
    return call<number | undefined>("tcp.write", this.number, data);
  }

  happened(what: string, count: Answer): void {
    if (what === "error") this.onError?.call(this);
    else if (what === "writable") this.onWritable?.call(this, count as number);
    else {
      const waiting = (count as number) + (this.ahead === undefined ? 0 : this.ahead.length - this.at);
      if (waiting > 0) this.onReadable?.call(this, waiting);
    }
  }

  close(): void {
    if (this.number === 0) return;
    call("tcp.close", this.number);
    unbind(this.number);
    this.number = 0;
  }

  get format(): string {
    this.check();
    return this.bytewise ? "number" : "buffer";
  }

  set format(format: string) {
    this.check();
    if (format !== "buffer" && format !== "number") throw new RangeError("unimplemented");
    this.bytewise = format === "number";
  }

  private byte(): number | undefined {
    if (this.ahead === undefined) {
      const bytes = call<ArrayBuffer | undefined>("tcp.take", this.number, AHEAD_BYTES);
      if (bytes === undefined) return undefined;
      this.ahead = new Uint8Array(bytes);
      this.at = 0;
    }
    const byte = this.ahead[this.at];
    this.advance(1);
    return byte;
  }

  private advance(count: number): void {
    this.at += count;
    if (this.at === this.ahead?.length) this.ahead = undefined;
  }

  private check(): void {
    if (this.number === 0) throw new TypeError("invalid host object");
  }
}

function viewOf(buffer: ByteBuffer): Uint8Array {
  return buffer instanceof ArrayBuffer
    ? new Uint8Array(buffer)
    : new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}
