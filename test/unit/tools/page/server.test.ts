// The page's server against those who have no business there: other sites' pages, names that were pointed at this machine, requests that are too long or no
// requests, and many at once. And what a page gets that was away for a moment.

import { request as ask, type IncomingHttpHeaders } from "node:http";
import { connect } from "node:net";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { STREAMS_MAX } from "../../../../tools/page/broadcast.js";
import { BODY_BYTES_MAX, PageServer, Refused, TOKEN_HEADER } from "../../../../tools/page/server.js";
import { pause, until } from "../../../patience.js";
import { eventually } from "../eventually.js";

const pressed: string[] = [];
let server: PageServer;
let token = "";

test.before(async () => {
  server = await PageServer.start({
    all: () => ({ all: true }),
    series: (board) => (board === 1 ? { board } : undefined),
    press(fault, board) {
      if (fault === "unknown") throw new Refused(404, "no such button");
      pressed.push(`${fault} ${board}`);
    },
  });
  const { text } = await get("/");
  token = /name="token" content="([\w-]+)"/.exec(text)?.[1] ?? "";
});
test.after(() => server.close());
test.before.each(() => {
  pressed.length = 0;
});

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

function send(method: string, path: string, headers: Record<string, string> = {}, body?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = ask({ host: "127.0.0.1", port: server.port, method, path, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text: Buffer.concat(chunks).toString() }),
      );
    });
    request.on("error", reject);
    request.end(body);
  });
}

const get = (path: string, headers: Record<string, string> = {}): Promise<Answer> => send("GET", path, headers);

/** Of the page itself. */
const own = (): Record<string, string> => ({
  origin: `http://127.0.0.1:${server.port}`,
  "content-type": "application/json",
  "sec-fetch-site": "same-origin",
  [TOKEN_HEADER]: token,
});

const press = (headers: Record<string, string>, body = '{"board":1}', fault = "cut-power"): Promise<Answer> =>
  send("POST", `/faults/${fault}`, headers, body);

/** Sends bytes as they are, and answers what comes until the other side ends the connection. */
function raw(bytes: string | Uint8Array): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(server.port, "127.0.0.1", () => socket.write(bytes));
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
    });
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(text));
  });
}

test("the page itself: a strict policy, no foreign origin, and its button does something", async () => {
  const { status, headers, text } = await get("/");
  assert.is(status, 200);
  const policy = String(headers["content-security-policy"]);
  for (const rule of [
    "default-src 'none'",
    "script-src 'self'",
    "connect-src 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ])
    assert.ok(policy.includes(rule), rule);
  assert.not.match(policy, /unsafe|https?:|\*/);
  assert.is(headers["access-control-allow-origin"], undefined);
  assert.is(headers["cross-origin-resource-policy"], "same-origin");
  assert.not.match(text, /(src|href)="https?:/);
  assert.not.match(text, /\son\w+=|<style|style="/);
  assert.is((await press(own())).status, 202);
  assert.equal(pressed, ["cut-power 1"]);
});

test("another site's page presses no button: not by its origin, not with a form's types, not without the token", async () => {
  const { origin: _, ...without } = own();
  const cases: readonly (readonly [string, Record<string, string>, number])[] = [
    ["another origin", { ...own(), origin: "https://evil.example" }, 403],
    ["another port of this machine", { ...own(), origin: "http://127.0.0.1:1" }, 403],
    ["a page of no origin", { ...own(), origin: "null" }, 403],
    ["no origin", without, 403],
    ["a browser that says cross-site", { ...own(), "sec-fetch-site": "cross-site" }, 403],
    ["a browser that says same-site", { ...own(), "sec-fetch-site": "same-site" }, 403],
    ["no token", { ...own(), [TOKEN_HEADER]: "" }, 403],
    ["another token", { ...own(), [TOKEN_HEADER]: "x".repeat(token.length) }, 403],
    ["a form", { ...own(), "content-type": "text/plain" }, 415],
  ];
  for (const [what, headers, status] of cases) assert.is((await press(headers)).status, status, what);
  assert.equal(pressed, []);
  // What a browser asks before it sends a header of ours across origins gets no permission.
  const { status, headers } = await send("OPTIONS", "/faults/cut-power", {
    origin: "https://evil.example",
    "access-control-request-method": "POST",
    "access-control-request-headers": TOKEN_HEADER,
  });
  assert.is(status, 405);
  assert.is(headers["access-control-allow-origin"], undefined);
});

test("another site's page reads nothing either: no file, no stream, no values", async () => {
  for (const path of ["/page.js", "/events", "/series?board=1"]) {
    assert.is((await get(path, { origin: "https://evil.example" })).status, 403, path);
    assert.is((await get(path, { "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors" })).status, 403, path);
  }
  const embedded = { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe" };
  assert.is((await get("/", embedded)).status, 403, "in a frame");
  assert.is((await get("/", { ...embedded, "sec-fetch-dest": "document" })).status, 200, "a link that leads here");
});

test("DNS rebinding: who calls the server by another name gets nothing, whatever it asks", async () => {
  for (const host of [
    "evil.example",
    `evil.example:${server.port}`,
    "127.0.0.1",
    `127.0.0.1.evil.example:${server.port}`,
    `[::1]:${server.port}`,
  ]) {
    assert.is((await get("/", { host })).status, 421, host);
    assert.is((await get("/events", { host })).status, 421, host);
    assert.is((await press({ ...own(), host, origin: `http://${host}` })).status, 421, host);
  }
  assert.is((await get("/", { host: `localhost:${server.port}` })).status, 200);
  assert.is((await press({ ...own(), host: `localhost:${server.port}`, origin: `http://localhost:${server.port}` })).status, 202);
  assert.match(await raw("GET / HTTP/1.1\r\n\r\n"), /^HTTP\/1\.1 400/, "no name at all");
  assert.match(
    await raw(`GET http://evil.example/ HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nConnection: close\r\n\r\n`),
    /^HTTP\/1\.1 400/,
  );
});

test("oversized: bodies, headers and paths are refused by their length, and what was not read is not waited for", async () => {
  assert.is((await press(own(), `{"board":1,"x":"${"x".repeat(BODY_BYTES_MAX)}"}`)).status, 413);
  const chunked = await raw(
    [
      "POST /faults/cut-power HTTP/1.1",
      ...Object.entries({ host: `127.0.0.1:${server.port}`, ...own() }).map(([name, value]) => `${name}: ${value}`),
      "transfer-encoding: chunked",
      "",
      "800",
      "x".repeat(0x800),
      "",
    ].join("\r\n"),
  );
  assert.match(chunked, /^HTTP\/1\.1 413/);
  assert.match(
    await raw(`GET / HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nX: ${"x".repeat(20_000)}\r\n\r\n`),
    /^HTTP\/1\.1 431/,
  );
  assert.is((await get(`/${"x".repeat(300)}`)).status, 400);
  assert.equal(pressed, []);
});

test("malformed: bytes that are no request, bodies that are no board, paths that lead elsewhere", async () => {
  for (const body of [
    "",
    "{",
    "[]",
    "null",
    "1",
    '{"board":0}',
    '{"board":1.5}',
    '{"board":"1"}',
    '{"board":1,"x":2}',
    '{"board":1000}',
    '{"__proto__":{"board":1}}',
  ])
    assert.is((await press(own(), body)).status, 400, body);
  assert.is((await press(own(), '{"board":1}', "unknown")).status, 404);
  for (const path of [
    "/../package.json",
    "/%2e%2e/package.json",
    "/page.js/..",
    "//evil.example/",
    "/series",
    "/series?board=2",
    "/series?board=x",
    "/nothing",
  ])
    assert.ok([400, 404].includes((await get(path)).status), path);
  for (const method of ["PUT", "DELETE", "TRACE"]) assert.is((await send(method, "/")).status, 405, method);
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 200 }), async (bytes) => {
      const answer = await Promise.race([raw(Buffer.concat([bytes, Buffer.from("\r\n\r\n\r\n")])), pause(50).then(() => "")]);
      assert.ok(answer === "" || /^HTTP\/1\.1 4\d\d/.test(answer), answer.slice(0, 80));
    }),
    { numRuns: 50 },
  );
  assert.is((await get("/")).status, 200, "and it goes on");
  assert.equal(pressed, []);
});

/** A stream that stays open; its text grows. */
function listen(last?: string): Promise<{ status: number; text: () => string; end: () => void }> {
  return new Promise((resolve, reject) => {
    const headers = last === undefined ? {} : { "last-event-id": last };
    const request = ask({ host: "127.0.0.1", port: server.port, path: "/events", headers, agent: false }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => {
        text += chunk.toString();
      });
      response.on("error", () => undefined);
      resolve({ status: response.statusCode ?? 0, text: () => text, end: () => request.destroy() });
    });
    request.on("error", (error) => reject(error));
    request.end();
  });
}

test("a hundred open streams: so many are served, the others refused, and the page is there for who comes afterwards", async () => {
  const streams = await Promise.all(Array.from({ length: 100 }, () => listen()));
  const served = streams.filter(({ status }) => status === 200);
  assert.is(served.length, STREAMS_MAX);
  assert.ok(streams.every(({ status }) => status === 200 || status === 503));
  server.broadcast.send({ news: 1 });
  await until("each that is served hears it", () => served.every(({ text }) => text().includes('{"news":1}')));
  assert.is((await get("/")).status, 200);
  for (const { end } of streams) end();
  await until("they are gone", () => server.broadcast.streams === 0);
  const after = await listen();
  assert.is(after.status, 200);
  after.end();
});

test("connections that say nothing, a thousand of them, are bounded and ended", async () => {
  const sockets = Array.from({ length: 1000 }, () => {
    const socket = connect(server.port, "127.0.0.1");
    socket.on("error", () => undefined);
    return socket;
  });
  await until("those beyond the bound are closed at once", () => sockets.filter(({ closed }) => closed).length >= 800);
  for (const socket of sockets) socket.destroy();
  await eventually("it answers again", () =>
    get("/").then(
      ({ status }) => status === 200,
      () => false,
    ),
  );
});

test("a page that was away hears what it missed, once each; one of another run, or away for long, gets everything", async () => {
  const first = await listen();
  await until("it begins with everything", () => first.text().includes("event: all"));
  server.broadcast.send({ n: 1 });
  await until("it hears", () => first.text().includes('{"n":1}'));
  const last = [...first.text().matchAll(/^id: (.*)$/gm)].at(-1)?.[1] as string;
  first.end();
  for (const n of [2, 3]) server.broadcast.send({ n });
  const again = await listen(last);
  await until("it hears what it missed", () => again.text().includes('{"n":3}'));
  assert.equal(
    [...again.text().matchAll(/^data: (.*)$/gm)].map(([, data]) => data),
    ['{"n":2}', '{"n":3}'],
  );
  again.end();
  for (const other of ["000000000000-1", `${last.split("-")[0]}-999999`, "nonsense", "x".repeat(4000)]) {
    const stream = await listen(other);
    await until("everything", () => stream.text().includes("event: all"));
    stream.end();
  }
  for (let n = 0; n < 2000; n += 1) server.broadcast.send({ n, text: "x".repeat(5000) });
  assert.ok(server.broadcast.keptBytes <= 4_194_304, `${server.broadcast.keptBytes} bytes are kept`);
  const late = await listen(last);
  await until("everything", () => late.text().includes("event: all"));
  late.end();
});

test("one that does not read is cut off", async () => {
  const socket = connect(server.port, "127.0.0.1", () =>
    socket.write(`GET /events HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\n\r\n`),
  );
  socket.on("error", () => undefined);
  socket.pause();
  await until("it is served", () => server.broadcast.streams === 1);
  for (let n = 0; n < 400 && server.broadcast.streams > 0; n += 1) {
    server.broadcast.send({ text: "x".repeat(50_000) });
    await pause(1);
  }
  assert.is(server.broadcast.streams, 0);
  socket.destroy();
});

test.run();
