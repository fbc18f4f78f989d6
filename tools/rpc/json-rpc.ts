// JSON-RPC over HTTP, as Ethereum (EIP-1474) and Bitcoin nodes speak it: one call at a time, bounded in time and in size.
//
// Promises: an answer of the node, or an `RpcError` that says whether the node said no or could not be reached. A user and a
// password in the URL go into the header that Bitcoin nodes ask for (RFC 7617), never into a message. Never: reads a response
// beyond `RESPONSE_BYTES_MAX`, nor waits beyond `timeoutMs`, nor follows a redirection: that would turn the question into another
// one, or take the password to another host. What a node answers is checked by who asks.

import { withoutSecretsOf } from "../public-url.js";

export const RESPONSE_BYTES_MAX = 1024 * 1024;
const TIMEOUT_MS = 10_000;
/** JSON-RPC 2.0 §5.1, EIP-1474, and what gateways answer in their place. */
const METHOD_ABSENT = new Set([-32601, -32004, -32604]);
/** "Limit exceeded" of EIP-1474, and what gateways use for it. */
const LIMIT_CODES = new Set([-32005, -32029, 429]);
const LIMIT_WORDS = /rate.?limit|too many requests/i;
/** Too many requests, and not now (RFC 6585 §4, RFC 9110 §15.6.4). */
const LIMIT_STATUS = new Set([429, 503]);
/** What Bitcoin Core says while it starts (RPC_IN_WARMUP). */
const IN_WARMUP = -28;
/** Besides those: request timeout, too early (RFC 9110 §15.5.9, RFC 8470 §5.2), and what a server calls its own trouble. */
const PASSING_STATUS = new Set([408, 425, 500, 502, 504, 520, 521, 522, 523, 524]);
/** What changes nothing, and may be asked twice: where a socket breaks off nobody knows whether the node has heard the question. */
const READS =
  /^(eth_(get|call$|blockNumber|chainId|gasPrice|syncing|feeHistory|estimateGas)|(net|web3)_|admin_nodeInfo|debug_getRaw|[a-z]+_get|get|estimate)/;
/** A connection that was kept alive, and that the node has closed meanwhile. */
const SOCKET_GONE = new Set(["UND_ERR_SOCKET", "ECONNRESET", "EPIPE"]);
/** However long a node asks for. */
export const RETRY_AFTER_MS_MAX = 600_000;

/** What HTTP said besides. */
export interface HttpWord {
  readonly status: number;
  /** `Retry-After` (RFC 9110 §10.2.3) in milliseconds from now, at most `RETRY_AFTER_MS_MAX`; absent where the node does not say. */
  readonly retryAfterMs?: number;
}

export class RpcError extends Error {
  /** The node's own error code, or undefined where no node answered. */
  readonly code: number | undefined;
  /** Absent where there was no answer at all. */
  readonly http: HttpWord | undefined;
  /** What the node says besides: of a call that reverted, what the contract answered, in hexadecimal. */
  readonly data: unknown;
  constructor(message: string, code?: number, http?: HttpWord, data?: unknown) {
    super(message);
    this.code = code;
    this.http = http;
    this.data = data;
  }
  /** Whether the same call may well be answered later: no answer of a node came at all, it starts, or it was asked too often. */
  get passing(): boolean {
    if (this.limited || this.code === IN_WARMUP) return true;
    if (this.code !== undefined) return false;
    // A redirection stays one, and so does a refusal; a success without JSON-RPC is something that stands in between.
    return this.http === undefined || this.http.status < 300 || PASSING_STATUS.has(this.http.status);
  }
  get unreachable(): boolean {
    return this.code === undefined;
  }
  get methodAbsent(): boolean {
    if (this.code === undefined) return false;
    return METHOD_ABSENT.has(this.code) || /method.*(not found|not available|not exist|unsupported)/i.test(this.message);
  }
  /** The node answers, and does not want to be asked so often. */
  get limited(): boolean {
    if (this.http !== undefined && LIMIT_STATUS.has(this.http.status)) return true;
    return this.code !== undefined && (LIMIT_CODES.has(this.code) || LIMIT_WORDS.test(this.message));
  }
}

export interface JsonRpcOptions {
  readonly timeoutMs?: number | undefined;
  /** No more calls than these; unbounded where absent. */
  readonly callsPerSecond?: number | undefined;
}

export class JsonRpc {
  readonly #url: () => string;
  readonly #timeoutMs: number;
  /** Between two calls. */
  readonly #apartMs: number;
  #nextMs = 0;
  #id = 0;

  /** @param url http or https, or a function that gives it anew for each call */
  constructor(url: string | (() => string), options: JsonRpcOptions = {}) {
    this.#url = typeof url === "string" ? () => url : url;
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
    this.#apartMs = options.callsPerSecond === undefined ? 0 : 1000 / options.callsPerSecond;
  }

  async call(method: string, ...params: readonly unknown[]): Promise<unknown> {
    await this.#turn();
    this.#id += 1;
    const body = JSON.stringify({ jsonrpc: "2.0", id: this.#id, method, params });
    const given = this.#url();
    let text: string;
    let http: HttpWord;
    let redirected: string | undefined;
    try {
      const { url, authorization } = withoutPassword(given);
      const response = await asked(READS.test(method), url, {
        method: "POST",
        headers: { "content-type": "application/json", ...(authorization === undefined ? {} : { authorization }) },
        body,
        redirect: "manual",
        signal: AbortSignal.timeout(this.#timeoutMs),
      });
      http = httpWordOf(response);
      if (http.status >= 300 && http.status < 400) redirected = whither(response.headers);
      text = await boundedText(response);
    } catch (error) {
      throw new RpcError(`${method}: ${withoutSecretsOf(given, reasonOf(error))}`);
    }
    const shown = (words: string): string => withoutSecretsOf(given, words);
    if (redirected !== undefined) {
      const advice = `the node's address redirects ${redirected} (HTTP ${http.status}): give that one with --rpc`;
      throw new RpcError(`${method}: ${shown(advice)}`, undefined, http);
    }
    return resultOf(method, http, text, shown);
  }

  /** Where calls are counted, each has a time of its own. */
  async #turn(): Promise<void> {
    if (this.#apartMs === 0) return;
    const nowMs = performance.now();
    const atMs = Math.max(nowMs, this.#nextMs);
    this.#nextMs = atMs + this.#apartMs;
    if (atMs > nowMs) await new Promise((resolve) => setTimeout(resolve, atMs - nowMs));
  }
}

/** A read is asked once more where the connection was gone, which is closed then: by another one. Both within one time. */
async function asked(again: boolean, url: string, request: RequestInit): Promise<Response> {
  try {
    return await fetch(url, request);
  } catch (error) {
    const { code } = ((error as Error).cause ?? {}) as NodeJS.ErrnoException;
    if (!again || code === undefined || !SOCKET_GONE.has(code)) throw error;
    return fetch(url, request);
  }
}

/** A URL that holds a password is none that may be fetched: it goes into a header. */
function withoutPassword(text: string): { url: string; authorization: string | undefined } {
  const url = new URL(text);
  const { username, password } = url;
  if (username === "" && password === "") return { url: text, authorization: undefined };
  url.username = "";
  url.password = "";
  const pair = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`);
  return { url: url.href, authorization: `Basic ${pair.toString("base64")}` };
}

function httpWordOf({ status, headers }: Response): HttpWord {
  const ms = retryAfterMs(headers.get("retry-after"), Date.now());
  return ms === undefined ? { status } : { status, retryAfterMs: ms };
}

function resultOf(method: string, http: HttpWord, text: string, shown: (words: string) => string): unknown {
  let answer: { result?: unknown; error?: { code?: unknown; message?: unknown; data?: unknown } };
  try {
    answer = JSON.parse(text) as typeof answer;
  } catch {
    throw new RpcError(`${method}: no JSON in the answer (HTTP ${http.status})`, undefined, http);
  }
  if (typeof answer !== "object" || answer === null) throw new RpcError(`${method}: no JSON-RPC in the answer`, undefined, http);
  if (answer.error !== undefined && answer.error !== null) {
    const { code, message, data } = answer.error;
    throw new RpcError(`${method}: ${shown(String(message)).slice(0, 200)}`, typeof code === "number" ? code : 0, http, data);
  }
  // Whatever stands between us and the node may fail with a body of its own: that is no answer of the node.
  if (http.status < 200 || http.status > 299) throw new RpcError(`${method}: HTTP ${http.status}`, undefined, http);
  if (!("result" in answer)) throw new RpcError(`${method}: neither result nor error in the answer`, undefined, http);
  return answer.result;
}

/** Scheme and host alone: a path may hold a key. */
function whither(headers: Headers): string {
  const location = headers.get("location") ?? "";
  return URL.canParse(location) ? `to ${new URL(location).origin}` : "elsewhere";
}

/**
 * Retry-After (RFC 9110 §10.2.3), seconds or a date, in milliseconds from `nowMs` (epoch).
 * @returns at most `RETRY_AFTER_MS_MAX`, or undefined where it says nothing that can be read
 */
export function retryAfterMs(value: string | null, nowMs: number): number | undefined {
  if (value === null) return undefined;
  const text = value.trim();
  const ms = /^\d{1,12}$/.test(text) ? Number(text) * 1000 : /^[A-Za-z]{3}/.test(text) ? Date.parse(text) - nowMs : Number.NaN;
  return Number.isNaN(ms) ? undefined : Math.min(RETRY_AFTER_MS_MAX, Math.max(0, ms));
}

async function boundedText(response: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    const bytes = part as Uint8Array;
    length += bytes.length;
    if (length > RESPONSE_BYTES_MAX) throw new Error(`an answer beyond ${RESPONSE_BYTES_MAX} bytes`);
    parts.push(bytes);
  }
  return Buffer.concat(parts).toString("utf8");
}

/** What lies under "fetch failed". */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause;
  if (cause instanceof Error) return (cause as NodeJS.ErrnoException).code ?? cause.message;
  return error.name === "TimeoutError" ? "no answer in time" : error.message;
}
