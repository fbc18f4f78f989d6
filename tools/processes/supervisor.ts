// Keeps one child process running until it is told to stop.
//
// Promises: a child that ends by itself is started again, after a growing delay, and that is said; `stop` asks it to
// end, insists after a grace period, and returns once it is gone. Never: two of one child at once, or a child left
// behind (see tied.mjs for the case that the parent is killed).

import type { ChildProcess } from "node:child_process";
import { Backoff, type BackoffLimits } from "./backoff.js";

/** A child that lived this long was well: its next failure is a first one. */
const WELL_MS = 30_000;
const RESTART: BackoffLimits = { firstMs: 250, maxMs: 10_000 };
const STOP_GRACE_MS = 8000;

export interface ChildEnd {
  readonly name: string;
  readonly code: number | null;
  readonly signal: string | null;
  /** Milliseconds until it is started again. */
  readonly restartMs: number;
}

/** One run of a child, however it was started. */
export interface Running {
  readonly pid: number | undefined;
  /** Resolves once it is gone. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: string | null }>;
  /** Asks it to end. */
  end(): void;
  kill(): void;
}

export function runningChild(child: ChildProcess): Running {
  return {
    pid: child.pid,
    ended: new Promise((resolve) => {
      child.once("exit", (code, signal) => resolve({ code, signal }));
      child.once("error", (error) => resolve({ code: null, signal: error.message }));
    }),
    end: () => void child.kill("SIGTERM"),
    kill: () => void child.kill("SIGKILL"),
  };
}

export class Supervisor {
  readonly name: string;
  readonly #launch: () => Running;
  readonly #onEnd: (end: ChildEnd) => void;
  readonly #backoff = new Backoff(RESTART);
  #running: Running | undefined;
  #timer: NodeJS.Timeout | undefined;
  #stopping = false;
  #ends = 0;

  /**
   * @param launch starts the child
   * @param onEnd is told of every end that nobody asked for
   */
  constructor(name: string, launch: () => Running, onEnd: (end: ChildEnd) => void) {
    this.name = name;
    this.#launch = launch;
    this.#onEnd = onEnd;
  }

  get pid(): number | undefined {
    return this.#running?.pid;
  }

  /** How often the child ended without being asked to. */
  get ends(): number {
    return this.#ends;
  }

  start(): void {
    if (this.#stopping || this.#running !== undefined) return;
    const startedMs = performance.now();
    const running = this.#launch();
    this.#running = running;
    void running.ended.then(({ code, signal }) => {
      this.#running = undefined;
      if (this.#stopping) return;
      this.#ends += 1;
      if (performance.now() - startedMs > WELL_MS) this.#backoff.succeeded();
      const restartMs = this.#backoff.next();
      this.#timer = setTimeout(() => this.start(), restartMs);
      this.#onEnd({ name: this.name, code, signal, restartMs });
    });
  }

  /** Asks the child to end, insists after `graceMs`; resolves once it is gone. */
  async stop(graceMs = STOP_GRACE_MS): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#timer);
    const running = this.#running;
    if (running === undefined) return;
    running.end();
    const insist = setTimeout(() => running.kill(), graceMs);
    await running.ended;
    clearTimeout(insist);
  }
}
