// The board of this process, for the modules that firmware imports by specifier. An engine sets it before it loads the
// firmware; a process that simulates many boards has none and builds the same classes with `…For(() => board)`.

import type { Board } from "../hardware/board.js";

let current: Board | undefined;

export function setCurrentBoard(board: Board): void {
  current = board;
}

export function currentBoard(): Board {
  if (current === undefined) throw new Error("no board in this process: set one before the firmware is loaded");
  return current;
}
