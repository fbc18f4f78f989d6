// Mirror of `chainmote/entropy`, the firmware's own native module: fills a buffer from the chip's noise source, and throws
// while nothing feeds that source; a failure that it is told of lasts until the power goes.

import type { Entropy } from "../../firmware/ports.js";
import type { Board } from "../hardware/board.js";
import { bytesOf } from "./buffer.js";
import { currentBoard } from "./current.js";

export function entropyFor(board: () => Board): Entropy {
  return {
    read: (buffer) => board().entropy.read(bytesOf(buffer)),
    failed: () => board().entropy.failed(),
    fail: () => board().entropy.fail(),
  };
}

export const { read, failed, fail } = entropyFor(currentBoard);
