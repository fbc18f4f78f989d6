// The board without its radio: clock, timer, noise, keys, flash, key-value store, pins and log, from the modules of the Moddable SDK.
// What needs no network includes this and not provider.ts.
//
// Promises: every port in the shape of ports.ts, and nothing native before `createLocal` is called, so that this module
// can be preloaded. Never asks whether the board is simulated: a simulator mirrors the modules behind these specifiers.

import I2C from "embedded:io/i2c";
import builtin from "embedded:provider/builtin";
import FlashStorage from "embedded:storage/flash";
import KeyValueStorage from "embedded:storage/key-value";
import { mac, memory, profile, resetReason, restart, security, storage } from "chainmote/chip";
import { createKeys } from "chainmote/crypto";
import { fail, failed, read } from "chainmote/entropy";
import config from "mc/config";
import Time from "time";
import ModuleTimer from "timer";
import type {
  BoardIO,
  Chip,
  Clock,
  Device,
  Entropy,
  FlashStorage as FlashPort,
  KeyValueStorage as KeyValuePort,
  Log,
  Timer,
} from "../ports.js";
import { contain } from "./contained.js";

/** The `config` of the manifest, as it is: checked by config.ts. */
export const configuration: unknown = config;

/** @param io classes for pins, of those modules that the application includes: `embedded:io/analog`, `digital`, `pulsecount` */
export function createLocal(io: PinClasses = {}): Omit<Device, "network"> {
  // The SDK's declaration answers any format; opened as "buffer", it answers buffers.
  const store = KeyValueStorage as unknown as KeyValuePort;
  return {
    clock: clock(),
    timer,
    entropy,
    keys: createKeys({ entropy, store }),
    flash: FlashStorage as FlashPort,
    store,
    io: { ...wiring(), ...(io as Omit<BoardIO, "i2c">) },
    log,
    chip,
    restart,
  };
}

/** As the SDK declares them, which is wider than the ports, or narrower. */
export interface PinClasses {
  readonly analog?: unknown;
  readonly digital?: unknown;
  readonly pulsecount?: unknown;
}

/** `Time.ticks` wraps after 49.7 days: this adds up the differences, so it must be read at least every 24 days. */
function clock(): Clock {
  let last = Time.ticks;
  let elapsedMs = 0;
  return {
    ticksMs() {
      const now = Time.ticks;
      elapsedMs += Time.delta(last, now);
      last = now;
      return elapsedMs;
    },
    nowMs: () => Date.now(),
    set: (seconds) => Time.set(Math.floor(seconds)),
  };
}

/** The board's default I²C bus, or the pins in the configuration's `i2c` where the provider has none, or others are used. */
function wiring(): BoardIO {
  const pins = (config.i2c ?? builtin.I2C?.default) as { data: number; clock: number } | undefined;
  if (pins === undefined) return { i2c: { data: -1, clock: -1, io: NoBus as unknown as BoardIO["i2c"]["io"] } };
  return { i2c: { ...pins, io: I2C as unknown as BoardIO["i2c"]["io"] } };
}

/** A bus that is not there: whoever needs one is told so when it opens. */
class NoBus {
  constructor() {
    throw new Error("this board has no default I2C bus: name its pins in config.i2c");
  }
}

// Frozen, for what a preloaded module holds lies in flash.
const chip = Object.freeze({ mac, memory, profile, resetReason, security, storage }) as Chip;
const entropy: Entropy = Object.freeze({ read, failed, fail });
export const log: Log = Object.freeze({
  write(event: string, fields?: Readonly<Record<string, unknown>>) {
    trace(`${lineOf({ event, ...fields })}\n`);
  },
});

/** XS writes no JSON of a list that lies in flash, as one of a configuration does: "read only value". */
function lineOf(line: Record<string, unknown>): string {
  try {
    return JSON.stringify(line);
  } catch {
    for (const name of Object.keys(line)) if (Array.isArray(line[name])) line[name] = [...(line[name] as unknown[])];
    return JSON.stringify(line);
  }
}

export const timer: Timer = Object.freeze({
  set: (callback: () => void, delayMs: number) => ModuleTimer.set(() => contain(log, "timer", callback, undefined), delayMs),
  clear: (handle: object | undefined) => ModuleTimer.clear(handle as Parameters<typeof ModuleTimer.clear>[0]),
});
