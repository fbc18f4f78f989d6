// `embedded:storage/flash` on the XS engine: the partitions of the board's flash chip, over the bridge.

import type { ByteBuffer, FlashPartition } from "../../../firmware/ports.js";
import { call, fill } from "./bridge.js";

class Partition implements FlashPartition {
  readonly #number: number;

  constructor(number: number) {
    this.#number = number;
  }

  status() {
    const size = call<number>("flash.size", this.#number);
    const blockLength = call<number>("flash.blockLength", this.#number);
    return { size, blockLength, blocks: size / blockLength };
  }

  read(byteLength: number, byteOffset: number): ArrayBuffer;
  read(buffer: ByteBuffer, byteOffset: number): number;
  read(into: number | ByteBuffer, byteOffset: number): ArrayBuffer | number {
    if (typeof into === "object") return fill(into, "flash.read", this.#number, byteOffset);
    return call<ArrayBuffer>("flash.read", into, this.#number, byteOffset);
  }

  write(buffer: ByteBuffer, byteOffset: number): void {
    call("flash.write", this.#number, buffer, byteOffset);
  }

  eraseBlock(start: number, end?: number): void {
    call("flash.erase", this.#number, start, end);
  }

  close(): void {
    call("flash.close", this.#number);
  }
}

export default Object.freeze({
  open: ({ path, mode }: { path: string; mode?: "r" | "r+" }): FlashPartition =>
    new Partition(call<number>("flash.open", path, mode)),
});
