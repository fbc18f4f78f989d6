// Serves one page, /metrics, over HTTP.
//
// Promises: on loopback unless another address is given; there it answers to loopback's own names alone, so that no page of a browser reads it
// under a name of its own (DNS rebinding); a request is bounded in bytes and in time, connections in number; what is malformed gets a status
// and the connection ends. Never: reads a body, or writes anything but that page.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, isIP } from "node:net";
import type { Duplex } from "node:stream";
import { LOOPBACK } from "../processes/ports.js";

const LOOPBACK_NAMES = ["localhost", LOOPBACK, "[::1]"];
const HEADER_BYTES_MAX = 8192;
const HEADERS_MAX = 64;
const CONNECTIONS_MAX = 32;
const REQUEST_MS = 10_000;
/** The text format of Prometheus. */
const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";
const WORDS: Readonly<Record<number, string>> = {
  400: "Bad Request",
  408: "Request Timeout",
  431: "Request Header Fields Too Large",
};

export interface MetricsAddress {
  readonly host: string;
  /** 0: one that is free. */
  readonly port: number;
}

export class MetricsServer {
  readonly #server: Server;
  readonly #text: () => string;
  readonly #onLoopback: boolean;

  /** @throws where nobody can listen there */
  static async start(address: MetricsAddress, text: () => string): Promise<MetricsServer> {
    const started = new MetricsServer(address, text);
    await new Promise<void>((resolve, reject) => {
      started.#server.once("error", reject);
      started.#server.listen(address.port, address.host, () => {
        started.#server.off("error", reject);
        resolve();
      });
    });
    return started;
  }

  private constructor({ host }: MetricsAddress, text: () => string) {
    this.#text = text;
    this.#onLoopback = host === "localhost" || host === "::1" || /^127\./.test(host);
    const limits = { maxHeaderSize: HEADER_BYTES_MAX, headersTimeout: REQUEST_MS, requestTimeout: REQUEST_MS };
    this.#server = createServer({ ...limits, connectionsCheckingInterval: REQUEST_MS }, (request, response) =>
      this.#answer(request, response),
    );
    this.#server.maxHeadersCount = HEADERS_MAX;
    this.#server.maxConnections = CONNECTIONS_MAX;
    this.#server.keepAliveTimeout = REQUEST_MS;
    this.#server.on("clientError", malformed);
  }

  get url(): string {
    const { address, port } = this.#server.address() as AddressInfo;
    return `http://${isIP(address) === 6 ? `[${address}]` : address}:${port}/metrics`;
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const fault = this.#faultOf(request);
    const body = fault === undefined ? this.#text() : `${fault[1]}\n`;
    const ends = fault === undefined ? {} : { Connection: "close" };
    response.writeHead(fault?.[0] ?? 200, {
      ...{
        "Content-Type": fault === undefined ? CONTENT_TYPE : "text/plain; charset=utf-8",
        "Content-Length": Buffer.byteLength(body),
      },
      ...{
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
        ...(fault?.[0] === 405 ? { Allow: "GET, HEAD" } : {}),
      },
      ...ends,
    });
    response.end(request.method === "HEAD" ? undefined : body);
  }

  #faultOf({ method, url, headers }: IncomingMessage): readonly [number, string] | undefined {
    const name = (headers.host ?? "").replace(/:\d{1,5}$/, "").toLowerCase();
    if (this.#onLoopback && !LOOPBACK_NAMES.includes(name))
      return [421, "this is for the machine itself: ask 127.0.0.1 or localhost"];
    if (method !== "GET" && method !== "HEAD") return [405, "only GET"];
    if ((headers["content-length"] ?? "0") !== "0" || headers["transfer-encoding"] !== undefined) return [413, "no body is read"];
    return url?.split("?")[0] === "/metrics" ? undefined : [404, "/metrics is all that is here"];
  }
}

function malformed(error: NodeJS.ErrnoException, socket: Duplex): void {
  const status = error.code === "HPE_HEADER_OVERFLOW" ? 431 : error.code === "ERR_HTTP_REQUEST_TIMEOUT" ? 408 : 400;
  if (socket.writable) socket.end(`HTTP/1.1 ${status} ${WORDS[status]}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  else socket.destroy();
}
