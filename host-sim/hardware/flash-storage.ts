// The flash partitions of one board, as `embedded:storage/flash` opens them by name.

import type { ByteBuffer, FlashPartition, FlashStorage } from "../../firmware/ports.js";

/** Refuses what the SDK's class refuses: unknown names and modes, writes where mode is `r`, use after close. */
export class SimulatedFlash implements FlashStorage {
  readonly #partitions: ReadonlyMap<string, FlashPartition>;
  constructor(partitions: Readonly<Record<string, FlashPartition>>) {
    this.#partitions = new Map(Object.entries(partitions));
  }

  open({ path, mode = "r+", format = "buffer" }: { path: string; mode?: "r" | "r+"; format?: string }): FlashPartition {
    if (path === undefined) throw new Error("no path");
    const partition = this.#partitions.get(path);
    if (partition === undefined) throw new Error("can't find partition");
    if (mode !== "r" && mode !== "r+") throw new Error("invalid mode");
    if (format !== "buffer") throw new RangeError("unsupported");
    return new OpenPartition(partition, mode === "r+");
  }
}

class OpenPartition implements FlashPartition {
  #partition: FlashPartition | undefined;
  readonly #writable: boolean;
  constructor(partition: FlashPartition, writable: boolean) {
    this.#partition = partition;
    this.#writable = writable;
  }
  get #open(): FlashPartition {
    if (this.#partition === undefined) throw new Error("closed");
    return this.#partition;
  }
  get #openToWrite(): FlashPartition {
    const partition = this.#open;
    if (!this.#writable) throw new Error("read-only");
    return partition;
  }
  status(): { size: number; blockLength: number; blocks: number } {
    return this.#open.status();
  }
  read(byteLength: number, byteOffset: number): ArrayBuffer;
  read(buffer: ByteBuffer, byteOffset: number): number;
  read(into: number | ByteBuffer, byteOffset: number): ArrayBuffer | number {
    return typeof into === "number" ? this.#open.read(into, byteOffset) : this.#open.read(into, byteOffset);
  }
  write(buffer: ByteBuffer, byteOffset: number): void {
    this.#openToWrite.write(buffer, byteOffset);
  }
  eraseBlock(start: number, end?: number): void {
    this.#openToWrite.eraseBlock(start, end);
  }
  close(): void {
    this.#partition = undefined;
  }
}
