// A real Ethereum node as a child process: @ethereumjs/client 0.10.5 sealing a Clique chain of its own (EIP-225), one
// signer, on loopback only.
//
// Promises: the signer's key is made into the data folder (mode 0600); a second start with the same folder continues the
// same chain, also after kill -9; what the node says goes to `ethereum.log` there, bounded. `start` returns once the
// node answers. Never: listens beyond 127.0.0.1 (loopback.mjs), never outlives its parent (tied.mjs).

import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { toHex } from "../../firmware/bytes.js";
import { KeyFile } from "../crypto/key-file.js";
import { createWhole, removeEmpty } from "../files.js";
import { LOOPBACK } from "../processes/ports.js";
import type { JsonRpc } from "../rpc/json-rpc.js";
import { cliqueGenesis, type GethGenesis } from "./genesis.js";
import { type NodeKind, type NodeOptions, NodeProcess, started } from "./node-process.js";

const KIND: NodeKind = {
  name: "Ethereum node",
  files: "ethereum",
  portCount: 2,
  probe: "eth_blockNumber",
  // The client stops sealing at once when it is told to end, but then waits for the next of its rounds with peers that it
  // has not got; what it holds survives kill -9 (test/sim/ethereum-node.test.ts).
  graceMs: 700,
};
const CHAIN_ID = 31_337;
/** Preloaded into the node. */
const PRELOADED = ["./loopback.mjs", "./sealing.mjs"].map((name) => new URL(name, import.meta.url).href);

/** `periodS` counts for a new chain only. */
export interface EthereumNodeOptions extends NodeOptions {
  readonly chainId?: number;
}

export class EthereumNode {
  readonly process: NodeProcess;
  readonly genesis: GethGenesis;
  /** CAIP-2. */
  readonly chain: string;
  readonly #options: EthereumNodeOptions;
  /** The signer's, which the chain's money belongs to. */
  readonly key: KeyFile;

  static start(options: EthereumNodeOptions): Promise<EthereumNode> {
    return started(EthereumNode.open(options));
  }

  /** Opens the folder and begins to start the node; `ready` waits for it. */
  static open(options: EthereumNodeOptions): Promise<EthereumNode> {
    return NodeProcess.open(KIND, options, (process) => new EthereumNode(process, options));
  }

  private constructor(process: NodeProcess, options: EthereumNodeOptions) {
    this.process = process;
    this.#options = options;
    this.key = KeyFile.openOrCreate(this.#path("signer.key"));
    this.genesis = this.#openGenesis();
    this.chain = `eip155:${this.genesis.config.chainId}`;
  }

  /** The file that the chain was made from. */
  get genesisFile(): string {
    return this.#path("genesis.json");
  }

  /** Address of the signer, 20 bytes in lower-case hexadecimal. */
  get signer(): string {
    return toHex(this.key.address);
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

  /** The ports that it listens on: JSON-RPC (TCP), and devp2p (TCP and UDP). */
  get ports(): readonly number[] {
    return this.process.ports;
  }

  ready(): Promise<void> {
    return this.process.ready();
  }

  stop(): Promise<void> {
    return this.process.stop();
  }

  words([rpcPort, peerPort]: readonly number[]): readonly string[] {
    return [
      ...PRELOADED.flatMap((url) => ["--import", url]),
      clientProgram(),
      `--dataDir=${this.#path("chain")}`,
      `--gethGenesis=${this.#path("genesis.json")}`,
      "--mine",
      `--unlock=${this.#path("signer.key")}`,
      `--minerCoinbase=0x${this.signer}`,
      "--isSingleNode=true",
      "--sync=full",
      "--rpc",
      `--rpcAddr=${LOOPBACK}`,
      `--rpcPort=${rpcPort}`,
      "--rpcCors=http://127.0.0.1",
      `--port=${peerPort}`,
      `--extIP=${LOOPBACK}`,
      "--discV4=false",
      "--discDns=false",
      "--saveReceipts=true",
      "--no-logFile",
    ];
  }

  #path(name: string): string {
    return join(this.#options.directory, name);
  }

  #openGenesis(): GethGenesis {
    const path = this.#path("genesis.json");
    removeEmpty(path);
    if (!existsSync(path)) {
      const genesis = cliqueGenesis({
        chainId: this.#options.chainId ?? CHAIN_ID,
        periodS: this.#options.periodS ?? 1,
        signer: this.signer,
        timestampS: Math.floor(Date.now() / 1000),
      });
      createWhole(path, `${JSON.stringify(genesis, null, 2)}\n`);
    }
    const genesis = JSON.parse(readFileSync(path, "utf8")) as GethGenesis;
    if (!genesis.extraData.includes(this.signer))
      throw new Error(`${path} names another signer than signer.key; both belong to one chain`);
    return genesis;
  }
}

/** The client's command-line program, wherever npm put the package. */
function clientProgram(): string {
  const require = createRequire(import.meta.url);
  return fileURLToPath(new URL("dist/esm/bin/cli.js", new URL(`file://${require.resolve("@ethereumjs/client/package.json")}`)));
}
