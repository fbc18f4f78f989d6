// A voltage on a pin, and what stands for it: a potentiometer, a moisture probe, a pressure transmitter. The class is `embedded:io/analog`,
// which the application gives to `createDevice`.
//
// Promises: the value is the configured straight line through what the converter reads. Never: takes a converter's full scale for a voltage.

import type { Fields } from "../../fields.js";
import type { Analog, Device } from "../../ports.js";
import { DECIMALS_MAX, fraction } from "../../record/decimal.js";
import type { Entry } from "../../record/senml.js";
import { isNameStart, isUnit, SENML_NAME_BYTES_MAX, SENML_UNIT_BYTES_MAX } from "../../record/senml.js";
import { Rejection } from "../../rejection.js";
import type { Part, Sensor, SensorType } from "../sensor.js";

const READINGS_MAX = 64;
const SCALE_MAX = 1e9;

/**
 * `pin`; `entry` (the entry's name, "level") and `unit` ("/", a ratio), `at0` and `atFull`: what the lowest and the highest reading mean (0
 * and 1); `decimals` (4); `readings`: how many make one value (1).
 */
export const analogue: SensorType = Object.freeze({ type: "analogue", configure: (fields: Fields) => new AnaloguePart(fields) });

class AnaloguePart implements Part {
  readonly pin: number;
  readonly n: string;
  readonly u: string;
  readonly at0: number;
  readonly atFull: number;
  readonly decimals: number;
  readonly readings: number;

  constructor(fields: Fields) {
    this.pin = fields.uint("pin", 0, 255);
    this.n = fields.text("entry", SENML_NAME_BYTES_MAX, "level");
    if (!isNameStart(this.n)) throw fields.wrong("entry", "letters, digits and - : . / _, a letter or digit first");
    this.u = fields.text("unit", SENML_UNIT_BYTES_MAX, "/");
    if (!isUnit(this.u)) throw fields.wrong("unit", "a unit of the IANA SenML Units registry");
    this.at0 = fields.number("at0", -SCALE_MAX, SCALE_MAX, 0);
    this.atFull = fields.number("atFull", -SCALE_MAX, SCALE_MAX, 1);
    this.decimals = fields.uint("decimals", 0, DECIMALS_MAX, 4);
    this.readings = fields.uint("readings", 1, READINGS_MAX, 1);
  }

  open({ io }: Device): Sensor {
    if (io.analog === undefined)
      throw new Rejection("sensor-io", "give the class of embedded:io/analog to createDevice({ analog })");
    return new Analogue(new io.analog({ pin: this.pin }), this);
  }
}

class Analogue implements Sensor {
  readonly #io: Analog;
  readonly #part: AnaloguePart;

  constructor(io: Analog, part: AnaloguePart) {
    this.#io = io;
    this.#part = part;
  }

  get settleMs(): number {
    return 0;
  }

  get conversionMs(): number {
    return 0;
  }

  start(): void {}

  sample(): readonly Entry[] {
    const { n, u, at0, atFull, decimals, readings } = this.#part;
    let sum = 0;
    for (let i = 0; i < readings; i += 1) sum += this.#io.read();
    const share = sum / readings / (2 ** this.#io.resolution - 1);
    return [{ n, u, v: fraction(at0 + (atFull - at0) * share, decimals) }];
  }

  close(): void {
    this.#io.close();
  }
}
