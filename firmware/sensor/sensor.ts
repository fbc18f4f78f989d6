// What a sensor is to the runtime: a type that an application includes, a part that its configuration describes, and the driver
// that is open now. Types only.
//
// A type of sensor is one folder: its driver, its options, its entries. Nothing else names it but the application's list.

import type { Fields } from "../fields.js";
import type { Device } from "../ports.js";
import type { Entry } from "../record/senml.js";

/** A type of sensor, as an application gives it to `Mote.open`. */
export interface SensorType {
  /** As `type` names it in a configuration. */
  readonly type: string;
  /** Reads the part's own options; throws the `Rejection` of `fields.wrong` that names the one that is amiss. */
  configure(fields: Fields): Part;
}

/** One sensor of a mote, as it was configured. It lives as long as the mote; its drivers come and go. */
export interface Part {
  /** It counts between two samples, which it cannot while the board is asleep. */
  readonly needsWaking?: boolean;
  /** Opens the part. May throw: it is opened anew at the next interval. */
  open(device: Device): Sensor;
}

/** A driver that measures when told to, and never waits. */
export interface Sensor {
  /** How long after it was opened the part takes no command, in milliseconds. */
  readonly settleMs: number;
  /** How long a measurement takes, in milliseconds. */
  readonly conversionMs: number;
  /** Begins a measurement. Throws where the part does not answer. */
  start(): void;
  /**
   * The finished measurement: fresh objects, which the runtime keeps. Undefined while it is under way; an empty list where there is
   * nothing to record. Throws what has gone wrong.
   */
  sample(): readonly Entry[] | undefined;
  close(): void;
}
