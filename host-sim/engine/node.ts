// Runs the firmware, unmodified, on a simulated board in a process of its own: on Node, or on the XS engine.
//
// Promises: what the firmware logs comes as parsed events, in order, and everything else it prints line by line; the
// process ends when told, when killed, and when this process is gone. The folder keeps all that a power cut leaves.
// Never restarts a board: who owns it decides.

import { type ChildProcess, spawn } from "node:child_process";
import { createRequire } from "node:module";
import { isAbsolute, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath, pathToFileURL } from "node:url";
import { runningModule } from "../place.js";
import type { Reset, WorldChange } from "./board-process.js";
import type { GuestEngine } from "./engines.js";

export type { BoardFile, Reset, WorldChange } from "./board-process.js";

/** One line of the board's log: the event's name and its fields. */
export interface BoardEvent {
  readonly event: string;
  readonly [field: string]: unknown;
}

/** With CHAINMOTE_INSPECT=PORT in this process's environment a board waits for a debugger on that port of loopback (docs/debugging.md). */
export interface SpawnOptions {
  /** Folder with `board.json`; the board's flash and NVS live there too. */
  readonly directory: string;
  /** Main module of the firmware, on Node; ours where absent. */
  readonly firmware?: string;
  /** The XS engine with its firmware; Node where absent. */
  readonly engine?: GuestEngine;
  /** `power-on` where absent. */
  readonly reset?: Reset;
  readonly onEvent?: (event: BoardEvent) => void;
  /** Whatever else the board prints, and its crash where it has one; a line each. */
  readonly onText?: (line: string) => void;
}

export interface BoardProcess {
  readonly pid: number;
  /** The exit code once the process has ended and all its lines were handed on; 128 + number for a signal. */
  readonly exited: Promise<number>;
  /** Power off: ends the process cleanly. */
  stop(): Promise<void>;
  /** SIGKILL: the plug is pulled in mid-instruction. */
  kill(): Promise<void>;
  /** Changes the board's world while it runs; nothing where it has ended. */
  change(change: WorldChange): void;
}

const STOP_MS_MAX = 5000;
const SIGNAL_NUMBERS: Readonly<Record<string, number>> = { SIGINT: 2, SIGABRT: 6, SIGKILL: 9, SIGSEGV: 11, SIGTERM: 15 };
/** Codes of a process that somebody ended: the plug was pulled. */
const UNPLUGGED = ["SIGINT", "SIGKILL", "SIGTERM"].map((signal) => 128 + (SIGNAL_NUMBERS[signal] as number));

/** As board-process.ts has it, which is for a board's own process alone. */
const EXIT_DEEP_SLEEP = 5;

/** How a board starts again that has ended with that code: after an orderly restart, deep sleep, a plug that was pulled, or a crash. */
export function resetAfter(code: number): Reset {
  if (UNPLUGGED.includes(code)) return "power-on";
  if (code === EXIT_DEEP_SLEEP) return "deep-sleep";
  return code === 0 ? "software" : "panic";
}

const BOARD = fileURLToPath(new URL("board.mjs", import.meta.url));
const FIRMWARE = fileURLToPath(runningModule("firmware/main"));
/** The standard mote with the ledger. */
export const LEDGER_ON_NODE = fileURLToPath(runningModule("firmware/main-ledger"));
/** The standard mote on Bitcoin, with its anchors. */
export const BITCOIN_ON_NODE = fileURLToPath(runningModule("firmware/main-bitcoin"));
/** For a firmware that is TypeScript: a module that lets Node load it. */
const LOADER = process.env.CHAINMOTE_LOADER ?? pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;

export function spawnBoard(options: SpawnOptions): BoardProcess {
  const { PATH, HOME, TMPDIR, MODDABLE } = process.env; // the last: where an application's drivers may be (sdk-drivers.mjs); nothing else of the parent's environment concerns a board
  const firmware = options.firmware ?? FIRMWARE;
  const words = [resolve(options.directory), isAbsolute(firmware) ? firmware : resolve(firmware)];
  words.push(options.reset ?? "power-on");
  if (options.engine !== undefined) words.push(JSON.stringify(options.engine));
  const inspected = /^\d{1,5}$/.test(process.env.CHAINMOTE_INSPECT ?? "");
  const debugging = inspected ? [`--inspect-brk=127.0.0.1:${process.env.CHAINMOTE_INSPECT}`] : [];
  const child = spawn(process.execPath, [...debugging, "--import", LOADER, BOARD, ...words], {
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    env: { PATH, HOME, TMPDIR, ...(MODDABLE === undefined ? {} : { MODDABLE }) },
    detached: false,
  });
  if (child.stdout === null || child.stderr === null) throw new Error("a child process without its pipes");
  createInterface({ input: child.stdout }).on("line", (line) => {
    const event = parseEvent(line);
    if (event === undefined) options.onText?.(line);
    else options.onEvent?.(event);
  });
  createInterface({ input: child.stderr }).on("line", (line) => options.onText?.(line));
  const exited = new Promise<number>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve(code ?? 128 + (SIGNAL_NUMBERS[signal ?? ""] ?? 0)));
  });
  return {
    pid: child.pid ?? -1,
    exited,
    stop: () => stop(child, exited),
    async kill() {
      child.kill("SIGKILL");
      await exited;
    },
    change(change) {
      if (child.connected) child.send(change);
    },
  };
}

async function stop(child: ChildProcess, exited: Promise<number>): Promise<void> {
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS_MAX);
  await exited;
  clearTimeout(timer);
}

/** A line that is a JSON object with an `event`; anything else is text. */
function parseEvent(line: string): BoardEvent | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    const value: unknown = JSON.parse(line);
    const named = typeof value === "object" && value !== null && "event" in value && typeof value.event === "string";
    return named ? (value as BoardEvent) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
