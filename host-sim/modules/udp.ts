// Mirror of `embedded:io/socket/udp`: datagrams of the simulated network over one socket on loopback.
//
// Promises: `read` answers a packet with its simulated source; `onReadable` tells how many packets wait; a write while the
// board is offline throws. Every address answers for names (port 53) that is mapped nowhere else. At most 16 packets wait: the
// rest is lost. Never sends beyond loopback.

import { createSocket, type Socket } from "node:dgram";
import { isIPv4 } from "node:net";
import type { ByteBuffer } from "../../firmware/ports.js";
import type { Board } from "../hardware/board.js";
import { answerQuestion } from "../world/dns-message.js";
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
const NAME_PORT = 53;

export function udpFor(board: () => Board) {
  return class UDP {
    readonly target: unknown;
    readonly #options: UDPOptions;
    readonly #packets: Packet[] = [];
    readonly #socket: Socket;
    readonly #giveBack: () => void;
    #announced = false;
    #closed = false;

    constructor(options: UDPOptions = {}) {
      if (options.format !== undefined && options.format !== "buffer") throw new RangeError("invalid format");
      const { onReadable } = options;
      if (onReadable !== undefined && onReadable !== null && typeof onReadable !== "function") throw new Error("not a function");
      this.target = options.target;
      this.#options = options;
      const { network } = board();
      this.#giveBack = network.takeSocket("udp");
      this.#socket = createSocket("udp4");
      this.#socket.on("error", () => undefined); // an unreachable port is silence to a board
      this.#socket.on("message", (message, from) =>
        this.#receive(message, network.sourceOf({ host: from.address, port: from.port })),
      );
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
      if (!isIPv4(address)) throw new RangeError("invalid IP address");
      const bytes = bytesOf(data).slice();
      if (!radio.online) throw new Error("UDP send failed");
      if (network.losesDatagram()) return;
      const endpoint = network.endpointOf(address, port);
      if (endpoint === undefined || (port === NAME_PORT && endpoint.host === address)) {
        if (port === NAME_PORT) this.#answerName(bytes, address);
        return;
      }
      this.#socket.send(bytes, endpoint.port, endpoint.host, () => undefined);
    }

    close(): void {
      if (this.#closed) return;
      this.#closed = true;
      this.#giveBack();
      this.#socket.close();
    }

    get format(): string {
      return "buffer";
    }

    set format(format: string) {
      if (format !== "buffer") throw new RangeError();
    }

    #receive(bytes: Uint8Array, source: { address: string; port: number }): void {
      const { network, radio } = board();
      if (this.#closed || !radio.online || network.losesDatagram() || this.#packets.length >= PACKETS_MAX) return;
      this.#packets.push(Object.assign(arrayBufferOf(bytes), source));
      if (this.#announced) return;
      this.#announced = true;
      setImmediate(() => {
        this.#announced = false;
        if (this.#closed || !radio.on || this.#packets.length === 0) return;
        radio.enter("a callback of a UDP socket", () => this.#options.onReadable?.call(this, this.#packets.length));
      });
    }

    /** The simulated network's own name server: it knows the names that the network maps. */
    #answerName(query: Uint8Array, address: string): void {
      const answer = answerQuestion(query, (host) => board().network.addressOf(host));
      if (answer === undefined || address.startsWith("127.")) return; // nobody listens on the board itself
      setImmediate(() => this.#receive(answer, { address, port: NAME_PORT }));
    }

    #check(): void {
      if (this.#closed) throw new TypeError("invalid host object");
    }
  };
}

export default udpFor(currentBoard);
