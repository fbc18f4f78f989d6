// Mirror of `embedded:storage/key-value`, thin over hardware/key-value.ts; values as buffers only.

import type { ByteBuffer, KeyValueDomain, KeyValueStorage } from "../../firmware/ports.js";
import type { Board } from "../hardware/board.js";
import { arrayBufferOf, bytesOf } from "./buffer.js";
import { currentBoard } from "./current.js";

class Domain implements KeyValueDomain {
  readonly #board: () => Board;
  readonly #path: string;
  readonly #readOnly: boolean;
  #open = true;

  constructor(board: () => Board, path: string, readOnly: boolean) {
    this.#board = board;
    this.#path = path;
    this.#readOnly = readOnly;
  }

  read(key: string): ArrayBuffer | undefined {
    const value = this.#partition().read(this.#path, key);
    return value === undefined ? undefined : arrayBufferOf(value);
  }

  write(key: string, value: ByteBuffer): void {
    this.#partition(true).write(this.#path, key, bytesOf(value));
  }

  delete(key: string): void {
    this.#partition(true).delete(this.#path, key);
  }

  [Symbol.iterator](): Iterator<string> {
    return this.#partition().keys(this.#path)[Symbol.iterator]();
  }

  close(): void {
    this.#open = false;
  }

  #partition(forWriting = false) {
    if (!this.#open) throw new TypeError("invalid host object");
    if (forWriting && this.#readOnly) throw new Error("read-only");
    return this.#board().keyValue;
  }
}

export function keyValueFor(board: () => Board): KeyValueStorage {
  return Object.freeze({
    open(options: { path: string; format?: string; mode?: string }): KeyValueDomain {
      if (options.path === undefined) throw new Error("no path");
      if (options.mode !== undefined && options.mode !== "r" && options.mode !== "r+") throw new Error("invalid mode");
      if (options.format !== undefined && options.format !== "buffer") throw new RangeError("unsupported");
      const path = options.path.endsWith("/") ? options.path.slice(0, -1) : options.path;
      board().keyValue.open(path, options.mode === "r");
      return new Domain(board, path, options.mode === "r");
    },
  });
}

export default keyValueFor(currentBoard);
