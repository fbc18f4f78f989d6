// Reads the report of a board that runs the bench firmware (test/bench/firmware) from its serial port.
//
// Promises: lines that are not the report's are passed over, a report that began before we listened is not pieced
// together, and silence ends with a reason. The port is only read; where it is a terminal it is set to raw and to the baud
// rate by stty. Never: writes a byte to the port.
//
// The report, one object of JSON a line, and again every few seconds:
//   {"bench":"begin","target":…,"engine":…,"compiler":…,"flags":…,"memory":…}
//   {"bench":"result","name":…,"nsMedian":…}      for each case
//   {"bench":"end","results":N}                   or {"bench":"failed","detail":…}

import { execFile } from "node:child_process";
import { constants, type Stats } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { promisify } from "node:util";
import { CommandError, plainText } from "../terminal.js";
import { type BenchReport, readReport } from "./report.js";

/** The longest case of a board, and its start, take seconds. */
const SILENCE_MS_MAX = 60_000;
const LINE_BYTES_MAX = 4_096;
const RESULTS_MAX = 64;
const POLL_MS = 50;

const run = promisify(execFile);

/** Pieces the report together out of lines; foreign ones change nothing. */
export class BoardReport {
  #head: Record<string, unknown> | undefined;
  #results: unknown[] = [];

  /** How many results there are so far. */
  get count(): number {
    return this.#results.length;
  }

  /** The report where this line ended it, or why there is none; undefined where it goes on. */
  take(line: string): BenchReport | CommandError | undefined {
    const said = objectOf(line);
    switch (said?.bench) {
      case "begin":
        this.#head = said;
        this.#results = [];
        return undefined;
      case "result":
        if (this.#head !== undefined && this.#results.length < RESULTS_MAX) this.#results.push(said);
        return undefined;
      case "failed":
        return new CommandError(`the board says that it failed: ${plainText(String(said.detail), 200)}`);
      case "end":
        return this.#end(said.results);
      default:
        return undefined;
    }
  }

  #end(results: unknown): BenchReport | CommandError | undefined {
    const head = this.#head;
    this.#head = undefined;
    // We came in the middle, or lost a line: the next one will be whole.
    if (head === undefined || results !== this.#results.length) return undefined;
    const report = readReport({ ...head, results: this.#results });
    return typeof report === "string" ? new CommandError(`the board's report: ${plainText(report, 200)}`) : report;
  }
}

function objectOf(line: string): Record<string, unknown> | undefined {
  // A console puts words of its own in front, and colours around.
  const from = line.indexOf('{"bench":');
  if (from < 0) return undefined;
  try {
    return JSON.parse(line.slice(from, line.lastIndexOf("}") + 1)) as Record<string, unknown>;
  } catch {
    return undefined; // half a line: the report comes again
  }
}

/** Opens the port and waits for one whole report. */
export async function readBoard(
  path: string,
  baud: number,
  progress: (text: string) => void,
  silenceMs = SILENCE_MS_MAX,
): Promise<BenchReport> {
  const kind = await kindOf(path);
  if (kind.isCharacterDevice()) await setTerminal(path, baud);
  // Opened without waiting: a modem line that is not there, or a pipe without a writer, would hold up everything.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY).catch((error: Error) => {
    throw new CommandError(`${plainText(path, 100)} cannot be opened: ${plainText(error.message, 100)}`);
  });
  const board = new BoardReport();
  const buffer = Buffer.alloc(LINE_BYTES_MAX);
  let line = "";
  let heardMs = Date.now();
  progress(`${path}: waiting for a report`);
  try {
    for (;;) {
      const bytes = await readSome(file, buffer);
      if (bytes === 0) {
        if (Date.now() - heardMs > silenceMs)
          throw new CommandError(
            `${plainText(path, 100)}: nothing for ${silenceMs / 1000} s; does the board run the bench firmware?`,
          );
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
        continue;
      }
      heardMs = Date.now();
      const lines = (line + buffer.toString("latin1", 0, bytes)).split(/\r?\n/);
      line = (lines.pop() as string).slice(-LINE_BYTES_MAX);
      for (const one of lines) {
        const report = board.take(one);
        if (report instanceof CommandError) throw report;
        if (report !== undefined) return report;
        progress(`${path}: ${board.count} results`);
      }
    }
  } finally {
    await file.close();
  }
}

async function kindOf(path: string): Promise<Stats> {
  try {
    return await stat(path);
  } catch {
    throw new CommandError(`there is no port ${plainText(path, 100)}`);
  }
}

async function setTerminal(path: string, baud: number): Promise<void> {
  try {
    await run("stty", ["-F", path, String(baud), "raw", "-echo", "clocal", "-hupcl"]);
  } catch (error) {
    const { stderr } = error as { stderr?: string };
    throw new CommandError(`${plainText(path, 100)} cannot be set to ${baud} baud: ${plainText(stderr ?? String(error), 200)}`);
  }
}

/** What there is to read now, 0 where there is nothing. */
async function readSome(file: FileHandle, buffer: Buffer): Promise<number> {
  try {
    return (await file.read(buffer, 0, buffer.length)).bytesRead;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EAGAIN") return 0;
    throw new CommandError(`the port has gone (${code})`);
  }
}
