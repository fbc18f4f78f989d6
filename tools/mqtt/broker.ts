// A real MQTT broker in this process: aedes, on loopback. For `start` and tests; any other broker does as well.
//
// Promises: listens on 127.0.0.1 only; `close` ends every connection. Never: keeps anything on disk, so retained messages
// go with it, and whoever retained them publishes them again when it reconnects.

import type { AddressInfo } from "node:net";
import { createServer, type Server, type Socket } from "node:net";
import { Aedes } from "aedes";
import { LOOPBACK } from "../processes/ports.js";

export class LocalBroker {
  readonly #aedes: Aedes;
  readonly #server: Server;
  readonly #sockets: Set<Socket>;

  /** @param port 0 or absent: a free one */
  static async start(port = 0): Promise<LocalBroker> {
    const aedes = await Aedes.createBroker();
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
      aedes.handle(socket);
    });
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

  private constructor(aedes: Aedes, server: Server, sockets: Set<Socket>) {
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

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    await new Promise<void>((resolve) => this.#aedes.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}
