// A Bitcoin node for tests as Bitcoin Core answers, with a password; it can lie, be busy, be away, or be btcd, which tells no work.

import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Block } from "../../chains/bitcoin-generator.js";

/** What becomes of a call instead of an answer. */
export type Mishap =
  | { readonly status: number; readonly body?: string; readonly retryAfter?: string }
  | { readonly code: number; readonly message: string }
  | "closed";

export function shown(block: Block | undefined): string {
  return Buffer.from((block as Block).hash)
    .reverse()
    .toString("hex");
}

export class FakeBitcoin {
  /** May change what it answers. */
  lie: (method: string, result: unknown) => unknown = (_, result) => result;
  /** What befalls a call, if anything does. */
  mishap: (method: string, first: unknown) => Mishap | undefined = () => undefined;
  tellsWork = true;
  calls = 0;
  readonly #blocks: readonly Block[];
  #server: Server | undefined;

  constructor(blocks: readonly Block[]) {
    this.#blocks = blocks;
  }

  async up(): Promise<string> {
    const server = createServer((request, response) => {
      let body = "";
      request.on("data", (data) => (body += data));
      request.on("end", () => {
        const { id, method, params } = JSON.parse(body) as { id: number; method: string; params: unknown[] };
        this.calls += 1;
        const known = request.headers.authorization === `Basic ${Buffer.from("user:p%w").toString("base64")}`;
        response.statusCode = known ? 200 : 401;
        const mishap = this.mishap(method, params[0]);
        if (known && mishap !== undefined) befall(response, id, mishap);
        else response.end(known ? JSON.stringify({ id, error: null, result: null, ...this.#answer(method, params) }) : "");
      });
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return `http://user:p%25w@127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  async down(): Promise<void> {
    this.#server?.closeAllConnections();
    await new Promise((resolve) => this.#server?.close(resolve));
  }

  #answer(method: string, [first, verbose]: unknown[]): object {
    const fail = (code: number, message: string) => ({ error: { code, message } });
    const all = this.#blocks;
    const at = method === "getblockhash" ? all[Number(first)] : all.find((block) => shown(block) === first);
    if (method === "getbestblockhash") return { result: this.lie(method, shown(all.at(-1))) };
    if (method === "getblockhash")
      return at === undefined ? fail(-8, "Block height out of range") : { result: this.lie(method, shown(at)) };
    if (method !== "getblockheader") return fail(-32601, "Method not found");
    if (at === undefined) return fail(-5, "Block not found");
    if (verbose === false) return { result: this.lie("raw", Buffer.from(at.raw).toString("hex")) };
    const work = this.tellsWork ? { chainwork: (2 * (at.number + 1)).toString(16).padStart(64, "0") } : {};
    return { result: { height: at.number, ...work } };
  }
}

function befall(response: ServerResponse, id: number, mishap: Mishap): void {
  if (mishap === "closed") response.destroy();
  else if ("status" in mishap) {
    response.statusCode = mishap.status;
    if (mishap.retryAfter !== undefined) response.setHeader("retry-after", mishap.retryAfter);
    response.end(mishap.body ?? "<html>busy</html>");
  } else {
    response.statusCode = 500;
    response.end(JSON.stringify({ id, result: null, error: mishap }));
  }
}
