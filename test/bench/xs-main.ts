// The benchmarks' entry on the XS engine: runs the cases on a board inside the guest, and prints a line of JSON for each.
// Where the machine cannot count instructions (m32), microseconds of a clock stand in for them.

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
import { type BenchBoard, type BenchInputs, benchCases } from "./cases.js";
import { type Meter, measure, overheadOf } from "./measure.js";

function meterOf(words: Uint8Array): Meter {
  const counts = instructions() > 0;
  const look = (): Uint8Array => {
    memory(words);
    return words;
  };
  return {
    figure: counts ? "instructions" : "nsMedian",
    now: counts ? instructions : microseconds,
    begin() {
      collect();
      resetPeaks();
    },
    collections: () => wordOf(look(), "collections"),
    heapPeakBytes() {
      // The engine counts a chunk that was stretched in place twice until it collects, so what is taken is a bound.
      const used = wordOf(look(), "chunksPeak") + wordOf(words, "slotsPeak") + wordOf(words, "stackReserved");
      return Math.min(used, wordOf(words, "blockPeak"));
    },
  };
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
  const meter = meterOf(new Uint8Array(MEMORY_BYTES));
  const overhead = overheadOf(meter);
  for (const make of benchCases(board, inputs as BenchInputs))
    for (const one of make()) print(JSON.stringify(await measure(one, meter, overhead)));
}

main().catch((error: unknown) => {
  print(`failed: ${String(error)}`);
  throw error;
});
