// A board inside the guest, for measurements: flash, key-value store and an SHT3x in C memory (src/board-io.c), a clock
// that the measurement turns. Each method is the C function itself, as it is on a board.

import type {
  ByteBuffer,
  Bytes,
  Clock,
  Entropy,
  FlashPartition,
  I2C,
  I2COptions,
  KeyValueDomain,
} from "../../../firmware/ports.js";

const FLASH_BLOCK_BYTES = 4096;
const FLASH_BLOCKS = 64;

export class GuestFlash implements FlashPartition {
  status() {
    return { size: FLASH_BLOCK_BYTES * FLASH_BLOCKS, blockLength: FLASH_BLOCK_BYTES, blocks: FLASH_BLOCKS };
  }

  read(byteLength: number, byteOffset: number): ArrayBuffer;
  read(buffer: ByteBuffer, byteOffset: number): number;
  read(into: number | ByteBuffer, byteOffset: number): never {
    return native<never>("xs_host_flash_read").call(this, into, byteOffset);
  }

  write(buffer: ByteBuffer, byteOffset: number): undefined {
    return native<undefined>("xs_host_flash_write").call(this, buffer, byteOffset);
  }

  eraseBlock(start: number, end?: number): undefined {
    return native<undefined>("xs_host_flash_erase").call(this, start, end);
  }

  close(): void {}
}

export class GuestValues implements KeyValueDomain {
  read(key: string): ArrayBuffer | undefined {
    return native<ArrayBuffer | undefined>("xs_host_value_read").call(this, key);
  }

  write(key: string, value: ByteBuffer): undefined {
    return native<undefined>("xs_host_value_write").call(this, key, value);
  }

  delete(key: string): undefined {
    return native<undefined>("xs_host_value_delete").call(this, key);
  }

  close(): void {}
}

/** An SHT3x that is always done. */
export class GuestI2C implements I2C {
  readonly address: number;

  constructor(options: I2COptions) {
    this.address = options.address;
  }

  write(_buffer: ByteBuffer, _stop?: boolean): void {}

  read(_byteLength: number, _stop?: boolean): ArrayBuffer {
    return native<ArrayBuffer>("xs_host_sensor_read").call(this, _byteLength, _stop);
  }

  close(): void {}
}

/** Numbers that are the same in each run (xorshift32): for what must be different, not secret. Keys draw theirs in C. */
export class GuestEntropy implements Entropy {
  #state = 1;

  read(buffer: Bytes): void {
    let state = this.#state;
    for (let i = 0; i < buffer.length; i += 1) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      buffer[i] = state & 255;
    }
    this.#state = state;
  }

  failed(): boolean {
    return false;
  }

  fail(): void {
    throw new Error("noise that does not fail");
  }
}

/** Stands still until it is turned. */
export class GuestClock implements Clock {
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
