// The board: builds the firmware's `Device` from the modules of the Moddable SDK. The only importer of those modules.
//
// Promises: every port in the shape of ports.ts, and nothing native before `createDevice` is called, so that this module
// can be preloaded. Never asks whether the board is simulated: a simulator mirrors the modules behind these specifiers.

import I2C from "embedded:io/i2c";
import TCP from "embedded:io/socket/tcp";
import UDP from "embedded:io/socket/udp";
import Resolver from "embedded:network/dns/resolver/udp";
import WiFi from "embedded:network/interface/wifi";
import MQTTClient from "embedded:network/mqtt/client";
import NTP from "embedded:network/ntp/client";
import builtin from "embedded:provider/builtin";
import FlashStorage from "embedded:storage/flash";
import KeyValueStorage from "embedded:storage/key-value";
import { createKeys } from "chainmote/crypto";
import { fail, failed, read } from "chainmote/entropy";
import * as tls from "chainmote/tls";
import config from "mc/config";
// biome-ignore lint/style/useNodejsImportProtocol: the SDK's module of that name
import Net from "net";
import Time from "time";
import ModuleTimer from "timer";
import type {
  BoardIO,
  Clock,
  Device,
  Entropy,
  FlashStorage as FlashPort,
  KeyValueStorage as KeyValuePort,
  Log,
  Timer,
  WiFiOptions,
  WiFi as WiFiStation,
} from "../ports.js";
import { contain } from "./contained.js";
import { networkOver } from "./network.js";
import { tlsSocketOver } from "./tls-socket.js";

/** The `config` of the manifest, as it is: checked by config.ts. */
export const configuration: unknown = config;

/** @param io classes for pins, of those modules that the application includes: `embedded:io/analog`, `digital`, `pulsecount` */
export function createDevice(io: PinClasses = {}): Device {
  // The SDK's declaration answers any format; opened as "buffer", it answers buffers.
  const store = KeyValueStorage as unknown as KeyValuePort;
  return {
    clock: clock(),
    timer,
    entropy,
    keys: createKeys({ entropy, store }),
    flash: FlashStorage as FlashPort,
    store,
    io: { ...wiring(), ...(io as Omit<BoardIO, "i2c">) },
    network: { wifi: { io: Station }, ...NETWORK },
    log,
  };
}

/** As the SDK declares them, which is wider than the ports, or narrower. */
export interface PinClasses {
  readonly analog?: unknown;
  readonly digital?: unknown;
  readonly pulsecount?: unknown;
}

/** `Time.ticks` wraps after 49.7 days: this adds up the differences, so it must be read at least every 24 days. */
function clock(): Clock {
  let last = Time.ticks;
  let elapsedMs = 0;
  return {
    ticksMs() {
      const now = Time.ticks;
      elapsedMs += Time.delta(last, now);
      last = now;
      return elapsedMs;
    },
    nowMs: () => Date.now(),
    set: (seconds) => Time.set(Math.floor(seconds)),
  };
}

/** The board's default I²C bus, or the pins in the configuration's `i2c` where the provider has none, or others are used. */
function wiring(): BoardIO {
  const pins = (config.i2c ?? builtin.I2C?.default) as { data: number; clock: number } | undefined;
  if (pins === undefined) throw new Error("this board has no default I2C bus: name its pins in config.i2c");
  return { i2c: { ...pins, io: I2C as unknown as BoardIO["i2c"]["io"] } };
}

/** The SDK's station, whose address may first be the link-local one of IPv6, which leads nowhere: this waits for IPv4. */
class Station implements WiFiStation {
  readonly #wifi: WiFi;

  constructor(options: WiFiOptions) {
    this.#wifi = new WiFi({ onChanged: (property) => contain(log, "wifi", options.onChanged, property) });
  }

  connect(options: { SSID: string; password?: string }): void {
    this.#wifi.connect(options);
  }

  disconnect(): void {
    this.#wifi.disconnect();
  }

  get address(): string | undefined {
    const address = this.#wifi.address;
    return address?.includes(":") ? undefined : address;
  }

  get connection(): number {
    return this.#wifi.connection;
  }

  close(): void {
    this.#wifi.close();
  }
}

// Frozen, for what a preloaded module holds lies in flash.
const entropy: Entropy = Object.freeze({ read, failed, fail });
const log: Log = Object.freeze({
  write(event: string, fields?: Readonly<Record<string, unknown>>) {
    trace(`${JSON.stringify({ event, ...fields })}\n`);
  },
});
const timer: Timer = Object.freeze({
  set: (callback: () => void, delayMs: number) => ModuleTimer.set(() => contain(log, "timer", callback, undefined), delayMs),
  clear: (handle: object | undefined) => ModuleTimer.clear(handle as Parameters<typeof ModuleTimer.clear>[0]),
});

// Its classes are made before the preload ends, so that they lie in flash.
const NETWORK = networkOver(
  { MQTTClient, NTP, Resolver, TCP, TLSSocket: tlsSocketOver(tls), UDP },
  () => Net.get("DNS"),
  (error) => log.write("link", { state: "error", reason: String(error) }),
  Object.freeze({ timer, log }),
);
