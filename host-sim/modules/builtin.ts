// Mirror of `embedded:provider/builtin`: what the board is wired to, in the shape of the SDK's providers.

import type { Board } from "../hardware/board.js";
import { currentBoard } from "./current.js";
import { i2cFor } from "./i2c.js";

export function builtinFor(board: () => Board) {
  const I2C = i2cFor(board);
  return {
    I2C: {
      get default() {
        return { io: I2C, ...board().i2c.pins };
      },
    },
    io: { I2C },
    pin: {},
  };
}

export default builtinFor(currentBoard);
