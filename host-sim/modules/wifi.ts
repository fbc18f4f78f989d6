// Mirror of `embedded:network/interface/wifi`, thin over hardware/radio.ts.
//
// Promises, as the SDK's class: `connection` is 200 idle, 300 connecting, 400 associated, 500 with an address; "address" is
// told only when an IPv4 address comes, and nothing but "connection" when it goes; `address` is the link-local IPv6
// address before that. The radio is on from the first construction on, and stays on after `close`.

import type { Board } from "../hardware/board.js";
import { currentBoard } from "./current.js";

export interface WiFiConstructorOptions {
  onChanged?: (property: string) => void;
}

const CONNECTION = { off: 200, idle: 200, connecting: 300, associated: 400, addressed: 500 } as const;
const SSID_LENGTH_MAX = 32;

export function wifiFor(board: () => Board) {
  return class WiFi {
    readonly #stopWatching: () => void;
    #connection: number;
    #closed = false;

    constructor(options: WiFiConstructorOptions = {}) {
      const radio = board().radio;
      radio.start();
      this.#connection = CONNECTION[radio.state];
      this.#stopWatching = radio.watch(() => {
        const connection = CONNECTION[radio.state];
        // A message to the machine, as on the board: never from inside a call.
        setImmediate(() => {
          const before = this.#connection;
          if (this.#closed || !radio.on || connection === before) return;
          this.#connection = connection;
          if (connection !== 300) options.onChanged?.call(this, "connection");
          if (connection === 500 && !this.#closed) options.onChanged?.call(this, "address");
        });
      });
    }

    connect(options: { SSID: string; password?: string }): void {
      this.#check();
      if (options.SSID === undefined) throw new Error("SSID required");
      if (options.SSID.length > SSID_LENGTH_MAX) throw new RangeError("SSID too long");
      board().radio.connect(options.SSID, options.password);
    }

    disconnect(): void {
      this.#check();
      board().radio.disconnect();
      this.#connection = CONNECTION[board().radio.state];
    }

    get connection(): number {
      this.#check();
      return CONNECTION[board().radio.state];
    }

    get address(): string | undefined {
      this.#check();
      return board().radio.address;
    }

    get SSID(): string | undefined {
      this.#check();
      return board().radio.online ? board().radio.ssid : undefined;
    }

    close(): void {
      this.#closed = true;
      this.#stopWatching();
    }

    #check(): void {
      if (this.#closed) throw new TypeError("invalid host object");
    }
  };
}

export default wifiFor(currentBoard);
