// Mirror of the SDK's `net`, as far as firmware asks it: the name servers that came with the address.

import type { Board } from "../hardware/board.js";
import { currentBoard } from "./current.js";

const NAME_SERVER = "10.0.1.1";

export function netFor(board: () => Board) {
  return {
    get(property: string): string | readonly string[] | undefined {
      const { radio } = board();
      if (property === "DNS") return radio.online ? [NAME_SERVER] : [];
      if (property === "IP") return radio.online ? radio.address : undefined;
      return undefined;
    },
  };
}

export default netFor(currentBoard);
