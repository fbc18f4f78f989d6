// How far a long command is, on stderr: a bar that is drawn over where stderr is a terminal, a plain line now and then elsewhere.
//
// Promises: nothing within the first second; the bar is gone before a line of the output is written to the same terminal, and
// when the command ends. Never: an escape code where stderr is no terminal.

import { count } from "./terminal.js";

export interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const QUIET_MS = 1000;
const REDRAW_MS = 100;
/** Where it is no terminal. */
const LINE_MS = 10_000;
const BAR_CELLS = 24;
const CLEAR = "\r\x1b[K";

export class Progress {
  readonly #what: string;
  readonly #unit: string;
  readonly #total: number;
  readonly #stream: ProgressStream;
  readonly #nowMs: () => number;
  readonly #beganMs: number;
  #dueMs: number;
  #shown = false;

  /**
   * @param what the command, as its lines begin; `unit` is what is counted
   * @param total of what `at` counts
   */
  constructor(
    what: string,
    unit: string,
    total: number,
    stream: ProgressStream = process.stderr,
    nowMs: () => number = () => performance.now(),
  ) {
    this.#what = what;
    this.#unit = unit;
    this.#total = total;
    this.#stream = stream;
    this.#nowMs = nowMs;
    this.#beganMs = nowMs();
    this.#dueMs = this.#beganMs + (stream.isTTY === true ? QUIET_MS : LINE_MS);
  }

  /** @param done how many units are; `at` how much of the total that was */
  update(done: number, at: number): void {
    const nowMs = this.#nowMs();
    if (nowMs < this.#dueMs) return;
    const isTerminal = this.#stream.isTTY === true;
    this.#dueMs = nowMs + (isTerminal ? REDRAW_MS : LINE_MS);
    const share = Math.min(1, at / this.#total);
    const rate = count(Math.round((done * 1000) / (nowMs - this.#beganMs)));
    const text = `${String(Math.floor(share * 100)).padStart(3)} %  ${count(done)} ${this.#unit}, ${rate} a second`;
    if (isTerminal) {
      const filled = Math.floor(share * BAR_CELLS);
      const bar = `[${"#".repeat(filled)}${" ".repeat(BAR_CELLS - filled)}] ${text}`;
      this.#stream.write(`${CLEAR}${bar.slice(0, Math.max(1, (this.#stream.columns ?? 80) - 1))}`);
      this.#shown = true;
    } else this.#stream.write(`${this.#what}: ${text.trim()}\n`);
  }

  /** Takes the bar away: before other lines, and at the end. */
  clear(): void {
    if (this.#shown) this.#stream.write(CLEAR);
    this.#shown = false;
  }
}
