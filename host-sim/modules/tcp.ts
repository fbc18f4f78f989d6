// Mirror of `embedded:io/socket/tcp`, thin over hardware/stream.ts.
//
// Promises, as the SDK's class over lwIP: `onReadable` tells all bytes that wait, `onWritable` all that fit; a write before
// the connection throws "not ready", one that does not fit throws "would block", one after the end does nothing; `onError`
// comes once, after the last byte was read. A closed socket throws at every touch, `format` included.

import { connect } from "node:net";
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
    readonly remoteAddress: string;
    readonly remotePort: number;
    #stream: Stream | undefined;
    #format: "buffer" | "number" = "buffer";

    constructor(options: TCPOptions) {
      const { radio, network } = board();
      const { address, port } = options;
      if (typeof address !== "string" || !/^[\d.]+$/.test(address)) throw new Error("invalid address");
      if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new RangeError("invalid port");
      if (!radio.online) throw new Error("connect error");
      if (options.format !== undefined) this.#format = formatOf(options.format);
      this.target = options.target;
      this.remoteAddress = address;
      this.remotePort = port;
      // Where the network knows no such endpoint, a refused connection: the discard port of this machine.
      const endpoint = network.endpointOf(address, port) ?? { host: "127.0.0.1", port: 9 };
      this.#stream = new Stream(radio, network, connect({ ...endpoint }), "connect", {
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
      if (this.#format === "number") return stream.read(1)[0];
      const count = into === undefined ? stream.available : typeof into === "number" ? into : into.byteLength;
      if (count <= 0 || count > stream.available) throw new Error("invalid");
      const bytes = stream.read(count);
      if (typeof into !== "object") return arrayBufferOf(bytes);
      bytesOf(into).set(bytes);
      return count;
    }

    /** Answers how many bytes still fit, or undefined once the connection is over. */
    write(data: number | ByteBuffer): number | undefined {
      const stream = this.#check();
      if (stream.broken) return undefined;
      if (!stream.connected) throw new Error("not ready");
      const bytes = typeof data === "number" ? Uint8Array.of(data) : bytesOf(data);
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
