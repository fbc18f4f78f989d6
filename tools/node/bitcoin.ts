// A real Bitcoin node as a child process: bcoin 1.0 on regtest, mining a chain of its own on loopback only.
//
// Promises: a second start with the same folder continues the same chain, also after kill -9; what the node says goes to
// `bitcoin.log` there, bounded. `start` returns once the node answers. Never: listens beyond 127.0.0.1 or looks for peers
// (bcoin.mjs), never outlives its parent (tied.mjs).

import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { bitcoinNetwork } from "../../firmware/chain/bitcoin/rules.js";
import { createWhole, removeEmpty } from "../files.js";
import type { JsonRpc } from "../rpc/json-rpc.js";
import { type NodeKind, type NodeOptions, NodeProcess, started } from "./node-process.js";

const KIND: NodeKind = { name: "Bitcoin node", files: "bitcoin", portCount: 1, probe: "getbestblockhash", graceMs: 3000 };
const PROGRAM = fileURLToPath(new URL("./bcoin.mjs", import.meta.url));
const TOKEN_BYTES = 20;

export class BitcoinNode {
  readonly process: NodeProcess;
  /** CAIP-2 of regtest. */
  readonly chain: string;
  /** 20 bytes that tell this folder's chain from others, which all begin alike; its coins are paid there. */
  readonly token: Uint8Array;
  readonly #options: NodeOptions;

  static start(options: NodeOptions): Promise<BitcoinNode> {
    return started(BitcoinNode.open(options));
  }

  /** Opens the folder and begins to start the node; `ready` waits for it. */
  static open(options: NodeOptions): Promise<BitcoinNode> {
    return NodeProcess.open(KIND, options, (process) => new BitcoinNode(process, options));
  }

  private constructor(process: NodeProcess, options: NodeOptions) {
    this.process = process;
    this.#options = options;
    const regtest = bitcoinNetwork("regtest");
    if (regtest === undefined) throw new Error("no rules of regtest");
    this.chain = regtest.chain;
    this.token = this.#openToken();
  }

  get rpc(): JsonRpc {
    return this.process.rpc;
  }

  /** Of the JSON-RPC server. */
  get url(): string {
    return this.process.url;
  }

  get pid(): number | undefined {
    return this.process.pid;
  }

  /** The port that it listens on. */
  get ports(): readonly number[] {
    return this.process.ports;
  }

  ready(): Promise<void> {
    return this.process.ready();
  }

  stop(): Promise<void> {
    return this.process.stop();
  }

  words([port]: readonly number[]): readonly string[] {
    const { directory, periodS = 1 } = this.#options;
    return [PROGRAM, join(directory, "chain"), String(port), String(periodS * 1000), Buffer.from(this.token).toString("hex")];
  }

  #openToken(): Uint8Array {
    const path = join(this.#options.directory, "token");
    removeEmpty(path);
    if (!existsSync(path)) createWhole(path, randomBytes(TOKEN_BYTES).toString("hex"));
    const token = new Uint8Array(Buffer.from(readFileSync(path, "utf8").trim(), "hex"));
    if (token.length !== TOKEN_BYTES)
      throw new Error(
        `${path} does not hold ${TOKEN_BYTES} bytes in hexadecimal: put the right file back, or begin in a new folder`,
      );
    return token;
  }
}
