// Measures one case with whatever can be measured here: instructions, or a clock; collections and heap where there are any.
//
// Instructions are the mean over the runs, the collections within them included; nanoseconds are the median. What
// measuring itself costs is taken off.

import type { BenchCase } from "./cases.js";

export interface Meter {
  readonly figure: "instructions" | "nsMedian";
  /** A count of instructions, or of microseconds, that only rises. */
  now(): number;
  /** Before a case: collects garbage, so that its peak is its own. */
  begin?(): void;
  collections?(): number;
  /** The most of the heap that was in use since `begin`, in bytes. */
  heapPeakBytes?(): number;
}

export interface Measured {
  readonly name: string;
  readonly instructions?: number;
  readonly nsMedian?: number;
  readonly collections?: number;
  readonly heapPeakBytes?: number;
}

const WARM_UPS = 2;
const OVERHEAD_RUNS = 8;
const NS_PER_US = 1000;

/** What a measurement counts where nothing is run. */
export function overheadOf(meter: Meter): number {
  const nothing = (): undefined => undefined;
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < OVERHEAD_RUNS; i += 1) {
    const from = meter.now();
    nothing();
    least = Math.min(least, meter.now() - from);
  }
  return least;
}

export async function measure(one: BenchCase, meter: Meter, overhead: number): Promise<Measured> {
  const { name, runs, per = 1, prepare, run, check } = one;
  const counts: number[] = [];
  for (let i = 0; i < WARM_UPS; i += 1) {
    prepare?.();
    const result = await run();
    check?.(result);
  }
  meter.begin?.();
  let collected = 0;
  for (let i = 0; i < runs; i += 1) {
    prepare?.();
    const before = meter.collections?.() ?? 0;
    const from = meter.now();
    let result = run();
    if (result instanceof Promise) result = await result;
    counts.push(Math.max(0, meter.now() - from - overhead));
    collected += (meter.collections?.() ?? 0) - before;
    check?.(result);
  }
  const heapPeakBytes = meter.heapPeakBytes?.();
  return {
    name,
    [meter.figure]: Math.round((meter.figure === "instructions" ? mean(counts) : median(counts) * NS_PER_US) / per),
    ...(meter.collections === undefined ? {} : { collections: Math.round((collected / runs / per) * 1000) / 1000 }),
    ...(heapPeakBytes === undefined ? {} : { heapPeakBytes }),
  };
}

function mean(counts: readonly number[]): number {
  return Math.round(counts.reduce((total, count) => total + count, 0) / counts.length);
}

function median(counts: number[]): number {
  counts.sort((a, b) => a - b);
  return counts[counts.length >> 1] as number;
}
