// Mirror of `embedded:io/socket/udp`: datagrams of the simulated network over one socket on loopback.
//
// Promises: `read` answers a packet with its simulated source; `onReadable` tells how many packets wait; a write while the
// board is offline throws. At most 16 packets wait: the rest is lost. Never sends beyond loopback.

import { createSocket, type Socket } from "node:dgram";
import type { ByteBuffer } from "../../firmware/ports.js";
import type { Board } from "../hardware/board.js";
import { arrayBufferOf, bytesOf } from "./buffer.js";
import { currentBoard } from "./current.js";

export interface UDPOptions {
  format?: string;
  target?: unknown;
  onReadable?: (count: number) => void;
  readonly [other: string]: unknown;
}

export type Packet = ArrayBuffer & { address: string; port: number };

const PACKETS_MAX = 16;

export function udpFor(board: () => Board) {
  return class UDP {
    readonly target: unknown;
    readonly #packets: Packet[] = [];
    readonly #socket: Socket;
    #announced = false;
    #closed = false;

    constructor(options: UDPOptions = {}) {
      if (options.format !== undefined && options.format !== "buffer") throw new RangeError("invalid format");
      this.target = options.target;
      const { network, radio } = board();
      this.#socket = createSocket("udp4");
      this.#socket.on("error", () => undefined); // an unreachable port is silence to a board
      this.#socket.on("message", (message, from) => {
        if (this.#closed || !radio.online || network.losesDatagram() || this.#packets.length >= PACKETS_MAX) return;
        const source = network.sourceOf({ host: from.address, port: from.port });
        this.#packets.push(Object.assign(arrayBufferOf(message), source));
        if (this.#announced) return;
        this.#announced = true;
        setImmediate(() => {
          this.#announced = false;
          if (this.#closed || !radio.on || this.#packets.length === 0) return;
          radio.enter("a callback of a UDP socket", () => options.onReadable?.call(this, this.#packets.length));
        });
      });
      this.#socket.bind(0, "127.0.0.1");
      this.#socket.unref();
    }

    read(): Packet | undefined {
      this.#check();
      return this.#packets.shift();
    }

    write(data: ByteBuffer, address: string, port: number): void {
      this.#check();
      const { network, radio } = board();
      if (!/^[\d.]+$/.test(address)) throw new RangeError("invalid IP address");
      if (!radio.online) throw new Error("UDP send failed");
      const endpoint = network.endpointOf(address, port);
      if (endpoint === undefined || network.losesDatagram()) return;
      this.#socket.send(bytesOf(data).slice(), endpoint.port, endpoint.host, () => undefined);
    }

    close(): void {
      if (this.#closed) return;
      this.#closed = true;
      this.#socket.close();
    }

    get format(): string {
      return "buffer";
    }

    #check(): void {
      if (this.#closed) throw new TypeError("invalid host object");
    }
  };
}

export default udpFor(currentBoard);
