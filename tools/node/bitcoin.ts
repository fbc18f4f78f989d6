// A real Bitcoin node as a child process: bcoin 1.0 on regtest, mining a chain of its own on loopback only.
//
// Promises: a second start with the same folder continues the same chain, also after kill -9; what the node says goes to
// `bitcoin.log` there, bounded. `start` returns once the node answers. Never: listens beyond 127.0.0.1 or looks for peers
// (bcoin.mjs), never outlives its parent (tied.mjs).

import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { bitcoinNetwork } from "../../firmware/chain/bitcoin-rules.js";
import { pause } from "../processes/backoff.js";
import { BoundedLog } from "../processes/bounded-log.js";
import { acquireLock, type Lock } from "../processes/lock.js";
import { freePort, LOOPBACK } from "../processes/ports.js";
import { type ChildEnd, type Running, runningChild, Supervisor } from "../processes/supervisor.js";
import { JsonRpc } from "../rpc/json-rpc.js";

const READY_MS = 90_000;
const READY_POLL_MS = 100;
/** Ends before the first answer that make us give up. */
const EARLY_ENDS_MAX = 4;
/** How long another holder of the folder may take to be gone. */
const PREDECESSOR_MS = 10_000;
const GRACE_MS = 3000;
const PROGRAM = fileURLToPath(new URL("./bcoin.mjs", import.meta.url));
const TIED = new URL("../processes/tied.mjs", import.meta.url).href;
const TOKEN_BYTES = 20;

export interface BitcoinNodeOptions {
  /** Data folder of the node; made where absent. */
  readonly directory: string;
  /** Seconds between blocks. */
  readonly periodS?: number;
  /** How long to wait for another process to leave the folder, in milliseconds. */
  readonly waitMs?: number;
  /** Is told when the node ended by itself and is started again. */
  readonly onEnd?: (end: ChildEnd) => void;
}

export class BitcoinNode {
  /** CAIP-2 of regtest. */
  readonly chain: string;
  readonly rpc: JsonRpc;
  /** 20 bytes that tell this folder's chain from others, which all begin alike; its coins are paid there. */
  readonly token: Uint8Array;
  readonly #options: BitcoinNodeOptions;
  readonly #log: BoundedLog;
  readonly #supervisor: Supervisor;
  readonly #lock: Lock;
  #port = 0;
  #stopped = false;

  static async start(options: BitcoinNodeOptions): Promise<BitcoinNode> {
    const node = await BitcoinNode.open(options);
    try {
      await node.ready();
    } catch (error) {
      await node.stop();
      throw error;
    }
    return node;
  }

  /** Opens the folder and begins to start the node; `ready` waits for it. */
  static async open(options: BitcoinNodeOptions): Promise<BitcoinNode> {
    const lock = await acquireLock(join(options.directory, "bitcoin.lock"), options.waitMs ?? PREDECESSOR_MS);
    try {
      const node = new BitcoinNode(options, lock);
      node.#port = await freePort();
      node.#supervisor.start();
      return node;
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  private constructor(options: BitcoinNodeOptions, lock: Lock) {
    this.#options = options;
    this.#lock = lock;
    mkdirSync(options.directory, { recursive: true, mode: 0o700 });
    const regtest = bitcoinNetwork("regtest");
    if (regtest === undefined) throw new Error("no rules of regtest");
    this.chain = regtest.chain;
    this.token = this.#openToken();
    this.#log = new BoundedLog(join(options.directory, "bitcoin.log"));
    this.rpc = new JsonRpc(() => this.url);
    this.#supervisor = new Supervisor(
      "Bitcoin node",
      () => this.#launch(),
      (end) => {
        this.#log.line(`-- ended (${end.signal ?? end.code}), starts again in ${end.restartMs} ms`);
        options.onEnd?.(end);
      },
    );
  }

  /** Of the JSON-RPC server. */
  get url(): string {
    return `http://${LOOPBACK}:${this.#port}`;
  }

  get pid(): number | undefined {
    return this.#supervisor.pid;
  }

  /** The ports that it listens on. */
  get ports(): readonly number[] {
    return [this.#port];
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#supervisor.stop(GRACE_MS);
    this.#lock.release();
  }

  /** Resolves once the node answers; throws with its last words where it does not come up. */
  async ready(): Promise<void> {
    const deadlineMs = performance.now() + READY_MS;
    let ends = 0;
    for (;;) {
      try {
        await this.rpc.call("getbestblockhash");
        return;
      } catch {
        if (this.#stopped) throw new Error("the Bitcoin node was told to end while it started");
        if (this.#supervisor.ends >= EARLY_ENDS_MAX || performance.now() > deadlineMs)
          throw new Error(`the Bitcoin node does not start: ${this.#lastWords()} (${this.#log.path})`);
      }
      if (this.#supervisor.ends > ends) {
        // Another process may have been quicker to take the port.
        ends = this.#supervisor.ends;
        this.#port = await freePort();
      }
      await pause(READY_POLL_MS);
    }
  }

  #openToken(): Uint8Array {
    const path = join(this.#options.directory, "token");
    if (!existsSync(path)) writeFileSync(path, randomBytes(TOKEN_BYTES).toString("hex"), { mode: 0o600 });
    const token = new Uint8Array(Buffer.from(readFileSync(path, "utf8").trim(), "hex"));
    if (token.length !== TOKEN_BYTES) throw new Error(`${path} does not hold ${TOKEN_BYTES} bytes in hexadecimal`);
    return token;
  }

  #lastWords(): string {
    const words = this.#log.tail.filter((line) => /error/i.test(line)).at(-1) ?? this.#log.tail.at(-1);
    return words ?? `no answer in ${READY_MS / 1000} s`;
  }

  #launch(): Running {
    const { directory, periodS = 1 } = this.#options;
    const words = [join(directory, "chain"), String(this.#port), String(periodS * 1000), Buffer.from(this.token).toString("hex")];
    const child = spawn(process.execPath, ["--import", TIED, PROGRAM, ...words], {
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      detached: true,
    });
    if (child.stdout !== null) this.#log.take(child.stdout);
    if (child.stderr !== null) this.#log.take(child.stderr);
    return runningChild(child);
  }
}
