// What is soldered to the simulated board besides the usual: `chainmote start --app .` and `chainmote board --app .` call this with it.
// On a real board these are parts, and nobody reads this file.

import type { Board, Peripheral } from "chainmote/sim";

/** My sensor in a room with 1000 lx: it answers a measurement with 1200 counts. */
export const light: Peripheral = {
  address: 0x23,
  write: (bytes) => bytes[0] === 0x20,
  read: () => ({ bytes: Uint8Array.of(1200 >> 8, 1200 & 255), stretchMs: 0 }),
};

export default (board: Board): void => board.i2c.attach(light);
