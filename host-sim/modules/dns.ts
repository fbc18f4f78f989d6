// Mirror of `embedded:network/dns/resolver/udp`: names of the simulated network.
//
// Promises, as the SDK's resolver: the answer never comes from inside `resolve`; a literal IPv4 address answers itself; an
// unknown name fails at once; with no network the resolver asks once a second and gives up after five tries for each of
// its servers.

import type { Board } from "../hardware/board.js";
import { currentBoard } from "./current.js";
import { type Timer, timerFor } from "./timer.js";

export interface ResolverOptions {
  servers: readonly string[];
  readonly [other: string]: unknown;
}

export interface ResolveRequest {
  host: string;
  onResolved?: (host: string, address: string) => void;
  onError?: (host: string) => void;
}

const TRIES_PER_SERVER = 5;
const RETRY_MS = 1000;
const LITERAL = /^\d{1,3}(\.\d{1,3}){3}$/;

export function resolverFor(board: () => Board) {
  const Timers = timerFor(board);

  return class Resolver {
    readonly #tries: number;
    readonly #timers = new Set<Timer>();
    #closed = false;

    constructor(options: ResolverOptions) {
      this.#tries = options.servers.length * TRIES_PER_SERVER;
    }

    resolve(request: ResolveRequest): void {
      if (!request.host || this.#closed) throw new Error("invalid");
      this.#later(() => this.#try(request, this.#tries), 0);
    }

    close(): void {
      this.#closed = true;
      for (const timer of this.#timers) Timers.clear(timer);
      this.#timers.clear();
    }

    #try(request: ResolveRequest, tries: number): void {
      const { network, radio } = board();
      const { host } = request;
      const literal = LITERAL.test(host) || host === "localhost";
      if (literal || (radio.online && network.link === "up")) {
        const address = network.addressOf(host);
        if (address === undefined) request.onError?.call(this, host);
        else request.onResolved?.call(this, host, address);
      } else if (tries <= 1) request.onError?.call(this, host);
      else this.#later(() => this.#try(request, tries - 1), RETRY_MS);
    }

    #later(action: () => void, delayMs: number): void {
      const timer = Timers.set(() => {
        this.#timers.delete(timer);
        action();
      }, delayMs);
      this.#timers.add(timer);
    }
  };
}

export default resolverFor(currentBoard);
