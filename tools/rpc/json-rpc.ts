// JSON-RPC over HTTP, as Ethereum (EIP-1474) and Bitcoin nodes speak it: one call at a time, bounded in time and in size.
//
// Promises: an answer of the node, or an `RpcError` that says whether the node said no or could not be reached. A user and a
// password in the URL go into the header that Bitcoin nodes ask for (RFC 7617), never into a message. Never: reads a response
// beyond `RESPONSE_BYTES_MAX`, nor waits beyond `timeoutMs`. What a node answers is checked by who asks.

const RESPONSE_BYTES_MAX = 1024 * 1024;
const TIMEOUT_MS = 10_000;
/** JSON-RPC 2.0 §5.1. */
const METHOD_NOT_FOUND = -32601;

export class RpcError extends Error {
  /** The node's own error code, or undefined where no node answered. */
  readonly code: number | undefined;
  constructor(message: string, code?: number) {
    super(message);
    this.code = code;
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
    let text: string;
    let status: number;
    try {
      const { url, authorization } = withoutPassword(this.#url());
      const response = await fetch(url, {
        method: "POST",
        headers: { "content-type": "application/json", ...(authorization === undefined ? {} : { authorization }) },
        body,
        signal: AbortSignal.timeout(this.#timeoutMs),
      });
      status = response.status;
      text = await boundedText(response);
    } catch (error) {
      throw new RpcError(`${method}: ${reasonOf(error)}`);
    }
    return resultOf(method, status, text);
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

function resultOf(method: string, status: number, text: string): unknown {
  let answer: { result?: unknown; error?: { code?: unknown; message?: unknown } };
  try {
    answer = JSON.parse(text) as typeof answer;
  } catch {
    throw new RpcError(`${method}: no JSON in the answer (HTTP ${status})`);
  }
  if (typeof answer !== "object" || answer === null) throw new RpcError(`${method}: no JSON-RPC in the answer`);
  if (answer.error !== undefined && answer.error !== null) {
    const { code, message } = answer.error;
    throw new RpcError(`${method}: ${String(message).slice(0, 200)}`, typeof code === "number" ? code : 0);
  }
  if (!("result" in answer)) throw new RpcError(`${method}: neither result nor error in the answer`);
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
