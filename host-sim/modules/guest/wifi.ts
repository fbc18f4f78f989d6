// `embedded:network/interface/wifi` on the XS engine: the board's radio, over the bridge.

import type { WiFiConstructorOptions } from "../wifi.js";
import { bind, call, type Target, unbind } from "./bridge.js";

export default class WiFi implements Target {
  readonly #options: WiFiConstructorOptions;
  readonly #number: number;

  constructor(options: WiFiConstructorOptions = {}) {
    this.#options = options;
    this.#number = bind(this);
    call("wifi.open", this.#number);
  }

  happened(property: string): void {
    this.#options.onChanged?.call(this, property);
  }

  connect({ SSID, password }: { SSID: string; password?: string }): void {
    call("wifi.connect", this.#number, SSID, password);
  }

  disconnect(): void {
    call("wifi.disconnect", this.#number);
  }

  get connection(): number {
    return call<number>("wifi.connection", this.#number);
  }

  get address(): string | undefined {
    return call<string | undefined>("wifi.address", this.#number);
  }

  get SSID(): string | undefined {
    return call<string | undefined>("wifi.SSID", this.#number);
  }

  close(): void {
    call("wifi.close", this.#number);
    unbind(this.#number);
  }
}
