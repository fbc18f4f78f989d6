// Mirror of `embedded:storage/flash`: the partitions of the board's flash chip (hardware/flash.ts).

import type { FlashStorage } from "../../firmware/ports.js";
import type { Board } from "../hardware/board.js";
import { currentBoard } from "./current.js";

export function flashFor(board: () => Board): FlashStorage {
  return Object.freeze({ open: (options: { path: string; mode?: "r" | "r+" }) => board().storage.flash.open(options) });
}

export default flashFor(currentBoard);
