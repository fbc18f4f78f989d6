// A node of a generated chain of the Istanbul family (bft-generator.ts), as far as the tools ask one: for calls in this process, or
// behind HTTP, where it seals on with the clock and says of itself what a test wants.
//
// Promises: what it answers about blocks is what Besu and GoQuorum answer; a method that it has not got is -32601, as theirs.

import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { BftBlock, BftChain } from "./bft-generator.js";
import { hexOf } from "./clique-generator.js";

type Bend = (raw: Uint8Array, number: number) => Uint8Array;

const ABSENT = { code: -32601, message: "Method not found" };

/** A node that answers what the exporter asks, and says of itself what it is told to. */
export function bftNode(chain: BftChain, blocks: readonly BftBlock[], bend?: Bend) {
  const all = [chain.genesis, ...blocks];
  let calls = 0;
  return {
    calls: () => calls,
    async call(method: string, ...params: readonly unknown[]): Promise<unknown> {
      calls += 1;
      const answer = answerOf(all, method, params, bend);
      if (answer === undefined) throw new Error(method);
      return answer;
    },
  };
}

/** Undefined where it has no such method. */
function answerOf(all: readonly BftBlock[], method: string, [named]: readonly unknown[], bend?: Bend): unknown {
  if (method === "eth_getBlockByHash") return told(all.find(({ hash }) => hexOf(hash) === named));
  const block = all[named === "latest" ? all.length - 1 : Number(named)];
  if (method === "qbft_getValidatorsByBlockNumber" || method === "istanbul_getValidators") return block?.model.sorted ?? null;
  if (method === "eth_getBlockByNumber") return told(block);
  if (method !== "debug_getRawHeader") return undefined;
  return block === undefined ? null : hexOf(bend?.(block.raw, block.number) ?? block.raw);
}

/** Only what tells the block: the raw header is had from debug_getRawHeader. */
function told(block: BftBlock | undefined): object | null {
  if (block === undefined) return null;
  const { draft } = block;
  const bytes = { parentHash: draft.parentHash, sha3Uncles: draft.ommersHash, miner: draft.coinbase, stateRoot: draft.stateRoot };
  const roots = { transactionsRoot: draft.transactionsRoot, receiptsRoot: draft.receiptsRoot, logsBloom: draft.logsBloom };
  const rest = { mixHash: draft.mixHash, nonce: draft.nonce, extraData: new Uint8Array(1) };
  const hexed = Object.entries({ ...bytes, ...roots, ...rest }).map(([name, value]) => [name, hexOf(value)]);
  const scalars = { difficulty: "0x1", gasLimit: "0x7a1200", gasUsed: "0x0", timestamp: `0x${block.timeS.toString(16)}` };
  return { ...Object.fromEntries(hexed), ...scalars, number: `0x${block.number.toString(16)}`, hash: hexOf(block.hash) };
}

/** Calls behind HTTP. */
export async function served(rpc: Pick<ReturnType<typeof bftNode>, "call">): Promise<{ url: string; server: Server }> {
  const server = createServer(async (request, response) => {
    const { id, method, params } = await bodyOf(request);
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ jsonrpc: "2.0", id, result: await rpc.call(method, ...params) }));
  });
  return { url: await listening(server), server };
}

export interface RunningOptions {
  /** What the chain has so far, after its genesis block. */
  readonly blocks?: readonly BftBlock[];
  /** web3_clientVersion; a method that it has not got where absent. */
  readonly client?: string;
  /** `config` of admin_nodeInfo; a method that it has not got where absent. */
  readonly config?: object;
  /** Name of the protocol that it stands under there. */
  readonly protocol?: string;
  readonly chainId?: number;
  /** What eth_syncing answers. */
  readonly syncing?: object;
  /** The path that has to be asked for, and the password of "user": anything else is 401. */
  readonly key?: string;
}

/** Behind HTTP, with a block whenever one is due by this machine's clock. */
export class RunningBftNode {
  readonly all: BftBlock[];
  /** With the key in it, where there is one. */
  readonly url: string;
  readonly #chain: BftChain;
  readonly #options: RunningOptions;
  readonly #server: Server;
  readonly #timer: NodeJS.Timeout;

  static async start(chain: BftChain, options: RunningOptions = {}): Promise<RunningBftNode> {
    const server = createServer();
    const { key } = options;
    const url = await listening(server);
    return new RunningBftNode(
      chain,
      options,
      server,
      key === undefined ? url : `${url.replace("//", `//user:${key}@`)}/v1/${key}`,
    );
  }

  private constructor(chain: BftChain, options: RunningOptions, server: Server, url: string) {
    this.#chain = chain;
    this.#options = options;
    this.#server = server;
    this.url = url;
    this.all = [chain.genesis, ...(options.blocks ?? [])];
    this.#timer = setInterval(() => this.#seal(), 200);
    server.on("request", async (request: IncomingMessage, response) => {
      const { id, method, params } = await bodyOf(request);
      if (!this.#admits(request)) {
        response.writeHead(401).end();
        return;
      }
      const result = this.#special(method) ?? answerOf(this.all, method, params);
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ jsonrpc: "2.0", id, ...(result === undefined ? { error: ABSENT } : { result }) }));
    });
  }

  get tip(): BftBlock {
    return this.all[this.all.length - 1] as BftBlock;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #seal(): void {
    const nowS = Math.floor(Date.now() / 1000);
    if (nowS < this.tip.timeS + this.#chain.periodS) return;
    // After a pause, one of its own and not all that were left out, as a network that stood still goes on.
    this.all.push(...this.#chain.grow(this.tip, 1, () => ({ afterS: nowS - this.tip.timeS })));
  }

  #admits({ url, headers }: IncomingMessage): boolean {
    const { key } = this.#options;
    if (key === undefined) return true;
    return url === `/v1/${key}` && headers.authorization === `Basic ${Buffer.from(`user:${key}`).toString("base64")}`;
  }

  #special(method: string): unknown {
    const { client, config, protocol = "eth", chainId = 1337, syncing } = this.#options;
    if (method === "eth_chainId") return `0x${chainId.toString(16)}`;
    if (method === "eth_syncing") return syncing ?? false;
    if (method === "web3_clientVersion") return client;
    if (method === "admin_nodeInfo" && config !== undefined) return { protocols: { [protocol]: { config, network: chainId } } };
    return undefined;
  }
}

async function bodyOf(request: IncomingMessage): Promise<{ id: number; method: string; params: unknown[] }> {
  let body = "";
  for await (const part of request) body += part;
  return JSON.parse(body) as { id: number; method: string; params: unknown[] };
}

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
