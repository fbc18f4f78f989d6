// An Ethereum node for tests, as far as relay and collector ask it: JSON-RPC over HTTP with a chain of made-up headers,
// which can be taken down, brought back on the same port, made to lie, and made to fail in each way that is seen in the field.

import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { toHex } from "../../../firmware/bytes.js";
import { engine } from "../../../tools/crypto/engine.js";
import { rebuildHeader } from "../../../tools/ethereum/raw-header.js";

export interface FakeBlock {
  readonly number: string;
  readonly hash: string;
  readonly [field: string]: string;
}

/** How a method fails: with an HTTP answer that is none of JSON-RPC, without any answer, or with an error or a result of its own. */
export type Failure =
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: string }
  | "hangs"
  | "closes"
  | { readonly code: number; readonly message?: string }
  | { readonly result: unknown };

export class FakeNode {
  readonly blocks: FakeBlock[] = [];
  /** Without debug_getRawHeader, as many public endpoints are. */
  rawHeaders = true;
  /** Tells a hash that is not the header's. */
  lies = false;
  calls: string[] = [];
  /** Each call with its parameters, as text. */
  asked: string[] = [];
  readonly fails = new Map<string, Failure>();
  syncing = false;
  /** Blocks that the chain has left. */
  readonly left: FakeBlock[] = [];
  totalDifficulty: ((block: FakeBlock) => string) | undefined;
  /** Seconds from one block to the next. */
  periodS = 1;
  #server: Server | undefined;
  #port = 0;

  constructor(blocks = 1) {
    for (let i = 0; i < blocks; i += 1) this.mine();
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** One block more; `salt` makes it another one than a block of the same height would be. */
  mine(salt = 0): FakeBlock {
    const number = this.blocks.length;
    const fields: Record<string, string> = {
      parentHash: this.blocks.at(-1)?.hash ?? `0x${"00".repeat(32)}`,
      sha3Uncles: `0x${"11".repeat(32)}`,
      miner: `0x${"00".repeat(20)}`,
      stateRoot: `0x${"22".repeat(32)}`,
      transactionsRoot: `0x${"33".repeat(32)}`,
      receiptsRoot: `0x${"44".repeat(32)}`,
      logsBloom: `0x${"00".repeat(256)}`,
      difficulty: "0x2",
      number: `0x${number.toString(16)}`,
      gasLimit: "0x1c9c380",
      gasUsed: "0x0",
      timestamp: `0x${(1_800_000_000 + number * this.periodS).toString(16)}`,
      extraData: `0x${salt.toString(16).padStart(2, "0").repeat(97)}`,
      mixHash: `0x${"00".repeat(32)}`,
      nonce: "0x0000000000000000",
      baseFeePerGas: "0x7",
    };
    const raw = rebuildHeader(fields);
    if (!(raw instanceof Uint8Array)) throw new Error(raw.toString());
    const block = { ...fields, number: fields.number as string, hash: `0x${toHex(engine.keccak256(raw))}` };
    this.blocks.push(block);
    return block;
  }

  /** Replaces the newest blocks by others, one more of them, which `salt` makes different. */
  reorganise(depth: number, salt: number, more = 1): void {
    this.left.push(...this.blocks.splice(this.blocks.length - depth, depth));
    for (let i = 0; i < depth + more; i += 1) this.mine(salt);
  }

  raw(number: number): Uint8Array {
    return rebuildHeader(this.blocks[number]) as Uint8Array;
  }

  async up(): Promise<void> {
    const server = createServer((request, response) => {
      let body = "";
      request.on("data", (data) => {
        body += data;
      });
      request.on("end", () => {
        const { id, method, params } = JSON.parse(body) as { id: number; method: string; params: string[] };
        this.calls.push(method);
        this.asked.push(`${method} ${params.join(" ")}`);
        response.setHeader("connection", "close");
        const failure = this.fails.get(method);
        if (failure !== undefined && failWith(failure, response, id)) return;
        response.end(JSON.stringify({ jsonrpc: "2.0", id, ...this.#answer(method, params) }));
      });
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(this.#port, "127.0.0.1", resolve));
    this.#port = (server.address() as AddressInfo).port;
  }

  async down(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }

  #answer(method: string, params: readonly string[]): Readonly<Record<string, unknown>> {
    const number = params[0] === "latest" ? this.blocks.length - 1 : Number(params[0]);
    if (method === "eth_chainId") return { result: "0x7a69" };
    if (method === "eth_getBlockByNumber") return { result: this.#told(this.blocks[number]) };
    if (method === "eth_getBlockByHash")
      return { result: this.#told([...this.blocks, ...this.left].find((block) => block.hash === params[0])) };
    if (method === "eth_syncing") return { result: this.syncing ? { currentBlock: "0x1", highestBlock: "0xffff" } : false };
    if (method === "debug_getRawHeader" && this.rawHeaders) return { result: `0x${toHex(this.raw(number))}` };
    return { error: { code: -32601, message: "the method does not exist" } };
  }

  #told(block: FakeBlock | undefined): FakeBlock | null {
    if (block === undefined) return null;
    const total = this.totalDifficulty === undefined ? {} : { totalDifficulty: this.totalDifficulty(block) };
    return this.lies
      ? { ...block, hash: `0x${"ee".repeat(31)}${block.number.slice(2).padStart(2, "0")}` }
      : { ...block, ...total };
  }
}

/** False where the call goes on as usual. */
function failWith(failure: Failure, response: ServerResponse, id: number): boolean {
  if (failure === "hangs") return true;
  if (failure === "closes") response.destroy();
  else if ("status" in failure) {
    response.writeHead(failure.status, { "content-type": "text/html", ...failure.headers });
    response.end(failure.body ?? "<html>no</html>");
  } else if ("code" in failure) response.end(JSON.stringify({ jsonrpc: "2.0", id, error: { message: "no", ...failure } }));
  else response.end(JSON.stringify({ jsonrpc: "2.0", id, result: failure.result }));
  return true;
}
