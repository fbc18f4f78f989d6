// The server of the page: a handful of files, the stream of what happens, values of one board, and the buttons.
//
// Promises: listens on 127.0.0.1 alone; answers only who calls it by its own name (Host), so that a name that another site points at this machine leads
// nowhere; whatever comes from another site's page (Origin, Sec-Fetch-Site) is refused, and whatever presses a button without the
// token that is in the page; everything that is read is bounded, in bytes, in time and in number of connections. The page may load nothing from
// anywhere else (Content-Security-Policy). Never: a path that is not in its list, a body of more than `BODY_BYTES_MAX`, a word of what it was sent in what it answers.

import { randomBytes, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { LOOPBACK } from "../processes/ports.js";
import { Broadcast } from "./broadcast.js";
import { type PageFile, pageFiles } from "./files.js";

/** What a request and its headers may take, and a body. */
const HEADER_BYTES_MAX = 8192;
export const BODY_BYTES_MAX = 1024;
const CONNECTIONS_MAX = 128;
const HEADERS_MS_MAX = 5000;
const REQUEST_MS_MAX = 10_000;
export const TOKEN_HEADER = "x-page-token";

const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");

const ALWAYS: Readonly<Record<string, string>> = {
  "content-security-policy": POLICY,
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
  "cross-origin-opener-policy": "same-origin",
  "x-frame-options": "DENY",
  "cache-control": "no-store",
};

/** Why a request is not answered: an HTTP status, and words. */
export class Refused extends Error {
  readonly status: number;
  constructor(status: number, words: string) {
    super(words);
    this.status = status;
  }
}

export interface PageOptions {
  /** 0 or absent: a free one. */
  readonly port?: number;
  /** Everything that the page shows. */
  readonly all: () => object;
  /** The values of one board's sensors; undefined where there is no such board. */
  readonly series: (board: number) => object | undefined;
  /** Presses a button. Throws a `Refused` where that cannot be. */
  readonly press: (fault: string, board: number) => void;
}

export class PageServer {
  readonly broadcast = new Broadcast();
  /** What a page has to say when a button is pressed. */
  readonly #token = randomBytes(24).toString("base64url");
  readonly #server: Server;
  readonly #options: PageOptions;
  readonly #files: ReadonlyMap<string, PageFile>;

  static async start(options: PageOptions): Promise<PageServer> {
    const page = new PageServer(options);
    await new Promise<void>((resolve, reject) => {
      page.#server.once("error", reject);
      page.#server.listen(options.port ?? 0, LOOPBACK, () => {
        page.#server.off("error", reject);
        resolve();
      });
    });
    return page;
  }

  private constructor(options: PageOptions) {
    this.#options = options;
    this.#files = pageFiles(this.#token);
    this.#server = createServer(
      {
        maxHeaderSize: HEADER_BYTES_MAX,
        headersTimeout: HEADERS_MS_MAX,
        requestTimeout: REQUEST_MS_MAX,
        connectionsCheckingInterval: 1000,
        keepAliveTimeout: 5000,
      },
      (request, response) => void this.#answer(request, response),
    );
    this.#server.maxConnections = CONNECTIONS_MAX;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://${LOOPBACK}:${this.port}/`;
  }

  async close(): Promise<void> {
    await this.broadcast.close();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for (const [name, value] of Object.entries(ALWAYS)) response.setHeader(name, value);
    try {
      const path = this.#admit(request);
      if (request.method === "POST") await this.#press(request, response, path);
      else this.#give(request, response, path);
    } catch (error) {
      const refused =
        error instanceof Refused ? error : new Refused(500, "something went wrong; the log of chainmote start has it");
      if (!(error instanceof Refused)) console.error(error);
      if (response.headersSent) return void response.destroy();
      const allow = refused.status === 405 ? { allow: "GET, HEAD, POST" } : {};
      const retry = refused.status === 503 ? { "retry-after": "5" } : {};
      // What of the body was not read is not worth reading.
      response.writeHead(refused.status, {
        "content-type": "text/plain; charset=utf-8",
        connection: "close",
        ...allow,
        ...retry,
      });
      response.end(`${refused.message}\n`);
    }
  }

  /** The path that is asked for, of a request that comes from the page itself or from the person. */
  #admit({ method, headers, url = "" }: IncomingMessage): string {
    if (method !== "GET" && method !== "HEAD" && method !== "POST")
      throw new Refused(405, "GET, HEAD and POST are what is known here");
    const origin = [`${LOOPBACK}:${this.port}`, `localhost:${this.port}`].find((name) => name === headers.host);
    if (origin === undefined) throw new Refused(421, `call this server 127.0.0.1:${this.port} or localhost:${this.port}`);
    if (!/^\/[\w./?=-]{0,200}$/.test(url)) throw new Refused(400, "no path of this server");
    if (headers.origin !== undefined && headers.origin !== `http://${origin}`)
      throw new Refused(403, "a page of another site asks: it gets nothing");
    const [path = "/"] = url.split("?");
    const site = headers["sec-fetch-site"] ?? "none";
    const isVisit =
      path === "/" && method === "GET" && headers["sec-fetch-mode"] === "navigate" && headers["sec-fetch-dest"] === "document";
    if (site !== "same-origin" && site !== "none" && !isVisit)
      throw new Refused(403, "a page of another site asks: it gets nothing");
    return path;
  }

  #give({ method, headers, url = "" }: IncomingMessage, response: ServerResponse, path: string): void {
    if (path === "/events") {
      if (method === "HEAD") throw new Refused(405, "a stream has no HEAD");
      const last = headers["last-event-id"];
      if (!this.broadcast.begin(response, typeof last === "string" ? last : undefined, this.#options.all))
        throw new Refused(503, "too many pages listen already: close some");
      return;
    }
    if (path === "/series") {
      const board = /^\/series\?board=(\d{1,3})$/.exec(url)?.[1];
      const series = board === undefined ? undefined : this.#options.series(Number(board));
      if (series === undefined) throw new Refused(404, "no such board");
      response.writeHead(200, { "content-type": "application/json" });
      return void response.end(method === "HEAD" ? undefined : JSON.stringify(series));
    }
    const file = this.#files.get(path);
    if (file === undefined) throw new Refused(404, "nothing is here");
    response.writeHead(200, { "content-type": file.type, "content-length": file.bytes.length });
    response.end(method === "HEAD" ? undefined : file.bytes);
  }

  async #press(request: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
    const fault = /^\/faults\/([a-z-]{1,32})$/.exec(path)?.[1];
    if (fault === undefined) throw new Refused(404, "no such button");
    const { headers } = request;
    if (headers.origin === undefined) throw new Refused(403, "no Origin: a button is pressed in the page");
    if (!this.#isToken(headers[TOKEN_HEADER])) throw new Refused(403, "without the token of this page: load it again");
    if (!/^application\/json\b/.test(headers["content-type"] ?? "")) throw new Refused(415, "application/json is what is read");
    const board = boardOf(await bodyOf(request));
    this.#options.press(fault, board);
    response.writeHead(202, { "content-type": "application/json" });
    response.end("{}");
  }

  #isToken(given: unknown): boolean {
    if (typeof given !== "string") return false;
    const [own, other] = [Buffer.from(this.#token), Buffer.from(given)];
    return own.length === other.length && timingSafeEqual(own, other);
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const tooLong = new Refused(413, `more than ${BODY_BYTES_MAX} bytes`);
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) throw tooLong;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** `{"board": N}`, and nothing else. */
function boardOf(text: string): number {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Refused(400, "no JSON");
  }
  const { board, ...rest } = (typeof value === "object" && value !== null && !Array.isArray(value) ? value : {}) as {
    board?: unknown;
  };
  if (typeof board !== "number" || !Number.isInteger(board) || board < 1 || board > 999 || Object.keys(rest).length > 0)
    throw new Refused(400, 'expected {"board": N}, a board by its number');
  return board;
}
