// The radio, and the MQTT and NTP clients, over the bridge.
//
// The clients are the mirrors, with the mirrors' sockets and resolver, so they run here and not on the guest's heap. The
// edges of the SDK's MQTT client that firmware/board/mqtt-client.ts covers are covered here too: between an event and the
// guest's answer to it others may happen, which cannot be on a board.

import { tlsSocketOver } from "../../../firmware/board/tls-socket.js";
import type { MqttControl, MqttReadable, MqttWrite } from "../../../firmware/ports.js";
import type { Board } from "../../hardware/board.js";
import { resolverFor } from "../../modules/dns.js";
import { type MQTTClientOptions, mqttClientFor } from "../../modules/mqtt-client.js";
import { netFor } from "../../modules/net.js";
import { type NTPOptions, ntpFor } from "../../modules/ntp-client.js";
import { tcpFor } from "../../modules/tcp.js";
import { timerFor } from "../../modules/timer.js";
import * as tls from "../../modules/tls.js";
import { udpFor } from "../../modules/udp.js";
import { coveredUdpFor } from "../../modules/udp-covered.js";
import { wifiFor } from "../../modules/wifi.js";
import type { Value } from "../../xs/wire.js";
import { Handles, type Notices, type Operations } from "./bridge.js";

export function wifiOperations(board: Board, notices: Notices): Operations {
  const WiFi = wifiFor(() => board);
  const net = netFor(() => board);
  const stations = new Handles<InstanceType<typeof WiFi>>();
  return {
    "wifi.open"(number) {
      stations.set(number as number, new WiFi({ onChanged: (property) => notices.post(number as number, property) }));
      return undefined;
    },
    "wifi.connect"(number, SSID, password) {
      const options = { SSID, ...(password === undefined ? {} : { password }) };
      stations.get(number).connect(options as { SSID: string });
      return undefined;
    },
    "wifi.disconnect"(number) {
      stations.get(number).disconnect();
      return undefined;
    },
    "wifi.connection": (number) => stations.get(number).connection,
    "wifi.address": (number) => stations.get(number).address,
    "wifi.SSID": (number) => stations.get(number).SSID,
    "wifi.close"(number) {
      stations.take(number)?.close();
      notices.forget(number as number);
      return undefined;
    },
    "net.servers": () => (net.get("DNS") as readonly string[]).join(" "),
    "net.get": (property) => net.get(property as string) as string | undefined,
  };
}

export function ntpOperations(board: Board, notices: Notices): Operations {
  const NTP = ntpFor(() => board);
  const dns = { io: resolverFor(() => board), servers: ["10.0.1.1"], socket: { io: coveredUdpFor(() => board) } };
  const clients = new Handles<InstanceType<typeof NTP>>();
  return {
    "ntp.open"(number, ...servers) {
      const options = { servers, dns, socket: { io: coveredUdpFor(() => board) } };
      clients.set(number as number, new NTP(options as unknown as NTPOptions));
      return undefined;
    },
    "ntp.getTime"(number) {
      clients
        .get(number)
        .getTime((error, timeMs) =>
          notices.post(number as number, "time", () => [error === null ? null : error.message, timeMs]),
        );
      return undefined;
    },
    "ntp.close"(number) {
      clients.take(number)?.close();
      notices.forget(number as number);
      return undefined;
    },
  };
}

/** One MQTT client of the guest. */
interface Client {
  readonly options: Partial<MQTTClientOptions>;
  io?: { write(data: Uint8Array | null, options: MqttWrite): number; read(count?: number): unknown; close(): void };
  /** What fits now, by the client's last word on it. */
  room: number;
  /** What it had announced when it ended, and the guest has still to read. */
  left?: Uint8Array;
}

export function mqttOperations(board: Board, notices: Notices): Operations {
  const MQTTClient = mqttClientFor(() => board, "covered");
  const TCP = tcpFor(() => board);
  // What the firmware's own socket says in the log is said in its place: the client is on this side.
  const log = {
    write: (event: string, fields?: object) => void process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`),
  };
  const secure = { TCP: { io: TCP }, timer: timerFor(() => board), log, nowMs: () => board.clock.nowMs() };
  const transports = { tcp: { io: TCP }, tls: { io: tlsSocketOver(tls), ...secure } };
  const Resolver = resolverFor(() => board);
  const UDP = udpFor(() => board);
  const clients = new Handles<Client>();

  function callbacks(client: Client, number: number): Partial<MQTTClientOptions> {
    return {
      onReadable(count: number, { more, topic, byteLength = 0, QoS = 0 }: MqttReadable) {
        notices.post(number, "readable", () => [count, more, topic, byteLength * 4 + QoS]);
      },
      onWritable(count: number) {
        client.room = count;
        notices.post(number, "writable", () => (client.room > 0 ? [client.room] : undefined));
      },
      onControl({ operation, id, returnCode, payload }: MqttControl) {
        notices.post(number, "control", () => [operation, id, returnCode, payload && Uint8Array.from(payload)]);
      },
      onError() {
        // On a board what is announced is read before anything else happens.
        client.left = announced(client);
        notices.post(number, "error");
      },
    };
  }

  function opened(number: Value): NonNullable<Client["io"]> {
    const { io } = clients.get(number);
    if (io === undefined) throw new TypeError("no socket");
    return io;
  }

  return {
    "mqtt.socket"(number, transport, certificate, serverName, serverCount) {
      const secure = defined({ certificate, serverName });
      const socket = { ...transports[transport as "tcp" | "tls"], ...(certificate === undefined ? {} : { secure }) };
      const servers = new Array<string>(serverCount as number).fill("10.0.1.1");
      const options = { socket, dns: { io: Resolver, servers, socket: { io: UDP } } } as unknown as Partial<MQTTClientOptions>;
      clients.set(number as number, { options, room: 0 });
      return undefined;
    },
    "mqtt.will"(number, topic, message, QoS, retain) {
      if (topic === undefined) return undefined;
      const will = defined({ topic, message: (message as Uint8Array).buffer as unknown as Value, QoS, retain });
      Object.assign(clients.get(number).options, { will });
      return undefined;
    },
    "mqtt.open"(number, host, port, id, clean, user, password, keepAlive) {
      const client = clients.get(number);
      const options = { ...client.options, ...defined({ host, port, id, clean, user, password, keepAlive }) };
      client.io = new MQTTClient({ ...options, ...callbacks(client, number as number) } as MQTTClientOptions);
      return undefined;
    },
    "mqtt.write"(number, data, operation, id, topic, QoS, retain, duplicate, ...listed) {
      const items: { topic: string; QoS?: number }[] = [];
      for (let i = 0; i < listed.length; i += 2)
        items.push(defined({ topic: listed[i], QoS: listed[i + 1] }) as unknown as { topic: string });
      const options = defined({ operation, id, topic, QoS, retain, duplicate });
      const room = opened(number).write(data as Uint8Array | null, { ...options, ...(items.length > 0 ? { items } : {}) });
      clients.get(number).room = room;
      return room;
    },
    "mqtt.read"(number, count) {
      const client = clients.get(number);
      const { left } = client;
      if (left !== undefined) {
        const bytes = left.slice(0, count as number | undefined);
        client.left = left.subarray(bytes.length);
        return bytes.length > 0 ? bytes : undefined;
      }
      const bytes = opened(number).read(count as number | undefined) as ArrayBuffer | undefined;
      return bytes === undefined ? undefined : new Uint8Array(bytes);
    },
    "mqtt.close"(number) {
      clients.take(number)?.io?.close();
      notices.forget(number as number);
      return undefined;
    },
  };
}

/** What the client has announced and the guest has not read; nothing where there never was a socket. */
function announced({ io }: Client): Uint8Array {
  try {
    return new Uint8Array((io?.read() as ArrayBuffer | undefined) ?? new ArrayBuffer(0));
  } catch {
    return new Uint8Array(0);
  }
}

/** Options as the mirrors take them: what the guest has not given is not there. */
function defined(options: Readonly<Record<string, Value>>): Record<string, Value> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
