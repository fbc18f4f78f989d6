// From samples to the SenML pack of a record (RFC 8428): what was measured, as decimal fractions, and when.
//
// Promises: values keep the resolution that they were measured with (hundredths of a degree, hundredths of a percent);
// several samples carry their times relative to the record's (RFC 8428 §4.5.3: negative seconds). Never a float.

import type { Sample } from "../ports.js";
import { decimal } from "./decimal.js";
import type { Measurement } from "./senml.js";

/** A sample and when it was taken, in milliseconds of the board's monotonic clock. */
export interface TakenSample {
  readonly sample: Sample;
  readonly takenMs: number;
}

/** SenML entries of one sample at the most. */
export const ENTRIES_PER_SAMPLE_MAX = 2;

/**
 * @param samples in the order in which they were taken
 * @param madeMs when the record is made, on the same clock
 */
export function measurementsOf(samples: readonly TakenSample[], madeMs: number): readonly Measurement[] {
  const pack: Measurement[] = [];
  for (const { sample, takenMs } of samples) {
    const ageS = samples.length === 1 ? 0 : Math.floor((madeMs - takenMs) / 1000);
    const time = ageS > 0 ? { t: -ageS } : {};
    const { thermometer, hygrometer } = sample;
    if (thermometer !== undefined)
      pack.push({ n: "temperature", u: "Cel", v: decimal(Math.round(thermometer.temperature * 100), -2), ...time });
    if (hygrometer !== undefined)
      pack.push({ n: "humidity", u: "%RH", v: decimal(Math.round(hygrometer.humidity * 10_000), -2), ...time });
  }
  return pack;
}
