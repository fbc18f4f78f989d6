// A board's Wi-Fi station: off until a driver starts it, then idle, connecting, associated, and finally addressed.
//
// Promises: after association the link-local IPv6 address is there first and the IPv4 address later, as on an ESP32.
// Faults it may cause: an unknown SSID or a wrong password (never associates), an access point that goes and comes.
// Never reconnects by itself: the SDK's class does not either.

import type { Scheduled, WorldClock } from "../world/clock.js";
import type { LinkState, Network } from "../world/network.js";

export type RadioState = "off" | "idle" | "connecting" | "associated" | "addressed";

export interface RadioOptions {
  /** The access points in reach; every SSID and password is right where absent. */
  readonly accessPoints?: Readonly<Record<string, { readonly password?: string }>>;
  readonly associationMs?: number;
  readonly addressMs?: number;
}

const ASSOCIATION_MS = 20;
const ADDRESS_MS = 20;
const REFUSAL_MS = 200;
const IPV4_ADDRESS = "10.0.1.2";
const IPV6_ADDRESS = "fe80::1";

export class Radio {
  readonly #clock: WorldClock;
  readonly #network: Network;
  readonly #options: RadioOptions;
  readonly #watchers = new Set<() => void>();
  readonly #stopListening: () => void;
  #pending: Scheduled | undefined;
  #state: RadioState = "off";
  ssid: string | undefined;

  constructor(clock: WorldClock, network: Network, options: RadioOptions = {}) {
    this.#clock = clock;
    this.#network = network;
    this.#options = options;
    this.#stopListening = network.onLink((link) => this.#linkChanged(link));
  }

  get state(): RadioState {
    return this.#state;
  }

  /** Whether the radio feeds the noise source. */
  get on(): boolean {
    return this.#state !== "off";
  }

  /** Whether packets have a way out. */
  get online(): boolean {
    return this.#state === "addressed";
  }

  get address(): string | undefined {
    return this.#state === "addressed" ? IPV4_ADDRESS : this.#state === "associated" ? IPV6_ADDRESS : undefined;
  }

  /** Calls back after each change of state; answers how to stop that. */
  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  start(): void {
    if (this.#state === "off") this.#become("idle");
  }

  connect(ssid: string, password: string | undefined): void {
    if (this.#state === "connecting") throw new Error("already connecting");
    this.ssid = ssid;
    this.#become("connecting");
    const accessPoints = this.#options.accessPoints;
    const known = accessPoints === undefined || (ssid in accessPoints && accessPoints[ssid]?.password === password);
    if (!known || this.#network.link === "down") this.#later(() => this.#become("idle"), REFUSAL_MS);
    else this.#later(() => this.#associate(), this.#options.associationMs ?? ASSOCIATION_MS);
  }

  disconnect(): void {
    if (this.#state === "off") return;
    this.#cancel();
    this.#become("idle");
  }

  /** Power off. Whoever watches sees the state go to `off`, and tells the firmware nothing of it. */
  stop(): void {
    this.#cancel();
    this.#stopListening();
    this.#become("off");
    this.#watchers.clear();
  }

  #associate(): void {
    this.#become("associated");
    this.#later(() => this.#become("addressed"), this.#options.addressMs ?? ADDRESS_MS);
  }

  #linkChanged(link: LinkState): void {
    if (link !== "down" || this.#state === "off" || this.#state === "idle") return;
    this.#cancel();
    this.#become("idle");
  }

  #later(action: () => void, delayMs: number): void {
    this.#cancel();
    this.#pending = this.#clock.schedule(action, delayMs);
  }

  #cancel(): void {
    if (this.#pending !== undefined) this.#clock.cancel(this.#pending);
    this.#pending = undefined;
  }

  #become(state: RadioState): void {
    if (state === this.#state) return;
    this.#state = state;
    for (const watcher of [...this.#watchers]) watcher();
  }
}
