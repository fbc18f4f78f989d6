// The board's network as the firmware has it: the SDK's classes with their sharp edges covered (sockets.ts, mqtt-client.ts).
//
// Promises: no exception of the SDK's network modules leaves a callback of theirs. Imports none of them, so that tests run this
// over a simulated board's classes and over the SDK's own.

import type { BoardNetwork, MqttBase, MqttClientClass, NtpClientOptions } from "../ports.js";
import { closable, type ResolverClass } from "./mqtt-client.js";
import { type DatagramClass, guardedDatagrams, guardedStream, type Report, type StreamClass } from "./sockets.js";
import type { TlsSocketOptions } from "./tls-socket.js";

/** Where no name server is known yet: asking it fails after five seconds, while an empty list would never end. */
const NO_NAME_SERVER: readonly string[] = Object.freeze(["127.0.0.1"]);

/** The SDK's modules, or what stands for them. */
export interface NetworkModules {
  readonly MQTTClient: unknown;
  readonly NTP: unknown;
  readonly Resolver: unknown;
  readonly TCP: unknown;
  readonly TLSSocket: unknown;
  readonly UDP: unknown;
}

/**
 * @param nameServers those that came with the address; none before that
 * @param secure what the TLS socket needs of the board
 */
export function networkOver(
  modules: NetworkModules,
  nameServers: () => readonly string[],
  report: Report,
  secure: Pick<TlsSocketOptions, "timer" | "log" | "nowMs">,
): Omit<BoardNetwork, "wifi"> {
  const { NTP, Resolver, TCP } = modules;
  // Frozen, each of them: what a preloaded module holds lies in flash.
  const only = <T>(io: T): { readonly io: T } => Object.freeze({ io });
  const datagrams = only(guardedDatagrams(modules.UDP as DatagramClass, report));
  const dns = Object.freeze({
    io: Resolver,
    get servers(): readonly string[] {
      const servers = nameServers();
      return servers.length > 0 ? servers : NO_NAME_SERVER;
    },
    socket: datagrams,
  });
  const io = closable(modules.MQTTClient as MqttClientClass, Resolver as ResolverClass);
  const mqtt: MqttBase = Object.freeze({ io, dns, socket: only(guardedStream(TCP as StreamClass, report)) });
  const { timer, log, nowMs } = secure;
  const tls = Object.freeze({ timer, log, nowMs, io: guardedStream(modules.TLSSocket as StreamClass, report), TCP: only(TCP) });
  const none: readonly string[] = Object.freeze([]);
  const client = Object.freeze({ io: NTP, servers: none, dns, socket: datagrams }) as unknown as NtpClientOptions & { io: never };
  return Object.freeze({ ntp: Object.freeze({ client }), mqtt, mqtts: Object.freeze({ ...mqtt, socket: tls }) });
}
