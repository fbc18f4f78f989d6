// The mirror of the SDK's MQTT client, byte by byte over a socket that the test owns: its time-outs, its bounds, and the
// quirks of the SDK's client that firmware has to live with. What any client must do is test/unit/ports/mqtt.contract.ts.

import { generate, type Packet } from "mqtt-packet";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { ByteBuffer, MqttControl } from "../../../firmware/ports.js";
import { Board } from "../../../host-sim/hardware/board.js";
import { memoryStorage } from "../../../host-sim/hardware/storage.js";
import { type MQTTClientOptions, mqttClientFor } from "../../../host-sim/modules/mqtt-client.js";
import { Operation } from "../../../host-sim/modules/mqtt-operation.js";
import { encodeOperation } from "../../../host-sim/modules/mqtt-packets.js";
import { VirtualClock } from "../../../host-sim/world/clock.js";

/** A socket of which the test is the other end. */
class Wire {
  onReadable: (count: number) => void;
  onWritable: (count: number) => void;
  onError: () => void;
  readonly sent: number[][] = [];
  room = 5744;
  closed = false;
  #format = "buffer";
  #incoming: number[] = [];

  constructor(options: { onReadable?: unknown; onWritable?: unknown; onError?: unknown }) {
    this.onReadable = options.onReadable as (count: number) => void;
    this.onWritable = options.onWritable as (count: number) => void;
    this.onError = options.onError as () => void;
    wires.push(this);
  }
  set format(format: string) {
    if (this.closed) throw new TypeError("invalid host object");
    this.#format = format;
  }
  get format(): string {
    return this.#format;
  }
  read(into?: number | ByteBuffer): ArrayBuffer | number | undefined {
    if (this.#format === "number") return this.#incoming.shift();
    assert.type(into, "number");
    assert.ok((into as number) <= this.#incoming.length, "reads no more than is there");
    return Uint8Array.from(this.#incoming.splice(0, into as number)).buffer as ArrayBuffer;
  }
  write(data: ByteBuffer): number {
    const bytes = [...new Uint8Array(data as Uint8Array)];
    assert.ok(bytes.length <= this.room, "writes no more than fits");
    this.room -= bytes.length;
    this.sent.push(bytes);
    return this.room;
  }
  close(): void {
    this.closed = true;
  }

  /** Bytes from the broker, in pieces of `pieceBytes`. */
  receive(bytes: Uint8Array, pieceBytes = 1024): void {
    for (let at = 0; at < bytes.length; at += pieceBytes) {
      this.#incoming.push(...bytes.subarray(at, at + pieceBytes));
      this.onReadable(this.#incoming.length);
    }
  }
  get unread(): number {
    return this.#incoming.length;
  }
  drain(): void {
    this.room = 5744;
    this.onWritable(this.room);
  }
}

let wires: Wire[] = [];

type Options = Partial<Omit<MQTTClientOptions, "dns" | "socket">>;

function start(options: Options = {}, resolves: "resolved" | "unresolved" | "pending" = "resolved") {
  wires = [];
  const clock = new VirtualClock();
  const board = new Board({ clock, storage: memoryStorage({ partitions: {} }) });
  const MQTTClient = mqttClientFor(() => board);
  const heard = { controls: [] as MqttControl[], errors: 0 };
  let answer = (): void => undefined;
  class Resolver {
    resolve(request: {
      host: string;
      onResolved?: (host: string, address: string) => void;
      onError?: (host: string) => void;
    }): void {
      answer = () =>
        resolves === "unresolved" ? request.onError?.(request.host) : request.onResolved?.(request.host, "10.0.0.1");
    }
  }
  const client = new MQTTClient({
    host: "broker",
    id: "id",
    onControl: (message) => heard.controls.push({ ...message }),
    onError() {
      heard.errors += 1;
    },
    ...options,
    dns: { io: Resolver, servers: ["10.0.1.1"] } as unknown as MQTTClientOptions["dns"],
    socket: { io: Wire },
  });
  if (resolves !== "pending") answer();
  return { client, clock, heard, answer: () => answer(), wire: () => wires[0] as Wire };
}

function connected(options: Options = {}) {
  const started = start(options);
  started.wire().onWritable(5744);
  started.wire().receive(packet({ cmd: "connack", returnCode: 0, sessionPresent: false }));
  return { ...started, wire: started.wire() };
}

function packet(fields: Packet): Uint8Array {
  return generate(fields);
}

function publish(topic: string, payload: Uint8Array, qos: 0 | 1 | 2 = 0, messageId = 9): Uint8Array {
  const id = qos > 0 ? { messageId } : {};
  return packet({ cmd: "publish", topic, payload: Buffer.from(payload), qos, retain: false, dup: false, ...id });
}

test("greets with CONNECT of MQTT 3.1.1, in one write", () => {
  const will = { topic: "w", message: Uint8Array.of(1, 2).buffer as ArrayBuffer, QoS: 1, retain: true };
  const { wire } = connected({ keepAlive: 30_500, user: "u", password: "p", will });
  assert.equal(wire.sent[0], [
    ...[0x10, 27, 0, 4, 77, 81, 84, 84, 4],
    0xc0 | 0x20 | 0x08 | 0x04 | 0x02, // user, password, Will retained, QoS 1, Will, clean
    ...[0, 31], // seconds, rounded up
    ...[0, 2, 105, 100, 0, 1, 119, 0, 2, 1, 2, 0, 1, 117, 0, 1, 112],
  ]);
});

test("writes only once connected, and answers the room less what it keeps free for itself", () => {
  const { client, wire } = start();
  assert.throws(() => client.write(Uint8Array.of(1), { topic: "t", id: 1 }));
  wire().onWritable(5744);
  assert.throws(() => client.write(Uint8Array.of(1), { topic: "t", id: 1 }));
  wire().receive(packet({ cmd: "connack", returnCode: 0, sessionPresent: false }));
  const before = wire().room;
  assert.is(client.write(Uint8Array.of(1), { topic: "t", id: 1 }), before - 6 - 8);
  assert.equal(wire().sent.at(-1), [0x30, 4, 0, 1, 116, 1]);
});

test("every operation is encoded as MQTT 3.1.1 has it", () => {
  const cases: [Parameters<typeof encodeOperation>, number[]][] = [
    [
      [Uint8Array.of(5), { topic: "t", QoS: 1, retain: true, duplicate: true }, 0x1234],
      [0x3b, 6, 0, 1, 116, 0x12, 0x34, 5],
    ],
    [
      [undefined, { operation: Operation.SUBSCRIBE, items: [{ topic: "a", QoS: 1 }, { topic: "b" }] }, 3],
      [0x82, 10, 0, 3, 0, 1, 97, 1, 0, 1, 98, 0],
    ],
    [
      [undefined, { operation: Operation.UNSUBSCRIBE, items: [{ topic: "a" }] }, 3],
      [0xa2, 5, 0, 3, 0, 1, 97],
    ],
    [
      [undefined, { operation: Operation.PUBACK }, 258],
      [0x40, 2, 1, 2],
    ],
    [
      [undefined, { operation: Operation.PUBREC }, 258],
      [0x50, 2, 1, 2],
    ],
    [
      [undefined, { operation: Operation.PUBREL }, 258],
      [0x62, 2, 1, 2],
    ],
    [
      [undefined, { operation: Operation.PUBCOMP }, 258],
      [0x70, 2, 1, 2],
    ],
    [
      [undefined, { operation: Operation.PINGREQ }, 1],
      [0xc0, 0],
    ],
    [
      [undefined, { operation: Operation.DISCONNECT }, 1],
      [0xe0, 0],
    ],
  ];
  for (const [parameters, expected] of cases) assert.equal([...encodeOperation(...parameters)], expected);
  assert.throws(() => encodeOperation(undefined, { operation: 15 }, 1), /unknown/);
});

test("quirk: its own packet ids begin with 2, and the 65,536th is 0", () => {
  const { client, wire } = connected();
  client.write(Uint8Array.of(1), { topic: "t", QoS: 1 });
  assert.equal(wire.sent.at(-1), [0x32, 6, 0, 1, 116, 0, 2, 1]);
  assert.equal([...encodeOperation(Uint8Array.of(1), { topic: "t", QoS: 1 }, 65_536)], [0x32, 6, 0, 1, 116, 0, 0, 1]);
  assert.equal(
    [...encodeOperation(undefined, { operation: Operation.SUBSCRIBE, items: [{ topic: "a" }] }, 65_536)],
    [0x82, 6, 0, 0, 0, 1, 97, 0],
  );
});

test("messages arrive whole however the bytes are cut, and nothing is read ahead", () => {
  const payloads = [1, 2, 127, 128, 1000, 3000].map((size) => Uint8Array.from({ length: size }, (_, i) => (i * 7 + size) & 255));
  for (const pieceBytes of [1, 2, 3, 7, 100, 1436, 100_000]) {
    const messages: number[][] = [];
    const { wire } = connected({
      onReadable(this: { read(count: number): ArrayBuffer }, count, { topic }) {
        if (topic !== undefined) messages.push([]);
        messages.at(-1)?.push(...new Uint8Array(this.read(count)));
      },
    });
    for (const [i, payload] of payloads.entries()) wire.receive(publish(`topic/${i}`, payload, (i % 2) as 0 | 1), pieceBytes);
    assert.equal(
      messages.map((message) => message.length),
      payloads.map((payload) => payload.length),
      `in pieces of ${pieceBytes}`,
    );
    for (const [i, payload] of payloads.entries()) assert.equal(messages[i], [...payload]);
    assert.is(wire.unread, 0);
  }
});

test("leaves in the socket what the application does not read", async () => {
  const announced: number[] = [];
  const { client, clock, wire } = connected({ onReadable: (count) => announced.push(count) });
  wire.receive(publish("a", new Uint8Array(500)));
  const unread = wire.unread;
  wire.receive(publish("b", new Uint8Array(40)));
  assert.equal(announced, [500]);
  assert.ok(wire.unread > unread, "the second message waits in the socket");
  assert.is(client.read(499) instanceof ArrayBuffer, true);
  await clock.advance(10);
  assert.equal(announced, [500]);
  client.read(1);
  assert.equal(announced, [500], "not from inside read");
  await clock.advance(1);
  assert.equal(announced, [500, 40]);
  assert.is((client.read(100) as ArrayBuffer).byteLength, 40, "no more than the message has");
  assert.is(client.read(1), undefined);
});

test("acknowledges QoS 1 and brings QoS 2 to its end, once there is room", async () => {
  const { clock, wire } = connected({
    onReadable(this: { read(count: number): unknown }, count) {
      this.read(count);
    },
  });
  wire.room = 3;
  wire.onWritable(3);
  wire.receive(publish("a", Uint8Array.of(1), 1, 0x0102));
  wire.receive(publish("a", Uint8Array.of(2), 2, 0x0103));
  await clock.advance(5);
  assert.is(wire.sent.length, 1, "no room for an acknowledgement");
  wire.drain();
  assert.equal(wire.sent.slice(1), [
    [0x40, 2, 1, 2],
    [0x50, 2, 1, 3],
  ]);
  wire.receive(packet({ cmd: "pubrel", messageId: 0x0103 }));
  await clock.advance(5);
  assert.equal(wire.sent.at(-1), [0x70, 2, 1, 3]);
});

test("quirk: a QoS 1 delivery is acknowledged before it is read", async () => {
  const { clock, wire } = connected({ onReadable: () => undefined });
  wire.receive(publish("a", Uint8Array.of(1), 1, 0x0102));
  await clock.advance(5);
  assert.equal(wire.sent.at(-1), [0x40, 2, 1, 2]);
  assert.is(wire.unread, 1);
});

test("a host that has no address, a TCP that never opens, a refused login: onError once, then closed", async () => {
  const unresolved = start({}, "unresolved");
  assert.is(unresolved.heard.errors, 1);
  const silent = start();
  await silent.clock.advance(29_999);
  assert.is(silent.heard.errors, 0);
  await silent.clock.advance(2);
  assert.is(silent.heard.errors, 1);
  assert.ok(silent.wire().closed);
  const refused = start();
  refused.wire().onWritable(5744);
  refused.wire().receive(packet({ cmd: "connack", returnCode: 5, sessionPresent: false }));
  assert.is(refused.heard.errors, 1);
  assert.equal(refused.heard.controls, []);
  assert.throws(() => refused.client.write(Uint8Array.of(1), { topic: "t", id: 1 }));
});

test("what is no MQTT ends the connection: a reserved type, a length of five bytes, a topic of none, a long SUBACK", () => {
  for (const bytes of [
    [0x00, 0x00],
    [0xf0, 0x00],
    [0x30, 0xff, 0xff, 0xff, 0xff, 0x01],
    [0x30, 0x02, 0x00, 0x00],
    [0x30, 0x03, 0x00, 0x05, 0x61],
    [0x90, 0xff, 0xff, 0xff, 0x7f],
  ]) {
    const { heard, wire } = connected();
    wire.receive(Uint8Array.from(bytes));
    assert.is(heard.errors, 1, bytes.join());
    assert.ok(wire.closed);
  }
});

test("pings after three quarters of the keep-alive, and gives up after one and a half without an answer", async () => {
  const { clock, heard, wire } = connected({ keepAlive: 10_000 });
  const pings = (): number => wire.sent.filter((bytes) => bytes[0] === 0xc0).length;
  for (let i = 0; i < 8; i += 1) {
    await clock.advance(7500);
    assert.is(pings(), i + 1);
    wire.drain();
    wire.receive(packet({ cmd: "pingresp" }));
  }
  assert.is(heard.errors, 0);
  assert.ok(heard.controls.some(({ operation }) => operation === Operation.PINGRESP));
  await clock.advance(17_500);
  assert.is(heard.errors, 1);
});

test("without a keep-alive it neither pings nor gives up", async () => {
  const { clock, heard, wire } = connected();
  await clock.advance(3_600_000);
  assert.is(wire.sent.length, 1);
  assert.is(heard.errors, 0);
});

test("a broker that never answers CONNECT is given up by the keep-alive alone", async () => {
  const { clock, heard, wire } = start({ keepAlive: 10_000 });
  wire().onWritable(5744);
  await clock.advance(9000);
  assert.is(heard.errors, 0);
  await clock.advance(8500);
  assert.is(heard.errors, 1);
});

test("quirk: an empty payload stops its parser until the keep-alive ends the connection", async () => {
  const messages: number[] = [];
  const { clock, heard, wire } = connected({
    keepAlive: 10_000,
    onReadable(this: { read(count: number): unknown }, count) {
      this.read(count);
      messages.push(count);
    },
  });
  wire.receive(publish("a", new Uint8Array(0)));
  wire.receive(publish("a", Uint8Array.of(1)));
  await clock.advance(7500);
  wire.receive(packet({ cmd: "pingresp" }));
  assert.equal(messages, []);
  await clock.advance(8000);
  assert.is(heard.errors, 1);
});

test("quirk: closing inside onReadable throws after it, closing inside onControl and onError does not", () => {
  const { wire } = connected({
    onReadable(this: { close(): void }) {
      this.close();
    },
  });
  assert.throws(() => wire.receive(publish("a", Uint8Array.of(1))), /invalid host object/);
  const control = connected({
    onControl(this: { close(): void }) {
      this.close();
    },
  });
  assert.ok(control.wire.closed);
  const error = connected({
    onError(this: { close(): void }) {
      this.close();
    },
  });
  error.wire.onError();
  assert.ok(error.wire.closed);
});

test("quirk: closing while the name is being resolved throws out of the resolver", () => {
  const { client, answer, heard } = start({}, "pending");
  client.close();
  assert.throws(answer, /resolving/);
  assert.is(heard.errors, 0);
});

test("a host is required", () => {
  assert.throws(() => start({ host: "" }), /host required/);
});

test.run();
