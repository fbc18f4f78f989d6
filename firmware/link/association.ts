// Joins the Wi-Fi network and joins it again when it is lost (ECMA-419 network interface, `embedded:network/interface/wifi`).
//
// Promises: `online` is true exactly while the interface has an address. An attempt that is turned down (another password, no
// such network: the SDK says the same of both) is noticed when the interface tells of it; a router that is late with its
// address is waited for. Before each new attempt the interface is told to disconnect, and well before it: a station that is
// joined already would be "already connecting" for ever, and the news of a disconnection would be taken for the next attempt's.
// Where no network is named the station is started all the same, for its radio feeds the noise source, and joins none.
// Never blocks, never gives up, lets no exception of the interface out.

import type { MoteConfig } from "../config.js";
import type { Device, WiFi } from "../ports.js";

const CONNECT_TIMEOUT_MS = 20_000;
/** From the attempt's beginning, where it has joined: DHCP asks again after 2, 4, 8, … 60 seconds. */
const ADDRESS_TIMEOUT_MS = 120_000;
/** How often a station that has joined looks: the SDK tells of an IPv4 address only once it has one of IPv6 as well. */
const ADDRESS_LOOK_MS = 5_000;
const RETRY_FIRST_MS = 1_000;
const RETRY_MAX_MS = 60_000;
/** Of ECMA-419's `connection`. */
const CONNECTING = 300;
const JOINED = 400;

/** Its functions are called as its methods: what implements it spares a board a closure for each. */
export interface AssociationOptions {
  readonly device: Pick<Device, "clock" | "log" | "network">;
  /** No network to join where it has no `wifi`. */
  readonly config: Pick<MoteConfig, "wifi">;
  onWake(): void;
}

export class Association {
  readonly #options: AssociationOptions;
  #interface: WiFi | undefined;
  #online = false;
  #attemptMs: number | undefined;
  #nextMs = 0;
  #retryMs = RETRY_FIRST_MS;

  constructor(options: AssociationOptions) {
    this.#options = options;
  }

  get online(): boolean {
    return this.#online;
  }

  /** Whether the station was started, so that its radio feeds the noise source. */
  get started(): boolean {
    return this.#interface !== undefined;
  }

  /** Does what is due. Answers the milliseconds until it wants to be called again. */
  step(): number {
    const { config, device } = this.#options;
    const { clock, log } = device;
    const nowMs = clock.ticksMs();
    if (config.wifi === undefined) return this.startAlone(nowMs);
    const online = this.#interface?.address !== undefined;
    if (online !== this.#online) {
      this.#online = online;
      log.write("wifi", { state: online ? "up" : "down" });
      this.#attemptMs = undefined;
      if (online) this.#retryMs = RETRY_FIRST_MS;
      else {
        this.#nextMs = nowMs + RETRY_FIRST_MS;
        this.leave();
      }
    }
    if (online) return Number.POSITIVE_INFINITY;
    if (this.#attemptMs !== undefined) {
      const connection = this.#interface?.connection ?? 0;
      const joined = connection >= JOINED;
      const leftMs = this.#attemptMs + (joined ? ADDRESS_TIMEOUT_MS : CONNECT_TIMEOUT_MS) - nowMs;
      if (connection >= CONNECTING && leftMs > 0) return joined ? Math.min(leftMs, ADDRESS_LOOK_MS) : leftMs;
      this.failed(nowMs, this.reason(connection));
    }
    if (nowMs < this.#nextMs) return this.#nextMs - nowMs;
    this.connect(nowMs);
    return this.#attemptMs === undefined ? this.#nextMs - nowMs : CONNECT_TIMEOUT_MS;
  }

  close(): void {
    this.#interface?.close();
    this.#interface = undefined;
    this.#online = false;
  }

  private startAlone(nowMs: number): number {
    if (this.started) return Number.POSITIVE_INFINITY;
    if (nowMs < this.#nextMs) return this.#nextMs - nowMs;
    try {
      this.start();
      return Number.POSITIVE_INFINITY;
    } catch (error) {
      this.failed(nowMs, error instanceof Error ? error.message : String(error));
      return this.#nextMs - nowMs;
    }
  }

  private start(): WiFi {
    const { wifi } = this.#options.device.network;
    this.#interface ??= new wifi.io({ onChanged: () => this.#options.onWake() });
    return this.#interface;
  }

  private connect(nowMs: number): void {
    const { ssid, password } = this.#options.config.wifi as { readonly ssid: string; readonly password?: string };
    this.#attemptMs = nowMs;
    try {
      this.start().connect({ SSID: ssid, ...(password === undefined ? {} : { password }) });
    } catch (error) {
      this.failed(nowMs, error instanceof Error ? error.message : String(error));
    }
  }

  private failed(nowMs: number, why: string): void {
    this.#attemptMs = undefined;
    this.#nextMs = nowMs + this.#retryMs;
    this.#options.device.log.write("wifi", { state: "failed", reason: why, retryMs: this.#retryMs });
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS);
    this.leave();
  }

  private reason(connection: number): string {
    if (connection >= JOINED) return "joined, but the router gave no address in time: look at its DHCP";
    if (connection >= CONNECTING) return "no answer in time";
    return `not let in: wifi.password is not that of ${this.#options.config.wifi?.ssid}, or no such network is in reach`;
  }

  private leave(): void {
    try {
      this.#interface?.disconnect();
    } catch (error) {
      this.#options.device.log.write("wifi", { state: "leaving", reason: String(error) });
    }
  }
}
