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
import { KeyFile } from "../crypto/key-file.js";
import { createWhole, removeEmpty } from "../files.js";
import type { JsonRpc } from "../rpc/json-rpc.js";
import { type NodeKind, type NodeOptions, NodeProcess, started } from "./node-process.js";

const KIND: NodeKind = { name: "Bitcoin node", files: "bitcoin", portCount: 1, probe: "getbestblockhash", graceMs: 3000 };
const PROGRAM = fileURLToPath(new URL("./bcoin.mjs", import.meta.url));
const TOKEN_BYTES = 20;

/** Blocks after which the first coin may be spent: that of block 1 in block 101. */
export const SPENDABLE_FROM_BLOCKS = 101;

export interface BitcoinNodeOptions extends NodeOptions {
  /** So many blocks are there at once. */
  readonly firstBlocks?: number;
}

export class BitcoinNode {
  readonly process: NodeProcess;
  /** CAIP-2 of regtest. */
  readonly chain: string;
  /** 20 bytes that tell this folder's chain from others, which all begin alike. */
  readonly token: Uint8Array;
  readonly #options: BitcoinNodeOptions;
  /** Of the miner, whose the coins are. */
  readonly #keyPath: string;

  static start(options: BitcoinNodeOptions): Promise<BitcoinNode> {
    return started(BitcoinNode.open(options));
  }

  /** Opens the folder and begins to start the node; `ready` waits for it. */
  static open(options: BitcoinNodeOptions): Promise<BitcoinNode> {
    return NodeProcess.open(KIND, options, (process) => new BitcoinNode(process, options));
  }

  private constructor(process: NodeProcess, options: BitcoinNodeOptions) {
    this.process = process;
    this.#options = options;
    const regtest = bitcoinNetwork("regtest");
    if (regtest === undefined) throw new Error("no rules of regtest");
    this.chain = regtest.chain;
    this.token = this.#openToken();
    this.#keyPath = join(options.directory, "miner.key");
    KeyFile.openOrCreate(this.#keyPath);
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
    const first = this.#options.firstBlocks ?? 0;
    return [PROGRAM, join(directory, "chain"), String(port), String(periodS * 1000), this.#keyPath, String(first)];
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
