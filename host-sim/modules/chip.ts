// Mirror of `chainmote/chip`, the firmware's own native module: why the board started, who it is, what is locked, whether NVS is open.

import type { Chip } from "../../firmware/ports.js";
import type { Board } from "../hardware/board.js";
import { currentBoard } from "./current.js";

export function chipFor(board: () => Board): Chip & { restart(): void } {
  return {
    resetReason: () => board().chip.resetReason(),
    mac: () => board().chip.mac(),
    security: () => board().chip.security(),
    profile: () => board().chip.profile(),
    storage: () => board().chip.storage(),
    memory: () => board().chip.memory(),
    restart: () => board().restart(),
  };
}

export const { resetReason, mac, security, profile, storage, memory, restart } = chipFor(currentBoard);
