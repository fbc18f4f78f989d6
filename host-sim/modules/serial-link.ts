// Mirror of `chainmote/serial-link`, the firmware's own native module, thin over hardware/cable.ts: the chip's own USB port.

import type { Board } from "../hardware/board.js";
import { arrayBufferOf } from "./buffer.js";
import { currentBoard } from "./current.js";

const READ_BYTES_MAX = 256;
const WRITE_BYTES_MAX = 128;

export function serialLinkFor(board: () => Board) {
  return {
    open(): void {
      const { cable } = board();
      if (cable.kind !== "usb") throw new Error("this chip has no USB port of its own");
      cable.open(undefined);
    },
    close(): void {
      board().cable.close();
    },
    read(countMax: number): ArrayBuffer | undefined {
      const bytes = board().cable.read(Math.min(countMax, READ_BYTES_MAX));
      return bytes === undefined ? undefined : arrayBufferOf(bytes);
    },
    write(bytes: Uint8Array): boolean {
      if (bytes.length > WRITE_BYTES_MAX) throw new RangeError("at most 128 bytes");
      board().cable.write(bytes);
      return true;
    },
  };
}

const port = serialLinkFor(currentBoard);
export const { open, close, read, write } = port;
