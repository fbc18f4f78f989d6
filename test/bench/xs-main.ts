// The benchmarks' entry on the XS engine: runs the cases on a board inside the guest, and prints a line of JSON for each.
//
// Instructions are the mean over the runs, garbage collections within them included, less what measuring itself costs.
// Where the machine cannot count them (m32), nanoseconds are the median over the runs.

import inputs from "bench/inputs";
import { nativeEngine } from "../../firmware/crypto/engine-native.js";
import { NativeKeys } from "../../firmware/crypto/native-keys.js";
import { GuestClock, GuestFlash, GuestI2C, GuestValues } from "../../host-sim/xs/guest/board.js";
import {
  collect,
  instructions,
  MEMORY_BYTES,
  memory,
  microseconds,
  print,
  resetPeaks,
  wordOf,
} from "../../host-sim/xs/guest/host.js";
import { type BenchBoard, type BenchCase, type BenchInputs, benchCases } from "./cases.js";

const WARM_UPS = 2;
const words = new Uint8Array(MEMORY_BYTES);
const countsInstructions = instructions() > 0;

/** Instructions, or microseconds where there are none to count. */
function now(): number {
  return countsInstructions ? instructions() : microseconds();
}

function collections(): number {
  memory(words);
  return wordOf(words, "collections");
}

/** What a measurement counts when nothing is run. */
function overhead(): number {
  const nothing = (): undefined => undefined;
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 8; i += 1) {
    const from = now();
    nothing();
    least = Math.min(least, now() - from);
  }
  return least;
}

async function measure({ name, runs, per = 1, prepare, run }: BenchCase, base: number): Promise<void> {
  const times: number[] = [];
  for (let i = 0; i < WARM_UPS; i += 1) {
    prepare?.();
    await run();
  }
  collect();
  resetPeaks();
  let collected = 0;
  for (let i = 0; i < runs; i += 1) {
    prepare?.();
    const before = collections();
    const from = now();
    const result = run();
    if (result instanceof Promise) await result;
    times.push(now() - from - base);
    collected += collections() - before;
  }
  memory(words);
  const heapPeakBytes = wordOf(words, "chunksPeak") + wordOf(words, "slotsPeak") + wordOf(words, "stackReserved");
  const round = (value: number): number => Math.round(value * 1000) / 1000;
  const sum = times.reduce((total, time) => total + time, 0);
  const median = times.sort((a, b) => a - b)[runs >> 1] as number;
  const figure = countsInstructions
    ? { instructions: Math.round(sum / runs / per) }
    : { nsMedian: Math.round((median * 1000) / per) };
  print(JSON.stringify({ name, ...figure, collections: round(collected / runs / per), heapPeakBytes }));
}

async function main(): Promise<void> {
  const board: BenchBoard = {
    engine: nativeEngine,
    keys: new NativeKeys(),
    flash: new GuestFlash(),
    values: new GuestValues(),
    i2c: { io: GuestI2C, data: 1, clock: 2 },
    clock: new GuestClock(),
  };
  const base = overhead();
  for (const make of benchCases(board, inputs as BenchInputs)) for (const one of make()) await measure(one, base);
}

main().catch((error: unknown) => {
  print(`failed: ${String(error)}`);
  throw error;
});
