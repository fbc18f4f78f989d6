// Mirror of `embedded:io/i2c`, thin over hardware/i2c.ts.
//
// Errors as the SDK's on an ESP32: a `RangeError` for options, "read failed" and "write failed" for everything on the wire.

import type { ByteBuffer } from "../../firmware/ports.js";
import type { Board } from "../hardware/board.js";
import { bytesOf } from "./buffer.js";
import { currentBoard } from "./current.js";

export interface I2CConstructorOptions {
  data: number;
  clock: number;
  hz: number;
  address: number;
  timeout?: number;
  format?: "buffer";
  target?: unknown;
}

const TIMEOUT_MS = 400;

export function i2cFor(board: () => Board) {
  return class I2C {
    readonly target: unknown;
    readonly #address: number;
    readonly #hz: number;
    readonly #timeoutMs: number;
    #open = true;

    constructor(options: I2CConstructorOptions) {
      for (const name of ["data", "clock", "address"] as const)
        if (options[name] === undefined) throw new RangeError(`${name} required`);
      const timeout = options.timeout ?? TIMEOUT_MS;
      if (timeout < -1) throw new RangeError("invalid timeout");
      if (options.format !== undefined && options.format !== "buffer") throw new RangeError("invalid format");
      board().i2c.claim({ data: options.data, clock: options.clock }, options.address, options.hz);
      this.target = options.target;
      this.#address = options.address;
      this.#hz = options.hz | 0;
      this.#timeoutMs = timeout === -1 ? Number.POSITIVE_INFINITY : timeout;
    }

    write(buffer: ByteBuffer, _stop = true): number | undefined {
      this.#check();
      const bytes = bytesOf(buffer);
      const acknowledged = board().i2c.write(this.#address, bytes, this.#hz);
      if (bytes.length === 0) return acknowledged ? undefined : 1;
      if (!acknowledged) throw new Error("write failed");
      return undefined;
    }

    read(byteLength: number, stop?: boolean): ArrayBuffer;
    read(buffer: ByteBuffer, stop?: boolean): number;
    read(into: number | ByteBuffer, _stop = true): ArrayBuffer | number {
      this.#check();
      const byteLength = typeof into === "number" ? into : into.byteLength;
      if (byteLength === 0) throw new Error("read failed"); // ESP-IDF's driver takes no empty read
      const bytes = board().i2c.read(this.#address, byteLength, this.#hz, this.#timeoutMs);
      if (bytes === undefined) throw new Error("read failed");
      if (typeof into === "number") return bytes.slice().buffer as ArrayBuffer;
      bytesOf(into).set(bytes);
      return byteLength;
    }

    close(): void {
      if (this.#open) board().i2c.release(this.#address);
      this.#open = false;
    }

    get format(): "buffer" {
      return "buffer";
    }

    #check(): void {
      if (!this.#open) throw new TypeError("invalid host object"); // what XS says of a closed one
    }
  };
}

export default i2cFor(currentBoard);
