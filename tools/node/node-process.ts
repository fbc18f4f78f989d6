// One local node as a child process: its folder, its ports, its log, and the wait until it answers.
//
// Promises: one owner per folder; a port that another process took first is chosen anew; a node that ends by itself is started
// again, and that is told; what it says goes to `<kind>.log` in the folder, bounded. Never: outlives its parent (tied.mjs).

import { spawn } from "node:child_process";
import { join } from "node:path";
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
const TIED = new URL("../processes/tied.mjs", import.meta.url).href;

export interface NodeOptions {
  /** Data folder of the node; made where absent. */
  readonly directory: string;
  /** Seconds between blocks. */
  readonly periodS?: number;
  /** How long to wait for another process to leave the folder, in milliseconds. */
  readonly waitMs?: number;
  /** Is told when the node ended by itself and is started again. */
  readonly onEnd?: (end: ChildEnd) => void;
}

export interface NodeKind {
  /** As in "the Ethereum node". */
  readonly name: string;
  /** Names its log and its lock. */
  readonly files: string;
  /** How many ports it listens on; the first is that of JSON-RPC. */
  readonly portCount: number;
  /** A method without parameters that it answers once it is up. */
  readonly probe: string;
  /** How long it may take to end, in milliseconds. */
  readonly graceMs: number;
}

export class NodeProcess {
  readonly rpc: JsonRpc;
  readonly #kind: NodeKind;
  readonly #log: BoundedLog;
  readonly #lock: Lock;
  readonly #onEnd: NodeOptions["onEnd"];
  #supervisor: Supervisor | undefined;
  #ports: readonly number[] = [];
  #stopped = false;

  /**
   * Enters the folder, lets `make` prepare it, and begins to start the node that it describes.
   * @param make answers the words after Node's own, for given ports
   */
  static async open<T extends { readonly process: NodeProcess; words(ports: readonly number[]): readonly string[] }>(
    kind: NodeKind,
    options: NodeOptions,
    make: (process: NodeProcess) => T,
  ): Promise<T> {
    const { directory, waitMs = PREDECESSOR_MS } = options;
    const lock = await acquireLock(join(directory, `${kind.files}.lock`), waitMs);
    try {
      const process = new NodeProcess(kind, options, lock);
      const node = make(process);
      await process.#begin((ports) => node.words(ports));
      return node;
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  private constructor(kind: NodeKind, options: NodeOptions, lock: Lock) {
    this.#kind = kind;
    this.#lock = lock;
    this.#onEnd = options.onEnd;
    this.#log = new BoundedLog(join(options.directory, `${kind.files}.log`));
    this.rpc = new JsonRpc(() => this.url);
  }

  /** Of the JSON-RPC server. */
  get url(): string {
    return `http://${LOOPBACK}:${this.#ports[0]}`;
  }

  get ports(): readonly number[] {
    return this.#ports;
  }

  get pid(): number | undefined {
    return this.#supervisor?.pid;
  }

  /** Resolves once the node answers; throws with its last words where it does not come up, having ended it. */
  async ready(): Promise<void> {
    const { name, probe } = this.#kind;
    const deadlineMs = performance.now() + READY_MS;
    let seen = 0;
    for (;;) {
      try {
        await this.rpc.call(probe);
        return;
      } catch {
        const ends = this.#supervisor?.ends ?? 0;
        if (this.#stopped) throw new Error(`the ${name} was told to end while it started`);
        if (ends >= EARLY_ENDS_MAX || performance.now() > deadlineMs)
          throw new Error(`the ${name} does not start: ${this.#lastWords()} (${this.#log.path})`);
        // Another process may have been quicker to take a port.
        if (ends > seen) this.#ports = await freePorts(this.#kind.portCount);
        seen = ends;
      }
      await pause(READY_POLL_MS);
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#supervisor?.stop(this.#kind.graceMs);
    this.#lock.release();
  }

  async #begin(words: (ports: readonly number[]) => readonly string[]): Promise<void> {
    this.#ports = await freePorts(this.#kind.portCount);
    this.#supervisor = new Supervisor(
      this.#kind.name,
      () => this.#launch(words(this.#ports)),
      (end) => {
        this.#log.line(`-- ended (${end.signal ?? end.code}), starts again in ${end.restartMs} ms`);
        this.#onEnd?.(end);
      },
    );
    this.#supervisor.start();
  }

  #launch(words: readonly string[]): Running {
    const child = spawn(process.execPath, ["--import", TIED, ...words], {
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      detached: true,
    });
    if (child.stdout !== null) this.#log.take(child.stdout);
    if (child.stderr !== null) this.#log.take(child.stderr);
    return runningChild(child);
  }

  #lastWords(): string {
    const words = this.#log.tail.filter((line) => /error/i.test(line)).at(-1) ?? this.#log.tail.at(-1);
    return words ?? `no answer in ${READY_MS / 1000} s`;
  }
}

/** Waits until a node that is being opened answers; ends it where it does not. */
export async function started<T extends { ready(): Promise<void>; stop(): Promise<void> }>(opening: Promise<T>): Promise<T> {
  const node = await opening;
  try {
    await node.ready();
    return node;
  } catch (error) {
    await node.stop();
    throw error;
  }
}

/** Different ports, free a moment ago. */
async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    const port = await freePort();
    if (!ports.includes(port)) ports.push(port);
  }
  return ports;
}
