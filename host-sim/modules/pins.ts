// Mirrors of `embedded:io/digital`, `embedded:io/analog` and `embedded:io/pulsecount`, thin over hardware/pins.ts, with the errors of
// the SDK's on an ESP32 as far as a driver meets them.

import type { Board } from "../hardware/board.js";
import type { Level } from "../hardware/pins.js";

export interface DigitalConstructorOptions {
  pin: number;
  mode: number;
  edge?: number;
  onReadable?: () => void;
  initialValue?: number;
}

const MODES = 6;
const PULL_UP = 1;
const RISING = 1;
const FALLING = 2;
/** Bits of the chip's converter. */
const RESOLUTION_BITS = 12;

export function digitalFor(board: () => Board) {
  return class Digital {
    static readonly Input = 0;
    static readonly InputPullUp = 1;
    static readonly InputPullDown = 2;
    static readonly InputPullUpDown = 3;
    static readonly Output = 4;
    static readonly OutputOpenDrain = 5;
    static readonly Rising = RISING;
    static readonly Falling = FALLING;
    readonly #pin: number;
    #open = true;

    constructor({ pin, mode, edge = 0, onReadable, initialValue }: DigitalConstructorOptions) {
      if (pin === undefined) throw new Error("invalid");
      if (!(mode >= 0 && mode < MODES)) throw new RangeError("invalid mode");
      const { pins, world } = board();
      pins.claim(pin);
      this.#pin = pin;
      // The pull-up decides where nothing is wired.
      if (mode === PULL_UP) pins.pullUp(pin);
      if (initialValue !== undefined) pins.set(pin, initialValue ? 1 : 0);
      if (onReadable !== undefined)
        pins.watch(pin, (level) => {
          if ((edge & (level === 1 ? RISING : FALLING)) !== 0) world.schedule(() => this.#open && onReadable.call(this), 0);
        });
    }

    read(): Level {
      this.#check();
      return board().pins.level(this.#pin);
    }

    write(value: number): void {
      this.#check();
      board().pins.set(this.#pin, value ? 1 : 0);
    }

    close(): void {
      if (this.#open) board().pins.release(this.#pin);
      this.#open = false;
    }

    #check(): void {
      if (!this.#open) throw new TypeError("invalid host object"); // what XS says of a closed one
    }
  };
}

export function analogFor(board: () => Board) {
  return class Analog {
    readonly #pin: number;
    #open = true;

    constructor({ pin }: { pin: number }) {
      board().pins.claim(pin);
      this.#pin = pin;
    }

    get resolution(): number {
      return RESOLUTION_BITS;
    }

    read(): number {
      if (!this.#open) throw new TypeError("invalid host object");
      return Math.round(Math.min(Math.max(board().pins.analog(this.#pin), 0), 1) * (2 ** RESOLUTION_BITS - 1));
    }

    close(): void {
      if (this.#open) board().pins.release(this.#pin);
      this.#open = false;
    }
  };
}

export function pulseCountFor(board: () => Board) {
  return class PulseCount {
    readonly #signal: number;
    #base: number;
    #open = true;

    constructor({ signal }: { signal: number }) {
      board().pins.claim(signal);
      this.#signal = signal;
      this.#base = board().pins.pulses(signal);
    }

    read(): number {
      if (!this.#open) throw new TypeError("invalid host object");
      return board().pins.pulses(this.#signal) - this.#base;
    }

    write(count: number): void {
      this.#base = board().pins.pulses(this.#signal) - count;
    }

    close(): void {
      if (this.#open) board().pins.release(this.#signal);
      this.#open = false;
    }
  };
}
