// Packets of MQTT 3.1.1 for the mirror of the SDK's client: encoding by mqtt-packet, and a reader that takes no more from
// the socket than it was told is there.
//
// Promises: the reader hands out a PUBLISH before its payload is read, so that the payload can be read in parts; it holds
// at most one packet that is not a PUBLISH, of at most 256 bytes, or one topic. Never buffers a payload.

import { isUtf8 } from "node:buffer";
import { generate, type Packet, parser } from "mqtt-packet";
import { Operation } from "./mqtt-operation.js";

const CONTROL_BYTES_MAX = 256;

export interface MqttWrite {
  operation?: number;
  id?: number;
  topic?: string;
  QoS?: number;
  retain?: boolean;
  duplicate?: boolean;
  items?: readonly { topic: string; QoS?: number }[];
}

export interface ConnectFields {
  id: string;
  clean: boolean;
  keepAliveS: number;
  user?: string | undefined;
  password?: string | undefined;
  will?: { topic: string; message: Uint8Array; QoS: number; retain: boolean } | undefined;
}

export function encodeConnect(fields: ConnectFields): Uint8Array {
  return generate({
    cmd: "connect",
    protocolId: "MQTT",
    protocolVersion: 4,
    clientId: fields.id,
    clean: fields.clean,
    keepalive: fields.keepAliveS,
    ...(fields.user === undefined ? {} : { username: fields.user }),
    ...(fields.password === undefined ? {} : { password: Buffer.from(fields.password, "utf8") }),
    ...(fields.will === undefined
      ? {}
      : {
          will: {
            topic: fields.will.topic,
            payload: Buffer.from(fields.will.message),
            qos: (fields.will.QoS & 3) as 0 | 1 | 2,
            retain: fields.will.retain,
          },
        }),
  });
}

/**
 * The bytes that the SDK's client would send.
 * @param id of two bytes once sent: 65,536 becomes 0, which MQTT forbids (§2.3.1) and which is sent all the same
 */
export function encodeOperation(data: Uint8Array | undefined, options: MqttWrite, id: number): Uint8Array {
  const messageId = id & 0xffff || 1; // mqtt-packet refuses 0; it is put in below
  const operation = options.operation ?? Operation.PUBLISH;
  const topics = options.items ?? [];
  switch (operation) {
    case Operation.PUBLISH: {
      const qos = ((options.QoS ?? 0) & 3) as 0 | 1 | 2;
      const topic = options.topic ?? "";
      const flags = { retain: options.retain === true, dup: options.duplicate === true };
      const payload = Buffer.from(data ?? new Uint8Array(0));
      const packet = generate({ cmd: "publish", topic, qos, ...flags, payload, ...(qos > 0 ? { messageId } : {}) });
      if (qos > 0) writeId(packet, packet.length - payload.length - 2, id);
      return packet;
    }
    case Operation.SUBSCRIBE: {
      const subscriptions = topics.map(({ topic, QoS }) => ({ topic, qos: ((QoS ?? 0) & 3) as 0 | 1 | 2 }));
      return withId(generate({ cmd: "subscribe", messageId, subscriptions }), id);
    }
    case Operation.UNSUBSCRIBE:
      return withId(generate({ cmd: "unsubscribe", messageId, unsubscriptions: topics.map(({ topic }) => topic) }), id);
    case Operation.PUBACK:
      return withId(generate({ cmd: "puback", messageId }), id);
    case Operation.PUBREC:
      return withId(generate({ cmd: "pubrec", messageId }), id);
    case Operation.PUBREL:
      return withId(generate({ cmd: "pubrel", messageId }), id);
    case Operation.PUBCOMP:
      return withId(generate({ cmd: "pubcomp", messageId }), id);
    case Operation.PINGREQ:
      return generate({ cmd: "pingreq" });
    case Operation.DISCONNECT:
      return generate({ cmd: "disconnect" });
    default:
      throw new Error("unknown");
  }
}

/** The id right after the fixed header. */
function withId(packet: Buffer, id: number): Uint8Array {
  let at = 1;
  while (((packet[at] as number) & 0x80) !== 0) at += 1;
  writeId(packet, at + 1, id);
  return packet;
}

function writeId(packet: Buffer, offset: number, id: number): void {
  packet.writeUInt16BE(id & 0xffff, offset);
}

/** What the reader found: a whole small packet, the beginning of a PUBLISH, or something that ends the connection. */
export type Found =
  | { readonly kind: "packet"; readonly operation: number; readonly packet: Packet }
  | { readonly kind: "publish"; readonly topic: string; readonly QoS: number; readonly id: number; readonly byteLength: number }
  /** A topic that is no UTF-8. */
  | { readonly kind: "unreadable" }
  | { readonly kind: "error"; readonly detail: string };

/** Collects bytes until a packet, or the beginning of a PUBLISH, is complete. */
export class PacketReader {
  #bytes: number[] = [];

  /** Takes bytes one by one from `next` while it has any. */
  read(next: () => number | undefined): Found | undefined {
    for (let byte = next(); byte !== undefined; byte = next()) {
      this.#bytes.push(byte);
      const found = this.#complete();
      if (found === undefined) continue;
      this.#bytes = [];
      return found;
    }
    return undefined;
  }

  #complete(): Found | undefined {
    const bytes = this.#bytes;
    const operation = (bytes[0] as number) >> 4;
    if (operation === 0 || operation === 15) return { kind: "error", detail: "invalid operation" };
    let length = 0;
    let header = 1;
    for (; ; header += 1) {
      const byte = bytes[header];
      if (byte === undefined) return undefined;
      length += (byte & 0x7f) * 128 ** (header - 1);
      if ((byte & 0x80) === 0) break;
      if (header === 4) return { kind: "error", detail: "bad data" };
    }
    header += 1;
    if (operation === Operation.PUBLISH) return this.#publish(header, length);
    if (length > CONTROL_BYTES_MAX) return { kind: "error", detail: "unexpected length" };
    if (bytes.length < header + length) return undefined;
    return parseControl(operation, Uint8Array.from(bytes));
  }

  #publish(header: number, length: number): Found | undefined {
    const bytes = this.#bytes;
    if (bytes.length < header + 2) return undefined;
    const topicLength = ((bytes[header] as number) << 8) | (bytes[header + 1] as number);
    if (topicLength === 0) return { kind: "error", detail: "empty topic" };
    const QoS = ((bytes[0] as number) >> 1) & 3;
    const variable = 2 + topicLength + (QoS === 1 || QoS === 2 ? 2 : 0);
    if (variable > length) return { kind: "error", detail: "bad data" };
    const end = header + variable;
    if (bytes.length < end) return undefined;
    const name = Buffer.from(bytes.slice(header + 2, header + 2 + topicLength));
    if (!isUtf8(name)) return { kind: "unreadable" };
    const topic = name.toString("utf8");
    const id = QoS === 1 || QoS === 2 ? ((bytes[end - 2] as number) << 8) | (bytes[end - 1] as number) : 0;
    return { kind: "publish", topic, QoS, id, byteLength: length - variable };
  }
}

function parseControl(operation: number, bytes: Uint8Array): Found {
  let found: Found = { kind: "error", detail: "bad data" };
  const reader = parser({ protocolVersion: 4 });
  reader.on("packet", (packet) => {
    found = { kind: "packet", operation, packet };
  });
  reader.on("error", () => undefined); // told by `found`
  reader.parse(Buffer.from(bytes));
  return found;
}
