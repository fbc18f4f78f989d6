// The sensors of a mote: what its configuration asks for, by the types that the application includes.
//
// Promises: each sensor has a name of its own (none where there is one alone), an interval, and options that its type has read;
// what does not hold is refused with the field's path (`config-invalid`). Never knows a type.

import { type Fields, fieldsOf } from "../fields.js";
import { isNameStart } from "../record/senml.js";
import { Rejection } from "../rejection.js";
import type { Part, SensorType } from "./sensor.js";

export const SENSORS_MAX = 8;
const SENSOR_NAME_CHARACTERS_MAX = 32;
export const INTERVAL_MS_MIN = 50;
export const INTERVAL_MS_MAX = 86_400_000;

export interface Planned {
  /** In front of the names of its entries, with a slash between; empty where it is the only one and was given none. */
  readonly name: string;
  readonly intervalMs: number;
  readonly part: Part;
}

/**
 * @param json a list of sensors, or one alone; where undefined, one of each type
 * @param intervalMs of a sensor that is given none
 */
export function planSensors(json: unknown, types: readonly SensorType[], intervalMs: number): readonly Planned[] | Rejection {
  try {
    const entries = entriesOf(json, types);
    const planned: Planned[] = [];
    for (const [i, fields] of entries.entries()) {
      const type = json === undefined ? (types[i] as SensorType) : typeOf(fields, types);
      const name = fields.text("name", SENSOR_NAME_CHARACTERS_MAX, entries.length === 1 ? "" : type.type);
      if (name !== "" && !isSensorName(name))
        throw fields.wrong("name", "letters, digits and - : . / _, a letter or digit first");
      if (planned.some((other) => other.name === name)) throw fields.wrong("name", "a name of its own");
      const everyMs = fields.uint("intervalMs", INTERVAL_MS_MIN, INTERVAL_MS_MAX, intervalMs);
      planned.push({ name, intervalMs: everyMs, part: type.configure(fields) });
    }
    return planned;
  } catch (error) {
    if (error instanceof Rejection) return error;
    throw error;
  }
}

function entriesOf(json: unknown, types: readonly SensorType[]): readonly Fields[] {
  if (json === undefined) return types.map(({ type }) => fieldsOf({}, types.length === 1 ? "sensor" : `sensors (${type})`));
  if (Array.isArray(json)) return fieldsOf({ sensors: json }).sections("sensors", SENSORS_MAX) ?? [];
  return [fieldsOf(json, "sensor")];
}

/** The type that an entry names; where only one is included, it need not. */
function typeOf(fields: Fields, types: readonly SensorType[]): SensorType {
  const [first] = types;
  if (first === undefined) throw fields.wrong("type", "no sensor: this application includes no type of one");
  const name = fields.text("type", SENSOR_NAME_CHARACTERS_MAX, types.length === 1 ? first.type : undefined);
  const type = types.find((type) => type.type === name);
  if (type === undefined)
    throw fields.wrong("type", `${types.map(({ type }) => type).join(" or ")}, which this application includes`);
  return type;
}

/** What a sensor may be called. */
export function isSensorName(name: string): boolean {
  return name.length <= SENSOR_NAME_CHARACTERS_MAX && isNameStart(name);
}
