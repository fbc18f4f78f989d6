// Inside the process of one simulated board: its parts, and the strings by which the parent moves the world; and on Node
// the firmware itself.
//
// Promises: the firmware finds what it finds on a board and starts as it starts there (its main module is imported, and
// called where it exports a function); `trace` writes to standard output; `Date.now` is the board's wall clock; the
// process ends with the parent (the channel closes), and with code 0 on SIGTERM. Never catches what the firmware throws:
// an unhandled exception ends the process, as it restarts a board.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Board, type BoardOptions } from "../hardware/board.js";
import type { Sht3xFaults } from "../hardware/sht3x.js";
import { FileRtc, type FlashChip, fileStorage } from "../hardware/storage.js";
import { setCurrentBoard } from "../modules/current.js";
import type { LinkState } from "../world/network.js";

/** `board.json` in a board's folder. */
export interface BoardFile extends Omit<BoardOptions, "storage" | "rtc" | "clock"> {
  readonly flash?: FlashChip;
}

/** What the parent may do to the board's world. */
export interface WorldChange {
  readonly link?: LinkState;
  /** Simulated `host:port` to `host:port` of this machine. */
  readonly route?: readonly [string, string];
  readonly sensor?: Sht3xFaults;
  readonly unplugI2C?: boolean;
}

/** How a board comes to start: with its power, or by itself, as after a crash of its firmware. */
export type Reset = "power-on" | "software";

/**
 * The board of `folder`, with power on, tied to this process's signals and to the parent.
 * @param powerOff what SIGTERM does; it ends the process, with code 0
 */
export function powerOn(folder: string, reset: Reset, powerOff: (board: Board) => void): Board {
  const { flash, ...options } = JSON.parse(readFileSync(join(folder, "board.json"), "utf8")) as BoardFile;
  const board = new Board({ ...options, storage: fileStorage(folder, flash), rtc: new FileRtc(folder, reset) });
  process.on("disconnect", () => process.exit(0));
  process.on("SIGTERM", () => powerOff(board));
  process.on("SIGINT", () => undefined); // the parent of a terminal's group decides
  process.on("message", (change) => changeWorld(board, change as WorldChange));
  if (process.send === undefined) throw new Error("a board's process is started by engine/node.ts");
  return board;
}

/** Runs the firmware on Node. */
export async function runBoard(folder: string, firmware: string, reset: Reset): Promise<void> {
  const board = powerOn(folder, reset, (stopping) => {
    stopping.stop();
    process.exit(0);
  });
  setCurrentBoard(board);
  Object.assign(globalThis, { trace: (...parts: unknown[]) => process.stdout.write(parts.join("")) });
  Date.now = () => board.clock.nowMs();
  const main: { default?: unknown } = await import(pathToFileURL(firmware).href);
  if (typeof main.default === "function") main.default();
}

function changeWorld(board: Board, change: WorldChange): void {
  if (change.link !== undefined) board.network.link = change.link;
  if (change.route !== undefined) board.network.route(...change.route);
  if (change.sensor !== undefined) Object.assign(board.sensor.faults, change.sensor);
  if (change.unplugI2C !== undefined) board.i2c.unplugged = change.unplugI2C;
}
