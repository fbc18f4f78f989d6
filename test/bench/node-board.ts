// The board of the benchmarks on Node: parts in memory that take next to no time themselves. Simple, without faults; the
// simulator with faults is host-sim/hardware.

import { randomFillSync } from "node:crypto";
import type { CryptoEngine } from "../../firmware/crypto/engine.js";
import { type SecretArithmetic, SoftwareKeys } from "../../firmware/crypto/software-keys.js";
import type { ByteBuffer, Clock, FlashPartition, I2C, I2COptions, KeyValueDomain } from "../../firmware/ports.js";
import type { BenchBoard } from "./cases.js";

const BLOCK_BYTES = 4096;
const BLOCKS = 64;
/** Both values 0xBEEF with its CRC-8, as the datasheet has it for an example. */
const RESULT = Uint8Array.of(0xbe, 0xef, 0x92, 0xbe, 0xef, 0x92);

class MemoryFlash implements FlashPartition {
  readonly #bytes = new Uint8Array(BLOCK_BYTES * BLOCKS).fill(0xff);

  status() {
    return { size: BLOCK_BYTES * BLOCKS, blockLength: BLOCK_BYTES, blocks: BLOCKS };
  }

  read(byteLength: number, byteOffset: number): ArrayBuffer;
  read(buffer: ByteBuffer, byteOffset: number): number;
  read(into: number | ByteBuffer, byteOffset: number): ArrayBuffer | number {
    if (typeof into === "number") return this.#bytes.slice(byteOffset, byteOffset + into).buffer;
    const bytes = into instanceof Uint8Array ? into : new Uint8Array(into);
    bytes.set(this.#bytes.subarray(byteOffset, byteOffset + bytes.length));
    return bytes.length;
  }

  write(buffer: ByteBuffer, byteOffset: number): void {
    this.#bytes.set(buffer instanceof Uint8Array ? buffer : new Uint8Array(buffer), byteOffset);
  }

  eraseBlock(start: number, end = start + 1): void {
    this.#bytes.fill(0xff, start * BLOCK_BYTES, end * BLOCK_BYTES);
  }

  close(): void {}
}

class MemoryValues implements KeyValueDomain {
  readonly #values = new Map<string, ArrayBuffer>();

  read(key: string): ArrayBuffer | undefined {
    return this.#values.get(key)?.slice(0);
  }

  write(key: string, value: ByteBuffer): void {
    this.#values.set(key, Uint8Array.from(value instanceof Uint8Array ? value : new Uint8Array(value)).buffer);
  }

  delete(key: string): void {
    this.#values.delete(key);
  }

  close(): void {}
}

class ReadySensor implements I2C {
  constructor(_options: I2COptions) {
    // one part, at every address
  }

  write(): void {}

  read(): ArrayBuffer {
    return RESULT.slice().buffer;
  }

  close(): void {}
}

class HandClock implements Clock {
  #ticksMs = 0;
  #epochMs = 0;

  turn(ms: number): void {
    this.#ticksMs += ms;
  }

  ticksMs(): number {
    return this.#ticksMs;
  }

  nowMs(): number {
    return this.#epochMs + this.#ticksMs;
  }

  set(seconds: number): void {
    this.#epochMs = seconds * 1000 - this.#ticksMs;
  }
}

/** @param arithmetic of its keys; the reference's where absent */
export function nodeBoard(engine: CryptoEngine, arithmetic?: SecretArithmetic): BenchBoard {
  const values = new MemoryValues();
  const keyStore = new MemoryValues();
  const entropy = { read: (buffer: Uint8Array) => void randomFillSync(buffer), failed: () => false, fail: () => undefined };
  return {
    engine,
    keys: new SoftwareKeys({ entropy, store: { open: () => keyStore }, ...(arithmetic === undefined ? {} : { arithmetic }) }),
    flash: new MemoryFlash(),
    values,
    i2c: { io: ReadySensor, data: 1, clock: 2 },
    clock: new HandClock(),
  };
}
