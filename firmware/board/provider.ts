// The board: builds the firmware's `Device` from the modules of the Moddable SDK, the radio's and the network's; local.ts has the others.
//
// Promises: every port in the shape of ports.ts, and nothing native before `createDevice` is called, so that this module
// can be preloaded. Never asks whether the board is simulated: a simulator mirrors the modules behind these specifiers.

import TCP from "embedded:io/socket/tcp";
import UDP from "embedded:io/socket/udp";
import Resolver from "embedded:network/dns/resolver/udp";
import WiFi from "embedded:network/interface/wifi";
import MQTTClient from "embedded:network/mqtt/client";
import NTP from "embedded:network/ntp/client";
import * as tls from "chainmote/tls";
// biome-ignore lint/style/useNodejsImportProtocol: the SDK's module of that name
import Net from "net";
import type { Device, WiFiOptions, WiFi as WiFiStation } from "../ports.js";
import { contain } from "./contained.js";
import { createLocal, log, type PinClasses, timer } from "./local.js";
import { networkOver } from "./network.js";
import { tlsSocketOver } from "./tls-socket.js";

export { configuration } from "./local.js";

/** @param io classes for pins, of those modules that the application includes: `embedded:io/analog`, `digital`, `pulsecount` */
export function createDevice(io: PinClasses = {}): Device {
  return { ...createLocal(io), network: { wifi: { io: Station }, ...NETWORK } };
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

// Its classes are made before the preload ends, so that they lie in flash.
const NETWORK = networkOver(
  { MQTTClient, NTP, Resolver, TCP, TLSSocket: tlsSocketOver(tls), UDP },
  () => Net.get("DNS"),
  (error) => log.write("link", { state: "error", reason: String(error) }),
  Object.freeze({ timer, log }),
);
