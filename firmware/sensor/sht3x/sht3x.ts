// Driver of the Sensirion SHT3x humidity and temperature sensor, which measures when told to.
// Specification: Sensirion "Datasheet SHT3x-DIS", version 6 (sections in the comments).
//
// Promises: a value leaves only with a right CRC; a failed exchange is tried again at most twice, then thrown as a
// `Rejection`: `sensor-nack` (no acknowledgement), `sensor-crc`, `sensor-timeout` (a clock held low too long).
// Never: waits. It asks the caller to come back instead, except while the sensor itself holds the clock.

import type { Fields } from "../../fields.js";
import type { Clock, Device, I2C, I2CBus } from "../../ports.js";
import { decimal } from "../../record/decimal.js";
import type { Entry } from "../../record/senml.js";
import { Rejection } from "../../rejection.js";
import type { Part, Sensor, SensorType } from "../sensor.js";

/** Single shot, high repeatability, without and with clock stretching (table 9). */
const MEASURE = 0x2400;
const MEASURE_STRETCHED = 0x2c06;
/** Section 4.9. */
const SOFT_RESET = 0x30a2;
/** Section 4.11. */
const READ_STATUS = 0xf32d;

const ADDRESS = 0x44;
const BUS_HZ = 400_000;
/** Longest high-repeatability measurement, at the lowest supply voltage (table 4), rounded up. */
const MEASUREMENT_MS_MAX = 16;
/** After a soft reset no command is acknowledged for 1.5 ms at the most (table 4). */
const RESET_MS_MAX = 2;
/** A NACK after this much more is no "not yet". */
const NACK_GRACE_MS = 20;
/** How long the sensor may hold the clock: a whole measurement and a margin. */
const STRETCH_TIMEOUT_MS = 50;
/** A command is sent at most so often, and a measurement begun at most so often, before the error is thrown. */
const COMMAND_ATTEMPTS_MAX = 3;
const MEASUREMENT_ATTEMPTS_MAX = 3;
const RESULT_BYTES = 6;

/** `address` (0x44, or 0x45) and `clockStretching`: lets the sensor hold the clock until it is done, where all on the bus can bear that. */
export const sht3x: SensorType = Object.freeze({
  type: "sht3x",
  configure: (fields: Fields) => new Sht3xPart(fields.uint("address", 8, 119, ADDRESS), fields.flag("clockStretching", false)),
});

class Sht3xPart implements Part {
  readonly address: number;
  readonly clockStretching: boolean;

  constructor(address: number, clockStretching: boolean) {
    this.address = address;
    this.clockStretching = clockStretching;
  }

  open({ io, clock }: Device): Sensor {
    return new Sht3x({ sensor: { ...io.i2c, address: this.address }, clockStretching: this.clockStretching, clock });
  }
}

export interface Sht3xOptions {
  /** The bus: its class and pins. */
  readonly sensor: I2CBus & { readonly address?: number; readonly hz?: number };
  readonly clockStretching?: boolean;
  readonly clock: Pick<Clock, "ticksMs">;
}

export class Sht3x implements Sensor {
  readonly #io: I2C;
  readonly #clock: Pick<Clock, "ticksMs">;
  readonly #stretched: boolean;
  readonly #command = new Uint8Array(2);
  #attempts = 0;
  #startedMs: number | undefined;

  /** Resets the sensor, so that nothing of an earlier life is left in it. Throws `sensor-nack` where it does not answer. */
  constructor(options: Sht3xOptions) {
    const { io: IO, ...bus } = options.sensor;
    this.#stretched = options.clockStretching ?? false;
    this.#clock = options.clock;
    this.#io = new IO({ address: ADDRESS, hz: BUS_HZ, timeout: STRETCH_TIMEOUT_MS, ...bus });
    try {
      this.send(SOFT_RESET);
    } catch (error) {
      this.#io.close();
      throw error;
    }
  }

  get settleMs(): number {
    return RESET_MS_MAX;
  }

  get conversionMs(): number {
    return this.#stretched ? 0 : MEASUREMENT_MS_MAX;
  }

  start(): void {
    this.#attempts = 1;
    this.measure();
  }

  sample(): readonly Entry[] | undefined {
    const startedMs = this.#startedMs;
    if (startedMs === undefined) throw new Rejection("sensor-idle", "no measurement was begun");
    const elapsedMs = this.#clock.ticksMs() - startedMs;
    const { conversionMs } = this;
    if (elapsedMs < conversionMs) return undefined;
    let bytes: Uint8Array;
    try {
      bytes = new Uint8Array(this.#io.read(RESULT_BYTES));
    } catch (error) {
      // The class has one error for everything on the wire. Unstretched, a NACK at first only means "not yet".
      if (!this.#stretched && elapsedMs < conversionMs + NACK_GRACE_MS) return undefined;
      const code = this.#stretched ? "sensor-timeout" : "sensor-nack";
      return this.again(new Rejection(code, `no result ${elapsedMs} ms after the command: ${reason(error)}`));
    }
    if (crc8(bytes, 0) !== bytes[2] || crc8(bytes, 3) !== bytes[5])
      return this.again(new Rejection("sensor-crc", "a result whose checksum is wrong"));
    this.#startedMs = undefined;
    // Section 4.13, in hundredths: the part resolves 0.015 °C and 0.01 %.
    const temperature = Math.round((-45 + (175 * word(bytes, 0)) / 65_535) * 100);
    const humidity = Math.round((word(bytes, 3) / 65_535) * 10_000);
    return [
      { n: "temperature", u: "Cel", v: decimal(temperature, -2) },
      { n: "humidity", u: "%RH", v: decimal(humidity, -2) },
    ];
  }

  /** The 16 bits of the status register (table 17). Not while a measurement is under way. */
  status(): number {
    this.send(READ_STATUS);
    let bytes: Uint8Array;
    try {
      bytes = new Uint8Array(this.#io.read(3));
    } catch (error) {
      throw new Rejection("sensor-nack", `no status: ${reason(error)}`);
    }
    if (crc8(bytes, 0) !== bytes[2]) throw new Rejection("sensor-crc", "a status whose checksum is wrong");
    return word(bytes, 0);
  }

  close(): void {
    this.#io.close();
  }

  private measure(): void {
    this.#startedMs = undefined;
    this.send(this.#stretched ? MEASURE_STRETCHED : MEASURE);
    this.#startedMs = this.#clock.ticksMs();
  }

  /** Begins the measurement anew, or throws what went wrong with it: a result can be read only once (section 4.4). */
  private again(failure: Rejection): undefined {
    if (this.#attempts >= MEASUREMENT_ATTEMPTS_MAX) {
      this.#startedMs = undefined;
      throw failure;
    }
    this.#attempts += 1;
    this.measure();
    return undefined;
  }

  private send(command: number): void {
    this.#command[0] = command >> 8;
    this.#command[1] = command & 255;
    for (let attempt = 1; ; attempt += 1) {
      try {
        this.#io.write(this.#command);
        return;
      } catch (error) {
        if (attempt >= COMMAND_ATTEMPTS_MAX) throw new Rejection("sensor-nack", `command not acknowledged: ${reason(error)}`);
      }
    }
  }
}

function word(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset] as number) << 8) | (bytes[offset + 1] as number);
}

/** CRC-8 of the two bytes at `offset`: polynomial 0x31, initial value 0xFF (table 19), a nibble at a time. */
function crc8(bytes: Uint8Array, offset: number): number {
  const table = CRC8_NIBBLE;
  let crc = 0xff;
  for (let i = offset; i < offset + 2; i += 1) {
    crc ^= bytes[i] as number;
    crc = ((crc << 4) & 0xf0) ^ (table[crc >> 4] as number);
    crc = ((crc << 4) & 0xf0) ^ (table[crc >> 4] as number);
  }
  return crc;
}

const CRC8_NIBBLE: readonly number[] = /* @__PURE__ */ crc8Table(0x31);

function crc8Table(polynomial: number): readonly number[] {
  const table: number[] = [];
  for (let i = 0; i < 16; i += 1) {
    let crc = i << 4;
    for (let bit = 0; bit < 4; bit += 1) crc = crc & 0x80 ? ((crc << 1) ^ polynomial) & 0xff : crc << 1;
    table.push(crc);
  }
  return Object.freeze(table);
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
