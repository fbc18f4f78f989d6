// A log file that never grows beyond a bound: when it is full it becomes `NAME.1`, and a new one begins.
//
// Promises: at most two files of `LOG_BYTES_MAX` bytes and a line. Never: throws for a full disk; a log that cannot be
// written is no reason to stop (the last line is kept for a person all the same).

import { appendFileSync, renameSync, statSync } from "node:fs";
import type { Readable } from "node:stream";

export const LOG_BYTES_MAX = 4 * 1024 * 1024;
const LINE_BYTES_MAX = 4096;
const TAIL_LINES_MAX = 20;

export class BoundedLog {
  readonly path: string;
  readonly #tail: string[] = [];
  #bytes: number;
  #failure: string | undefined;

  constructor(path: string) {
    this.path = path;
    this.#bytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  }

  /** The newest lines, oldest first. */
  get tail(): readonly string[] {
    return this.#tail;
  }

  /** Why the file could not be written the last time, if so. */
  get failure(): string | undefined {
    return this.#failure;
  }

  line(text: string): void {
    const line = text.slice(0, LINE_BYTES_MAX);
    this.#tail.push(line);
    if (this.#tail.length > TAIL_LINES_MAX) this.#tail.shift();
    try {
      if (this.#bytes >= LOG_BYTES_MAX) {
        renameSync(this.path, `${this.path}.1`);
        this.#bytes = 0;
      }
      appendFileSync(this.path, `${line}\n`, { mode: 0o600 });
      this.#bytes += Buffer.byteLength(line) + 1;
      this.#failure = undefined;
    } catch (error) {
      this.#failure = error instanceof Error ? error.message : String(error);
    }
  }

  /** Takes every line that `stream` brings. */
  take(stream: Readable): void {
    eachLine(stream, (line) => this.line(line));
  }
}

/** Calls back for each line of a stream of text; a line beyond `LINE_BYTES_MAX` arrives in parts of that length. */
export function eachLine(stream: Readable, callback: (line: string) => void, lineLengthMax = LINE_BYTES_MAX): void {
  let rest = "";
  stream.setEncoding("utf8");
  stream.on("data", (text: string) => {
    rest += text;
    for (let end = rest.indexOf("\n"); end >= 0; end = rest.indexOf("\n")) {
      callback(rest.slice(0, end).replace(/\r$/, ""));
      rest = rest.slice(end + 1);
    }
    for (; rest.length > lineLengthMax; rest = rest.slice(lineLengthMax)) callback(rest.slice(0, lineLengthMax));
  });
  stream.on("end", () => {
    if (rest !== "") callback(rest);
    rest = "";
  });
}
