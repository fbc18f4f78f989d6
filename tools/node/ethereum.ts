// A real Ethereum node as a child process: @ethereumjs/client 0.10.5 sealing a Clique chain of its own (EIP-225), one
// signer, on loopback only.
//
// Promises: the signer's key is made into the data folder (mode 0600); a second start with the same folder continues the
// same chain, also after kill -9; what the node says goes to `ethereum.log` there, bounded. `start` returns once the
// node answers. Never: listens beyond 127.0.0.1 (loopback.mjs), never outlives its parent (tied.mjs).

import { spawn } from "node:child_process";
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { toHex } from "../../firmware/bytes.js";
import { KeyFile } from "../crypto/key-file.js";
import { EthereumRpc } from "../ethereum/rpc.js";
import { pause } from "../processes/backoff.js";
import { BoundedLog } from "../processes/bounded-log.js";
import { acquireLock, type Lock } from "../processes/lock.js";
import { freePort, LOOPBACK } from "../processes/ports.js";
import { type ChildEnd, type Running, runningChild, Supervisor } from "../processes/supervisor.js";
import { cliqueGenesis, type GethGenesis } from "./genesis.js";

const READY_MS = 90_000;
const READY_POLL_MS = 100;
/** Ends before the first answer that make us give up. */
const EARLY_ENDS_MAX = 4;
/** How long another holder of the folder may take to be gone. */
const PREDECESSOR_MS = 10_000;
/**
 * The client stops sealing at once when it is told to end, but then waits for the next of its rounds with peers that it
 * has not got; what it holds survives kill -9 (test/sim/ethereum-node.test.ts).
 */
const GRACE_MS = 700;
const CHAIN_ID = 31_337;

export interface EthereumNodeOptions {
  /** Data folder of the node; made where absent. */
  readonly directory: string;
  /** Seconds between blocks; counts for a new chain only. */
  readonly periodS?: number;
  readonly chainId?: number;
  /** How long to wait for another process to leave the folder, in milliseconds. */
  readonly waitMs?: number;
  /** Is told when the node ended by itself and is started again. */
  readonly onEnd?: (end: ChildEnd) => void;
}

export class EthereumNode {
  readonly genesis: GethGenesis;
  /** CAIP-2. */
  readonly chain: string;
  readonly rpc: EthereumRpc;
  readonly #options: EthereumNodeOptions;
  readonly #signer: string;
  readonly #log: BoundedLog;
  readonly #supervisor: Supervisor;
  readonly #lock: Lock;
  #rpcPort = 0;
  #peerPort = 0;
  #stopped = false;

  static async start(options: EthereumNodeOptions): Promise<EthereumNode> {
    const node = await EthereumNode.open(options);
    try {
      await node.ready();
    } catch (error) {
      await node.stop();
      throw error;
    }
    return node;
  }

  /** Opens the folder and begins to start the node; `ready` waits for it. */
  static async open(options: EthereumNodeOptions): Promise<EthereumNode> {
    const lock = await acquireLock(join(options.directory, "ethereum.lock"), options.waitMs ?? PREDECESSOR_MS);
    try {
      const node = new EthereumNode(options, lock);
      await node.#choosePorts();
      node.#supervisor.start();
      return node;
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  private constructor(options: EthereumNodeOptions, lock: Lock) {
    this.#options = options;
    this.#lock = lock;
    mkdirSync(options.directory, { recursive: true, mode: 0o700 });
    this.#signer = toHex(KeyFile.openOrCreate(this.#path("signer.key")).address);
    this.genesis = this.#openGenesis();
    this.chain = `eip155:${this.genesis.config.chainId}`;
    this.#log = new BoundedLog(this.#path("ethereum.log"));
    this.rpc = new EthereumRpc(() => this.url);
    this.#supervisor = new Supervisor(
      "Ethereum node",
      () => this.#launch(),
      (end) => {
        this.#log.line(`-- ended (${end.signal ?? end.code}), starts again in ${end.restartMs} ms`);
        options.onEnd?.(end);
      },
    );
  }

  /** Address of the signer, 20 bytes in lower-case hexadecimal. */
  get signer(): string {
    return this.#signer;
  }

  /** Of the JSON-RPC server. */
  get url(): string {
    return `http://${LOOPBACK}:${this.#rpcPort}`;
  }

  get pid(): number | undefined {
    return this.#supervisor.pid;
  }

  /** The ports that it listens on: JSON-RPC (TCP), and devp2p (TCP and UDP). */
  get ports(): readonly number[] {
    return [this.#rpcPort, this.#peerPort];
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#supervisor.stop(GRACE_MS);
    this.#lock.release();
  }

  #path(name: string): string {
    return join(this.#options.directory, name);
  }

  #openGenesis(): GethGenesis {
    const path = this.#path("genesis.json");
    if (!existsSync(path)) {
      const genesis = cliqueGenesis({
        chainId: this.#options.chainId ?? CHAIN_ID,
        periodS: this.#options.periodS ?? 1,
        signer: this.#signer,
        timestampS: Math.floor(Date.now() / 1000),
      });
      const file = openSync(`${path}.new`, "w");
      writeSync(file, `${JSON.stringify(genesis, null, 2)}\n`);
      fsyncSync(file);
      closeSync(file);
      renameSync(`${path}.new`, path);
    }
    const genesis = JSON.parse(readFileSync(path, "utf8")) as GethGenesis;
    if (!genesis.extraData.includes(this.#signer))
      throw new Error(`${path} names another signer than signer.key; both belong to one chain`);
    return genesis;
  }

  async #choosePorts(): Promise<void> {
    this.#rpcPort = await freePort();
    do this.#peerPort = await freePort();
    while (this.#peerPort === this.#rpcPort);
  }

  /** Resolves once the node answers; throws with its last words where it does not come up. */
  async ready(): Promise<void> {
    const deadlineMs = performance.now() + READY_MS;
    let ends = 0;
    for (;;) {
      try {
        await this.rpc.call("eth_blockNumber");
        return;
      } catch {
        if (this.#stopped) throw new Error("the Ethereum node was told to end while it started");
        if (this.#supervisor.ends >= EARLY_ENDS_MAX || performance.now() > deadlineMs)
          throw new Error(`the Ethereum node does not start: ${this.#lastWords()} (${this.#log.path})`);
      }
      if (this.#supervisor.ends > ends) {
        // Another process may have been quicker to take a port.
        ends = this.#supervisor.ends;
        await this.#choosePorts();
      }
      await pause(READY_POLL_MS);
    }
  }

  #lastWords(): string {
    const words = this.#log.tail.filter((line) => /error/i.test(line)).at(-1) ?? this.#log.tail.at(-1);
    return words ?? `no answer in ${READY_MS / 1000} s`;
  }

  #launch(): Running {
    const preload = (relative: string): readonly string[] => ["--import", new URL(relative, import.meta.url).href];
    const child = spawn(
      process.execPath,
      [
        ...preload("../processes/tied.mjs"),
        ...preload("./loopback.mjs"),
        clientProgram(),
        `--dataDir=${this.#path("chain")}`,
        `--gethGenesis=${this.#path("genesis.json")}`,
        "--mine",
        `--unlock=${this.#path("signer.key")}`,
        `--minerCoinbase=0x${this.#signer}`,
        "--isSingleNode=true",
        "--sync=full",
        "--rpc",
        `--rpcAddr=${LOOPBACK}`,
        `--rpcPort=${this.#rpcPort}`,
        "--rpcCors=http://127.0.0.1",
        `--port=${this.#peerPort}`,
        `--extIP=${LOOPBACK}`,
        "--discV4=false",
        "--discDns=false",
        "--saveReceipts=true",
        "--no-logFile",
      ],
      { stdio: ["ignore", "pipe", "pipe", "ipc"], detached: true },
    );
    if (child.stdout !== null) this.#log.take(child.stdout);
    if (child.stderr !== null) this.#log.take(child.stderr);
    return runningChild(child);
  }
}

/** The client's command-line program, wherever npm put the package. */
function clientProgram(): string {
  const require = createRequire(import.meta.url);
  return fileURLToPath(new URL("dist/esm/bin/cli.js", new URL(`file://${require.resolve("@ethereumjs/client/package.json")}`)));
}
