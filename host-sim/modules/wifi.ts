// Mirror of `embedded:network/interface/wifi`, thin over hardware/radio.ts.
//
// Promises, as the SDK's class on an ESP32: each instance has its own flags, set by `connect` and by messages that come
// later than what they tell of; `connection` is 200 idle, 300 connecting, 400 associated, 500 with both addresses; "address"
// is told only then, nothing when it goes; `address` is the IPv4 address as soon as there is one, before that the link-local
// IPv6 address, and stays for a moment after `disconnect`. A wrong password is "connection" and 200, like every other end.
// Quirks kept: `connect` while associated leaves the instance "already connecting" until it is told to disconnect, or is
// disconnected; the message of a `disconnect` undoes the mark of a `connect` right after it.
// The radio is on from the first construction on, and stays on after `close`.

import type { Board } from "../hardware/board.js";
import type { RadioEvent } from "../hardware/radio.js";
import { currentBoard } from "./current.js";

export interface WiFiConstructorOptions {
  onChanged?: (property: string) => void;
}

const SSID_BYTES_MAX = 32;
const PASSWORD_BYTES_MAX = 64;
const CHANNEL_MAX = 13;
const IPV4 = 1;
const IPV6 = 2;

export function wifiFor(board: () => Board) {
  return class WiFi {
    readonly #options: WiFiConstructorOptions;
    readonly #stopListening: () => void;
    #connecting = false;
    #connected: boolean;
    #ip: number;
    #closed = false;

    constructor(options: WiFiConstructorOptions = {}) {
      const { radio } = board();
      this.#options = options;
      radio.start();
      this.#connected = radio.associated;
      this.#ip = (radio.online ? IPV4 : 0) | (radio.linkLocal ? IPV6 : 0);
      this.#stopListening = radio.listen((event) => {
        // A message to the machine, as on the board: never from inside a call.
        setImmediate(() => {
          if (!this.#closed && radio.on) radio.enter("a callback of Wi-Fi", () => this.#happened(event));
        });
      });
    }

    #happened(event: RadioEvent): void {
      const before = this.connection;
      const had = this.#ip;
      const marked = this.#connecting;
      if (event !== "addressed") this.#connecting = false;
      this.#connected = event !== "disconnected";
      this.#ip = event === "addressed" ? IPV4 | IPV6 : 0;
      if (this.connection !== before || had !== this.#ip || marked !== this.#connecting)
        this.#options.onChanged?.call(this, "connection");
      if (event === "addressed" && (had & IPV4) === 0 && !this.#closed) this.#options.onChanged?.call(this, "address");
    }

    connect(options: { SSID: string; password?: string; channel?: number }): void {
      this.#check();
      if (this.#connecting) throw new Error("already connecting");
      const { SSID, password, channel } = options;
      if (SSID === undefined) throw new Error("SSID required");
      checkLength(SSID, SSID_BYTES_MAX);
      if (password !== undefined) checkLength(password, PASSWORD_BYTES_MAX);
      if (channel !== undefined && !(channel >= 1 && channel <= CHANNEL_MAX)) throw new RangeError("invalid channel");
      if (!board().radio.connect(SSID, password)) throw new Error("connect failed");
      this.#connecting = true;
    }

    disconnect(): void {
      this.#check();
      board().radio.disconnect();
      this.#connecting = false;
      this.#connected = false;
      this.#ip = 0;
    }

    get connection(): number {
      this.#check();
      if (this.#connected) return this.#ip === (IPV4 | IPV6) ? 500 : 400;
      return this.#connecting ? 300 : 200;
    }

    get address(): string | undefined {
      this.#check();
      return board().radio.address;
    }

    get SSID(): string | undefined {
      this.#check();
      return board().radio.associated ? board().radio.ssid : undefined;
    }

    close(): void {
      this.#closed = true;
      this.#stopListening();
    }

    #check(): void {
      if (this.#closed) throw new TypeError("invalid host object");
    }
  };
}

function checkLength(text: string, bytesMax: number): void {
  if (Buffer.byteLength(text, "utf8") > bytesMax) throw new RangeError("cannot buffer string");
}

export default wifiFor(currentBoard);
