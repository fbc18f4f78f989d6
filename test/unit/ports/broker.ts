// A real MQTT broker on loopback, for tests: aedes in this process.

import { createServer, type Server } from "node:net";
import type { Duplex } from "node:stream";
import { Aedes } from "aedes";

export interface TestBroker {
  readonly aedes: Aedes;
  /** `127.0.0.1:port` */
  readonly endpoint: string;
  /** Everything published through it, in order. */
  readonly published: { topic: string; payload: Uint8Array; qos: number; retain: boolean }[];
  /** Takes a client of this process, over its end of a stream. */
  accept(stream: Duplex): void;
  /** Cuts every connection. */
  cut(): void;
  close(): Promise<void>;
}

export async function startBroker(): Promise<TestBroker> {
  const aedes = await Aedes.createBroker();
  const published: TestBroker["published"] = [];
  aedes.on("publish", (packet, client) => {
    if (client === null) return;
    const { topic, qos, retain, payload } = packet;
    published.push({ topic, qos, retain, payload: new Uint8Array(Buffer.from(payload as Buffer)) });
  });
  const sockets = new Set<Duplex>();
  const accept = (stream: Duplex): void => {
    sockets.add(stream);
    stream.on("close", () => sockets.delete(stream));
    aedes.handle(stream);
  };
  const server = createServer(accept);
  const endpoint = await listen(server);
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    aedes,
    endpoint,
    published,
    accept,
    cut,
    async close() {
      await new Promise<void>((resolve) => aedes.close(() => resolve()));
      cut();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** Listens on a free port of loopback; answers `127.0.0.1:port`. */
export async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("a server without a port");
  return `127.0.0.1:${address.port}`;
}
