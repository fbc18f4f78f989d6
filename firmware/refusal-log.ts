// Says what was refused without letting a flood of refusals become a flood of lines.
//
// Promises: the first few of each interval are written as they come; the rest of it is counted, and the count is
// written with the next one. Never loses the total.

import type { Clock, Log } from "./ports.js";
import type { Rejection } from "./rejection.js";

const INTERVAL_MS = 10_000;
const LINES_PER_INTERVAL_MAX = 5;

export class RefusalLog {
  readonly #clock: Clock;
  readonly #log: Log;
  #intervalMs = 0;
  #lines = 0;
  #unsaid = 0;

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  /** @param what the kind of thing that was refused, such as "header" */
  write(what: string, rejection: Rejection): void {
    const nowMs = this.#clock.ticksMs();
    if (nowMs - this.#intervalMs >= INTERVAL_MS) {
      this.#intervalMs = nowMs;
      this.#lines = 0;
    }
    if (this.#lines >= LINES_PER_INTERVAL_MAX) {
      this.#unsaid += 1;
      return;
    }
    this.#lines += 1;
    const unsaid = this.#unsaid;
    this.#unsaid = 0;
    this.#log.write("refused", { what, code: rejection.code, detail: rejection.detail, ...(unsaid > 0 ? { unsaid } : {}) });
  }
}
