// Inside the process of one simulated board: its parts, and the strings by which the parent moves the world; and on Node
// the firmware itself.
//
// Promises: the firmware finds what it finds on a board and starts as it starts there (its main module is imported, and
// called where it exports a function); `trace` writes to standard output; `Date.now` is the board's wall clock; the
// process ends with the parent (the channel closes), and with code 0 on SIGTERM. What the firmware throws and nobody catches
// ends the process, as it restarts a board: on Node with code 2, as on the XS engine, and the reason on standard error.

import { once } from "node:events";
import { readFileSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { ResetReason } from "../../firmware/ports.js";
import { boardOf, DEFAULT_BOARD, dataPartitions } from "../boards.js";
import { Board, type BoardOptions } from "../hardware/board.js";
import { type Cable, SERIAL_SOCKET } from "../hardware/cable.js";
import type { Wired } from "../hardware/pins.js";
import { BoardAborted } from "../hardware/power.js";
import type { Sht3xFaults } from "../hardware/sht3x.js";
import { FileRtc, type FlashChip, fileStorage } from "../hardware/storage.js";
import { setCurrentBoard } from "../modules/current.js";
import { RealClock } from "../world/clock.js";
import type { LinkState } from "../world/network.js";

/** Exit code of a board that has slept, and wakes now. */
const EXIT_DEEP_SLEEP = 5;
/** Exit code of an exception that nobody caught (host-sim/xs/src/main.c). */
const EXIT_EXCEPTION = 2;

/** `board.json` in a board's folder. */
export interface BoardFile
  extends Omit<BoardOptions, "storage" | "rtc" | "clock" | "onAbort" | "onRestart" | "onSleep" | "reset"> {
  readonly flash?: FlashChip;
  /** How many times as fast as this machine's the world's clock runs. */
  readonly speed?: number;
  /** The reference in place of the fast engine, where the firmware runs on Node. */
  readonly crypto?: "noble";
  /** Whether a cable is in: then the socket SERIAL_SOCKET in the folder is the board's serial port, for one at a time. */
  readonly serial?: boolean;
  /** File of a module whose default export is called with the board, and attaches parts to it; absolute. */
  readonly parts?: string;
}

/** What the parent may do to the board's world. */
export interface WorldChange {
  readonly link?: LinkState;
  /** Simulated `host:port` to `host:port` of this machine. */
  readonly route?: readonly [string, string];
  readonly sensor?: Sht3xFaults;
  readonly unplugI2C?: boolean;
  /** What is wired to a pin from now on. */
  readonly pin?: readonly [number, Wired];
  /** Asks for the event `board`: what of the board is in use. */
  readonly count?: boolean;
}

/** How a board comes to start: with its power, or by itself, as after a crash of its firmware (`panic`). */
export type Reset = ResetReason;

/**
 * The board of `folder`, with power on, tied to this process's signals and to the parent.
 * @param powerOff what SIGTERM does; it ends the process, with code 0
 * @param kind which of firmware/boards it is, where the engine decides; else board.json does
 */
export async function powerOn(folder: string, reset: Reset, powerOff: (board: Board) => void, kind?: string): Promise<Board> {
  const {
    flash,
    speed,
    crypto: _column,
    parts,
    serial,
    ...options
  } = JSON.parse(readFileSync(join(folder, "board.json"), "utf8")) as BoardFile;
  const clock = new RealClock(speed);
  const rtc = new FileRtc(folder, reset);
  const which = kind ?? options.board ?? DEFAULT_BOARD;
  const chip = { partitions: dataPartitions(boardOf(which)), ...flash };
  const storage = fileStorage(folder, chip, options.chip?.nvsEncryption);
  const onRestart = () => powerOff(board);
  // The board has no power then, but for its timer.
  const onSleep = (ms: number) => void setTimeout(() => process.exit(EXIT_DEEP_SLEEP), ms / (speed ?? 1));
  const board: Board = new Board({ ...options, board: which, clock, storage, rtc, reset, onAbort: endWith, onRestart, onSleep });
  process.on("disconnect", () => process.exit(0));
  process.on("SIGTERM", () => powerOff(board));
  process.on("SIGINT", () => undefined); // the parent of a terminal's group decides
  process.on("message", (change) => changeWorld(board, change as WorldChange));
  if (process.send === undefined) throw new Error("a board's process is started by engine/node.ts");
  if (parts !== undefined) await solder(parts, board);
  if (serial === true) await plugIn(join(folder, SERIAL_SOCKET), board.cable);
  return board;
}

/** Whoever connects holds the other end of the cable; a second one takes it from the first. */
async function plugIn(path: string, cable: Cable): Promise<void> {
  rmSync(path, { force: true });
  let held: Socket | undefined;
  const server = createServer((socket) => {
    held?.destroy();
    held = socket;
    socket.on("error", () => undefined); // a cable that is pulled
    socket.on("data", (bytes) => cable.receive(bytes));
    socket.on("close", () => {
      if (held === socket) cable.plug(undefined);
    });
    cable.plug({ write: (bytes) => void socket.write(bytes) });
  });
  server.listen(path);
  await once(server, "listening");
}

async function solder(parts: string, board: Board): Promise<void> {
  const { default: attach }: { default?: unknown } = await import(pathToFileURL(parts).href);
  if (typeof attach !== "function") throw new Error(`${parts}: its default export is no function of the board`);
  await attach(board);
}

/** Runs the firmware on Node. */
export async function runBoard(folder: string, firmware: string, reset: Reset): Promise<void> {
  const board = await powerOn(folder, reset, (stopping) => {
    stopping.stop();
    process.exit(0);
  });
  setCurrentBoard(board);
  process.on("uncaughtException", (error, origin) =>
    endWith(new BoardAborted(origin === "unhandledRejection" ? "a promise" : "the main module", error)),
  );
  Object.assign(globalThis, { trace: (...parts: unknown[]) => say(board, parts.join("")) });
  Date.now = () => board.clock.nowMs();
  const main: { default?: unknown } = await import(pathToFileURL(bootedBy(board, firmware)).href);
  if (typeof main.default === "function") main.default();
}

/** The log, which goes to the console and over the cable. */
export function say({ cable }: Board, text: string): void {
  process.stdout.write(text);
  cable.write(Buffer.from(text, "utf8"));
}

/** The firmware of the image that the bootloader has chosen; `flashed` where nothing has come since that was flashed over the wire. */
export function bootedBy({ image }: Board, flashed: string): string {
  if (image === undefined) return flashed;
  if (image.program === undefined) endWith(new BoardAborted("the image", new Error("it is a chip's, and no simulated one")));
  return image.program.firmware;
}

/** Ends this process as XS ends a board. */
function endWith(reason: BoardAborted): never {
  const { cause } = reason;
  process.stderr.write(`${reason.message}\n${cause instanceof Error ? `${cause.stack}\n` : ""}`);
  process.exit(EXIT_EXCEPTION);
}

function changeWorld(board: Board, change: WorldChange): void {
  if (change.link !== undefined) board.network.link = change.link;
  if (change.route !== undefined) board.network.route(...change.route);
  if (change.sensor !== undefined) Object.assign(board.sensor.faults, change.sensor);
  if (change.pin !== undefined) board.pins.wire(...change.pin);
  if (change.count === true) {
    const { network, world } = board;
    process.stdout.write(`${JSON.stringify({ event: "board", ...network.sockets, timers: world.waiting })}\n`);
  }
  if (change.unplugI2C !== undefined) board.i2c.unplugged = change.unplugI2C;
}
