// A flash image in a file: every change is handed to the operating system before the operation returns, so it survives
// the death of the process (kill -9). Not the loss of the PC's own power: nothing is synced to disk.
// Never: a file of another size changed.

import { closeSync, existsSync, fstatSync, openSync, readSync, renameSync, writeFileSync, writeSync } from "node:fs";
import type { FlashBacking } from "./flash.js";

export class FlashFile implements FlashBacking {
  readonly #path: string;
  #descriptor: number | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** Makes the file, erased, where there is none. Throws where it has another size: it belongs to another partition. */
  load(byteLength: number): Uint8Array {
    if (!existsSync(this.#path)) {
      // Filled under another name: a process that dies here leaves no half of an image.
      const fresh = `${this.#path}.new`;
      writeFileSync(fresh, new Uint8Array(byteLength).fill(0xff), { mode: 0o600 });
      renameSync(fresh, this.#path);
    }
    this.#descriptor = openSync(this.#path, "r+");
    const { size } = fstatSync(this.#descriptor);
    if (size !== byteLength) {
      this.close();
      throw new Error(`${this.#path} has ${size} bytes, the partition ${byteLength}`);
    }
    const cells = new Uint8Array(byteLength);
    for (let at = 0; at < byteLength; ) {
      const count = readSync(this.#descriptor, cells, at, byteLength - at, at);
      if (count === 0) throw new Error(`${this.#path} ends at byte ${at}`);
      at += count;
    }
    return cells;
  }

  store(bytes: Uint8Array, byteOffset: number): void {
    if (this.#descriptor === undefined) throw new Error(`${this.#path} is closed`);
    for (let at = 0; at < bytes.length; ) at += writeSync(this.#descriptor, bytes, at, bytes.length - at, byteOffset + at);
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }
}
