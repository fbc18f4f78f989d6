// The board's TLS socket over the firmware's own C, on simulated TCP: whom it believes, what it refuses and by which name,
// how much it takes, and that each of its faults ends the session once. Servers are OpenSSL's (Node).

import { connect, createServer, type Socket } from "node:net";
import { createServer as createTlsServer, type TLSSocket, type TlsOptions } from "node:tls";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type TlsSocketOptions, tlsSocketOver } from "../../../firmware/board/tls-socket.js";
import { Board } from "../../../host-sim/hardware/board.js";
import { memoryStorage } from "../../../host-sim/hardware/storage.js";
import { tcpFor } from "../../../host-sim/modules/tcp.js";
import { timerFor } from "../../../host-sim/modules/timer.js";
import * as tls from "../../../host-sim/modules/tls.js";
import { buildTls } from "../../../host-sim/tls/build.js";
import { pause, until } from "../../patience.js";
import { issue, type TestCertificate } from "../host-sim/certificate.js";
import { listen } from "../ports/broker.js";

const NOW_S = 1_750_000_000;
const HOST = "broker.stage";
const Secure = tlsSocketOver(tls);
const built = buildTls();
const open = new Set<{ close(): void }>();

const ROOT = issue("root");
const MIDDLE = issue("middle", { issuer: ROOT, authority: true });
const RSA_ROOT = issue("rsa root", { kind: "rsa" });
const RSA_MIDDLE = issue("rsa middle", { issuer: RSA_ROOT, authority: true, kind: "rsa" });
const OTHER_ROOT = issue("root");

/** A server with this chain; what it hears, it answers. */
async function server(chain: readonly TestCertificate[], options: TlsOptions = {}) {
  const sockets: TLSSocket[] = [];
  const heard: Buffer[] = [];
  const identity = {
    key: (chain[0] as TestCertificate).key.export({ type: "pkcs8", format: "pem" }),
    cert: chain.map(({ pem }) => pem).join(""),
  };
  const one = createTlsServer({ ...identity, ...options }, (socket) => {
    sockets.push(socket);
    socket.on("error", () => undefined);
    socket.on("data", (data) => heard.push(data));
  });
  one.on("tlsClientError", () => undefined);
  const endpoint = await listen(one);
  open.add({
    close() {
      for (const socket of sockets) socket.destroy();
      one.close();
    },
  });
  return { endpoint, sockets, heard: () => Buffer.concat(heard) };
}

/** A server of plain TCP that does as it is told. */
async function plain(onConnection: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const one = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    onConnection(socket);
  });
  open.add({
    close() {
      for (const socket of sockets) socket.destroy();
      one.close();
    },
  });
  return listen(one);
}

interface Dialled {
  readonly socket: InstanceType<typeof Secure>;
  readonly writable: number[];
  readonly readable: number[];
  readonly errors: (Error | undefined)[];
  readonly log: string[];
}

interface DialOptions extends Partial<TlsSocketOptions> {
  readonly nowS?: number;
  readonly onData?: (dialled: Dialled, count: number) => void;
}

async function dial(endpoint: string, ca: TestCertificate, { nowS = NOW_S, onData, ...more }: DialOptions = {}) {
  const board = new Board({
    storage: memoryStorage({ partitions: {} }),
    network: { "peer:7": endpoint },
    radio: { associationMs: 1, addressMs: 1 },
  });
  open.add({ close: () => board.stop() });
  board.radio.start();
  board.radio.connect("lab", undefined);
  await until("an address", () => board.radio.online);
  const dialled = { writable: [], readable: [], errors: [], log: [] } as unknown as { socket: unknown } & Dialled;
  dialled.socket = new Secure({
    host: HOST,
    address: board.network.addressOf("peer") as string,
    port: 7,
    secure: { certificate: ca.der },
    TCP: { io: tcpFor(() => board) as unknown as TlsSocketOptions["TCP"]["io"] },
    timer: timerFor(() => board) as unknown as TlsSocketOptions["timer"],
    log: { write: (_event, fields) => void dialled.log.push(String((fields as { detail?: string }).detail)) },
    nowMs: () => nowS * 1000,
    onReadable(count) {
      dialled.readable.push(count);
      onData?.(dialled, count);
    },
    onWritable: (count) => void dialled.writable.push(count),
    onError: (error) => void dialled.errors.push(error),
    ...more,
  });
  return { ...dialled, board };
}

/** What is said of a server that is not believed; nothing was told writable. */
async function refusal(endpoint: string, ca: TestCertificate, options: DialOptions = {}): Promise<string> {
  const { errors, log, writable, socket } = await dial(endpoint, ca, options);
  await until("an end", () => errors.length + writable.length > 0);
  await pause(20);
  assert.is(errors.length, 1);
  assert.equal(writable, []);
  assert.is(log.length, 1, "one line");
  assert.is(errors[0]?.message, log[0]);
  assert.is(socket.write(Uint8Array.of(1)), 0, "what is over takes nothing");
  socket.close();
  return log[0] as string;
}

async function throws(attempt: () => Promise<unknown>, expected: RegExp): Promise<void> {
  try {
    await attempt();
  } catch (error) {
    assert.match((error as Error).message, expected);
    return;
  }
  assert.unreachable("a session");
}

const leaf = (issuer: TestCertificate, options: object = {}) => issue(HOST, { issuer, ...options });

const cases = {
  "the server's own, pinned": [[issue(HOST)], undefined],
  "ECDSA, leaf only": [[leaf(ROOT)], ROOT],
  "ECDSA, a chain": [[leaf(MIDDLE), MIDDLE], ROOT],
  "RSA, leaf only": [[leaf(RSA_ROOT, { kind: "rsa" })], RSA_ROOT],
  "RSA, a chain": [[leaf(RSA_MIDDLE, { kind: "rsa" }), RSA_MIDDLE], RSA_ROOT],
  "an RSA key that an ECDSA authority signed, the authority sent as well": [[leaf(ROOT, { kind: "rsa" }), ROOT], ROOT],
} as const;

function verdict(name: string, run: () => Promise<void>): void {
  test(name, async () => {
    if (typeof built === "string") await run();
  });
}

for (const [name, [chain, pinned]] of Object.entries(cases))
  verdict(`the right authority: ${name}`, async () => {
    const other = await server(chain);
    const { socket, writable, errors, log } = await dial(other.endpoint, pinned ?? chain[0]);
    await until("a session, or its end", () => writable.length > 0 || errors.length > 0);
    assert.equal(log, []);
    assert.ok((writable[0] as number) > 5000, `${writable[0]} bytes`);
    socket.write(Uint8Array.of(1, 2, 3));
    await until("three bytes", () => other.heard().length === 3);
    socket.close();
    socket.close();
  });

verdict("the wrong authority, no intermediate, another host, expired, not yet valid: each by its name", async () => {
  const good = await server([leaf(ROOT)]);
  assert.match(await refusal(good.endpoint, OTHER_ROOT), /^tls: certificate is not of the pinned authority/);
  assert.match(await refusal(good.endpoint, ROOT, { host: "other.stage" }), /^tls: certificate is not for this host$/);
  const named = { secure: { certificate: ROOT.der, serverName: "another.stage" } };
  assert.match(await refusal(good.endpoint, ROOT, named), /^tls: certificate is not for this host$/);
  const gap = await server([leaf(MIDDLE)]);
  assert.match(await refusal(gap.endpoint, ROOT), /^tls: certificate is not of the pinned authority/);
  const expired = await server([leaf(ROOT, { to: 2022 })]);
  assert.match(await refusal(expired.endpoint, ROOT), /^tls: certificate has expired$/);
  const future = await server([leaf(ROOT, { from: 2040 })]);
  assert.match(await refusal(future.endpoint, ROOT), /^tls: certificate is not valid yet/);
  const oldMiddle = issue("middle", { issuer: ROOT, authority: true, to: 2022 });
  const old = await server([leaf(oldMiddle), oldMiddle]);
  assert.match(await refusal(old.endpoint, ROOT), /^tls: certificate has expired$/);
  const noAuthority = leaf(ROOT);
  const forged = await server([leaf(noAuthority), noAuthority]);
  assert.match(await refusal(forged.endpoint, ROOT), /^tls: certificate is not of the pinned authority/);
});

verdict("the moment of expiry is the board's own clock's", async () => {
  const until2030 = await server([leaf(ROOT, { to: 2030 })]);
  const newYear2030 = Date.UTC(2030, 0, 1) / 1000;
  const { socket, writable, errors } = await dial(until2030.endpoint, ROOT, { nowS: newYear2030 });
  await until("a session, or its end", () => writable.length > 0 || errors.length > 0);
  assert.is(errors.length, 0);
  socket.close();
  assert.match(await refusal(until2030.endpoint, ROOT, { nowS: newYear2030 + 1 }), /has expired$/);
});

verdict("TLS 1.1, a suite without an ephemeral key or without AEAD, no TLS at all: refused by name", async () => {
  const insecure = "ALL@SECLEVEL=0";
  const old = await server([leaf(ROOT)], { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: insecure });
  assert.match(await refusal(old.endpoint, ROOT), /^tls: broker (refused|offers no version)/);
  const cbc = await server([leaf(ROOT)], { maxVersion: "TLSv1.2", ciphers: "ECDHE-ECDSA-AES128-SHA" });
  assert.match(await refusal(cbc.endpoint, ROOT), /^tls: broker refused/);
  const rsa = await server([leaf(RSA_ROOT, { kind: "rsa" })], { maxVersion: "TLSv1.2", ciphers: "AES128-GCM-SHA256" });
  assert.match(await refusal(rsa.endpoint, RSA_ROOT), /^tls: broker refused/);
  const none = await plain((socket) => socket.write("HTTP/1.1 400 Bad Request\r\n\r\n"));
  assert.match(await refusal(none, ROOT), /^tls: what came is no record of TLS/);
});

verdict("a server that closes in the handshake, and one that says nothing", async () => {
  const closing = await plain((socket) => socket.once("data", () => socket.end()));
  assert.match(await refusal(closing, ROOT), /^tls: the broker closed the connection in the handshake$/);
  const silent = await plain(() => undefined);
  const { socket, errors, writable } = await dial(silent, ROOT);
  await pause(200);
  assert.equal([errors, writable], [[], []], "the client above has a time limit");
  assert.throws(() => socket.write(Uint8Array.of(1)), /not ready/);
  socket.close();
});

verdict("a certificate that is none, and a host name too long, throw at once, and say so", async () => {
  const good = await server([leaf(ROOT)]);
  const log: string[] = [];
  const more = { log: { write: (_event: string, fields?: object) => void log.push(JSON.stringify(fields)) } };
  for (const bad of [new Uint8Array(0), new Uint8Array(40), new Uint8Array(5000)])
    await throws(
      () => dial(good.endpoint, ROOT, { ...more, secure: { certificate: bad } }),
      /^tls: the pinned certificate \(mqtt.ca\) is no X.509 certificate/,
    );
  await throws(
    () => dial(good.endpoint, ROOT, { ...more, host: "h".repeat(254) }),
    /^tls: the host name is empty or longer than 253 bytes$/,
  );
  assert.is(log.length, 4);
});

verdict("all that fits goes through, in records, and comes back whole; what does not fit would block", async () => {
  const other = await server([leaf(ROOT)]);
  const got: number[] = [];
  const { socket, writable, errors, log } = await dial(other.endpoint, ROOT, {
    onData: ({ socket: self }, count) => got.push(...new Uint8Array(self.read(count) as ArrayBuffer)),
  });
  await until("a session", () => writable.length > 0);
  // Once TCP has let go of the handshake's last words.
  const room = (): number => socket.write(new Uint8Array(0)) as number;
  await until("all of TCP's room", () => room() > 5500);
  const fits = room();
  assert.throws(() => socket.write(new Uint8Array(fits + 1)), /would block/);
  assert.throws(() => socket.write(new Uint8Array(1), { more: true, byteLength: fits + 1 }), /would block/);
  const sent = Uint8Array.from({ length: fits }, (_, i) => (i * 7) % 251);
  assert.ok((socket.write(sent) as number) < 100);
  await until("all of it", () => other.heard().length === fits);
  assert.ok(other.heard().equals(sent));
  const back = Buffer.from(Array.from({ length: 40_000 }, (_, i) => (i * 13) % 253));
  other.sockets[0]?.write(back);
  await until("all of it back", () => got.length === back.length);
  assert.ok(Buffer.from(got).equals(back));
  assert.equal([errors, log], [[], []]);
  socket.close();
});

verdict("pieces of one message travel in one record", async () => {
  const records: number[] = [];
  const other = await server([leaf(ROOT)], { maxVersion: "TLSv1.2" });
  const [host, port] = other.endpoint.split(":") as [string, string];
  const wire = await plain((client) => {
    const far = connect(Number(port), host);
    far.on("error", () => undefined);
    client.on("data", (data) => {
      if (data[0] === 23) for (let at = 0; at < data.length; at += 5 + data.readUInt16BE(at + 3)) records.push(data.length);
      far.write(data);
    });
    far.pipe(client);
    client.on("close", () => far.destroy());
  });
  const { socket, writable } = await dial(wire, ROOT);
  await until("a session", () => writable.length > 0);
  for (const [byte, more] of [
    [48, true],
    [3, true],
    [1, true],
    [0, false],
  ] as const)
    socket.write(Uint8Array.of(byte), { more, ...(byte === 48 ? { byteLength: 4 } : {}) });
  await until("four bytes", () => other.heard().length === 4);
  assert.is(records.length, 1);
  socket.close();
});

verdict("what is not read stays, byte by byte, and the end comes after it", async () => {
  const other = await server([leaf(ROOT)]);
  const { socket, writable, readable, errors } = await dial(other.endpoint, ROOT);
  await until("a session", () => writable.length > 0);
  other.sockets[0]?.end(Buffer.from([1, 2, 3, 4, 5]));
  await until("five bytes", () => readable.length > 0);
  await pause(50);
  assert.equal(readable, [5]);
  assert.equal(errors, [], "there is something to read still");
  assert.throws(() => socket.read(6), /invalid/);
  socket.format = "number";
  assert.is(socket.format, "number");
  assert.is(socket.read(), 1);
  socket.format = "buffer";
  assert.throws(() => {
    socket.format = "text";
  }, RangeError);
  const two = new Uint8Array(2);
  assert.is(socket.read(two), 2);
  assert.equal([...two], [2, 3]);
  assert.equal([...new Uint8Array(socket.read() as ArrayBuffer)], [4, 5]);
  assert.is(socket.read(), undefined);
  await until("the end", () => errors.length > 0);
  assert.equal(errors, [undefined]);
  socket.close();
  assert.throws(() => socket.write(Uint8Array.of(1)), /closed/);
});

verdict("a record that is changed on its way ends the session, and nothing of it is handed out", async () => {
  const other = await server([leaf(ROOT)], { maxVersion: "TLSv1.2" });
  const [host, port] = other.endpoint.split(":") as [string, string];
  const wire = await plain((client) => {
    const far = connect(Number(port), host);
    far.on("error", () => undefined);
    client.pipe(far);
    far.on("data", (data) => {
      if (data[0] === 23) data[data.length - 1] = (data[data.length - 1] as number) ^ 1;
      client.write(data);
    });
    client.on("close", () => far.destroy());
  });
  const { socket, writable, readable, errors, log } = await dial(wire, ROOT);
  await until("a session", () => writable.length > 0);
  other.sockets[0]?.write("secret");
  await until("an end", () => errors.length > 0);
  assert.equal(readable, []);
  assert.equal(log, ["tls: a record was changed on its way"]);
  socket.close();
});

verdict("an exception of the application ends the session and leaves no callback", async () => {
  const other = await server([leaf(ROOT)]);
  const { socket, errors, log, writable } = await dial(other.endpoint, ROOT, {
    onData: () => {
      throw new Error("of the application");
    },
  });
  await until("a session", () => writable.length > 0);
  other.sockets[0]?.write("x");
  await until("an end", () => errors.length > 0);
  assert.equal(log, ["tls: of the application"]);
  socket.close();
});

verdict("closed inside any of its callbacks, it is silent afterwards", async () => {
  const other = await server([leaf(ROOT)]);
  const inWritable = await dial(other.endpoint, ROOT, {
    onWritable(this: { close(): void }) {
      this.close();
    },
  });
  const inReadable = await dial(other.endpoint, ROOT, { onData: ({ socket }) => socket.close() });
  await until("two sessions", () => other.sockets.length >= 2);
  await until("a session", () => inReadable.writable.length > 0);
  for (const socket of other.sockets) socket.write("hello");
  await until("something to read", () => inReadable.readable.length > 0);
  await pause(50);
  assert.equal([inWritable.errors, inWritable.log, inReadable.errors, inReadable.log], [[], [], [], []]);
});

if (typeof built !== "string") console.log(`tried without a session: ${built.missing}`);

verdict("a clock that is not set, and a pinned certificate that has expired, throw before anything is sent", async () => {
  const oldRoot = issue("old root", { to: 2022 });
  const connections: Socket[] = [];
  const endpoint = await plain((socket) => void connections.push(socket));
  await throws(() => dial(endpoint, ROOT, { nowS: 0 }), /^tls: the pinned certificate \(mqtt.ca\) is not valid yet: the clock/);
  await throws(() => dial(endpoint, oldRoot), /^tls: the pinned certificate \(mqtt.ca\) has expired$/);
  await pause(50);
  assert.is(connections.length, 0);
});

test.after(() => {
  for (const one of open) one.close();
});
test.run();
