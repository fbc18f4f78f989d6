// Calls a step again and again: when it is due, or as soon as something wakes it; never two at a time.
//
// Promises: a step that fails is tried again after a while, and after `FAILURES_MAX` failures in a row the error goes up,
// so that the board restarts; nothing that arrives meanwhile shortens that wait. Never loses a wake-up that comes while a
// step is under way.

import type { Log, Timer, TimerHandle } from "./ports.js";

const RETRY_MS = 10_000;
const FAILURES_MAX = 5;

/** Whoever is called again and again. */
export interface Paced {
  /** Does what is due; answers after how many milliseconds it wants to be called again, at once where nothing had to be waited for. */
  step(): number | Promise<number>;
}

export class Pacer {
  readonly #timer: Timer;
  readonly #log: Log;
  readonly #paced: Paced;
  /** What the timer calls, made once. */
  readonly #due: () => void;
  #handle: TimerHandle | undefined;
  #running = false;
  #stepping = false;
  #woken = false;
  #failures = 0;

  constructor(timer: Timer, log: Log, paced: Paced) {
    this.#timer = timer;
    this.#log = log;
    this.#paced = paced;
    this.#due = () => {
      this.#handle = undefined;
      this.turn();
    };
  }

  run(): void {
    this.#running = true;
    this.#failures = 0;
    this.wake();
  }

  stop(): void {
    this.#running = false;
    this.#timer.clear(this.#handle);
    this.#handle = undefined;
  }

  /** Something arrived: step as soon as possible. */
  wake(): void {
    if (this.#stepping) this.#woken = true;
    else if (this.#running && this.#failures === 0) this.schedule(0);
  }

  /** A step that had nothing to wait for costs no promise: on XS one is as dear as ten calls. */
  private turn(): void {
    this.#stepping = true;
    this.#woken = false;
    let dueMs: number | Promise<number>;
    try {
      dueMs = this.#paced.step();
    } catch (error) {
      this.failed(error);
      return;
    }
    if (typeof dueMs === "number") this.stepped(dueMs);
    else this.wait(dueMs);
  }

  private async wait(due: Promise<number>): Promise<void> {
    let dueMs: number;
    try {
      dueMs = await due;
    } catch (error) {
      this.failed(error);
      return;
    }
    this.stepped(dueMs);
  }

  private stepped(dueMs: number): void {
    this.#failures = 0;
    this.#stepping = false;
    if (this.#running) this.schedule(this.#woken ? 0 : dueMs);
  }

  private failed(error: unknown): void {
    this.#stepping = false;
    this.#failures += 1;
    const detail = error instanceof Error ? error.message : String(error);
    this.#log.write("error", { what: "step", detail, failures: this.#failures });
    if (this.#failures >= FAILURES_MAX) this.giveUp(error);
    else if (this.#running) this.schedule(RETRY_MS);
  }

  /** As a rejection that nobody takes: what a timer's callback throws is contained on a board. */
  private async giveUp(error: unknown): Promise<never> {
    throw error;
  }

  private schedule(delayMs: number): void {
    this.#timer.clear(this.#handle);
    this.#handle = this.#timer.set(this.#due, delayMs);
  }
}
