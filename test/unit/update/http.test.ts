// Parts of an image by HTTP: the one answer that is taken, every one that is not, slow and broken connections; over a socket held by hand. And a
// whole update from Node's own server, on virtual time, with whatever it may do wrong.

import { createServer, type Server } from "node:http";
import type { Duplex } from "node:stream";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { toHex } from "../../../firmware/bytes.js";
import { Fields } from "../../../firmware/fields.js";
import { Rejection } from "../../../firmware/rejection.js";
import { HttpParts, type HttpPlace, httpPlaceIn } from "../../../firmware/update/http.js";
import { Prng } from "../../../host-sim/world/prng.js";
import { seedOr } from "../../seed.js";
import { HandClock } from "../hand-clock.js";
import { handDevice } from "../hand-device.js";
import { ADMIN, UpdateBench } from "./update-bench.js";

const DIGEST = new Uint8Array(32).fill(0xab);
const SIZE = 70_000;
const BYTES = 2_048;
const PLACE: HttpPlace = { host: "images.lab", port: 80, path: "/fleet/" };
const text = (words: string): Uint8Array => new TextEncoder().encode(words);
const joined = (...pieces: readonly (Uint8Array | string)[]): Uint8Array =>
  Uint8Array.from(pieces.flatMap((piece) => [...(typeof piece === "string" ? text(piece) : piece)]));
const part = Uint8Array.from({ length: BYTES }, (_, i) => i & 0xff);
const RANGE = `Content-Range: bytes 4096-${4096 + BYTES - 1}/${SIZE}\r\n`;
const LENGTH = `Content-Length: ${BYTES}\r\n`;
const good = (more = "", body = part): Uint8Array =>
  joined(`HTTP/1.1 206 Partial Content\r\nServer: any\r\n${LENGTH}${RANGE}${more}\r\n`, body);

class Hand {
  readonly clock = new HandClock();
  readonly came: { id: number; offset: number; part: Uint8Array }[] = [];
  readonly refusals: string[] = [];
  readonly sockets: HandSocket[] = [];
  readonly resolvers: { closed: boolean }[] = [];
  woken = 0;
  resolves: "address" | "none" | "never" = "address";
  unmakable = false;
  readonly parts: HttpParts;

  constructor(place = PLACE) {
    const hand = this;
    class Resolver {
      closed = false;
      constructor() {
        hand.resolvers.push(this);
      }
      resolve(request: { host: string; onResolved(host: string, address: string): void; onError(host: string): void }): void {
        if (hand.resolves === "address") request.onResolved(request.host, "10.0.0.9");
        if (hand.resolves === "none") request.onError(request.host);
      }
      close(): void {
        this.closed = true;
      }
    }
    const io = class {
      constructor(options: HandSocket["options"]) {
        if (hand.unmakable) throw new Error("no sockets left");
        // biome-ignore lint/correctness/noConstructorReturn: stands for it
        return new HandSocket(hand, options) as never;
      }
    };
    const client = (name: string) => ({ dns: { io: Resolver }, socket: { io, name } });
    const network = { mqtt: client("tcp"), mqtts: client("tls") };
    this.parts = new HttpParts(
      {
        device: handDevice({ clock: this.clock, network }),
        came: (id, offset, bytes) => void this.came.push({ id, offset, part: bytes }),
        refused: ({ code, detail }) => void this.refusals.push(`${code} ${detail}`),
        onWake: () => {
          this.woken += 1;
        },
      },
      place,
    );
  }

  ask(id: number, offset = 4096): boolean {
    return this.parts.ask(id, offset, BYTES, SIZE, DIGEST);
  }

  /** A connection with one request under way. */
  asked(id = 1): HandSocket {
    assert.is(this.ask(id), false, "not yet");
    const socket = this.socket;
    socket.options.onWritable(4096);
    assert.ok(this.ask(id), this.refusals.join());
    return socket;
  }

  get socket(): HandSocket {
    return this.sockets.at(-1) as HandSocket;
  }

  pass(ms: number): void {
    this.clock.pass(ms);
  }
}

class HandSocket {
  readonly written: string[] = [];
  readonly options: {
    readonly [name: string]: unknown;
    onReadable(count: number): void;
    onWritable(count: number): void;
    onError(): void;
  };
  closed = false;
  dead = false;
  #waiting: Uint8Array = new Uint8Array(0);

  constructor(hand: Hand, options: HandSocket["options"]) {
    this.options = options;
    hand.sockets.push(this);
  }

  read(count: number): ArrayBuffer {
    assert.ok(!this.closed && count >= 1 && count <= 1024, `${count} at once`);
    const bytes = this.#waiting.slice(0, count);
    this.#waiting = this.#waiting.slice(count);
    return bytes.buffer as ArrayBuffer;
  }

  write(data: Uint8Array): number {
    if (this.dead) throw new Error("not ready");
    this.written.push(new TextDecoder().decode(data));
    return 4096 - data.length;
  }

  close(): void {
    this.closed = true;
  }

  give(bytes: Uint8Array): void {
    this.#waiting = joined(this.#waiting, bytes);
    this.options.onReadable(this.#waiting.length);
  }
}

test("a part is one range of the file that has the image's digest for a name; the connection is kept for the next", () => {
  const hand = new Hand();
  const socket = hand.asked(7);
  assert.equal(socket.written, [`GET /fleet/${"ab".repeat(32)} HTTP/1.1\r\nHost: images.lab\r\nRange: bytes=4096-6143\r\n\r\n`]);
  assert.equal([socket.options.address, socket.options.port, socket.options.name], ["10.0.0.9", 80, "tcp"]);
  assert.ok(hand.woken > 0);
  socket.give(good());
  assert.equal(hand.came, [{ id: 7, offset: 4096, part }]);
  assert.ok(hand.ask(8));
  socket.give(good("Connection: close\r\n"));
  assert.is(hand.came.length, 2);
  assert.is(hand.ask(9), false, "the server has ended it: another connection");
  assert.equal([socket.closed, hand.sockets.length, hand.refusals], [true, 2, []]);
  hand.parts.close();
  assert.ok(hand.sockets.every(({ closed }) => closed) && hand.resolvers.every(({ closed }) => closed));
});

test("whatever pieces it comes in, it is the same part", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 60 }), (cuts) => {
      const hand = new Hand();
      const socket = hand.asked();
      const answer = good(`${"X-Long: ".padEnd(900, "y")}\r\nX-Latin: ${"ü".repeat(90)}\r\n`);
      let at = 0;
      for (const cut of cuts) {
        socket.give(answer.slice(at, at + cut));
        at += cut;
      }
      if (at < answer.length) socket.give(answer.slice(at));
      assert.equal([hand.came, hand.refusals], [[{ id: 1, offset: 4096, part }], []]);
    }),
    { numRuns: 60 },
  );
});

const HOSTILE: readonly (readonly [string, Uint8Array, RegExp])[] = [
  ["a redirect", text("HTTP/1.1 302 Found\r\nLocation: http://other.lab/\r\n\r\n"), /302: no redirect is followed/],
  ["a permanent one", text("HTTP/1.1 301 Moved Permanently\r\n\r\n"), /301: no redirect/],
  ["nothing there", text("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), /answers 404/],
  ["the whole file", joined(`HTTP/1.1 200 OK\r\nContent-Length: ${SIZE}\r\n\r\n`), /gives no ranges/],
  ["no range named", joined(`HTTP/1.1 206 P\r\n${LENGTH}\r\n`, part), /no range is named/],
  ["another range", joined(`HTTP/1.1 206 P\r\n${LENGTH}Content-Range: bytes 0-2047/${SIZE}\r\n\r\n`, part), /another range/],
  ["another size", joined(`HTTP/1.1 206 P\r\n${LENGTH}Content-Range: bytes 4096-6143/70001\r\n\r\n`, part), /another size/],
  ["a shorter body", joined(`HTTP/1.1 206 P\r\nContent-Length: 2047\r\n${RANGE}\r\n`, part), /a body of 2047 bytes/],
  ["a longer body", joined(`HTTP/1.1 206 P\r\nContent-Length: 4294967296\r\n${RANGE}\r\n`, part), /no length of a body/],
  ["two lengths", joined(`HTTP/1.1 206 P\r\n${LENGTH}Content-Length: 2047\r\n${RANGE}\r\n`, part), /no length of a body/],
  ["no length", joined(`HTTP/1.1 206 P\r\n${RANGE}\r\n`, part), /a body of -1 bytes/],
  ["more than was said", joined(good(), "x"), /more than the 2048 bytes/],
  ["pieces", joined(`HTTP/1.1 206 P\r\nTransfer-Encoding: chunked\r\n${RANGE}\r\n`), /in pieces/],
  ["an encoding", joined(`HTTP/1.1 206 P\r\nContent-Encoding: gzip\r\n`), /encoded/],
  ["a head without end", joined("HTTP/1.1 206 P\r\n", "x: y\r\n".repeat(2_000)), /a head of more than 4096 bytes/],
  ["a line without end", joined("HTTP/1.1 206 P\r\nx: ", "y".repeat(5_000)), /a head of more than 4096 bytes/],
  ["no HTTP", text("SSH-2.0-OpenSSH_9.2\r\n"), /no answer of HTTP/],
  ["another HTTP", text("HTTP/2.0 206 P\r\n"), /no answer of HTTP/],
  ["a longer status", text("HTTP/1.1 2060 P\r\n"), /no answer of HTTP/],
  ["no field", text("HTTP/1.1 206 P\r\n: none\r\n"), /a line of the head that is none/],
];

test("every other answer is refused by name, nothing of it is taken, and the next connection waits", () => {
  for (const [what, answer, detail] of HOSTILE) {
    const hand = new Hand();
    const socket = hand.asked();
    socket.give(answer);
    assert.is(hand.refusals.length, 1, `${what}: ${hand.refusals}`);
    assert.match(String(hand.refusals[0]), detail, what);
    assert.ok(String(hand.refusals[0]).startsWith("release-http images.lab: "), what);
    assert.equal(hand.came, [], what);
    assert.is(hand.ask(2), false);
    assert.equal([socket.closed, hand.sockets.length], [true, 1], `${what}: not at once`);
    socket.give(good());
    hand.pass(1_000);
    hand.asked(3).give(good());
    assert.equal(
      hand.came.map(({ id }) => id),
      [3],
      what,
    );
  }
});

test("bytes by chance are never a part, and never leave a callback as an exception", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.integer({ min: 0, max: 200 }), (noise, keep) => {
      const hand = new Hand();
      const socket = hand.asked();
      socket.give(joined(good().slice(0, keep), noise));
      assert.equal(hand.came, []);
      assert.ok(hand.refusals.length <= 1);
    }),
    { numRuns: 200 },
  );
});

test("silence, half an answer, an end in the midst of it: given up once it is asked again, and waits double up to a minute", () => {
  const hand = new Hand();
  hand.asked().give(good().slice(0, 900));
  assert.is(hand.ask(2), false, "the answer did not come in time");
  hand.pass(1_000);
  const second = hand.asked(3);
  second.give(good().slice(0, 1_500));
  second.options.onError();
  assert.match(String(hand.refusals[1]), /the connection ended/);
  for (let waitMs = 2_000; waitMs < 60_000; waitMs *= 2) {
    hand.pass(waitMs - 1);
    hand.ask(4);
    const { length } = hand.sockets;
    hand.pass(1);
    hand.ask(4);
    assert.is(hand.sockets.length, length + 1, `${waitMs}`);
    hand.socket.options.onError();
  }
  hand.pass(59_999);
  assert.equal([hand.ask(5), hand.ask(5)], [false, false]);
  assert.equal(hand.came, []);
});

test("no name, no socket, no connection, a socket that is gone: each is said, and none throws", () => {
  const hand = new Hand();
  hand.resolves = "none";
  hand.ask(1);
  hand.pass(60_000);
  hand.resolves = "address";
  hand.unmakable = true;
  hand.ask(1);
  hand.pass(60_000);
  hand.unmakable = false;
  hand.resolves = "never";
  hand.ask(1);
  hand.pass(30_000);
  hand.ask(1);
  hand.pass(60_000);
  hand.resolves = "address";
  hand.ask(1);
  hand.socket.options.onWritable(4096);
  hand.socket.dead = true;
  assert.is(hand.ask(1), false);
  assert.equal(
    hand.refusals.map((line) => line.slice(25)),
    [
      "no name server knows images.lab",
      "Error: no sockets left",
      "no connection in time",
      "the request could not be sent: Error: not ready",
    ],
  );
});

test("a server that ends a connection on which nothing is asked is no fault; unasked bytes are one", () => {
  const hand = new Hand();
  const socket = hand.asked();
  socket.give(good());
  socket.options.onError();
  assert.is(hand.ask(2), false);
  hand.asked(3).give(good());
  assert.equal(hand.refusals, []);
  hand.socket.give(text("HTTP/1.1 206 P\r\n"));
  assert.match(String(hand.refusals[0]), /bytes that nobody has asked for/);
});

test("with a certificate it is HTTPS: the TLS socket, by the name that is configured", () => {
  const ca = new Uint8Array(10).fill(3);
  const hand = new Hand({ ...PLACE, port: 8443, ca });
  const { options, written } = hand.asked();
  assert.equal([options.name, options.port, options.secure], ["tls", 8443, { certificate: ca, serverName: "images.lab" }]);
  assert.match(String(written[0]), /\r\nHost: images.lab:8443\r\n/);
});

test("a place is checked as every configuration is", () => {
  const read = (http: object): unknown => {
    try {
      return httpPlaceIn(new Fields(http, "update.http"));
    } catch (error) {
      return error instanceof Rejection ? error.detail.slice(0, 24) : error;
    }
  };
  assert.equal(read({ host: "images.lab" }), { host: "images.lab", port: 80, path: "/" });
  assert.equal(read({ host: "a", path: "/x/", ca: "0x01" }), { host: "a", port: 443, path: "/x/", ca: Uint8Array.of(1) });
  for (const wrong of [
    { host: "a b" },
    { host: "a\r\nX: y" },
    { path: "/x" },
    { path: "x/" },
    { path: "/ü/" },
    { path: "/ /" },
    { port: 0 },
    { ca: "zz" },
  ])
    assert.match(String(read({ host: "images.lab", ...wrong })), /^update\.http\./, JSON.stringify(wrong));
});

/** Node's server, which does what a test tells it. */
class Images {
  readonly server: Server;
  requests = 0;
  bend: (offset: number) => "good" | "cut" | "silent" | "whole" | "redirect" | "wrong" = () => "good";

  constructor(bench: UpdateBench) {
    this.server = createServer((request, response) => {
      this.requests += 1;
      const image = bench.images.get((request.url ?? "").slice("/fleet/".length));
      const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? [];
      if (image === undefined || from === undefined) {
        response.writeHead(404).end();
        return;
      }
      const how = this.bend(Number(from));
      const bytes = image.slice(Number(from), Number(to) + 1);
      if (how === "silent") return;
      if (how === "redirect") response.writeHead(307, { location: "/elsewhere" }).end();
      else if (how === "whole") response.end(image);
      else {
        response.writeHead(206, { "content-length": bytes.length, "content-range": `bytes ${from}-${to}/${image.length}` });
        if (how === "good") response.end(bytes);
        else if (how === "wrong") response.end(bytes.map((byte) => byte ^ 1));
        else {
          response.write(bytes.slice(0, 100));
          setImmediate(() => response.destroy());
        }
      }
    });
  }

  readonly service = (stream: Duplex): void => void this.server.emit("connection", stream);
}

async function updating(): Promise<{ bench: UpdateBench; images: Images }> {
  const http = { host: "images.lab", path: "/fleet/" };
  const bench = new UpdateBench({ update: { admin: `0x${toHex(ADMIN.address)}`, http } });
  const images = new Images(bench);
  bench.route = { "images.lab:80": images.service };
  await bench.boot();
  await bench.until("the first record is stored", () => bench.stored().length > 0);
  return { bench, images };
}

test("a whole update by HTTP, from Node's own server; nothing is asked for over the broker", async () => {
  const { bench, images } = await updating();
  bench.release(bench.image("v2"));
  await bench.until("v2 is valid", () => bench.said().includes("valid"));
  assert.equal([bench.running, bench.requests, images.requests], ["v2", 0, Math.ceil(70_000 / 2_048)]);
});

test("cut, silent, whole, redirected: it goes on where it was; with wrong bytes it is given up; a cut of the power resumes by range", async () => {
  const { bench, images } = await updating();
  const faults = ["cut", "silent", "whole", "redirect"] as const;
  let met = 0;
  let last = -1;
  images.bend = (offset) => {
    if (offset === last || offset % 16_384 !== 0 || met >= faults.length) return "good";
    last = offset;
    met += 1;
    return faults[met - 1] as (typeof faults)[number];
  };
  bench.release(bench.image("v2", { bytes: 150_000 }));
  await bench.until("most of it is there", () => images.requests > 60, 900);
  assert.is(met, 4);
  const { requests } = images;
  await bench.boot();
  await bench.until("v2 is valid", () => bench.said().includes("valid"), 900);
  assert.ok(images.requests - requests < 45, `${images.requests - requests} requests: from what was kept`);
  assert.equal(
    bench.refusals().filter((code) => code !== "release-http"),
    [],
  );
  images.bend = (offset) => (offset === 4_096 ? "wrong" : "good");
  bench.release(bench.image("v3"), { sequence: 2 });
  await bench.until("it is given up", () => bench.said().includes("failed (digest)"), 900);
  assert.is(bench.running, "v2");
});

test("the power goes while it comes by HTTP, wherever: it goes on, or the image that was there before runs; one event says why", async () => {
  const prng = new Prng(seedOr(17));
  for (let round = 0; round < 8; round += 1) {
    const { bench } = await updating();
    const cutAt = prng.below(110);
    bench.power.cutAt = bench.power.steps + cutAt;
    bench.release(bench.image("v2"));
    await bench.until("the power goes, or it is over", () => bench.ends().length > 0, 900);
    bench.power.cutAt = -1;
    await bench.boot();
    await bench.until("it is over", () => bench.ends().length > 0, 900);
    const ends = bench.ends();
    // What was said as the power went may be said again.
    assert.is(new Set(ends).size, 1, ends.join());
    bench.whole(ends[0] === "valid" ? "v2" : "v1", ends);
  }
});

test.run();
