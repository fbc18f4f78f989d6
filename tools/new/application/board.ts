// What hangs on the simulated board besides its own parts: a model of my sensor. The test has it, and `npx chainmote board --app .`.

import type { Board, Peripheral } from "chainmote/sim";

/** It answers a measurement with 1200 counts, which are 1000 lx. */
const bh1750: Peripheral = {
  address: 0x23,
  write: (bytes) => bytes[0] === 0x20,
  read: () => ({ bytes: Uint8Array.of(1200 >> 8, 1200 & 255), stretchMs: 0 }),
};

export default function attach(board: Board): void {
  board.i2c.attach(bh1750);
}
