// How far a long command is, on stderr: a bar that stays at the terminal's bottom, a plain line now and then elsewhere.
//
// Promises: nothing within the first second; after that it is seen that work goes on, also where a step says nothing for long; the bar is
// gone when the command ends. Never: an escape code where stderr is no terminal, a share that nobody knows.

import { LiveLines, type LiveStream } from "./live-lines.js";
import { count, plainText } from "./text.js";

const QUIET_MS = 1000;
const REDRAW_MS = 100;
/** Where it is no terminal. */
const LINE_MS = 10_000;
const BAR_CELLS = 24;
/** In a terminal narrower than these cells the bar is shorter, then left out. */
const WIDE_COLUMNS = 70;
const NARROW_COLUMNS = 40;

export interface ProgressOptions {
  readonly stream?: LiveStream;
  readonly nowMs?: () => number;
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

export class Progress {
  readonly #what: string;
  readonly #stream: LiveStream;
  readonly #nowMs: () => number;
  readonly #lines: LiveLines;
  #beganMs: number | undefined;
  #dueMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #text: (seconds: number) => string = () => "";
  #share: number | undefined;

  /** @param what the command, as its lines begin */
  constructor(what: string, options: ProgressOptions = {}) {
    this.#what = what;
    this.#stream = options.stream ?? process.stderr;
    this.#nowMs = options.nowMs ?? (() => performance.now());
    this.#lines = new LiveLines(this.#stream, options.environment);
  }

  /** Whether it is a bar that is seen at once, and no line now and then. */
  get isSeen(): boolean {
    return this.#lines.canStay;
  }

  /**
   * So many are done, at a rate.
   * @param unit what is counted
   * @param share of the whole, 0 to 1, where it is known
   * @param place where that is, in words
   */
  counted(done: number, unit: string, share?: number, place?: string): void {
    const at = place === undefined ? "" : `  ${place}`;
    this.#tell((seconds) => {
      const rate = seconds > 0 ? `, ${count(Math.round(done / seconds))} a second` : "";
      return `${count(done)} ${unit}${rate}${at}`;
    }, share);
  }

  /** A step has begun that is named by words. @param share of all steps that are done, 0 to 1, where it is known */
  step(text: string, share?: number): void {
    const words = plainText(text);
    this.#tell((seconds) => `${words}  ${Math.floor(seconds)} s`, share);
  }

  /** Takes the bar away: at the end. */
  clear(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#lines.clear();
  }

  #tell(text: (seconds: number) => string, share: number | undefined): void {
    this.#text = text;
    this.#share = share === undefined || Number.isNaN(share) ? undefined : Math.min(1, Math.max(0, share));
    if (this.#beganMs === undefined) {
      this.#beganMs = this.#nowMs();
      this.#dueMs = this.#beganMs + (this.#lines.canStay ? QUIET_MS : LINE_MS);
    }
    // A step may be silent for minutes.
    this.#timer ??= setInterval(() => this.#drawDue(), REDRAW_MS).unref();
    this.#drawDue();
  }

  #drawDue(): void {
    const nowMs = this.#nowMs();
    if (nowMs < this.#dueMs) return;
    this.#dueMs = nowMs + (this.#lines.canStay ? REDRAW_MS : LINE_MS);
    const text = this.#text((nowMs - (this.#beganMs ?? nowMs)) / 1000);
    const percent = this.#share === undefined ? "" : `${String(Math.floor(this.#share * 100)).padStart(3)} %  `;
    if (this.#lines.canStay) this.#lines.show((columns) => [`${this.#bar(columns)}${percent}${text}`]);
    else this.#stream.write(`${this.#what}: ${`${percent}${text}`.trim()}\n`);
  }

  #bar(columns: number): string {
    if (this.#share === undefined || columns < NARROW_COLUMNS) return "";
    const cells = columns < WIDE_COLUMNS ? BAR_CELLS / 2 : BAR_CELLS;
    const filled = Math.floor(this.#share * cells);
    return `[${"#".repeat(filled)}${" ".repeat(cells - filled)}] `;
  }
}
