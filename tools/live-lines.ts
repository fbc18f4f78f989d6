// Lines that stay at the bottom of a terminal while others go by above them: a bar, the state of a system.
//
// Promises: they take as many rows as they have lines, whatever is in them and however narrow the terminal is: each is cut to its width,
// and the terminal is told not to wrap them besides; a terminal that is resized, or too small, shows what fits; whatever else is written
// goes above them; they are gone when the program ends, by a fault too, and while it is suspended. The cursor rests where they begin:
// what a terminal made of them when it was resized is wiped out from there, and whoever is killed leaves no hidden cursor behind.
// Where a terminal is resized in the very middle of a write, rows of that write may be left above.
// Never: an escape code where the stream is no terminal, TERM is "dumb" or not set, or CI is.

import { fitted } from "./text.js";

export interface LiveStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): unknown;
  on?(event: "resize", listener: () => void): unknown;
  off?(event: "resize", listener: () => void): unknown;
}

/** What is shown in a terminal of that size; lines beyond `rowsMax` are not. */
export type Draw = (columns: number, rowsMax: number) => readonly string[];

const COLUMNS = 80;
const ROWS = 24;
/** Narrower, there is nothing that is worth a row. */
const COLUMNS_MIN = 12;
/** Rows above that belong to what goes by. */
const ROWS_LEFT = 3;
const WIPE = "\r\x1b[J";
const WRAP_OFF = "\x1b[?7l";
const WRAP_ON = "\x1b[?7h";

const shown = new Set<LiveLines>();

/** Whether lines can stay on a stream. */
export function canStay(stream: LiveStream, environment: Readonly<Record<string, string | undefined>> = process.env): boolean {
  const { TERM = process.platform === "win32" ? "windows" : "", CI = "" } = environment;
  return stream.isTTY === true && TERM !== "" && TERM !== "dumb" && (CI === "" || CI === "0" || CI === "false");
}

/** Writes a text of whole lines to a stream, above what stays. */
export function besideLiveLines(stream: LiveStream, text: string): void {
  const [only, ...more] = shown;
  if (only === undefined) stream.write(text);
  else if (more.length === 0) only.above(stream, text);
  else {
    for (const lines of shown) lines.wipe();
    stream.write(text);
    for (const lines of shown) lines.redraw();
  }
}

export class LiveLines {
  readonly #stream: LiveStream;
  readonly #canStay: boolean;
  #draw: Draw | undefined;
  /** What the terminal has. */
  #drawn = "";

  constructor(stream: LiveStream = process.stderr, environment: Readonly<Record<string, string | undefined>> = process.env) {
    this.#stream = stream;
    this.#canStay = canStay(stream, environment);
  }

  /** Whether `show` shows anything; a plain line now and then has to do elsewhere. */
  get canStay(): boolean {
    return this.#canStay;
  }

  /** Shows these in the place of those before. */
  show(draw: Draw): void {
    if (!this.#canStay) return;
    this.#draw = draw;
    if (!shown.has(this)) {
      shown.add(this);
      this.#stream.on?.("resize", this.#onResize);
      process.on("exit", this.#onExit);
      if (process.platform !== "win32") {
        process.on("SIGTSTP", this.#onSuspend);
        process.on("SIGCONT", this.#onResize);
      }
    }
    const text = this.#text();
    if (text === this.#drawn) return;
    this.#drawn = text;
    this.#stream.write(`${WIPE}${text}`);
  }

  /** Takes them away for good, or until `show` comes again. */
  clear(): void {
    if (!shown.delete(this)) return;
    this.#stream.off?.("resize", this.#onResize);
    process.off("exit", this.#onExit);
    process.off("SIGTSTP", this.#onSuspend);
    process.off("SIGCONT", this.#onResize);
    this.wipe();
    this.#draw = undefined;
  }

  /** Writes whole lines above them, to the same terminal. */
  above(stream: LiveStream, text: string): void {
    this.#drawn = this.#text();
    if (stream === this.#stream) {
      stream.write(`${WIPE}${text}${this.#drawn}`);
      return;
    }
    this.#stream.write(WIPE);
    stream.write(text);
    this.#stream.write(this.#drawn);
  }

  wipe(): void {
    if (this.#drawn !== "") this.#stream.write(WIPE);
    this.#drawn = "";
  }

  redraw(): void {
    this.#drawn = this.#text();
    this.#stream.write(this.#drawn);
  }

  /** The lines, with the cursor back where they begin. */
  #text(): string {
    const columns = this.#stream.columns || COLUMNS;
    const rowsMax = (this.#stream.rows || ROWS) - ROWS_LEFT;
    if (this.#draw === undefined || columns < COLUMNS_MIN || rowsMax < 1) return "";
    const lines = this.#draw(columns - 1, rowsMax).slice(0, rowsMax);
    if (lines.length === 0) return "";
    const up = lines.length > 1 ? `\x1b[${lines.length - 1}A` : "";
    return `${WRAP_OFF}${lines.map((line) => fitted(line, columns - 1)).join("\r\n")}${WRAP_ON}\r${up}`;
  }

  readonly #onResize = (): void => {
    this.#drawn = this.#text();
    this.#stream.write(`${WIPE}${this.#drawn}`);
  };

  readonly #onExit = (): void => this.clear();

  readonly #onSuspend = (): void => {
    this.wipe();
    process.kill(process.pid, "SIGSTOP");
  };
}
