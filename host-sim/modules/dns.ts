// Mirror of `embedded:network/dns/resolver/udp`: asks a name server over the UDP socket that its options name.
//
// Promises, as the SDK's resolver: the answer never comes from inside `resolve`; a literal IPv4 address answers itself; a name
// server that knows no address is believed at once; every name is asked for once a second, of its servers in turn, and given up
// with the fifth second for each of them. Socket and timer are there only while something is asked.
// Quirks kept: whoever sends a packet with the right number is believed; where its question and its first names are spelled otherwise
// than what was asked, there is no address; without servers the asking never ends; a second answer in the same event, or one cut short,
// throws out of the socket's callback. Stricter: a name has at most 63 bytes between two dots.
// Left out: names below `.local` (multicast), which are refused.

import type { Board } from "../hardware/board.js";
import { DnsParser, encodeQuestion } from "../world/dns-message.js";
import { currentBoard } from "./current.js";
import { type Timer, timerFor } from "./timer.js";
import type { UDPOptions } from "./udp.js";

interface DatagramSocket {
  read(): ArrayBuffer | undefined;
  write(data: Uint8Array, address: string, port: number): void;
  close(): void;
}

export interface ResolverOptions {
  servers: readonly string[];
  socket: { io: new (options: UDPOptions) => DatagramSocket };
  readonly [other: string]: unknown;
}

export interface ResolveRequest {
  host: string;
  onResolved?: (host: string, address: string) => void;
  onError?: (host: string) => void;
}

interface Asked extends ResolveRequest {
  readonly id: number;
  readonly literal: boolean;
  turn: number;
}

const PORT = 53;
const TURNS_PER_SERVER = 5;
const TURN_MS = 1000;
const TYPE_A = 1;
const CLASS_IN = 1;

export function resolverFor(board: () => Board) {
  const Timers = timerFor(board);

  return class Resolver {
    readonly #asked: Asked[] = [];
    #options: ResolverOptions | undefined;
    #socket: DatagramSocket | undefined;
    #timer: Timer | undefined;

    constructor(options: ResolverOptions) {
      this.#options = { ...options, servers: [...options.servers] };
    }

    resolve(request: ResolveRequest): void {
      const { onResolved, onError } = request;
      if (!request.host || (!onResolved && !onError) || !this.#options?.socket) throw new Error();
      if (request.host.endsWith(".local")) throw new Error("the simulated network has no multicast");
      const host = request.host === "localhost" ? "127.0.0.1" : request.host;
      const parts = host.split(".");
      const literal = parts.length === 4 && parts.every((part) => String(Number.parseInt(part, 10)) === part);
      this.#asked.push({ ...request, host, literal, turn: 0, id: board().network.queryId() });
      this.#timer ??= Timers.set(() => this.#turn(), 0, TURN_MS);
    }

    close(): void {
      this.#socket?.close();
      Timers.clear(this.#timer);
      this.#socket = this.#timer = this.#options = undefined;
    }

    #turn(): void {
      const servers = this.#options?.servers ?? [];
      for (const asked of [...this.#asked]) {
        asked.turn += 1;
        if (asked.literal) this.#answer(asked, asked.host);
        else if (asked.turn === servers.length * TURNS_PER_SERVER) this.#answer(asked, undefined);
        else this.#send(asked, servers);
      }
    }

    #send(asked: Asked, servers: readonly string[]): void {
      const { socket } = this.#options as ResolverOptions;
      try {
        this.#socket ??= new socket.io({ onReadable: (count) => this.#read(count) });
        this.#socket.write(encodeQuestion(asked.id, asked.host), servers[asked.turn % servers.length] as string, PORT);
      } catch {
        // No network, or no socket: asked again with the next turn.
      }
    }

    /** Reads on after the socket was closed, as the SDK's does, and throws then. */
    #read(count: number): void {
      const socket = this.#socket as DatagramSocket;
      for (let i = 0; i < count; i += 1) this.#receive(new DnsParser(socket.read() as ArrayBuffer));
    }

    #receive(packet: DnsParser): void {
      const question = packet.question(0);
      if (question !== null && question.qclass !== CLASS_IN) return;
      const asked = this.#asked.find(({ id }) => id === packet.id);
      if (asked === undefined) return;
      for (let i = 0; i < packet.answers; i += 1) {
        const answer = packet.answer(i);
        if (answer === null) throw new TypeError("an answer that is cut short");
        const names = [question?.qname, answer.qname].map((labels) => labels?.join("."));
        if (answer.qtype === TYPE_A && names.includes(asked.host)) {
          this.#answer(asked, answer.rdata);
          return;
        }
      }
      this.#answer(asked, undefined);
    }

    #answer(asked: Asked, address: string | undefined): void {
      this.#asked.splice(this.#asked.indexOf(asked), 1);
      if (this.#asked.length === 0) {
        this.#socket?.close();
        Timers.clear(this.#timer);
        this.#socket = this.#timer = undefined;
      }
      if (address === undefined) asked.onError?.call(this, asked.host);
      else asked.onResolved?.call(this, asked.host, address);
    }
  };
}

export default resolverFor(currentBoard);
