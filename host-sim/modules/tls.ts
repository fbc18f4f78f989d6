// Mirror of `embedded:io/socket/tcp/tls`: a client's TLS 1.2 over the simulated network (the SDK's session is JavaScript and
// offers 1.2 at most).
//
// Promises: the broker's chain must end in `secure.certificate` (DER) and name the host; a certificate that is not valid by
// the board's own clock throws in the constructor, so the clock must be set first; `onWritable` comes after the
// handshake. Unlike TCP, a closed one does not throw when its format is set. Never accepts an unverified peer.

import { X509Certificate } from "node:crypto";
import { connect } from "node:tls";
import type { ByteBuffer } from "../../firmware/ports.js";
import type { Board } from "../hardware/board.js";
import { Stream } from "../hardware/stream.js";
import { arrayBufferOf, bytesOf } from "./buffer.js";
import { currentBoard } from "./current.js";
import type { TCPOptions } from "./tcp.js";

export interface TLSSocketOptions extends TCPOptions {
  host: string;
  secure?: { certificate?: ByteBuffer; serverName?: string };
}

/** What a record takes besides its data, by the SDK's own estimate. */
const OVERHEAD_BYTES = 96;

export function tlsFor(board: () => Board) {
  return class TLSSocket {
    #stream: Stream | undefined;
    #format = "buffer";

    constructor(options: TLSSocketOptions) {
      const { radio, network, clock } = board();
      const certificate = options.secure?.certificate;
      const ca = certificate === undefined ? undefined : new X509Certificate(bytesOf(certificate));
      if (ca !== undefined && !(Date.parse(ca.validFrom) < clock.nowMs() && clock.nowMs() < Date.parse(ca.validTo)))
        throw new Error("date validation failed");
      if (!radio.online) throw new Error("connect error");
      const endpoint = network.endpointOf(options.address, options.port) ?? { host: "127.0.0.1", port: 9 };
      const socket = connect({
        ...endpoint,
        servername: options.secure?.serverName ?? options.host,
        maxVersion: "TLSv1.2",
        ...(ca === undefined ? {} : { ca: ca.toString() }),
      });
      this.#stream = new Stream(radio, network, socket, "secureConnect", {
        connected: () => options.onWritable?.call(this, this.#room()),
        received: () => options.onReadable?.call(this, this.#stream?.available ?? 0),
        sent: () => options.onWritable?.call(this, this.#room()),
        failed: () => options.onError?.call(this),
      });
    }

    read(into?: number | ByteBuffer): ArrayBuffer | number | undefined {
      const stream = this.#stream;
      if (stream === undefined || stream.available === 0) return undefined;
      if (this.#format === "number") return stream.read(1)[0];
      const count = into === undefined ? stream.available : typeof into === "number" ? into : into.byteLength;
      if (count > stream.available) throw new Error("invalid");
      const bytes = stream.read(count);
      if (typeof into !== "object") return arrayBufferOf(bytes);
      bytesOf(into).set(bytes);
      return count;
    }

    write(data: ByteBuffer): number {
      const stream = this.#stream;
      if (stream === undefined) throw new TypeError("closed");
      if (!stream.ready) throw new Error("not ready");
      if (stream.broken) return 0;
      const bytes = bytesOf(data);
      if (bytes.length + OVERHEAD_BYTES > stream.room) throw new Error("would block");
      stream.write(bytes);
      return this.#room();
    }

    close(): void {
      this.#stream?.close();
      this.#stream = undefined;
    }

    get format(): string {
      return this.#format;
    }

    set format(format: string) {
      if (format !== "buffer" && format !== "number") throw new RangeError();
      this.#format = format;
    }

    #room(): number {
      return Math.max((this.#stream?.room ?? 0) - OVERHEAD_BYTES, 0);
    }
  };
}

export default tlsFor(currentBoard);
