// The values of a record, each by itself, with all that it takes to trace it and to know how far it can be believed.
//
// Promises: a value has the very digits that were signed; its time is its own, absent where the record tells none. Never: rounds.

import { compareNumeric, numericText } from "../../firmware/record/decimal.js";
import { resolveSenml, SENML_ABSOLUTE_FROM_S } from "../../firmware/record/senml.js";
import type { ShownRecord } from "../collector/shown.js";

export interface ExportedValue {
  /** 0x… in lower case. */
  readonly mote: string;
  readonly name: string;
  /** Digits, as they were signed. */
  readonly value: string;
  readonly unit: string | undefined;
  /** Digits: seconds since the Unix epoch. */
  readonly timeS: string | undefined;
  /** The same as RFC 3339 has it; absent where that has no word for it (beyond the year 9999). */
  readonly time: string | undefined;
}

export const TIME_QUALITIES = ["none", "own-clock", "ntp", "bounded"] as const;

export function valuesOf({ mote, fields }: ShownRecord): ExportedValue[] {
  const { measurements, time, timeQuality } = fields;
  return resolveSenml(measurements, timeQuality > 0 ? time : undefined).map((entry) => {
    const timeS = compareNumeric(entry.time, SENML_ABSOLUTE_FROM_S) >= 0 ? numericText(entry.time) : undefined;
    return {
      ...{ mote, name: entry.name, value: numericText(entry.value), unit: entry.unit },
      ...{ timeS, time: timeS === undefined ? undefined : dateText(timeS) },
    };
  });
}

/** `2027-01-15T08:00:00.25Z` of seconds in digits. */
export function dateText(timeS: string): string | undefined {
  const [whole = "", fraction] = timeS.split(".");
  const date = new Date(Number(whole) * 1000);
  if (Number.isNaN(date.getTime()) || date.getUTCFullYear() > 9999) return undefined;
  return date.toISOString().replace(/\.\d+Z$/, fraction === undefined ? "Z" : `.${fraction}Z`);
}
