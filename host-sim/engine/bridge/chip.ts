// The chip over the bridge.

import type { Board } from "../../hardware/board.js";
import type { Operations } from "./bridge.js";

export function chipOperations(board: Board): Operations {
  const { chip } = board;
  return {
    "chip.resetReason": () => chip.resetReason(),
    "chip.mac": () => chip.mac(),
    "chip.secureBoot": () => chip.security().secureBoot,
    "chip.flashEncryption": () => chip.security().flashEncryption,
    "chip.nvsEncryption": () => chip.security().nvsEncryption,
    "chip.profile": () => chip.profile(),
    "chip.storage": () => chip.storage(),
    "chip.memory"(which) {
      const left = chip.memory();
      return left === undefined ? undefined : [left.freeBytes, left.largestBytes, left.leastBytes][which as number];
    },
    "chip.restart"() {
      board.restart();
      return undefined;
    },
  };
}
