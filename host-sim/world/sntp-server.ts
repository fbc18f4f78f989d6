// A small time server on loopback: answers SNTP requests (RFC 4330 §5 and §6) with the world's true time.
//
// Faults it may cause: silence, a truncated answer, a kiss-of-death (RFC 5905 §7.4), a wrong time.
// Never listens beyond 127.0.0.1.

import { createSocket, type Socket } from "node:dgram";

export type SntpFault = "none" | "silent" | "truncated" | "kiss-of-death";

const NTP_UNIX_OFFSET_S = 2_208_988_800;
const PACKET_BYTES = 48;
const TRUNCATED_BYTES = 20;

export interface SntpServerOptions {
  /** True time in milliseconds since the Unix epoch; the machine's clock where absent. */
  readonly epochMs?: () => number;
  /** 0 or absent: a free port. */
  readonly port?: number;
}

export class SntpServer {
  readonly #socket: Socket;
  readonly #epochMs: () => number;
  /** How far off the answers are, in milliseconds. */
  offsetMs = 0;
  fault: SntpFault = "none";
  /** Requests seen so far. */
  requests = 0;

  private constructor(socket: Socket, epochMs: () => number) {
    this.#socket = socket;
    this.#epochMs = epochMs;
    socket.on("message", (message, from) => {
      this.requests += 1;
      const answer = this.#answer(message);
      if (answer !== undefined) socket.send(answer, from.port, from.address);
    });
  }

  static async start(options: SntpServerOptions = {}): Promise<SntpServer> {
    const socket = createSocket("udp4");
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.bind(options.port ?? 0, "127.0.0.1", () => {
        socket.off("error", reject);
        resolve();
      });
    });
    return new SntpServer(socket, options.epochMs ?? Date.now);
  }

  /** `127.0.0.1:port` */
  get endpoint(): string {
    return `127.0.0.1:${this.#socket.address().port}`;
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#socket.close(() => resolve()));
  }

  #answer(request: Uint8Array): Uint8Array | undefined {
    if (this.fault === "silent" || request.length < PACKET_BYTES || ((request[0] as number) & 7) !== 3) return undefined;
    const answer = new Uint8Array(PACKET_BYTES);
    const view = new DataView(answer.buffer);
    const kiss = this.fault === "kiss-of-death";
    answer[0] = (kiss ? 0xc0 : 0) | ((request[0] as number) & 0x38) | 4; // leap, the client's version, mode server
    answer[1] = kiss ? 0 : 2; // stratum
    answer[2] = 6; // poll
    answer[3] = 0xec; // precision: 2^-20 s
    answer.set(
      [...(kiss ? "DENY" : "SIMU")].map((letter) => letter.charCodeAt(0)),
      12,
    );
    answer.set(request.subarray(40, 48), 24); // originate = the client's transmit
    if (!kiss) for (const at of [16, 32, 40]) writeTimestamp(view, at, this.#epochMs() + this.offsetMs);
    return this.fault === "truncated" ? answer.subarray(0, TRUNCATED_BYTES) : answer;
  }
}

function writeTimestamp(view: DataView, offset: number, epochMs: number): void {
  const seconds = Math.floor(epochMs / 1000);
  view.setUint32(offset, (seconds + NTP_UNIX_OFFSET_S) >>> 0);
  view.setUint32(offset + 4, Math.floor(((epochMs - seconds * 1000) / 1000) * 0x1_0000_0000));
}
