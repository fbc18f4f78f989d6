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
  for (let i = 0; i < samples.length; i += 1) {
    const { sample, takenMs } = samples[i] as TakenSample;
    const { thermometer, hygrometer } = sample;
    const t = samples.length === 1 ? 0 : -Math.floor((madeMs - takenMs) / 1000);
    if (thermometer !== undefined) pack.push(entryOf("temperature", "Cel", thermometer.temperature * 100, t));
    if (hygrometer !== undefined) pack.push(entryOf("humidity", "%RH", hygrometer.humidity * 10_000, t));
  }
  return pack;
}

/** A value that is given in hundredths; the time only where it is before the record's. */
function entryOf(n: string, u: string, hundredths: number, t: number): Measurement {
  const v = decimal(Math.round(hundredths), -2);
  return t < 0 ? { n, u, v, t } : { n, u, v };
}
