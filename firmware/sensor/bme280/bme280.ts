// Driver of the Bosch BME280 (temperature, humidity, pressure) and BMP280 (without humidity), each measurement on demand (forced mode).
// Specification: BST-BME280-DS002 1.6, BST-BMP280-DS001 1.14 (sections of the former in the comments).
//
// Promises: what the part is it says itself, and the entries follow; a value leaves only from a finished measurement. Codes: sensor-nack, sensor-other (another
// chip), sensor-idle. Never: waits. The part has no checksum: a value out of its range is refused (value-range).

import type { Fields } from "../../fields.js";
import type { Device, I2C } from "../../ports.js";
import { fraction } from "../../record/decimal.js";
import type { Entry } from "../../record/senml.js";
import { Rejection } from "../../rejection.js";
import type { Part, Sensor, SensorType } from "../sensor.js";

const ADDRESS = 0x76;
const BUS_HZ = 400_000;
/** Section 5.4.1, and the BMP280's. */
const ID_BME280 = 0x60;
const ID_BMP280 = 0x58;
/** Section 5.3. */
const REG_CALIBRATION = 0x88;
const REG_H1 = 0xa1;
const REG_ID = 0xd0;
const REG_RESET = 0xe0;
const REG_H2 = 0xe1;
const REG_CTRL_HUM = 0xf2;
const REG_STATUS = 0xf3;
const REG_CTRL_MEAS = 0xf4;
const REG_DATA = 0xf7;
const RESET = 0xb6;
/** Start-up takes 2 ms (section 1.1), and calibration is copied meanwhile (status bit 0). */
const RESET_MS = 4;
/** Oversampling of each by one, forced mode (section 5.4.5); such a measurement takes 9.3 ms at the most (section 9.1). */
const HUMIDITY_X1 = 0x01;
const MEASURE = 0x25;
const MEASUREMENT_MS_MAX = 10;
const MEASURING = 0x08;
/** What a channel reads that was not measured. */
const SKIPPED_20_BITS = 0x80000;

/** `address`: 0x76, or 0x77. */
export const bme280: SensorType = Object.freeze({
  type: "bme280",
  configure(fields: Fields): Part {
    const address = fields.uint("address", 8, 119, ADDRESS);
    return { open: (device: Device) => new Bme280(device, address) };
  },
});

export class Bme280 implements Sensor {
  readonly #io: I2C;
  /** T1 to T3 and P1 to P9, then H1 to H6 where the part has humidity (section 4.2.2). */
  #calibration: readonly number[] | undefined;
  #humid = false;
  #begun = false;

  /** Resets the part. Throws `sensor-nack`, or `sensor-other` where another chip answers. */
  constructor({ io }: Pick<Device, "io">, address = ADDRESS) {
    const { io: IO, ...bus } = io.i2c;
    this.#io = new IO({ hz: BUS_HZ, ...bus, address });
    try {
      const id = this.read(REG_ID, 1)[0];
      if (id !== ID_BME280 && id !== ID_BMP280)
        throw new Rejection("sensor-other", `a chip of id 0x${id?.toString(16)} is no BME280 or BMP280`);
      this.#humid = id === ID_BME280;
      this.write(REG_RESET, RESET);
    } catch (error) {
      this.#io.close();
      throw error;
    }
  }

  get settleMs(): number {
    return RESET_MS;
  }

  get conversionMs(): number {
    return MEASUREMENT_MS_MAX;
  }

  start(): void {
    this.#calibration ??= this.calibrate();
    if (this.#humid) this.write(REG_CTRL_HUM, HUMIDITY_X1);
    this.write(REG_CTRL_MEAS, MEASURE);
    this.#begun = true;
  }

  sample(): readonly Entry[] | undefined {
    const calibration = this.#calibration;
    if (!this.#begun || calibration === undefined) throw new Rejection("sensor-idle", "no measurement was begun");
    if (((this.read(REG_STATUS, 1)[0] as number) & MEASURING) !== 0) return undefined;
    const data = this.read(REG_DATA, this.#humid ? 8 : 6);
    this.#begun = false;
    const rawP = twenty(data, 0);
    const rawT = twenty(data, 3);
    if (rawT === SKIPPED_20_BITS || rawP === SKIPPED_20_BITS) throw new Rejection("sensor-idle", "the part has not measured");
    const fine = fineTemperature(calibration, rawT);
    const entries: Entry[] = [
      { n: "temperature", u: "Cel", v: within("temperature", fine / 5120, -40, 85, 2) },
      { n: "pressure", u: "Pa", v: within("pressure", pressureOf(calibration, rawP, fine), 30_000, 110_000, 0) },
    ];
    if (!this.#humid) return entries;
    const rawH = ((data[6] as number) << 8) | (data[7] as number);
    entries.push({ n: "humidity", u: "%RH", v: within("humidity", humidityOf(calibration, rawH, fine), 0, 100, 2) });
    return entries;
  }

  close(): void {
    this.#io.close();
  }

  /** Section 4.2.2, tables 16. */
  private calibrate(): readonly number[] {
    const first = this.read(REG_CALIBRATION, 24);
    const values: number[] = [];
    // T1 and P1 are unsigned.
    for (let i = 0; i < 12; i += 1) values.push(i === 0 || i === 3 ? unsigned(first, 2 * i) : signed(first, 2 * i));
    if (!this.#humid) return values;
    const h1 = this.read(REG_H1, 1)[0] as number;
    const h = this.read(REG_H2, 7);
    const h4 = (((h[3] as number) << 24) >> 20) | ((h[4] as number) & 15);
    const h5 = (((h[5] as number) << 24) >> 20) | ((h[4] as number) >> 4);
    values.push(h1, signed(h, 0), h[2] as number, h4, h5, ((h[6] as number) << 24) >> 24);
    return values;
  }

  private read(register: number, byteLength: number): Uint8Array {
    try {
      this.#io.write(Uint8Array.of(register), false);
      return new Uint8Array(this.#io.read(byteLength));
    } catch (error) {
      throw new Rejection("sensor-nack", `register 0x${register.toString(16)}: ${reason(error)}`);
    }
  }

  private write(register: number, value: number): void {
    try {
      this.#io.write(Uint8Array.of(register, value));
    } catch (error) {
      throw new Rejection("sensor-nack", `register 0x${register.toString(16)}: ${reason(error)}`);
    }
  }
}

function within(what: string, value: number, least: number, most: number, decimals: number): ReturnType<typeof fraction> {
  if (!(value >= least && value <= most))
    throw new Rejection("value-range", `a ${what} of ${value}: the part measures ${least} to ${most}`);
  return fraction(value, decimals);
}

function unsigned(bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
}

function signed(bytes: Uint8Array, at: number): number {
  return (unsigned(bytes, at) << 16) >> 16;
}

function twenty(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 12) | ((bytes[at + 1] as number) << 4) | ((bytes[at + 2] as number) >> 4);
}

// The compensation in double precision (section 8.1), with the datasheet's own steps.

/** `t_fine`: 5,120 to the degree. */
function fineTemperature(c: readonly number[], raw: number): number {
  const [t1, t2, t3] = c as readonly [number, number, number];
  const a = (raw / 16_384 - t1 / 1024) * t2;
  const b = raw / 131_072 - t1 / 8192;
  return a + b * b * t3;
}

/** Pascal. */
function pressureOf(c: readonly number[], raw: number, fine: number): number {
  const p = (i: number): number => c[2 + i] as number;
  let a = fine / 2 - 64_000;
  let b = (a * a * p(6)) / 32_768 + a * p(5) * 2;
  b = b / 4 + p(4) * 65_536;
  a = ((p(3) * a * a) / 524_288 + p(2) * a) / 524_288;
  a = (1 + a / 32_768) * p(1);
  if (a === 0) return Number.NaN;
  const q = ((1_048_576 - raw - b / 4096) * 6250) / a;
  return q + ((p(9) * q * q) / 2_147_483_648 + (q * p(8)) / 32_768 + p(7)) / 16;
}

/** Per cent, within its range as the datasheet says. */
function humidityOf(c: readonly number[], raw: number, fine: number): number {
  const h = (i: number): number => c[11 + i] as number;
  const t = fine - 76_800;
  const wet = raw - (h(4) * 64 + (h(5) / 16_384) * t);
  const x = wet * ((h(2) / 65_536) * (1 + (h(6) / 67_108_864) * t * (1 + (h(3) / 67_108_864) * t)));
  return Math.min(Math.max(x * (1 - (h(1) * x) / 524_288), 0), 100);
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
