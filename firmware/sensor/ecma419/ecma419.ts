// Any plain sensor class of ECMA-419 (3rd edition, section 13: constructor, configure, sample, close) as a type of sensor: the SDK's
// drivers, and other people's.
//
// Promises: takes samples that are flat or nested by class, at once, by a promise, by a callback, or "not yet" (undefined); each value becomes a
// decimal fraction with a stated number of digits and a unit of the registry (quantities.ts); NaN, an infinity, a humidity beyond
// 100 % and a sample without anything to record are a lost sample with its reason. Never: records a property whose unit nobody has said.
//
// Codes: value-unusable, value-unit, sample-unmapped, sensor-error.

import type { Fields } from "../../fields.js";
import type { Device } from "../../ports.js";
import { DECIMALS_MAX, fraction } from "../../record/decimal.js";
import type { Entry } from "../../record/senml.js";
import { isNameStart, isUnit, SENML_NAME_BYTES_MAX, SENML_UNIT_BYTES_MAX } from "../../record/senml.js";
import { Rejection } from "../../rejection.js";
import type { Part, Sensor, SensorType } from "../sensor.js";
import { type Quantity, quantityOf } from "./quantities.js";

/** A sensor of ECMA-419, as far as this needs it. */
export interface Ecma419Sensor {
  configure?(options: object): void;
  sample(callback?: (error: unknown, sample?: unknown) => void): unknown;
  close(): void;
}

export interface Ecma419Options {
  /** As `type` names it in a configuration. */
  readonly type: string;
  readonly driver: new (options: never) => Ecma419Sensor;
  /** The driver's humidity: a ratio, as the standard says, or per cent, as many drivers do. */
  readonly humidity?: "ratio" | "percent";
  /** Quantities by `class.property` or `property`, where the table has none or the driver's units are not the standard's. */
  readonly quantities?: Readonly<Record<string, Quantity>>;
  /** How long the part takes no command after it was opened, and how long a measurement takes from `start`, in milliseconds. */
  readonly settleMs?: number;
  readonly conversionMs?: number;
  /** Begins a measurement, where the driver has to be told: `(driver) => driver.configure({ mode: 1 })`. */
  readonly start?: (driver: Ecma419Sensor) => void;
  /** Whether `sample` takes a callback, `(error, sample)`. */
  readonly callback?: boolean;
  /** The class that the driver does its work with, in place of the board's I²C: such as `embedded:io/smbus`. */
  readonly io?: unknown;
  /** All options of the constructor; where absent, `sensor` is the board's I²C bus with the configured `address`, or `io` with the configured `pin`. */
  readonly options?: (device: Device, fields: Fields) => object;
}

const HUMIDITY_PERCENT_MAX = 110;
const PROPERTIES_MAX = 32;

/** What a configuration says of one: `address`, `hz`, `pin`, `options` for `configure`, and `entries`. */
export function ecma419(options: Ecma419Options): SensorType {
  return Object.freeze({ type: options.type, configure: (fields: Fields) => new Ecma419Part(options, fields) });
}

class Ecma419Part implements Part {
  readonly #options: Ecma419Options;
  readonly #fields: Fields;
  readonly #sensor: { readonly address?: number; readonly hz?: number; readonly pin?: number };
  readonly #configure: object | undefined;
  readonly #entries: Readonly<Record<string, Quantity>>;

  constructor(options: Ecma419Options, fields: Fields) {
    this.#options = options;
    this.#fields = fields;
    this.#sensor = {
      ...(fields.has("address") ? { address: fields.uint("address", 8, 119) } : {}),
      ...(fields.has("hz") ? { hz: fields.uint("hz", 1000, 1_000_000) } : {}),
      ...(fields.has("pin") ? { pin: fields.uint("pin", 0, 255) } : {}),
    };
    this.#configure = fields.has("options") ? fields.section("options").json : undefined;
    this.#entries = { ...options.quantities, ...configured(fields) };
  }

  open(device: Device): Sensor {
    const { driver: Driver, options, io } = this.#options;
    const bus = io === undefined ? device.io.i2c : { ...device.io.i2c, io };
    const made = options?.(device, this.#fields) ?? { sensor: { ...bus, ...this.#sensor } };
    const driver = new Driver(made as never);
    try {
      if (this.#configure !== undefined) driver.configure?.(this.#configure);
    } catch (error) {
      driver.close();
      throw error;
    }
    return new Ecma419Driver(driver, this.#options, this.#entries);
  }
}

/** Properties that a configuration names: `"entries": { "gasDetector.resistance": { "name": "gas", "unit": "Ohm", "decimals": 0 } }`. */
function configured(fields: Fields): Readonly<Record<string, Quantity>> {
  if (!fields.has("entries")) return {};
  const entries = fields.section("entries");
  const quantities: Record<string, Quantity> = {};
  for (const path of Object.keys(entries.json)) {
    const entry = entries.section(path);
    const name = entry.text("name", SENML_NAME_BYTES_MAX);
    if (!isNameStart(name)) throw entry.wrong("name", "letters, digits and - : . / _, a letter or digit first");
    const unit = entry.text("unit", SENML_UNIT_BYTES_MAX, "");
    if (unit !== "" && !isUnit(unit)) throw entry.wrong("unit", "a unit of the IANA SenML Units registry");
    const decimals = entry.uint("decimals", 0, DECIMALS_MAX);
    const factor = entry.number("factor", -1e9, 1e9, 1);
    quantities[path] = unit === "" ? { name, decimals, factor } : { name, unit, decimals, factor };
  }
  return quantities;
}

class Ecma419Driver implements Sensor {
  readonly #driver: Ecma419Sensor;
  readonly #options: Ecma419Options;
  readonly #entries: Readonly<Record<string, Quantity>>;
  /** What came later than `sample` was asked for: a sample, or an error. */
  #came: { readonly error?: unknown; readonly sample?: unknown } | undefined;
  #asked = false;

  constructor(driver: Ecma419Sensor, options: Ecma419Options, entries: Readonly<Record<string, Quantity>>) {
    this.#driver = driver;
    this.#options = options;
    this.#entries = entries;
  }

  get settleMs(): number {
    return this.#options.settleMs ?? 0;
  }

  get conversionMs(): number {
    return this.#options.conversionMs ?? 0;
  }

  start(): void {
    this.#came = undefined;
    this.#asked = false;
    this.#options.start?.(this.#driver);
  }

  sample(): readonly Entry[] | undefined {
    const sample = this.ask();
    if (sample === undefined) return undefined;
    if (typeof sample !== "object" || sample === null)
      throw new Rejection("sensor-error", `the driver's sample is a ${typeof sample}`);
    return this.entriesOf(sample);
  }

  close(): void {
    this.#driver.close();
  }

  /** The driver's sample, or undefined while there is none. Throws what the driver throws, now or later. */
  private ask(): unknown {
    if (!this.#asked) {
      const said = this.#options.callback === true ? this.#driver.sample(this.receiver()) : this.#driver.sample();
      if (said instanceof Promise) {
        const receive = this.receiver();
        said.then(
          (sample) => receive(undefined, sample),
          (error: unknown) => receive(error ?? new Error("no reason")),
        );
      } else if (said !== undefined || this.#options.callback !== true) return said;
      this.#asked = true;
    }
    const came = this.#came;
    if (came === undefined) return undefined;
    this.#came = undefined;
    if (came.error !== undefined && came.error !== null) throw came.error;
    return came.sample;
  }

  private receiver(): (error: unknown, sample?: unknown) => void {
    return (error, sample) => {
      this.#came = { error, sample };
    };
  }

  private entriesOf(sample: object): readonly Entry[] {
    const entries: Entry[] = [];
    const unmapped: string[] = [];
    for (const [name, value] of Object.entries(sample)) {
      if (typeof value === "object" && value !== null && !Array.isArray(value))
        for (const [property, inner] of Object.entries(value as object))
          this.take(`${name}.${property}`, inner, entries, unmapped);
      else this.take(name, value, entries, unmapped);
    }
    if (entries.length > 0) return entries;
    const properties = unmapped.slice(0, PROPERTIES_MAX).join(", ");
    if (unmapped.length > 0)
      throw new Rejection("sample-unmapped", `no unit is known of ${properties}: name them in the sensor's entries`);
    throw new Rejection("sensor-error", "the driver's sample is empty: the part did not answer");
  }

  private take(path: string, value: unknown, entries: Entry[], unmapped: string[]): void {
    if (value === undefined || value === null) return;
    const quantity = this.#entries[path] ?? quantityOf(path);
    if (quantity === undefined) {
      unmapped.push(path);
      return;
    }
    const number = typeof value === "boolean" ? (value ? 1 : 0) : value;
    if (typeof number !== "number") throw new Rejection("value-unusable", `${path} is a ${typeof value}`);
    const { name: n, unit: u, decimals } = quantity;
    const percent = u === "%RH" && this.#options.humidity === "percent" && this.#entries[path] === undefined;
    const scaled = percent ? number : number * quantity.factor;
    if (u === "%RH" && scaled > HUMIDITY_PERCENT_MAX)
      throw new Rejection("value-unit", `${path} would be ${scaled} %RH: a driver that answers per cent has humidity: "percent"`);
    const v = fraction(scaled, decimals);
    entries.push(u === undefined ? { n, v } : { n, u, v });
  }
}
