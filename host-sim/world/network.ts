// The network as one board sees it: host names and ports of its configuration, mapped onto endpoints of this machine,
// and the link to the access point.
//
// Faults it may cause: the access point gone (`down`: sockets break), every packet lost (`stalled`: sockets hang until
// the link is `up` again), a stream cut into ragged pieces, datagrams lost, a captive portal.
// A service may also be in this very process: its streams then take no socket of the machine and no call of the kernel, and the board
// sees no difference but time.
// Never reaches an endpoint that the map does not name, except loopback addresses.

import { type Duplex, duplexPair } from "node:stream";
import type { Prng } from "./prng.js";

export type LinkState = "up" | "stalled" | "down";

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** A service in this process: takes its end of a stream that a board has opened. */
export type Service = (stream: Duplex) => void;

export interface NetworkOptions {
  /** `{"broker:1883": "127.0.0.1:54321", "time:123": "127.0.0.1:40123"}`, or a service of this process. */
  readonly map?: Readonly<Record<string, string | Service>>;
  /** How a stream arrives: in pieces of 1,024 bytes, or in pieces of 1 to 1,436 bytes by chance. */
  readonly segments?: "even" | "ragged";
  /** Share of datagrams lost, 0 to 1. */
  readonly datagramLoss?: number;
  readonly prng: Prng;
}

/** What an ESP32's TCP calls a full segment is 1,436 bytes (SDK sdkconfig); even pieces stay below it. */
const SEGMENT_BYTES = 1024;
const SEGMENT_BYTES_MAX = 1436;
const HOSTS_MAX = 200;
/** Control blocks of lwIP: CONFIG_LWIP_MAX_ACTIVE_TCP, the least of the boards', and CONFIG_LWIP_MAX_UDP_PCBS. */
const SOCKETS_MAX = { tcp: 8, udp: 16 } as const;
const PORTAL_ADDRESS = "10.0.1.1";

export class Network {
  readonly #endpoints = new Map<string, Endpoint | Service>();
  readonly #addresses = new Map<string, string>();
  readonly #listeners = new Set<(state: LinkState) => void>();
  readonly #options: NetworkOptions;
  #queries: Prng | undefined;
  #link: LinkState = "up";
  readonly #sockets = { tcp: 0, udp: 0 };
  /** A captive portal on this machine: every name and every connection leads to it, and datagrams get no answer. */
  portal: Endpoint | undefined;

  constructor(options: NetworkOptions) {
    this.#options = options;
    for (const [name, target] of Object.entries(options.map ?? {})) this.route(name, target);
  }

  /** Maps `host:port` of the simulated network to `host:port` of this machine, or to a service; again to move a server. */
  route(name: string, target: string | Service): void {
    const from = parseEndpoint(name);
    const address = this.#addresses.get(from.host) ?? literalAddress(from.host) ?? this.#assign(from.host);
    this.#endpoints.set(`${address}:${from.port}`, typeof target === "string" ? parseEndpoint(target) : target);
  }

  #assign(host: string): string {
    if (this.#addresses.size >= HOSTS_MAX) throw new RangeError(`more than ${HOSTS_MAX} hosts on the simulated network`);
    const address = `10.0.0.${this.#addresses.size + 1}`;
    this.#addresses.set(host, address);
    return address;
  }

  /** The IPv4 address that the network's name server knows for `host`. */
  addressOf(host: string): string | undefined {
    return literalAddress(host) ?? (this.portal === undefined ? this.#addresses.get(host) : PORTAL_ADDRESS);
  }

  /** Where `address:port` is reached on this machine. */
  endpointOf(address: string, port: number): Endpoint | undefined {
    if (this.portal !== undefined) return this.portal;
    const known = this.#endpoints.get(`${address}:${port}`);
    if (typeof known === "object") return known;
    return address.startsWith("127.") ? { host: address, port } : undefined;
  }

  /** A stream to the service of this process at `address:port`; undefined where there is none. It is connected a turn later. */
  streamTo(address: string, port: number): Duplex | undefined {
    const service = this.portal === undefined ? this.#endpoints.get(`${address}:${port}`) : undefined;
    if (typeof service !== "function") return undefined;
    const [ours, theirs] = duplexPair();
    // One that is torn down tears the other down, as a connection is reset.
    ours.on("close", () => theirs.destroy());
    theirs.on("close", () => ours.destroy());
    setImmediate(() => {
      if (ours.destroyed) return;
      service(theirs);
      ours.emit("connect");
    });
    return ours;
  }

  /** The simulated address of an endpoint of this machine, for datagrams that come from there. */
  sourceOf(endpoint: Endpoint): { address: string; port: number } {
    for (const [name, target] of this.#endpoints)
      if (typeof target === "object" && target.host === endpoint.host && target.port === endpoint.port) {
        const { host, port } = parseEndpoint(name);
        return { address: host, port };
      }
    return { address: endpoint.host, port: endpoint.port };
  }

  /** Sockets of the board that are open. */
  get sockets(): { readonly tcp: number; readonly udp: number } {
    return { ...this.#sockets };
  }

  /** Takes one of the board's few sockets; answers how to give it back. Throws where none is left. */
  takeSocket(kind: "tcp" | "udp"): () => void {
    if (this.#sockets[kind] >= SOCKETS_MAX[kind]) throw new RangeError("no socket");
    this.#sockets[kind] += 1;
    let taken = true;
    return () => {
      if (taken) this.#sockets[kind] -= 1;
      taken = false;
    };
  }

  get link(): LinkState {
    return this.#link;
  }

  set link(state: LinkState) {
    if (state === this.#link) return;
    this.#link = state;
    for (const listener of [...this.#listeners]) listener(state);
  }

  /** Calls back at each change of the link; answers how to stop that. */
  onLink(listener: (state: LinkState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Bytes of the next piece of a stream. */
  segmentBytes(): number {
    return this.#options.segments === "ragged" ? 1 + this.#options.prng.below(SEGMENT_BYTES_MAX) : SEGMENT_BYTES;
  }

  /** The id of a name's query, as the SDK's resolver draws it: below 65,536, and odd. */
  queryId(): number {
    this.#queries ??= this.#options.prng.fork("queries");
    return this.#queries.below(65_535) | 1;
  }

  losesDatagram(): boolean {
    return this.#link !== "up" || this.#options.prng.chance(this.#options.datagramLoss ?? 0);
  }
}

/** `host:port`; throws a `RangeError` for anything else. */
function parseEndpoint(text: string): Endpoint {
  const colon = text.lastIndexOf(":");
  const port = Number(text.slice(colon + 1));
  if (colon < 1 || !Number.isInteger(port) || port < 1 || port > 65_535) throw new RangeError(`no host:port: ${text}`);
  return { host: text.slice(0, colon), port };
}

function literalAddress(host: string): string | undefined {
  if (host === "localhost") return "127.0.0.1";
  const parts = host.split(".");
  return parts.length === 4 && parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) <= 255) ? host : undefined;
}
