// A board's Wi-Fi station, and what ESP-IDF tells of it: off until a driver starts it, then idle, connecting, associated,
// and addressed once it has an IPv4 address.
//
// Promises: events as ESP-IDF posts them: "connected", "disconnected" for every end of an attempt or an association,
// whatever it was (a wrong password and a network that is not there look alike), "addressed" only once the link-local IPv6
// address and the IPv4 address are both there, nothing where the IPv4 address alone goes. `disconnect` ends later than it
// returns. `connect` while associated does nothing, and nothing is told.
// Faults it may cause: an unknown SSID or a wrong password, an access point that goes and comes or changes its channel, a
// router that hands out its address late, not at all, or takes it back.
// Never reconnects by itself: the SDK's class does not either.

import type { Scheduled } from "../world/clock.js";
import type { LinkState, Network } from "../world/network.js";
import type { PoweredClock } from "./power.js";

export type RadioState = "off" | "idle" | "connecting" | "associated" | "addressed";
export type RadioEvent = "connected" | "disconnected" | "addressed";

export interface RadioOptions {
  /** The access points in reach; every SSID and password is right where absent. */
  readonly accessPoints?: Readonly<Record<string, { readonly password?: string }>>;
  readonly associationMs?: number;
  /** From the association to the IPv4 address; `Infinity` for a router without DHCP. */
  readonly addressMs?: number;
  /** From the association to the link-local IPv6 address. */
  readonly linkLocalMs?: number;
}

const ASSOCIATION_MS = 20;
const ADDRESS_MS = 20;
const REFUSAL_MS = 200;
const LEAVE_MS = 5;
/** As long as ESP-IDF hears no beacon before it takes the access point for gone. */
const BEACON_TIMEOUT_MS = 6000;
const IPV4_ADDRESS = "10.0.1.2";
const IPV6_ADDRESS = "fe80::1";

export class Radio {
  readonly #clock: PoweredClock;
  readonly #network: Network;
  readonly #options: RadioOptions;
  readonly #watchers = new Set<() => void>();
  readonly #listeners = new Set<(event: RadioEvent) => void>();
  readonly #stopListening: () => void;
  readonly #pending = new Set<Scheduled>();
  #state: RadioState = "off";
  #linkLocal = false;
  #leaving = false;
  ssid: string | undefined;
  /** From the next association on. */
  addressMs: number;

  constructor(clock: PoweredClock, network: Network, options: RadioOptions = {}) {
    this.#clock = clock;
    this.#network = network;
    this.#options = options;
    this.addressMs = options.addressMs ?? ADDRESS_MS;
    this.#stopListening = network.onLink((link) => this.#linkChanged(link));
  }

  get state(): RadioState {
    return this.#state;
  }

  /** Whether the radio feeds the noise source. */
  get on(): boolean {
    return this.#state !== "off";
  }

  get associated(): boolean {
    return this.#state === "associated" || this.#state === "addressed";
  }

  /** Whether packets have a way out. */
  get online(): boolean {
    return this.#state === "addressed";
  }

  get linkLocal(): boolean {
    return this.#linkLocal;
  }

  get address(): string | undefined {
    return this.#state === "addressed" ? IPV4_ADDRESS : this.#linkLocal ? IPV6_ADDRESS : undefined;
  }

  /** Calls the firmware (power.ts). */
  enter(name: string, callback: () => void): void {
    this.#clock.enter(name, callback);
  }

  /** Calls back after each change of state; answers how to stop that. */
  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** Calls back at each event; answers how to stop that. */
  listen(listener: (event: RadioEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  start(): void {
    if (this.#state === "off") this.#become("idle");
  }

  /** As `esp_wifi_connect`: whether it was taken. */
  connect(ssid: string, password: string | undefined): boolean {
    if (this.#leaving) this.#left();
    if (this.#state === "off" || this.#state === "connecting" || ssid === "") return false;
    if (this.#state !== "idle") return true;
    this.ssid = ssid;
    this.#become("connecting");
    const accessPoints = this.#options.accessPoints;
    const known = accessPoints === undefined || (ssid in accessPoints && accessPoints[ssid]?.password === password);
    if (!known || this.#network.link === "down") this.#later(() => this.#left(), REFUSAL_MS);
    else this.#later(() => this.#associate(), this.#options.associationMs ?? ASSOCIATION_MS);
    return true;
  }

  disconnect(): void {
    if (this.#leaving || this.#state === "off" || this.#state === "idle") return;
    this.#cancel();
    this.#leaving = true;
    this.#later(() => this.#left(), LEAVE_MS);
  }

  /** The router takes the IPv4 address back, as when a lease ends and is not renewed: ESP-IDF's event is one the SDK passes over. */
  loseAddress(): void {
    if (this.#state === "addressed") this.#become("associated");
  }

  /** The access point changes its channel: silence, then it is gone, then it is there again after `awayMs`. */
  changeChannel(awayMs: number): void {
    this.#network.link = "stalled";
    this.#clock.schedule(() => {
      this.#network.link = "down";
      this.#clock.schedule(() => {
        this.#network.link = "up";
      }, awayMs);
    }, BEACON_TIMEOUT_MS);
  }

  /** Power off. Whoever watches sees the state go to `off`, and tells the firmware nothing of it. */
  stop(): void {
    this.#cancel();
    this.#stopListening();
    this.#listeners.clear();
    this.#linkLocal = false;
    this.#become("off");
    this.#watchers.clear();
  }

  #associate(): void {
    this.#become("associated");
    this.#tell("connected");
    const { linkLocalMs = 0 } = this.#options;
    if (linkLocalMs === 0) this.#linkLocal = true;
    else
      this.#later(() => {
        this.#linkLocal = true;
        if (this.#state === "addressed") this.#tell("addressed");
      }, linkLocalMs);
    if (this.addressMs !== Number.POSITIVE_INFINITY)
      this.#later(() => {
        this.#become("addressed");
        if (this.#linkLocal) this.#tell("addressed");
      }, this.addressMs);
  }

  #linkChanged(link: LinkState): void {
    if (link === "down" && this.#state !== "off" && this.#state !== "idle") this.#left();
  }

  #left(): void {
    this.#cancel();
    this.#leaving = false;
    this.#linkLocal = false;
    this.#become("idle");
    this.#tell("disconnected");
  }

  #later(action: () => void, delayMs: number): void {
    const scheduled = this.#clock.schedule(() => {
      this.#pending.delete(scheduled);
      action();
    }, delayMs);
    this.#pending.add(scheduled);
  }

  #cancel(): void {
    for (const scheduled of this.#pending) this.#clock.cancel(scheduled);
    this.#pending.clear();
  }

  #become(state: RadioState): void {
    if (state === this.#state) return;
    this.#state = state;
    for (const watcher of [...this.#watchers]) watcher();
  }

  #tell(event: RadioEvent): void {
    for (const listener of [...this.#listeners]) listener(event);
  }
}
