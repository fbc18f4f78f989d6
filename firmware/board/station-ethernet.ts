// The station of a board with an Ethernet in the place of a radio: the module `embedded:network/interface/wifi` of its build, over the SDK's
// `embedded:network/interface/ethernet`. A cable has no name and no password: whatever `wifi.ssid` says joins it.

import Ethernet from "embedded:network/interface/ethernet";

export default class Station {
  readonly #ethernet: Ethernet;

  constructor(options: { onChanged?: (property: "connection" | "address") => void }) {
    this.#ethernet = new Ethernet(options);
  }

  connect(_network: { SSID: string; password?: string }): void {
    this.#ethernet.connect();
  }

  disconnect(): void {
    this.#ethernet.disconnect();
  }

  get address(): string | undefined {
    return this.#ethernet.address;
  }

  get connection(): number {
    return this.#ethernet.connection;
  }

  close(): void {
    this.#ethernet.close();
  }
}
