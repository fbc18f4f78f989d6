// Mirror of `embedded:io/serial` (`modules/io/serial/esp32/serial.c`), thin over hardware/cable.ts: UART 0, as far as the firmware uses it.
//
// Promises, as the SDK's: `read` answers all that is there, or undefined; a write of more than there is room for throws "output full" and
// writes nothing; `onReadable` gets the count. Stricter: buffers alone, port 0 alone.

import type { Board } from "../hardware/board.js";
import { arrayBufferOf, bytesOf } from "./buffer.js";
import { currentBoard } from "./current.js";

const WRITE_BYTES_MAX = 128;
const READ_BYTES_MAX = 128;

export interface SerialConstructorOptions {
  transmit?: number;
  receive?: number;
  baud: number;
  port?: number;
  format?: string;
  onReadable?: (count: number) => void;
}

export function serialFor(board: () => Board) {
  return class Serial {
    readonly #isConnected: boolean;
    #open = true;

    constructor({ transmit, receive, baud, port = 0, format = "buffer", onReadable }: SerialConstructorOptions) {
      if (transmit === undefined && receive === undefined) throw new Error("invalid");
      if (!(baud > 0 && baud <= 20_000_000)) throw new RangeError("invalid baud");
      if (port !== 0) throw new RangeError("invalid port");
      if (format !== "buffer") throw new RangeError("invalid format");
      const { cable, world } = board();
      this.#isConnected = cable.kind === "uart";
      if (!this.#isConnected) return;
      // As a message to the machine.
      cable.open(onReadable && (() => void world.schedule(() => this.#open && onReadable.call(this, READ_BYTES_MAX), 0)));
    }

    read(): ArrayBuffer | undefined {
      this.#check();
      const bytes = this.#isConnected ? board().cable.read(READ_BYTES_MAX) : undefined;
      return bytes === undefined ? undefined : arrayBufferOf(bytes);
    }

    write(buffer: ArrayBuffer | Uint8Array): void {
      this.#check();
      const bytes = bytesOf(buffer);
      if (bytes.length > WRITE_BYTES_MAX) throw new Error("output full");
      if (this.#isConnected) board().cable.write(bytes);
    }

    close(): void {
      if (this.#open && this.#isConnected) board().cable.close();
      this.#open = false;
    }

    #check(): void {
      if (!this.#open) throw new TypeError("invalid host object");
    }
  };
}

export default serialFor(currentBoard);
