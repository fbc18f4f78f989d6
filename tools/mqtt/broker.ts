// A real MQTT broker in this process: aedes, on loopback. For `start` and tests; any other broker does as well.
//
// Promises: listens on 127.0.0.1 only, and takes clients of this process without a socket; `close` ends every connection. Never: keeps
// anything on disk, so retained messages go with it, and whoever retained them publishes them again when it reconnects.

import type { AddressInfo } from "node:net";
import { createServer, type Server } from "node:net";
import type { Duplex } from "node:stream";
import { Aedes, type AedesPublishPacket } from "aedes";
import { LOOPBACK } from "../processes/ports.js";

export class LocalBroker {
  readonly #aedes: Aedes;
  readonly #server: Server;
  readonly #sockets: Set<Duplex>;

  /** @param port 0 or absent: a free one */
  static async start(port = 0): Promise<LocalBroker> {
    const aedes = await Aedes.createBroker();
    const sockets = new Set<Duplex>();
    const server = createServer((socket) => take(aedes, sockets, socket));
    try {
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen(port, LOOPBACK, () => {
          server.off("error", reject);
          resolve();
        });
      });
    } catch (error) {
      await new Promise<void>((resolve) => aedes.close(() => resolve())); // its timers would keep the program alive
      throw error;
    }
    return new LocalBroker(aedes, server, sockets);
  }

  private constructor(aedes: Aedes, server: Server, sockets: Set<Duplex>) {
    this.#aedes = aedes;
    this.#server = server;
    this.#sockets = sockets;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `mqtt://${LOOPBACK}:${this.port}`;
  }

  /** Takes a client that is in this process, over its end of a stream. */
  accept(stream: Duplex): void {
    take(this.#aedes, this.#sockets, stream);
  }

  /** Hands each message on `topic` (a filter) to `take`, in this process. */
  async subscribe(topic: string, take: (topic: string, payload: Uint8Array) => void): Promise<void> {
    const deliver = ({ topic, payload }: AedesPublishPacket, done: () => void): void => {
      take(topic, new Uint8Array(payload as Buffer));
      done();
    };
    await new Promise<void>((resolve) => this.#aedes.subscribe(topic, deliver, resolve));
  }

  /** Publishes from this process, with QoS 1. */
  async publish(topic: string, message: Uint8Array, retain = false): Promise<void> {
    const packet = { cmd: "publish", qos: 1, dup: false, retain, topic, payload: Buffer.from(message) } as const;
    await new Promise<void>((resolve, reject) =>
      this.#aedes.publish(packet, (error) => (error == null ? resolve() : reject(error))),
    );
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    await new Promise<void>((resolve) => this.#aedes.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

function take(aedes: Aedes, sockets: Set<Duplex>, stream: Duplex): void {
  sockets.add(stream);
  stream.once("close", () => sockets.delete(stream));
  aedes.handle(stream);
}
