// The station of a board in Espressif's QEMU, which has no radio: the module `embedded:network/interface/wifi` of such an image, over the
// emulator's Ethernet. A cable has no name and no password: whatever `wifi.ssid` says joins it, and it tells of nothing by itself.

import { address, start } from "chainmote/emulator/open-eth";

/** ECMA-419's `connection`: joined, and with an address. */
const JOINED = 400;
const WITH_ADDRESS = 500;
const APART = 200;

export default class Station {
  #joined = false;

  /** Nothing of it is told: who joins looks for the address by itself. */
  // biome-ignore lint/complexity/noUselessConstructor: it says what the class takes
  constructor(_options: { onChanged?: (property: "connection" | "address") => void }) {}

  connect(_network: { SSID: string; password?: string }): void {
    start();
    this.#joined = true;
  }

  disconnect(): void {
    this.#joined = false;
  }

  get address(): string | undefined {
    return this.#joined ? address() : undefined;
  }

  get connection(): number {
    if (!this.#joined) return APART;
    return address() === undefined ? JOINED : WITH_ADDRESS;
  }

  close(): void {
    this.#joined = false;
  }
}
