// Mirror of `chainmote/entropy`, the firmware's own native module: fills a buffer from the chip's noise source, and throws
// while nothing feeds that source.

import type { Board } from "../hardware/board.js";
import { bytesOf } from "./buffer.js";
import { currentBoard } from "./current.js";

export interface EntropyModule {
  read(buffer: Uint8Array): void;
}

export function entropyFor(board: () => Board): EntropyModule {
  return { read: (buffer) => board().entropy.read(bytesOf(buffer)) };
}

export const { read } = entropyFor(currentBoard);
