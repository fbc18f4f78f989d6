// A configured certificate authority turns TLS on, and nothing is sent without it: whole motes, with the firmware's own TLS in C
// (which runs here with the mbedTLS of this machine), before brokers of every kind that must be believed or refused, and a tool
// before two. What leaves the client is recorded on the wire.

import { createServer as createHttpsServer } from "node:https";
import { connect, createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TlsOptions } from "node:tls";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { toHex } from "../../firmware/bytes.js";
import { HttpParts } from "../../firmware/update/http.js";
import { createBoard } from "../../host-sim/device.js";
import { buildTls } from "../../host-sim/tls/build.js";
import { VirtualClock } from "../../host-sim/world/clock.js";
import { BrokerLink } from "../../tools/mqtt/link.js";
import { pause, until } from "../patience.js";
import { issue, type KeyKind, makeCertificate, type TestCertificate } from "../unit/host-sim/certificate.js";
import { listen } from "../unit/ports/broker.js";
import { type Actor, Scene } from "./scene.js";

const HOST = "broker.stage";
const USER = "fleet-user";
const PASSWORD = "s3cret-passw0rd";
/** TLS 1.2 §6.2.1: change_cipher_spec, alert, handshake; what carries data is 23. */
const WITHOUT_DATA = [20, 21, 22];
const built = buildTls();
/** What a failed test would leave open. */
const open = new Set<{ close(): void }>();

const RIGHT = makeCertificate(HOST);
const WRONG = makeCertificate(HOST);
const ROOTS = { ec: issue("root"), rsa: issue("root", { kind: "rsa" }) };
const MIDDLES = {
  ec: issue("middle", { issuer: ROOTS.ec, authority: true }),
  rsa: issue("middle", { issuer: ROOTS.rsa, authority: true, kind: "rsa" }),
};

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

/** A broker behind TLS with these certificates, its own first, on loopback; answers its port and how to end it. */
async function withTls(
  scene: Scene,
  chain: TestCertificate | readonly TestCertificate[],
  options: TlsOptions = {},
): Promise<{ port: number; close: () => void }> {
  const certificates = [chain].flat();
  const { key } = certificates[0] as TestCertificate;
  const sockets = new Set<{ destroy(): unknown }>();
  // 1.2, where each record says whether it carries data.
  const identity = {
    key: key.export({ type: "pkcs8", format: "pem" }),
    cert: certificates.map(({ pem }) => pem).join(""),
    maxVersion: "TLSv1.2",
  } as const;
  const server = createTlsServer({ ...identity, ...options }, (socket) => {
    const broker = connect(scene.port, "127.0.0.1");
    for (const one of [socket, broker]) {
      sockets.add(one);
      one.on("error", () => undefined);
    }
    socket.pipe(broker).pipe(socket);
  });
  server.on("tlsClientError", () => undefined);
  // Those whose handshake fails, too.
  server.on("connection", (socket: Socket) => sockets.add(socket));
  const endpoint = await listen(server);
  const close = (): void => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  open.add({ close });
  return { port: Number(endpoint.split(":")[1]), close };
}

/** What a mote says of brokers that it does not believe. Before its clock is set, it says that, and connects to nothing. */
function refusals(actor: Actor): string[] {
  const said = actor.of("error").flatMap(({ what, detail }) => (what === "tls" ? [String(detail)] : []));
  return said.filter((detail) => !/the clock is not set/.test(detail));
}

/** Without mbedTLS on this machine no simulated board has TLS: one line says so. */
function moteTest(name: string, run: () => Promise<void>): void {
  test(name, async () => {
    if (typeof built === "string") await run();
  });
}

/** Lets a board's time pass, much faster than the brokers' own, until something holds. */
async function pass(clock: VirtualClock, what: string | (() => string), condition: () => boolean): Promise<void> {
  for (let turns = 0; !condition(); turns++) {
    assert.ok(turns < 200_000, typeof what === "string" ? what : what());
    await clock.advance(100);
    await pause(1);
  }
}

/** Two connections on which something was said, or a message that came through where none may. */
function attempts(clock: VirtualClock, wire: Wire, heard: readonly string[]): Promise<void> {
  const said = (): number => wire.sent.filter((sent) => sent.length > 0).length;
  return pass(clock, "two attempts", () => said() >= 2 || heard.length > 0);
}

async function stage(ca = RIGHT): Promise<{ scene: Scene; heard: string[]; clock: VirtualClock }> {
  const mqtt = { user: USER, password: PASSWORD, ca: toHex(ca.der) };
  const scene = await Scene.open({ sampleIntervalMs: 200, mqtt });
  const heard: string[] = [];
  const client = await scene.client();
  client.on("message", (topic) => heard.push(topic));
  await client.subscribeAsync("motes/#");
  return { scene, heard, clock: new VirtualClock(Date.now()) };
}

moteTest("a mote with a certificate authority says nothing to a broker that speaks plain MQTT", async () => {
  const { scene, heard, clock } = await stage();
  const wire = new Wire(() => scene.port);
  const actor = scene.mote({ clock, network: { [`${HOST}:1883`]: await wire.listen(), "time.stage:123": scene.sntp.endpoint } });
  await attempts(clock, wire, heard);
  await pass(clock, "records that wait", () => actor.of("record").length >= 2);
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

moteTest("a mote sends its records to a broker of the right certificate authority, and nothing of them in clear", async () => {
  const { scene, heard, clock } = await stage();
  const tls = await withTls(scene, RIGHT);
  const wire = new Wire(() => tls.port);
  const actor = scene.mote({ clock, network: { [`${HOST}:1883`]: await wire.listen(), "time.stage:123": scene.sntp.endpoint } });
  const arrived = (): number => heard.filter((topic) => topic.endsWith("/records")).length;
  await pass(clock, "three records, or words in clear", () => arrived() >= 3 || wire.sent.some((sent) => sent.includes("MQTT")));
  const [first] = wire.sent as [Buffer];
  assert.is(first[0], 22, "a handshake comes first");
  assert.ok(wire.typesOf(first).includes(23));
  assertNothingInClear(wire, "records", actor.address());
  await scene.close();
  wire.close();
  tls.close();
});

moteTest("a mote sends nothing but a handshake to a broker of another certificate authority", async () => {
  const { scene, heard, clock } = await stage();
  const tls = await withTls(scene, WRONG);
  const wire = new Wire(() => tls.port);
  const actor = scene.mote({ clock, network: { [`${HOST}:1883`]: await wire.listen(), "time.stage:123": scene.sntp.endpoint } });
  await attempts(clock, wire, heard);
  await pass(clock, "records that wait", () => actor.of("record").length >= 2);
  for (const sent of wire.sent) for (const type of wire.typesOf(sent)) assert.ok(WITHOUT_DATA.includes(type), `${type}`);
  assertNothingInClear(wire);
  assert.equal(heard, []);
  await scene.close();
  wire.close();
  tls.close();
});

moteTest("a mote believes ECDSA and RSA, a leaf alone and a chain", async () => {
  for (const kind of ["ec", "rsa"] as KeyKind[]) {
    const { scene, clock } = await stage(ROOTS[kind]);
    for (const chain of [
      [issue(HOST, { issuer: ROOTS[kind], kind })],
      [issue(HOST, { issuer: MIDDLES[kind], kind }), MIDDLES[kind]],
    ]) {
      const tls = await withTls(scene, chain);
      const network = { [`${HOST}:1883`]: `127.0.0.1:${tls.port}`, "time.stage:123": scene.sntp.endpoint };
      const actor = scene.mote({ network, clock });
      await pass(
        clock,
        `a delivery: ${kind}, ${chain.length}`,
        () => actor.of("delivered").length > 0 || refusals(actor).length > 0,
      );
      assert.equal(refusals(actor), []);
    }
    await scene.close();
  }
});

moteTest(
  "a mote refuses by its name a broker of another authority, of another host, expired, without its chain, of TLS 1.1",
  async () => {
    const { scene, heard, clock } = await stage(ROOTS.ec);
    const leaf = (options = {}, host = HOST) => issue(host, { issuer: ROOTS.ec, ...options });
    const old: TlsOptions = { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "ALL@SECLEVEL=0" };
    const kinds: readonly (readonly [TestCertificate, RegExp, TlsOptions?])[] = [
      [issue(HOST, { issuer: issue("root") }), /^tls: certificate is not of the pinned authority/],
      [leaf({}, "other.stage"), /^tls: certificate is not for this host$/],
      [leaf({ to: 2022 }), /^tls: certificate has expired$/],
      [issue(HOST, { issuer: MIDDLES.ec }), /^tls: certificate is not of the pinned authority/],
      [leaf(), /^tls: broker (refused the handshake|offers no version)/, old],
    ];
    for (const [certificate, said, options] of kinds) {
      const tls = await withTls(scene, certificate, options);
      const wire = new Wire(() => tls.port);
      const actor = scene.mote({
        clock,
        network: { [`${HOST}:1883`]: await wire.listen(), "time.stage:123": scene.sntp.endpoint },
      });
      const named = () => refusals(actor).filter((detail) => said.test(detail));
      await pass(
        clock,
        () => `two refusals ${said}: ${refusals(actor)}`,
        () => named().length >= 2 || heard.length > 0,
      );
      await pass(clock, "records that wait", () => actor.of("record").length >= 2);
      for (const sent of wire.sent) for (const type of wire.typesOf(sent)) assert.ok(WITHOUT_DATA.includes(type), `${type}`);
      assertNothingInClear(wire);
      assert.equal(
        refusals(actor).filter((detail) => !said.test(detail) && !/the clock is not set/.test(detail)),
        [],
      );
      assert.equal([actor.of("delivered"), heard], [[], []]);
    }
    await scene.close();
  },
);

moteTest("a broker that stalls in the handshake is given up, and asked again; once it answers, all is delivered", async () => {
  const { scene, clock } = await stage();
  let stalls = true;
  let stalled = 0;
  const tls = await withTls(scene, RIGHT);
  const server = createServer((client) => {
    client.on("error", () => undefined);
    if (stalls) {
      stalled += 1;
      open.add({ close: () => client.destroy() });
    } else {
      const broker = connect(tls.port, "127.0.0.1");
      broker.on("error", () => undefined);
      client.pipe(broker).pipe(client);
    }
  });
  const network = { [`${HOST}:1883`]: await listen(server), "time.stage:123": scene.sntp.endpoint };
  open.add({ close: () => server.close() });
  const actor = scene.mote({ network, clock });
  await pass(clock, "two attempts", () => stalled >= 2);
  assert.ok(actor.of("link").filter(({ state }) => state === "down").length >= 1);
  stalls = false;
  await pass(clock, "a delivery", () => actor.of("delivered").length > 0);
  await scene.close();
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

moteTest(
  "a part of an image comes over HTTPS from the server of the right certificate authority; no other is asked for one",
  async () => {
    const part = Buffer.alloc(2_048, 7);
    const asked: (string | undefined)[] = [];
    const web = createHttpsServer(
      { key: RIGHT.key.export({ type: "pkcs8", format: "pem" }), cert: RIGHT.pem },
      ({ url, headers }, response) => {
        asked.push(`${url} ${headers.range} ${headers.host}`);
        response.writeHead(206, { "content-length": part.length, "content-range": `bytes 0-2047/${part.length}` }).end(part);
      },
    );
    web.on("tlsClientError", () => undefined);
    const endpoint = await listen(web);
    open.add({
      close() {
        web.closeAllConnections();
        web.close();
      },
    });
    for (const ca of [WRONG, RIGHT]) {
      const { device, board, close } = createBoard({
        network: { [`${HOST}:443`]: endpoint },
        radio: { associationMs: 1, addressMs: 1 },
        onLog: (_, { detail }) => said.push(String(detail)),
      });
      open.add({ close });
      const said: string[] = [];
      const came: Uint8Array[] = [];
      device.clock.set(Math.floor(Date.now() / 1_000));
      board.radio.start();
      board.radio.connect("lab", undefined);
      await until("an address", () => board.radio.online);
      const options = {
        device,
        came: (_id: number, _offset: number, bytes: Uint8Array) => void came.push(bytes),
        refused: ({ detail }: { readonly detail: string }) => void said.push(detail),
        onWake: () => undefined,
      };
      const parts = new HttpParts(options, { host: HOST, port: 443, path: "/", ca: ca.der });
      let isAsked = false;
      await until(
        () => `a part, or a refusal; ${said}`,
        () => {
          if (!isAsked) isAsked = parts.ask(1, 0, part.length, part.length, new Uint8Array(32).fill(0xab));
          return came.length + said.length > 0;
        },
      );
      parts.close();
      close();
      if (ca === WRONG) assert.equal([came, asked], [[], []], said.join());
      else assert.equal([came.map((bytes) => Buffer.from(bytes)), said], [[part], []]);
    }
    assert.equal(asked, [`/${"ab".repeat(32)} bytes=0-2047 ${HOST}`]);
  },
);

if (typeof built !== "string") console.log(`not tried: motes over TLS (${built.missing})`);

test.after(async () => {
  await Scene.closeAll();
  for (const one of open) one.close();
});
test.run();
