// One I²C bus of a board and what hangs on it.
//
// Promises: a peripheral that stretches the clock blocks the board for that long, up to the driver's timeout; every
// failure is the one error that the SDK's class throws ("read failed", "write failed"): a driver cannot tell a NACK from
// a stuck bus. One open driver for each address, as on the SDK.
// Faults it may cause: those of its peripherals (sht3x.ts), and an unplugged bus.

import type { WorldClock } from "../world/clock.js";

export interface Peripheral {
  /** 7-bit address. */
  readonly address: number;
  /** Whether the peripheral acknowledges the address and the bytes. */
  write(bytes: Uint8Array): boolean;
  /** The bytes and how long the clock is held low before them, or undefined for a NACK. */
  read(byteLength: number): { readonly bytes: Uint8Array; readonly stretchMs: number } | undefined;
}

export interface I2CPins {
  readonly data: number;
  readonly clock: number;
}

const BITS_PER_BYTE = 9;

export class I2CBus {
  readonly pins: I2CPins;
  readonly #clock: WorldClock;
  readonly #peripherals = new Map<number, Peripheral>();
  readonly #open = new Set<number>();
  /** Nothing answers while true. */
  unplugged = false;

  constructor(clock: WorldClock, pins: I2CPins) {
    this.#clock = clock;
    this.pins = pins;
  }

  attach(peripheral: Peripheral): void {
    this.#peripherals.set(peripheral.address, peripheral);
  }

  /** Takes an address for one driver; throws as the SDK's constructor does. */
  claim(pins: I2CPins, address: number, hz: number): void {
    if (pins.data !== this.pins.data || pins.clock !== this.pins.clock) throw new RangeError("unusable pins");
    if (!Number.isInteger(address) || address < 0 || address > 127) throw new RangeError("invalid address");
    if (!((hz | 0) > 0) || hz > 20_000_000) throw new RangeError("invalid hz");
    if (this.#open.has(address)) throw new RangeError("duplicate address");
    this.#open.add(address);
  }

  release(address: number): void {
    this.#open.delete(address);
  }

  write(address: number, bytes: Uint8Array, hz: number): boolean {
    this.#clock.block(transferMs(bytes.length, hz));
    return this.#at(address)?.write(bytes) ?? false;
  }

  /** The bytes, or undefined for a NACK and for a clock stretched beyond `timeoutMs`. */
  read(address: number, byteLength: number, hz: number, timeoutMs: number): Uint8Array | undefined {
    const answer = this.#at(address)?.read(byteLength);
    const stretchMs = answer?.stretchMs ?? 0;
    this.#clock.block(Math.min(stretchMs, timeoutMs) + transferMs(byteLength, hz));
    return stretchMs > timeoutMs ? undefined : answer?.bytes;
  }

  #at(address: number): Peripheral | undefined {
    return this.unplugged ? undefined : this.#peripherals.get(address);
  }
}

/** Address byte and data bytes, in milliseconds. */
function transferMs(byteLength: number, hz: number): number {
  return ((1 + byteLength) * BITS_PER_BYTE * 1000) / hz;
}
