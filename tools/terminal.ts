// What commands write for people: colour only where a terminal shows it, columns that line up, one line per fact.
//
// Promises: no colour where the output is no terminal or TERM is "dumb", unless FORCE_COLOR asks for it, and none at all with NO_COLOR
// or --no-color; control characters in foreign text never reach the terminal, whoever forgot to take them out; a line goes
// above what stays at the bottom of the terminal (live-lines.ts). A reader that went away (`| head`) ends the
// program quietly; a terminal that was closed leaves it the time to end in good order.

import { relative } from "node:path";
import { besideLiveLines } from "./live-lines.js";

export { cellsOf, count, plainText, plural, shortHex } from "./text.js";

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

/** Understood by every command. */
export const NO_COLOR_OPTION = "--no-color";

/** @param words of the command line */
export function terminalOutput(words: readonly string[] = []): Output {
  for (const stream of [process.stdout, process.stderr])
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EPIPE") process.exit(process.exitCode ?? 0);
      // The terminal is gone, which SIGHUP says as well: whoever runs until it is told to end does so in good order.
      if (error.code === "EIO") return;
      throw error;
    });
  const coloured = isColoured(process.stdout.isTTY === true, process.env, words);
  const write = (stream: NodeJS.WriteStream, text: string): void =>
    besideLiveLines(stream, `${stream.isTTY === true ? harmless(text) : text}\n`);
  return {
    line: (text = "") => write(process.stdout, text),
    error: (text) => write(process.stderr, text),
    style: (style, text) => (coloured ? `\x1b[${CODES[style][0]}m${text}\x1b[${CODES[style][1]}m` : text),
  };
}

/** Whether there are colours: by the command line first, then NO_COLOR, then FORCE_COLOR, then what the output is. */
export function isColoured(
  isTerminal: boolean,
  environment: Readonly<Record<string, string | undefined>>,
  words: readonly string[] = [],
): boolean {
  const { NO_COLOR = "", FORCE_COLOR = "", TERM } = environment;
  if (words.includes(NO_COLOR_OPTION) || NO_COLOR !== "") return false;
  if (FORCE_COLOR !== "") return FORCE_COLOR !== "0" && FORCE_COLOR !== "false";
  return isTerminal && TERM !== "dumb";
}

/** The last gate before a terminal: of control characters only line ends, tabs and our own styles pass; of the rest the code is shown. */
export function harmless(text: string): string {
  return text.replace(CONTROLS, (found) =>
    OWN_STYLES.has(found) ? found : [...found].map((one) => (isControl(one) ? codeOf(one) : one)).join(""),
  );
}

const OWN_STYLES = new Set(
  Object.values(CODES)
    .flat()
    .map((code) => `\x1b[${code}m`),
);
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROLS = /\x1b\[\d+m|[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/g;

function isControl(character: string): boolean {
  return character < " " || character > "~";
}

function codeOf(character: string): string {
  return `<${(character.codePointAt(0) ?? 0).toString(16).padStart(2, "0")}>`;
}

/** A path as a person would type it. */
export function shownPath(path: string): string {
  const near = relative(process.cwd(), path);
  return near !== "" && near.length < path.length && !near.startsWith("../..") ? near : path;
}
