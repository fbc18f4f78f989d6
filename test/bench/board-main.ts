// The bench firmware of a board (test/bench/firmware/manifest.json): the cases that rv32 counts, timed on the chip itself,
// over its own flash, key-value store, radio and I²C bus. `chainmote bench --port` reads what it prints.
//
// The board's clock has milliseconds, so short cases are timed by the hundred. Prints the report again every few seconds,
// whenever somebody comes to listen. **It writes to the journal's partition and leaves keys in NVS: erase the board after.**

import I2C from "embedded:io/i2c";
import WiFi from "embedded:network/interface/wifi";
import builtin from "embedded:provider/builtin";
import FlashStorage from "embedded:storage/flash";
import KeyValueStorage from "embedded:storage/key-value";
import inputs from "bench/inputs";
import { compiler, flags } from "chainmote/bench-build";
import config from "mc/config";
import Time from "time";
import Timer from "timer";
import { nativeEngine } from "../../firmware/crypto/engine-native.js";
import { NativeKeys } from "../../firmware/crypto/native-keys.js";
import type { FlashStorage as FlashPort, I2CBus, KeyValueStorage as KeyValuePort } from "../../firmware/ports.js";
import { type BenchBoard, type BenchCase, type BenchInputs, benchCases } from "./cases.js";

const PARTITION = "journal";
const DOMAIN = "bench";
/** A case is timed until so much has passed, in milliseconds, and that so often. */
const BATCH_MS = 300;
const BATCHES = 3;
const NS_PER_MS = 1_000_000;
const AGAIN_MS = 5_000;
const RETRY_MS = 1_000;
/** Longer pauses of the cases are only pretended. */
const PAUSE_MS_MAX = 100;

/** Milliseconds since the boot, and those that the cases pretend. */
class BoardClock {
  #pretendedMs = 0;
  #epochMs = 0;

  turn(ms: number): void {
    if (ms <= PAUSE_MS_MAX)
      Timer.delay(ms + 1); // the clock's step
    else this.#pretendedMs += ms;
  }

  ticksMs(): number {
    return Time.ticks + this.#pretendedMs;
  }

  nowMs(): number {
    return this.#epochMs + this.ticksMs();
  }

  set(seconds: number): void {
    this.#epochMs = seconds * 1000 - this.ticksMs();
  }
}

/** The median over batches of the mean, in nanoseconds. */
async function timeOf({ runsMax = Number.POSITIVE_INFINITY, prepare, run, check }: BenchCase): Promise<number> {
  const means: number[] = [];
  for (let batch = 0; batch < BATCHES; batch += 1) {
    let spentMs = 0;
    let done = 0;
    for (let count = 1; spentMs < BATCH_MS && done + count <= runsMax / BATCHES; count *= 2) {
      // Without anything to prepare all are timed together, or the clock's step would hide them.
      const together = prepare === undefined && check === undefined;
      const fromMs = Time.ticks;
      for (let i = 0; i < count; i += 1) {
        prepare?.();
        const startedMs = Time.ticks;
        let result = run();
        if (result instanceof Promise) result = await result;
        if (!together) spentMs += Time.delta(startedMs, Time.ticks);
        check?.(result);
      }
      if (together) spentMs += Time.delta(fromMs, Time.ticks);
      done += count;
    }
    means.push((spentMs * NS_PER_MS) / done);
  }
  means.sort((a, b) => a - b);
  return Math.round(means[BATCHES >> 1] as number);
}

async function report(): Promise<readonly string[]> {
  const pins = (config.i2c ?? builtin.I2C?.default) as unknown as { data: number; clock: number };
  const board: BenchBoard = {
    engine: nativeEngine,
    keys: new NativeKeys(),
    flash: (FlashStorage as FlashPort).open({ path: PARTITION, mode: "r+" }),
    values: (KeyValueStorage as unknown as KeyValuePort).open({ path: DOMAIN, format: "buffer" }),
    i2c: { ...pins, io: I2C as unknown as I2CBus["io"] },
    clock: new BoardClock(),
    keyNames: `b${Time.ticks}`,
  };
  const { memory } = (config.bench ?? {}) as { memory?: string };
  const lines = [
    JSON.stringify({
      bench: "begin",
      target: "board",
      engine: "XS, native crypto (libsecp256k1, Keccak)",
      compiler: compiler(),
      flags: flags(),
      memory: memory ?? "unknown",
    }),
  ];
  for (const make of benchCases(board, inputs as BenchInputs))
    for (const one of make()) {
      const line = JSON.stringify({ bench: "result", name: one.name, nsMedian: await timeOf(one) });
      trace(`${line}\n`);
      lines.push(line);
    }
  lines.push(JSON.stringify({ bench: "end", results: lines.length - 1 }));
  return lines;
}

function say(lines: readonly string[]): void {
  for (const line of lines) trace(`${line}\n`);
  Timer.set(() => say(lines), AGAIN_MS);
}

/** The noise source is fed only once the radio runs; the radio needs no network for that. */
function begin(): void {
  report().then(say, (error: unknown) => {
    trace(`${JSON.stringify({ bench: "failed", detail: String(error) })}\n`);
    Timer.set(begin, RETRY_MS);
  });
}

const radio = new WiFi({});
if (radio !== undefined) begin();
