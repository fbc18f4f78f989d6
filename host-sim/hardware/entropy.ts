// The chip's noise source. On an ESP32 it is only pseudo-random until the radio (or the bootloader's source) feeds it,
// which no statistical test can see: so this one refuses before.
//
// A failure that firmware has noticed is kept in RTC memory, which lasts through a software reset and not through a loss of
// power.
//
// Promises: where no seed is given, the bytes are the machine's real randomness, since keys made here are real keys.
// Faults it may cause: `stuck` (one value for ever) and `biased` (few different bytes), as a broken source would.

import { randomFillSync } from "node:crypto";
import type { Entropy } from "../../firmware/ports.js";
import { Prng } from "../world/prng.js";

export type EntropyFault = "none" | "stuck" | "biased";

export interface EntropyOptions {
  /** Draws from the world's chance instead: for tests alone, never for a key that is to be kept. */
  readonly seed?: string;
  readonly fault?: EntropyFault;
}

/** Milliseconds. */
export interface Asleep {
  readonly wallMs: number;
  readonly epochMs: number;
  readonly sleepMs: number;
}

/** What a software reset leaves, and a loss of power does not. */
export interface RtcMemory {
  noiseFailed: boolean;
  /** What `chainmote/sleep` has written; undefined where the power has come on since: then it reads as noise. */
  memory?: Uint8Array | undefined;
  /** What the wall clock read when the board fell asleep, what the world's did, and for how long it was to sleep. */
  asleep?: Asleep | undefined;
}

const STUCK_BYTE = 0xa5;
/** Share of the most frequent byte of a biased source. */
const BIAS = 0.75;

export class EntropySource implements Entropy {
  readonly #fed: () => boolean;
  readonly #rtc: RtcMemory;
  readonly #prng: Prng | undefined;
  fault: EntropyFault;

  /** @param fed whether the radio feeds the source now */
  constructor(fed: () => boolean, rtc: RtcMemory, options: EntropyOptions = {}) {
    this.#fed = fed;
    this.#rtc = rtc;
    this.#prng = options.seed === undefined ? undefined : new Prng(options.seed);
    this.fault = options.fault ?? "none";
  }

  read(buffer: Uint8Array): void {
    if (!this.#fed()) throw new Error("noise source is off");
    if (this.fault === "stuck") {
      buffer.fill(STUCK_BYTE);
      return;
    }
    if (this.#prng === undefined) randomFillSync(buffer);
    else this.#prng.fill(buffer);
    if (this.fault === "biased") for (let i = 0; i < buffer.length; i += 1) if ((buffer[i] as number) < BIAS * 256) buffer[i] = 0;
  }

  failed(): boolean {
    return this.#rtc.noiseFailed;
  }

  fail(): void {
    this.#rtc.noiseFailed = true;
  }
}
