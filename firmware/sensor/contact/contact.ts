// A contact on a pin: a door, a float switch, a button. The class is `embedded:io/digital`, which the application gives to `createDevice`.
//
// Promises: its state at each interval, and how often it has closed since the last sample, so that what was short is not lost. Never: debounces by waiting:
// closings that follow one another within `debounceMs` count as one.

import type { Fields } from "../../fields.js";
import type { Clock, Device, Digital } from "../../ports.js";
import type { Entry } from "../../record/senml.js";
import { Rejection } from "../../rejection.js";
import type { Part, Sensor, SensorType } from "../sensor.js";

const DEBOUNCE_MS = 20;
const DEBOUNCE_MS_MAX = 10_000;

/**
 * `pin`; `closed`: the level that means closed (0, a contact to ground); `pullUp` (true); `changes`: records only what has changed (false);
 * `debounceMs` (20). Entries: `closed` (0 or 1), `closings`.
 */
export const contact: SensorType = Object.freeze({ type: "contact", configure: (fields: Fields) => new ContactPart(fields) });

class ContactPart implements Part {
  readonly pin: number;
  readonly closed: number;
  readonly pullUp: boolean;
  readonly changes: boolean;
  readonly debounceMs: number;

  constructor(fields: Fields) {
    this.pin = fields.uint("pin", 0, 255);
    this.closed = fields.uint("closed", 0, 1, 0);
    this.pullUp = fields.flag("pullUp", true);
    this.changes = fields.flag("changes", false);
    this.debounceMs = fields.uint("debounceMs", 0, DEBOUNCE_MS_MAX, DEBOUNCE_MS);
  }

  get needsWaking(): boolean {
    return true;
  }

  open(device: Device): Sensor {
    const { digital } = device.io;
    if (digital === undefined)
      throw new Rejection("sensor-io", "give the class of embedded:io/digital to createDevice({ digital })");
    return new Contact(digital, this, device.clock);
  }
}

class Contact implements Sensor {
  readonly #io: Digital;
  readonly #part: ContactPart;
  readonly #clock: Clock;
  #closings = 0;
  #closedMs = Number.NEGATIVE_INFINITY;
  #last: number | undefined;

  constructor(IO: NonNullable<Device["io"]["digital"]>, part: ContactPart, clock: Clock) {
    this.#part = part;
    this.#clock = clock;
    const mode = part.pullUp ? IO.InputPullUp : IO.Input;
    const edge = part.closed === 1 ? IO.Rising : IO.Falling;
    this.#io = new IO({ pin: part.pin, mode, edge, onReadable: () => this.closing() });
  }

  get settleMs(): number {
    return 0;
  }

  get conversionMs(): number {
    return 0;
  }

  start(): void {}

  sample(): readonly Entry[] {
    const { closed: level, changes } = this.#part;
    const closed = this.#io.read() === level ? 1 : 0;
    const closings = this.#closings;
    this.#closings = 0;
    if (changes && closed === this.#last && closings === 0) return [];
    this.#last = closed;
    return [
      { n: "closed", v: closed },
      { n: "closings", u: "count", v: closings },
    ];
  }

  close(): void {
    this.#io.close();
  }

  private closing(): void {
    const nowMs = this.#clock.ticksMs();
    if (nowMs - this.#closedMs >= this.#part.debounceMs) this.#closings += 1;
    this.#closedMs = nowMs;
  }
}
