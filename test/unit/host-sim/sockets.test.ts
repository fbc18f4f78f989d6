// The sockets of the simulated board: bounds, order and ends over real connections, and what the link's faults do to them.

import { createServer, type Server, type Socket } from "node:net";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Board, type BoardOptions } from "../../../host-sim/hardware/board.js";
import { memoryStorage } from "../../../host-sim/hardware/storage.js";
import { tcpFor } from "../../../host-sim/modules/tcp.js";
import { udpFor } from "../../../host-sim/modules/udp.js";
import { SntpServer } from "../../../host-sim/world/sntp-server.js";
import { pause, until } from "../../patience.js";
import { listen } from "../ports/broker.js";

interface Peer {
  readonly endpoint: string;
  readonly sockets: Socket[];
  received(): Buffer;
  close(): Promise<void>;
}

async function peer(server: Server): Promise<Peer> {
  const sockets: Socket[] = [];
  const chunks: Buffer[] = [];
  server.on("connection", (socket: Socket) => {
    sockets.push(socket);
    socket.on("data", (chunk) => chunks.push(chunk));
    socket.on("error", () => undefined); // the board's end may break
  });
  const endpoint = await listen(server);
  return {
    endpoint,
    sockets,
    received: () => Buffer.concat(chunks),
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function onlineBoard(endpoint: string, options: Partial<BoardOptions> = {}): Promise<Board> {
  const board = new Board({
    storage: memoryStorage({ partitions: {} }),
    network: { "peer:7": endpoint },
    radio: { associationMs: 1, addressMs: 1 },
    ...options,
  });
  board.radio.start();
  board.radio.connect("lab", undefined);
  await until("an address", () => board.radio.online);
  return board;
}

function open(board: Board) {
  const TCP = tcpFor(() => board);
  const heard = { readable: [] as number[], writable: [] as number[], errors: 0 };
  const tcp = new TCP({
    address: board.network.addressOf("peer") as string,
    port: 7,
    onReadable: (count) => heard.readable.push(count),
    onWritable: (count) => heard.writable.push(count),
    onError() {
      heard.errors += 1;
    },
  });
  return { tcp, heard };
}

test("a connection is writable first, then carries bytes both ways", async () => {
  const other = await peer(createServer());
  const board = await onlineBoard(other.endpoint);
  const { tcp, heard } = open(board);
  assert.throws(() => tcp.write(Uint8Array.of(1)), /not ready/);
  await until("onWritable", () => heard.writable.length > 0);
  assert.equal(heard.writable, [5744]);
  assert.is(tcp.write(Uint8Array.of(1, 2, 3)), 5741);
  await until("three bytes", () => other.received().length === 3);
  other.sockets[0]?.write(Buffer.from([4, 5]));
  await until("onReadable", () => heard.readable.length > 0);
  assert.equal([...new Uint8Array(tcp.read() as ArrayBuffer)], [4, 5]);
  assert.is(tcp.read(), undefined);
  tcp.format = "number";
  other.sockets[0]?.write(Buffer.from([6]));
  await until("onReadable", () => heard.readable.length > 1);
  assert.is(tcp.read(), 6);
  tcp.close();
  board.stop();
  await other.close();
});

test("no more than the window waits to be read; reading lets the rest in, in order", async () => {
  const other = await peer(createServer());
  const board = await onlineBoard(other.endpoint);
  const { tcp, heard } = open(board);
  await until("onWritable", () => heard.writable.length > 0);
  const sent = Buffer.from(Uint8Array.from({ length: 400_000 }, (_, i) => (i * 31) & 255));
  other.sockets[0]?.write(sent);
  await until("a full window", () => heard.readable.at(-1) === 5744);
  await pause(50);
  assert.is(Math.max(...heard.readable), 5744);
  const parts: Uint8Array[] = [];
  let length = 0;
  while (length < sent.length) {
    const bytes = tcp.read() as ArrayBuffer | undefined;
    if (bytes === undefined) await pause(0);
    else {
      assert.ok(bytes.byteLength <= 5744);
      parts.push(new Uint8Array(bytes));
      length += bytes.byteLength;
    }
  }
  assert.ok(Buffer.concat(parts).equals(sent));
  tcp.close();
  board.stop();
  await other.close();
});

test("while the link is stalled nothing passes and little is taken; then everything does, in order", async () => {
  const other = await peer(createServer());
  const board = await onlineBoard(other.endpoint);
  const { tcp, heard } = open(board);
  await until("onWritable", () => heard.writable.length > 0);
  board.network.link = "stalled";
  let room = 5744;
  let written = 0;
  while (room >= 1000) {
    room = tcp.write(new Uint8Array(1000).fill(written / 1000)) as number;
    written += 1000;
  }
  assert.throws(() => tcp.write(new Uint8Array(1000)), /would block/);
  other.sockets[0]?.write("hidden");
  await pause(60);
  assert.is(other.received().length, 0);
  assert.equal(heard.readable, []);
  board.network.link = "up";
  await until("what was held", () => other.received().length === written && heard.readable.length > 0);
  assert.equal(
    [...other.received()].filter((_, i) => i % 1000 === 0),
    [0, 1, 2, 3, 4],
  );
  await until("room again", () => heard.writable.at(-1) === 5744);
  tcp.close();
  board.stop();
  await other.close();
});

test("a connection begun on a stalled link opens when the link is up", async () => {
  const other = await peer(createServer());
  const board = await onlineBoard(other.endpoint);
  board.network.link = "stalled";
  const { tcp, heard } = open(board);
  await pause(60);
  assert.equal(heard.writable, []);
  board.network.link = "up";
  await until("onWritable", () => heard.writable.length > 0);
  tcp.close();
  board.stop();
  await other.close();
});

test("the peer's end is told once, after its last byte was read; writes after it throw", async () => {
  const other = await peer(createServer());
  const board = await onlineBoard(other.endpoint);
  const { tcp, heard } = open(board);
  await until("onWritable", () => heard.writable.length > 0);
  other.sockets[0]?.end(Buffer.alloc(3000, 7));
  await until("3,000 bytes", () => heard.readable.at(-1) === 3000);
  await pause(30);
  assert.is(heard.errors, 0);
  assert.is((tcp.read(2999) as ArrayBuffer).byteLength, 2999);
  await pause(20);
  assert.is(heard.errors, 0);
  tcp.read(1);
  assert.is(heard.errors, 0, "not from inside read");
  await until("onError", () => heard.errors > 0);
  await pause(20);
  assert.is(heard.errors, 1);
  assert.throws(() => tcp.write("nothing that could be written" as never), /not ready/);
  tcp.close();
  assert.throws(() => tcp.write(Uint8Array.of(1)), /invalid host object/);
  assert.throws(() => {
    tcp.format = "buffer";
  }, /invalid host object/);
  tcp.close();
  board.stop();
  await other.close();
});

test("an end that comes with the last bytes: not writable from then on, and told twice where they are read at once", async () => {
  const other = await peer(createServer());
  const board = await onlineBoard(other.endpoint);
  const TCP = tcpFor(() => board);
  let writable = 0;
  let errors = 0;
  const thrown: unknown[] = [];
  const tcp = new TCP({
    address: board.network.addressOf("peer") as string,
    port: 7,
    onWritable() {
      writable += 1;
    },
    onReadable() {
      try {
        this.write(Uint8Array.of(1));
      } catch (error) {
        thrown.push(error);
      }
      this.read();
    },
    onError() {
      errors += 1;
    },
  } as ConstructorParameters<typeof TCP>[0] & ThisType<{ write(data: Uint8Array): void; read(): void }>);
  await until("onWritable", () => writable > 0);
  // Held back by the link until both are here.
  board.network.link = "stalled";
  other.sockets[0]?.end("x");
  await until("the peer's end", () => other.sockets[0]?.readableEnded === true || other.sockets[0]?.writableFinished === true);
  await pause(30);
  board.network.link = "up";
  await until("onError, twice", () => errors === 2);
  assert.match(String(thrown[0]), /not ready/);
  tcp.close();
  board.stop();
  await other.close();
});

test("a board has eight connections and sixteen datagram sockets; in each format only what is of it is written", async () => {
  const other = await peer(createServer());
  const board = await onlineBoard(other.endpoint);
  const opened = Array.from({ length: 8 }, () => open(board));
  assert.throws(() => open(board), /no socket/);
  await until("all are writable", () => opened.every(({ heard }) => heard.writable.length > 0));
  const [{ tcp }] = opened as [(typeof opened)[0]];
  assert.throws(() => tcp.write(1), TypeError);
  tcp.format = "number";
  tcp.write(7);
  for (const one of opened) one.tcp.close();
  open(board).tcp.close();
  const UDP = udpFor(() => board);
  const datagrams = Array.from({ length: 16 }, () => new UDP());
  assert.throws(() => new UDP(), /no socket/);
  for (const one of datagrams) one.close();
  assert.equal(board.network.sockets, { tcp: 0, udp: 0 });
  assert.throws(() => new UDP({ onReadable: 1 as never }), /not a function/);
  board.stop();
  await other.close();
});

test("an access point that goes breaks every connection, and no new one opens", async () => {
  const other = await peer(createServer());
  const board = await onlineBoard(other.endpoint);
  const { heard } = open(board);
  await until("onWritable", () => heard.writable.length > 0);
  board.network.link = "down";
  await until("onError", () => heard.errors === 1);
  assert.throws(() => open(board), /connect error/);
  board.stop();
  await other.close();
});

test("nobody listening, and an address that leads nowhere, are errors", async () => {
  const other = await peer(createServer());
  const board = await onlineBoard(other.endpoint);
  await other.close();
  const refused = open(board);
  await until("onError", () => refused.heard.errors === 1);
  const TCP = tcpFor(() => board);
  let errors = 0;
  new TCP({ address: "192.0.2.1", port: 7, onError: () => (errors += 1) });
  await until("onError", () => errors === 1);
  for (const wrong of [
    { address: "peer", port: 7 },
    { address: "10.0.0.1", port: 70_000 },
    { address: "10.0.0.1", port: 1, format: "utf8" },
  ])
    assert.throws(() => new TCP(wrong));
  board.stop();
});

test("a closed connection is silent, and its peer sees the end", async () => {
  const other = await peer(createServer());
  const board = await onlineBoard(other.endpoint);
  const { tcp, heard } = open(board);
  await until("onWritable", () => heard.writable.length > 0);
  let ended = false;
  other.sockets[0]?.on("end", () => {
    ended = true;
  });
  tcp.write(Uint8Array.of(1));
  tcp.close();
  other.sockets[0]?.write("late");
  await until("the end, after the byte", () => ended && other.received().length === 1);
  await pause(20);
  assert.equal([heard.readable, heard.errors], [[], 0]);
  board.stop();
  await other.close();
});

test("a board without power keeps no connection, one that it had closed and whose peer never ends its half neither", async () => {
  const other = await peer(createServer({ allowHalfOpen: true }));
  const board = await onlineBoard(other.endpoint);
  const { tcp, heard } = open(board);
  await until("onWritable", () => heard.writable.length > 0);
  tcp.close();
  const [socket] = other.sockets as [Socket];
  let failed = false;
  socket.on("error", () => {
    failed = true;
  });
  await until("the board's end", () => socket.readableEnded);
  board.stop();
  // What is written to a connection that is gone is answered by a reset.
  await until("a reset", () => {
    socket.write("x");
    return failed;
  });
  await other.close();
});

test("datagrams carry the simulated source; they are lost while the link is stalled, refused while offline", async () => {
  const server = await SntpServer.start();
  const board = await onlineBoard(server.endpoint);
  const UDP = udpFor(() => board);
  let packets = 0;
  const udp = new UDP({
    onReadable(count) {
      packets += count;
    },
  });
  const address = board.network.addressOf("peer") as string;
  const request = new Uint8Array(48);
  request[0] = 0x23;
  udp.write(request, address, 7);
  await until("an answer", () => packets === 1);
  const packet = udp.read();
  assert.is(packet?.byteLength, 48);
  assert.is(packet?.address, address);
  assert.is(packet?.port, 7);
  assert.is(udp.read(), undefined);
  board.network.link = "stalled";
  udp.write(request, address, 7);
  udp.write(request, "192.0.2.1", 7);
  await pause(50);
  assert.is(packets, 1);
  board.network.link = "down";
  assert.throws(() => udp.write(request, address, 7), /send failed/);
  assert.throws(() => udp.write(request, "peer", 7), /invalid IP/);
  udp.close();
  udp.close();
  assert.throws(() => udp.read());
  await server.close();
  board.stop();
});

test.run();
