// The cases timed by tinybench on the XS engine, in a board's memory and with the host's clock. xs-main.ts counts
// instructions, collections and heap: tinybench keeps its samples on the heap, so these have to be measured without it.

import "./xs-globals.js";
import inputs from "bench/inputs";
import { Bench } from "tinybench";
import { nativeEngine } from "../../firmware/crypto/engine-native.js";
import { NativeKeys } from "../../firmware/crypto/native-keys.js";
import { GuestClock, GuestFlash, GuestI2C, GuestValues } from "../../host-sim/xs/guest/board.js";
import { microseconds, print } from "../../host-sim/xs/guest/host.js";
import { type BenchBoard, type BenchCase, type BenchInputs, benchCases } from "./cases.js";

const US_PER_MS = 1000;
const NS_PER_MS = 1_000_000;
const WARM_UPS = 2;

async function time({ name, runs, prepare, run, check }: BenchCase): Promise<void> {
  prepare?.();
  let result = run();
  const isAsync = result instanceof Promise;
  check?.(await result);
  const bench = new Bench({
    iterations: runs,
    time: 0,
    warmupIterations: WARM_UPS,
    warmupTime: 0,
    throws: true,
    now: () => microseconds() / US_PER_MS,
  });
  const once = (): void => {
    result = run();
  };
  const awaited = async (): Promise<void> => {
    result = await run();
  };
  const hooks = { beforeEach: () => prepare?.(), afterEach: () => check?.(result) };
  bench.add(name, isAsync ? awaited : once, { async: isAsync, ...hooks });
  const [task] = await bench.run();
  if (task?.result === undefined || !("latency" in task.result)) throw new Error(`tinybench gives no result for ${name}`);
  print(JSON.stringify({ name, nsMedian: Math.round(task.result.latency.p50 * NS_PER_MS) }));
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
  for (const make of benchCases(board, inputs as BenchInputs)) for (const one of make()) await time(one);
}

main().catch((error: unknown) => {
  print(`failed: ${String(error)}`);
  throw error;
});
