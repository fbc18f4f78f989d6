// What commands write for people: colour only where a terminal shows it, columns that line up, one line per fact.
//
// Promises: no escape code when the output is no terminal, or NO_COLOR is set, or TERM is "dumb"; control characters in
// foreign text never reach the terminal. A reader that went away (`| head`) ends the program quietly.

import { relative } from "node:path";

export { count, plainText, plural, shortHex } from "./text.js";

export type Style = "dim" | "bold" | "red" | "green" | "yellow" | "cyan";

const CODES: Readonly<Record<Style, readonly [number, number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
};

/** The bad news that ends a command: one line for stderr, and the exit code. */
export class CommandError extends Error {
  readonly exitCode: number;
  constructor(message: string, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** A command was called in a way that it does not understand. */
export class UsageError extends CommandError {
  constructor(message: string) {
    super(message, 2);
  }
}

export interface Output {
  /** One line to stdout. */
  line(text?: string): void;
  /** One line to stderr. */
  error(text: string): void;
  style(style: Style, text: string): string;
}

export function terminalOutput(): Output {
  for (const stream of [process.stdout, process.stderr])
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EPIPE") process.exit(process.exitCode ?? 0);
      throw error;
    });
  const coloured = process.stdout.isTTY === true && (process.env.NO_COLOR ?? "") === "" && process.env.TERM !== "dumb";
  return {
    line: (text = "") => void process.stdout.write(`${text}\n`),
    error: (text) => void process.stderr.write(`${text}\n`),
    style: (style, text) => (coloured ? `\x1b[${CODES[style][0]}m${text}\x1b[${CODES[style][1]}m` : text),
  };
}

/** A path as a person would type it. */
export function shownPath(path: string): string {
  const near = relative(process.cwd(), path);
  return near !== "" && near.length < path.length && !near.startsWith("../..") ? near : path;
}
