// Mirror of `embedded:network/ntp/client`: SNTP over the sockets and the resolver that its options name.
//
// Promises, as the SDK's client: five requests two seconds apart to each server in turn, then an error; whole seconds only.
// Quirks kept: it believes any datagram that reaches its socket, checks neither mode nor stratum nor origin; one shorter than 44
// bytes throws out of its callback, and ends the asking without an answer; a request that cannot be sent throws out of its timer,
// or out of the resolver; `close` forgets a callback that waits, and then nothing can be asked any more.

import type { Board } from "../hardware/board.js";
import { currentBoard } from "./current.js";
import type { ResolveRequest, ResolverOptions } from "./dns.js";
import { type Timer, timerFor } from "./timer.js";
import type { UDPOptions } from "./udp.js";

interface DatagramSocket {
  read(): ArrayBuffer | undefined;
  write(data: Uint8Array, address: string, port: number): void;
  close(): void;
}

export interface NTPOptions {
  servers: readonly string[];
  dns: ResolverOptions & { io: new (options: ResolverOptions) => { resolve(request: ResolveRequest): void; close(): void } };
  socket: { io: new (options: UDPOptions) => DatagramSocket };
  target?: unknown;
}

type TimeCallback = (error: Error | null, timeMs?: number) => void;

const NTP_PORT = 123;
const PACKET_BYTES = 48;
const CLIENT_MODE_VERSION_4 = (4 << 3) | 3;
const TRIES_PER_SERVER = 5;
const RETRY_MS = 2000;
const TRANSMIT_SECONDS_AT = 40;
const NTP_UNIX_OFFSET_S = 2_208_988_800;

export function ntpFor(board: () => Board) {
  const Timers = timerFor(board);

  return class NTP {
    readonly target: unknown;
    readonly #servers: readonly string[];
    readonly #dns: InstanceType<NTPOptions["dns"]["io"]>;
    #socket: DatagramSocket | undefined;
    #callback: TimeCallback | undefined;
    #timer: Timer | undefined;

    constructor(options: NTPOptions) {
      if (!options.servers?.length || !options.socket || !options.dns) throw new Error("invalid");
      this.target = options.target;
      this.#servers = options.servers;
      this.#dns = new options.dns.io(options.dns);
      this.#socket = new options.socket.io({ ...options.socket, onReadable: (count) => this.#receive(count) });
    }

    getTime(callback: TimeCallback): void {
      if (this.#callback !== undefined) throw new Error("in use");
      this.#callback = callback;
      this.#ask(0);
    }

    close(): void {
      this.#socket?.close();
      this.#socket = undefined;
      this.#dns.close();
      this.#stopTimer();
    }

    /** Resolves the server number `index` and begins to ask it. */
    #ask(index: number): void {
      this.#stopTimer();
      const host = this.#servers[index];
      if (host === undefined) {
        this.#giveUp();
        return;
      }
      this.#dns.resolve({
        host,
        onResolved: (_host, address) => this.#request(index, address, 1),
        onError: () => this.#ask(index + 1),
      });
    }

    #request(index: number, address: string, attempt: number): void {
      if (attempt > TRIES_PER_SERVER) {
        this.#ask(index + 1);
        return;
      }
      const packet = new Uint8Array(PACKET_BYTES);
      packet[0] = CLIENT_MODE_VERSION_4;
      this.#socket?.write(packet, address, NTP_PORT);
      this.#stopTimer();
      this.#timer = Timers.set(() => this.#request(index, address, attempt + 1), RETRY_MS);
    }

    #receive(count: number): void {
      const packet = new DataView(this.#socket?.read() as ArrayBuffer);
      for (let i = 1; i < count; i += 1) this.#socket?.read();
      this.#stopTimer();
      const callback = this.#callback;
      this.#callback = undefined;
      callback?.(null, (packet.getUint32(TRANSMIT_SECONDS_AT) - NTP_UNIX_OFFSET_S) * 1000);
    }

    #giveUp(): void {
      const callback = this.#callback;
      this.#callback = undefined;
      callback?.(new Error());
    }

    #stopTimer(): void {
      Timers.clear(this.#timer);
      this.#timer = undefined;
    }
  };
}

export default ntpFor(currentBoard);
