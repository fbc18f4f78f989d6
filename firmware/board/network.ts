// The board's network as the firmware has it: the SDK's classes with their sharp edges covered (sockets.ts, mqtt-client.ts).
//
// Promises: no exception of the SDK's network modules leaves a callback of theirs. Imports none of them, so that tests run this
// over a simulated board's classes and over the SDK's own.

import type { BoardNetwork, MqttBase, MqttClientClass, NtpClientOptions } from "../ports.js";
import { closable, type ResolverClass } from "./mqtt-client.js";
import { type DatagramClass, guardedDatagrams, guardedStream, type Report, type StreamClass } from "./sockets.js";

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

/** @param nameServers those that came with the address; none before that */
export function networkOver(
  modules: NetworkModules,
  nameServers: () => readonly string[],
  report: Report,
): Omit<BoardNetwork, "wifi"> {
  const { NTP, Resolver, TCP } = modules;
  const datagrams = { io: guardedDatagrams(modules.UDP as DatagramClass, report) };
  const dns = {
    io: Resolver,
    get servers(): readonly string[] {
      const servers = nameServers();
      return servers.length > 0 ? servers : NO_NAME_SERVER;
    },
    socket: datagrams,
  };
  const io = closable(modules.MQTTClient as MqttClientClass, Resolver as ResolverClass);
  const mqtt: MqttBase = { io, dns, socket: { io: guardedStream(TCP as StreamClass, report) } };
  const secure = { io: guardedStream(modules.TLSSocket as StreamClass, report), TCP: { io: TCP } };
  const client = { io: NTP, servers: [], dns, socket: datagrams } as unknown as NtpClientOptions & { io: never };
  return { ntp: { client }, mqtt, mqtts: { ...mqtt, socket: secure } };
}
