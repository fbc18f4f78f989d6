// Pulses on a pin: a flow meter, an energy meter, a rain gauge, an anemometer. They are counted by the chip (`embedded:io/pulsecount`)
// or, where it has no such counter (ESP32-C3) or the application does not give it, edge by edge (`embedded:io/digital`, some hundred a second).
//
// Promises: each pulse is in one sample; the count since the mote came up rises always, and begins anew with a boot, which the record names. Never: loses a pulse
// between two samples, but for those while the sensor is being opened anew.

import type { Fields } from "../../fields.js";
import type { Device, Digital } from "../../ports.js";
import { DECIMALS_MAX, fraction } from "../../record/decimal.js";
import type { Entry } from "../../record/senml.js";
import { isNameStart, isUnit, SENML_NAME_BYTES_MAX, SENML_UNIT_BYTES_MAX } from "../../record/senml.js";
import { Rejection } from "../../rejection.js";
import type { Part, Sensor, SensorType } from "../sensor.js";

const FACTOR_MAX = 1e9;

/**
 * `pin`; `entry` (the entry's name, "count") and `unit` ("count"); `factor`: what one pulse is (1), with so many `decimals` (0); `pullUp` for a contact to ground.
 */
export const pulses: SensorType = Object.freeze({ type: "pulses", configure: (fields: Fields) => new PulsesPart(fields) });

class PulsesPart implements Part {
  readonly pin: number;
  readonly n: string;
  readonly u: string;
  readonly factor: number;
  readonly decimals: number;
  readonly pullUp: boolean;
  /** Of drivers before the present one. */
  before = 0;

  constructor(fields: Fields) {
    this.pin = fields.uint("pin", 0, 255);
    this.n = fields.text("entry", SENML_NAME_BYTES_MAX, "count");
    if (!isNameStart(this.n)) throw fields.wrong("entry", "letters, digits and - : . / _, a letter or digit first");
    this.u = fields.text("unit", SENML_UNIT_BYTES_MAX, "count");
    if (!isUnit(this.u)) throw fields.wrong("unit", "a unit of the IANA SenML Units registry");
    this.factor = fields.number("factor", -FACTOR_MAX, FACTOR_MAX, 1);
    this.decimals = fields.uint("decimals", 0, DECIMALS_MAX, 0);
    this.pullUp = fields.flag("pullUp", false);
  }

  get needsWaking(): boolean {
    return true;
  }

  open({ io }: Device): Sensor {
    const { pin } = this;
    if (io.pulsecount !== undefined) return new Pulses(this, new io.pulsecount({ signal: pin }));
    if (io.digital !== undefined) return new Pulses(this, new EdgeCounter(io.digital, pin, this.pullUp));
    throw new Rejection("sensor-io", "give the class of embedded:io/pulsecount or of embedded:io/digital to createDevice");
  }
}

/** Counts rising edges in JavaScript. */
class EdgeCounter {
  readonly #io: Digital;
  #count = 0;

  constructor(IO: NonNullable<Device["io"]["digital"]>, pin: number, pullUp: boolean) {
    const mode = pullUp ? IO.InputPullUp : IO.Input;
    this.#io = new IO({ pin, mode, edge: IO.Rising, onReadable: () => this.rise() });
  }

  read(): number {
    return this.#count;
  }

  private rise(): void {
    this.#count += 1;
  }

  close(): void {
    this.#io.close();
  }
}

class Pulses implements Sensor {
  readonly #part: PulsesPart;
  readonly #counter: { read(): number; close(): void };
  #last = 0;

  constructor(part: PulsesPart, counter: { read(): number; close(): void }) {
    this.#part = part;
    this.#counter = counter;
  }

  get settleMs(): number {
    return 0;
  }

  get conversionMs(): number {
    return 0;
  }

  start(): void {}

  sample(): readonly Entry[] {
    const { n, u, factor, decimals, before } = this.#part;
    const count = this.#counter.read();
    if (!(count >= this.#last)) throw new Rejection("sensor-error", `a counter that goes from ${this.#last} to ${count}`);
    this.#last = count;
    return [{ n, u, v: fraction((before + count) * factor, decimals) }];
  }

  close(): void {
    this.#part.before += this.counted();
    this.#counter.close();
  }

  /** What came after the last sample counts too; a counter that fails, or goes back, has said its last there. */
  private counted(): number {
    try {
      const count = this.#counter.read();
      if (count > this.#last) return count;
    } catch {
      // what was sampled stays counted
    }
    return this.#last;
  }
}
