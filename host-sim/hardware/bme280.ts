// A Bosch BME280, or the BMP280 without its humidity, as the datasheets describe them (BST-BME280-DS002 1.6, BST-BMP280-DS001 1.14:
// memory map, forced mode, compensation), and the room that it measures.
//
// Promises: registers with their addresses that count up by themselves; calibration words of a real part; a measurement of forced mode that
// takes its time, then sleep; raw values that the datasheet's own compensation turns back into the room's climate.
// Faults it may cause: absent, another chip, a measurement that never ends, flipped bits are none: the part has no checksum.

import type { WorldClock } from "../world/clock.js";
import type { Peripheral } from "./i2c.js";
import type { Climate } from "./sht3x.js";

export interface Bme280Faults {
  absent?: boolean;
  stuck?: boolean;
  /** What the chip says it is. */
  chipId?: number;
}

export interface Air extends Climate {
  /** Pascal. */
  readonly pressure: number;
}

const ID_BME280 = 0x60;
const ID_BMP280 = 0x58;
const REG_ID = 0xd0;
const REG_RESET = 0xe0;
const REG_CTRL_HUM = 0xf2;
const REG_STATUS = 0xf3;
const REG_CTRL_MEAS = 0xf4;
const REG_DATA = 0xf7;
const RESET = 0xb6;
const RESET_MS = 2;
const CONVERSION_MS = 9;
const MEASURING = 0x08;

/** T1 to T3, P1 to P9 of the datasheet's example (BMP280, section 3.12); H1 to H6 of a real part. */
const CALIBRATION = {
  T: [27_504, 26_435, -1000],
  P: [36_477, -10_685, 3024, 2855, 140, -7, 15_500, -14_600, 6000],
  H: [75, 355, 0, 333, 50, 30],
} as const;

export class Bme280 implements Peripheral {
  readonly address: number;
  readonly faults: Bme280Faults;
  readonly #clock: WorldClock;
  readonly #air: () => Air;
  readonly #humid: boolean;
  readonly #registers = new Uint8Array(256);
  #pointer = 0;
  #readyMs: number;
  #measuring = false;

  constructor(clock: WorldClock, air: () => Air, address = 0x76, humid = true, faults: Bme280Faults = {}) {
    this.#clock = clock;
    this.#air = air;
    this.address = address;
    this.#humid = humid;
    this.faults = faults;
    this.#readyMs = clock.nowMs() + RESET_MS;
    this.#reset();
  }

  write(bytes: Uint8Array): boolean {
    if (this.faults.absent) return false;
    const [pointer] = bytes;
    if (pointer === undefined) return true;
    this.#pointer = pointer;
    if (bytes.length >= 2) this.#set(pointer, bytes[1] as number);
    return true;
  }

  read(byteLength: number): { bytes: Uint8Array; stretchMs: number } | undefined {
    if (this.faults.absent) return undefined;
    this.#settle();
    const bytes = new Uint8Array(byteLength);
    for (let i = 0; i < byteLength; i += 1) bytes[i] = this.#registers[(this.#pointer + i) & 255] as number;
    return { bytes, stretchMs: 0 };
  }

  #set(register: number, value: number): void {
    if (register === REG_RESET && value === RESET) {
      this.#readyMs = this.#clock.nowMs() + RESET_MS;
      this.#reset();
    } else if (register === REG_CTRL_HUM) this.#registers[register] = value;
    else if (register === REG_CTRL_MEAS && this.#clock.nowMs() >= this.#readyMs) {
      this.#registers[register] = value;
      if ((value & 3) === 0) return;
      this.#measuring = true;
      this.#readyMs = this.faults.stuck ? Number.POSITIVE_INFINITY : this.#clock.nowMs() + CONVERSION_MS;
    }
  }

  #settle(): void {
    const busy = this.#clock.nowMs() < this.#readyMs;
    this.#registers[REG_STATUS] = busy && this.#measuring ? MEASURING : busy ? 1 : 0;
    this.#registers[REG_ID] = this.faults.chipId ?? (this.#humid ? ID_BME280 : ID_BMP280);
    if (busy || !this.#measuring) return;
    this.#measuring = false;
    this.#registers[REG_CTRL_MEAS] = (this.#registers[REG_CTRL_MEAS] as number) & 0xfc; // asleep again
    const { temperature, pressure, humidity } = this.#air();
    const rawT = search((raw) => compensateT(raw), temperature);
    const fine = fineOf(rawT);
    const rawP = search((raw) => -compensateP(raw, fine), -pressure);
    const rawH = this.#humid ? search((raw) => compensateH(raw, fine), humidity, 0xffff) : 0;
    this.#registers.set([rawP >> 12, (rawP >> 4) & 255, (rawP & 15) << 4], REG_DATA);
    this.#registers.set([rawT >> 12, (rawT >> 4) & 255, (rawT & 15) << 4, rawH >> 8, rawH & 255], REG_DATA + 3);
  }

  #reset(): void {
    const registers = this.#registers.fill(0);
    this.#measuring = false;
    const word = (at: number, value: number): void => registers.set([value & 255, (value >> 8) & 255], at);
    CALIBRATION.T.forEach((value, i) => void word(0x88 + 2 * i, value));
    CALIBRATION.P.forEach((value, i) => void word(0x8e + 2 * i, value));
    registers.set([0x80, 0, 0, 0x80, 0, 0, 0x80, 0], REG_DATA);
    if (!this.#humid) return;
    const [h1, h2, h3, h4, h5, h6] = CALIBRATION.H;
    registers[0xa1] = h1;
    word(0xe1, h2);
    registers.set([h3, h4 >> 4, (h4 & 15) | ((h5 & 15) << 4), h5 >> 4, h6], 0xe3);
  }
}

/** The raw value whose compensation, which rises with it, comes nearest. */
function search(compensate: (raw: number) => number, wanted: number, most = 0xfffff): number {
  let low = 0;
  let high = most;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compensate(middle) < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

// The datasheet's compensation in double precision (BME280 section 8.1).

function fineOf(raw: number): number {
  const [t1, t2, t3] = CALIBRATION.T;
  const a = (raw / 16_384 - t1 / 1024) * t2;
  return a + (raw / 131_072 - t1 / 8192) ** 2 * t3;
}

function compensateT(raw: number): number {
  return fineOf(raw) / 5120;
}

function compensateP(raw: number, fine: number): number {
  const [p1, p2, p3, p4, p5, p6, p7, p8, p9] = CALIBRATION.P;
  let a = fine / 2 - 64_000;
  let b = (a * a * p6) / 32_768;
  b += a * p5 * 2;
  b = b / 4 + p4 * 65_536;
  a = ((p3 * a * a) / 524_288 + p2 * a) / 524_288;
  a = (1 + a / 32_768) * p1;
  let p = ((1_048_576 - raw - b / 4096) * 6250) / a;
  p += ((p9 * p * p) / 2_147_483_648 + (p * p8) / 32_768 + p7) / 16;
  return p;
}

function compensateH(raw: number, fine: number): number {
  const [h1, h2, h3, h4, h5, h6] = CALIBRATION.H;
  const t = fine - 76_800;
  const h = (raw - (h4 * 64 + (h5 / 16_384) * t)) * ((h2 / 65_536) * (1 + (h6 / 67_108_864) * t * (1 + (h3 / 67_108_864) * t)));
  return Math.min(Math.max(h * (1 - (h1 * h) / 524_288), 0), 100);
}
