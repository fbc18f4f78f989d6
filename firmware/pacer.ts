// Calls a step again and again: when it is due, or as soon as something wakes it; never two at a time.
//
// Promises: a step that fails is tried again after a while, and after `FAILURES_MAX` failures in a row the error goes up,
// so that the board restarts; nothing that arrives meanwhile shortens that wait. Never loses a wake-up that comes while a
// step is under way.

import type { Log, Timer, TimerHandle } from "./ports.js";

const RETRY_MS = 10_000;
const FAILURES_MAX = 5;

export class Pacer {
  readonly #timer: Timer;
  readonly #log: Log;
  /** Does what is due; answers after how many milliseconds it wants to be called again. */
  readonly #step: () => Promise<number>;
  #handle: TimerHandle | undefined;
  #running = false;
  #stepping = false;
  #woken = false;
  #failures = 0;

  constructor(timer: Timer, log: Log, step: () => Promise<number>) {
    this.#timer = timer;
    this.#log = log;
    this.#step = step;
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

  private async turn(): Promise<void> {
    this.#stepping = true;
    this.#woken = false;
    let dueMs = RETRY_MS;
    try {
      dueMs = await this.#step();
      this.#failures = 0;
    } catch (error) {
      this.#failures += 1;
      const detail = error instanceof Error ? error.message : String(error);
      this.#log.write("error", { what: "step", detail, failures: this.#failures });
      if (this.#failures >= FAILURES_MAX) throw error;
    } finally {
      this.#stepping = false;
    }
    if (this.#running) this.schedule(this.#woken && this.#failures === 0 ? 0 : dueMs);
  }

  private schedule(delayMs: number): void {
    this.#timer.clear(this.#handle);
    this.#handle = this.#timer.set(() => {
      this.#handle = undefined;
      this.turn();
    }, delayMs);
  }
}
