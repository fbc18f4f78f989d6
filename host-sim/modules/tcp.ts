// Mirror of `embedded:io/socket/tcp`, thin over hardware/stream.ts.
//
// Promises, as the SDK's class over lwIP: `onReadable` tells all bytes that wait, `onWritable` all that fit; a write before
// the connection and after its end throws "not ready", before anything else is looked at, and one that does not fit "would
// block"; between the peer's end and the news of it a write does nothing; `onError` comes after the last byte was read. The format
// "buffer" takes buffers, "number" numbers. A closed socket throws at every touch, `format` included.
// Left out: `remoteAddress` and `remotePort`, which on a board crash once the connection is over; `from` and `nodelay`.

import { connect, isIPv4 } from "node:net";
import type { ByteBuffer } from "../../firmware/ports.js";
import type { Board } from "../hardware/board.js";
import { Stream } from "../hardware/stream.js";
import { arrayBufferOf, bytesOf } from "./buffer.js";
import { currentBoard } from "./current.js";

export interface TCPOptions {
  address: string;
  port: number;
  format?: string;
  target?: unknown;
  onReadable?: (count: number) => void;
  onWritable?: (count: number) => void;
  onError?: (error?: unknown) => void;
  readonly [other: string]: unknown;
}

export function tcpFor(board: () => Board) {
  return class TCP {
    readonly target: unknown;
    #stream: Stream | undefined;
    #format: "buffer" | "number" = "buffer";

    constructor(options: TCPOptions) {
      const { radio, network } = board();
      const { address, port } = options;
      if (options.format !== undefined) this.#format = formatOf(options.format);
      for (const callback of [options.onReadable, options.onWritable, options.onError])
        if (callback !== undefined && callback !== null && typeof callback !== "function") throw new Error("not a function");
      if (typeof address !== "string" || !isIPv4(address)) throw new Error("invalid address");
      if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new RangeError("invalid port");
      if (!radio.online) throw new Error("connect error");
      this.target = options.target;
      // Where the network knows no such endpoint, a refused connection: the discard port of this machine.
      const endpoint = network.endpointOf(address, port) ?? { host: "127.0.0.1", port: 9 };
      const socket = network.streamTo(address, port) ?? connect({ ...endpoint });
      this.#stream = new Stream(radio, network, socket, "connect", {
        connected: () => options.onWritable?.call(this, this.#stream?.room ?? 0),
        received: () => options.onReadable?.call(this, this.#stream?.available ?? 0),
        sent: () => options.onWritable?.call(this, this.#stream?.room ?? 0),
        failed: () => options.onError?.call(this),
      });
    }

    /** Bytes that wait, all or `into` of them; one byte as a number in the format "number"; undefined where none wait. */
    read(into?: number | ByteBuffer): ArrayBuffer | number | undefined {
      const stream = this.#check();
      if (stream.available === 0) return undefined;
      if (this.#format === "number") return stream.readByte();
      const count = into === undefined ? stream.available : typeof into === "number" ? into : into.byteLength;
      if (count <= 0 || count > stream.available) throw new Error("invalid");
      const bytes = stream.read(count);
      if (typeof into !== "object") return arrayBufferOf(bytes);
      bytesOf(into).set(bytes);
      return count;
    }

    /** Answers how many bytes still fit, or undefined where the peer is gone and it was not told yet. */
    write(data: number | ByteBuffer): number | undefined {
      const stream = this.#check();
      if (!stream.ready) throw new Error("not ready");
      if (stream.broken) return undefined;
      const bytes = this.#format === "number" ? Uint8Array.of(Number(data)) : bytesOf(data as ByteBuffer);
      if (bytes.length > stream.room) throw new Error("would block");
      stream.write(bytes);
      return stream.room;
    }

    close(): void {
      this.#stream?.close();
      this.#stream = undefined;
    }

    get format(): string {
      this.#check();
      return this.#format;
    }

    set format(format: string) {
      this.#check();
      this.#format = formatOf(format);
    }

    #check(): Stream {
      if (this.#stream === undefined) throw new TypeError("invalid host object");
      return this.#stream;
    }
  };
}

function formatOf(format: string): "buffer" | "number" {
  if (format !== "buffer" && format !== "number") throw new RangeError("unimplemented");
  return format;
}

export default tcpFor(currentBoard);
