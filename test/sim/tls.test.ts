// A configured certificate authority turns TLS on, and nothing is sent without it: whole motes and tools before a broker that
// speaks plain MQTT, one whose certificate is the right one, and one whose certificate is another's. What leaves the client is
// recorded on the wire. Whatever a board's own TLS checks beyond that is the SDK's.

import { connect, createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { toHex } from "../../firmware/bytes.js";
import { BrokerLink } from "../../tools/mqtt/link.js";
import { until } from "../patience.js";
import { makeCertificate } from "../unit/host-sim/certificate.js";
import { listen } from "../unit/ports/broker.js";
import { Scene } from "./scene.js";

const HOST = "broker.stage";
const USER = "fleet-user";
const PASSWORD = "s3cret-passw0rd";
/** TLS 1.2 §6.2.1: change_cipher_spec, alert, handshake; what carries data is 23. */
const WITHOUT_DATA = [20, 21, 22];
/** What a failed test would leave open. */
const open = new Set<{ close(): void }>();

const RIGHT = makeCertificate(HOST);
const WRONG = makeCertificate(HOST);

/** Everything that clients send to `port` of this machine, one buffer for each connection. */
class Wire {
  readonly sent: Buffer[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(port: () => number) {
    open.add(this);
    this.#server = createServer((client) => {
      const at = this.sent.push(Buffer.alloc(0)) - 1;
      const broker = connect(port(), "127.0.0.1");
      for (const socket of [client, broker]) {
        this.#sockets.add(socket);
        socket.on("error", () => undefined);
      }
      client.on("data", (data) => {
        this.sent[at] = Buffer.concat([this.sent[at] as Buffer, data]);
        broker.write(data);
      });
      broker.on("data", (data) => client.write(data));
      client.on("close", () => broker.destroy());
      broker.on("close", () => client.destroy());
    });
  }

  listen(): Promise<string> {
    return listen(this.#server);
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  /** Record types of one connection, in order; a type below 20 or above 23 is no TLS at all. */
  typesOf(sent: Buffer): number[] {
    const types: number[] = [];
    for (let at = 0; at < sent.length; at += 5 + (at + 5 <= sent.length ? sent.readUInt16BE(at + 3) : 0))
      types.push(sent[at] as number);
    return types;
  }
}

/** Nothing of MQTT, and none of its secrets, is on the wire. */
function assertNothingInClear(wire: Wire, ...more: readonly string[]): void {
  for (const sent of wire.sent)
    for (const word of ["MQTT", "mote-", USER, PASSWORD, ...more]) assert.is(sent.indexOf(word), -1, word);
}

/** A broker behind TLS with this certificate, on loopback; answers its port and how to end it. */
async function withTls(scene: Scene, { key, pem }: typeof RIGHT): Promise<{ port: number; close: () => void }> {
  const sockets = new Set<{ destroy(): unknown }>();
  // 1.2, where each record says whether it carries data.
  const identity = { key: key.export({ type: "pkcs8", format: "pem" }), cert: pem, maxVersion: "TLSv1.2" } as const;
  const server = createTlsServer(identity, (socket) => {
    const broker = connect(scene.port, "127.0.0.1");
    for (const one of [socket, broker]) {
      sockets.add(one);
      one.on("error", () => undefined);
    }
    socket.pipe(broker).pipe(socket);
  });
  server.on("tlsClientError", () => undefined);
  const endpoint = await listen(server);
  const close = (): void => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  open.add({ close });
  return { port: Number(endpoint.split(":")[1]), close };
}

/** Two connections on which something was said, or a message that came through where none may. */
function attempts(wire: Wire, heard: readonly string[]): Promise<void> {
  const said = (): number => wire.sent.filter((sent) => sent.length > 0).length;
  return until("two attempts", () => said() >= 2 || heard.length > 0);
}

async function stage(): Promise<{ scene: Scene; heard: string[] }> {
  const mqtt = { user: USER, password: PASSWORD, ca: toHex(RIGHT.der) };
  const scene = await Scene.open({ sampleIntervalMs: 200, mqtt });
  const heard: string[] = [];
  const client = await scene.client();
  client.on("message", (topic) => heard.push(topic));
  await client.subscribeAsync("motes/#");
  return { scene, heard };
}

test("a mote with a certificate authority says nothing to a broker that speaks plain MQTT", async () => {
  const { scene, heard } = await stage();
  const wire = new Wire(() => scene.port);
  const actor = scene.mote({ network: { [`${HOST}:1883`]: await wire.listen(), "time.stage:123": scene.sntp.endpoint } });
  await attempts(wire, heard);
  await until("records that wait", () => actor.of("record").length >= 2);
  for (const sent of wire.sent) for (const type of wire.typesOf(sent)) assert.ok(WITHOUT_DATA.includes(type), `${type}`);
  assertNothingInClear(wire);
  assert.equal(heard, []);
  assert.equal(
    actor.of("link").filter(({ state }) => state === "up"),
    [],
  );
  await scene.close();
  wire.close();
});

test("a mote sends its records to a broker of the right certificate authority, and nothing of them in clear", async () => {
  const { scene, heard } = await stage();
  const tls = await withTls(scene, RIGHT);
  const wire = new Wire(() => tls.port);
  const actor = scene.mote({ network: { [`${HOST}:1883`]: await wire.listen(), "time.stage:123": scene.sntp.endpoint } });
  const arrived = (): number => heard.filter((topic) => topic.endsWith("/records")).length;
  await until("three records, or words in clear", () => arrived() >= 3 || wire.sent.some((sent) => sent.includes("MQTT")));
  const [first] = wire.sent as [Buffer];
  assert.is(first[0], 22, "a handshake comes first");
  assert.ok(wire.typesOf(first).includes(23));
  assertNothingInClear(wire, "records", actor.address());
  await scene.close();
  wire.close();
  tls.close();
});

test("a mote sends nothing but a handshake to a broker of another certificate authority", async () => {
  const { scene, heard } = await stage();
  const tls = await withTls(scene, WRONG);
  const wire = new Wire(() => tls.port);
  const actor = scene.mote({ network: { [`${HOST}:1883`]: await wire.listen(), "time.stage:123": scene.sntp.endpoint } });
  await attempts(wire, heard);
  await until("records that wait", () => actor.of("record").length >= 2);
  for (const sent of wire.sent) for (const type of wire.typesOf(sent)) assert.ok(WITHOUT_DATA.includes(type), `${type}`);
  assertNothingInClear(wire);
  assert.equal(heard, []);
  await scene.close();
  wire.close();
  tls.close();
});

test("a tool that is told mqtts:// says nothing to a plain broker, nor to one whose certificate nobody vouches for", async () => {
  for (const plain of [true, false]) {
    const { scene, heard } = await stage();
    const tls = await withTls(scene, WRONG);
    const wire = new Wire(() => (plain ? scene.port : tls.port));
    const lost: string[] = [];
    const link = new BrokerLink({
      url: `mqtts://${USER}:${PASSWORD}@${await wire.listen()}`,
      role: "mote-tool",
      onFault: (_topic, error) => {
        throw error;
      },
      subscriptions: [],
      onMessage: () => undefined,
      onConnected: () => void link.publish("motes/said", Uint8Array.of(1), { qos: 1 }),
      onLost: (reason) => lost.push(reason),
    });
    open.add({ close: () => void link.close() });
    await until("two losses", () => lost.length >= 2 || heard.length > 0);
    for (const sent of wire.sent) for (const type of wire.typesOf(sent)) assert.ok(WITHOUT_DATA.includes(type), `${type}`);
    assertNothingInClear(wire);
    assert.equal(heard, []);
    await link.close();
    await scene.close();
    wire.close();
    tls.close();
  }
});

test.after(async () => {
  await Scene.closeAll();
  for (const one of open) one.close();
});
test.run();
