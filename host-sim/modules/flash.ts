// Mirror of `embedded:storage/flash`: the partitions of the board's flash chip (hardware/flash.ts), and its places of images by the SDK's names.

import type { FlashStorage } from "../../firmware/ports.js";
import type { Board } from "../hardware/board.js";
import { SimulatedFlash } from "../hardware/flash.js";
import { currentBoard } from "./current.js";

export function flashFor(board: () => Board): FlashStorage {
  return Object.freeze({
    open(options: { path: string; mode?: "r" | "r+" }) {
      const { storage, slots } = board();
      const { path } = options;
      if (slots === undefined || (path !== "running" && path !== "nextota")) return storage.flash.open(options);
      return new SimulatedFlash({ [path]: slots.partition(path) }).open(options);
    },
  });
}

export default flashFor(currentBoard);
