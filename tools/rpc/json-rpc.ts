// JSON-RPC over HTTP, as Ethereum (EIP-1474) and Bitcoin nodes speak it: one call at a time, bounded in time and in size.
//
// Promises: an answer of the node, or an `RpcError` that says whether the node said no or could not be reached. A user and a
// password in the URL go into the header that Bitcoin nodes ask for (RFC 7617), never into a message. Never: reads a response
// beyond `RESPONSE_BYTES_MAX`, nor waits beyond `timeoutMs`. What a node answers is checked by who asks.

import { withoutSecretsOf } from "../public-url.js";

const RESPONSE_BYTES_MAX = 1024 * 1024;
const TIMEOUT_MS = 10_000;
/** JSON-RPC 2.0 §5.1. */
const METHOD_NOT_FOUND = -32601;
/** "Limit exceeded" of EIP-1474, and what Bitcoin Core says while it starts (RPC_IN_WARMUP). */
const PASSING_CODES = new Set([-32005, -28, 429]);
const PASSING_WORDS = /rate.?limit|too many requests/i;
/** Request timeout, too early, too many requests (RFC 9110 §15.5.9, RFC 8470 §5.2, RFC 6585 §4); what a server calls its own trouble. */
const PASSING_STATUS = new Set([408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524]);

/** What HTTP said besides. */
export interface HttpWord {
  readonly status: number;
  /** `Retry-After` (RFC 9110 §10.2.3) in milliseconds from now. */
  readonly retryAfterMs?: number;
}

export class RpcError extends Error {
  /** The node's own error code, or undefined where no node answered. */
  readonly code: number | undefined;
  readonly http: HttpWord | undefined;
  constructor(message: string, code?: number, http?: HttpWord) {
    super(message);
    this.code = code;
    this.http = http;
  }
  /** Whether the same call may well be answered later: no answer came at all, the node starts, or it was asked too often. */
  get passing(): boolean {
    if (this.code !== undefined && (PASSING_CODES.has(this.code) || PASSING_WORDS.test(this.message))) return true;
    if (this.http !== undefined && PASSING_STATUS.has(this.http.status))
      return this.code === undefined || this.http.status === 429;
    return this.code === undefined && (this.http === undefined || this.http.status < 400);
  }
  get unreachable(): boolean {
    return this.code === undefined;
  }
  get methodAbsent(): boolean {
    return this.code === METHOD_NOT_FOUND || /method.*(not found|not available|not exist|unsupported)/i.test(this.message);
  }
}

export class JsonRpc {
  readonly #url: () => string;
  readonly #timeoutMs: number;
  #id = 0;

  /** @param url http or https, or a function that gives it anew for each call */
  constructor(url: string | (() => string), timeoutMs = TIMEOUT_MS) {
    this.#url = typeof url === "string" ? () => url : url;
    this.#timeoutMs = timeoutMs;
  }

  async call(method: string, ...params: readonly unknown[]): Promise<unknown> {
    this.#id += 1;
    const body = JSON.stringify({ jsonrpc: "2.0", id: this.#id, method, params });
    const given = this.#url();
    let text: string;
    let http: HttpWord;
    try {
      const { url, authorization } = withoutPassword(given);
      const response = await fetch(url, {
        method: "POST",
        headers: { "content-type": "application/json", ...(authorization === undefined ? {} : { authorization }) },
        body,
        signal: AbortSignal.timeout(this.#timeoutMs),
      });
      http = httpWordOf(response);
      text = await boundedText(response);
    } catch (error) {
      throw new RpcError(`${method}: ${withoutSecretsOf(given, reasonOf(error))}`);
    }
    return resultOf(method, http, text, (words) => withoutSecretsOf(given, words));
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
  const said = headers.get("retry-after")?.trim();
  if (said === undefined || said === "") return { status };
  const ms = /^\d{1,9}$/.test(said) ? Number(said) * 1000 : Date.parse(said) - Date.now();
  return Number.isNaN(ms) ? { status } : { status, retryAfterMs: Math.max(0, ms) };
}

function resultOf(method: string, http: HttpWord, text: string, shown: (words: string) => string): unknown {
  let answer: { result?: unknown; error?: { code?: unknown; message?: unknown } };
  try {
    answer = JSON.parse(text) as typeof answer;
  } catch {
    throw new RpcError(`${method}: no JSON in the answer (HTTP ${http.status})`, undefined, http);
  }
  if (typeof answer !== "object" || answer === null) throw new RpcError(`${method}: no JSON-RPC in the answer`, undefined, http);
  if (answer.error !== undefined && answer.error !== null) {
    const { code, message } = answer.error;
    throw new RpcError(`${method}: ${shown(String(message)).slice(0, 200)}`, typeof code === "number" ? code : 0, http);
  }
  if (!("result" in answer)) throw new RpcError(`${method}: neither result nor error in the answer`, undefined, http);
  return answer.result;
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
