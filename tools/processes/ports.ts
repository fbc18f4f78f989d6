// Free ports on loopback.
//
// Promises: a port that was free for TCP and UDP alike a moment ago. Never: holds it, so whoever takes a port must be
// ready for another to have been quicker.

import { createSocket } from "node:dgram";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";

export const LOOPBACK = "127.0.0.1";
const ATTEMPTS_MAX = 32;

/** A port of 127.0.0.1 that is free for TCP and for UDP. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const port = await freeTcpPort();
    if (await isFreeForUdp(port)) return port;
  }
  throw new Error(`no port of ${LOOPBACK} is free for both TCP and UDP (${ATTEMPTS_MAX} tried)`);
}

function freeTcpPort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, LOOPBACK, () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

function isFreeForUdp(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket("udp4");
    socket.once("error", () => socket.close(() => resolve(false)));
    socket.bind(port, LOOPBACK, () => socket.close(() => resolve(true)));
  });
}
