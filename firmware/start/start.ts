// The first thing that runs: decides whether a mote is begun, or safe mode.
//
// Promises: safe mode where NVS is not open or refuses a write, and after five resets within ten minutes that nobody wanted (resets.ts);
// nothing is erased then, no key is opened, made or used, and the journal is not touched. An exception that says nothing of NVS goes on, and
// restarts the board. A configuration that does not hold is said so on the log, and nothing is begun. Never: asks which board it is.

import { type MoteConfig, parseConfig } from "../config.js";
import type { Device } from "../ports.js";
import { Rejection } from "../rejection.js";
import { ageResets, countReset, RESETS_MAX } from "./resets.js";
import { type SafeCause, SafeMode, type SafePartType } from "./safe-mode.js";

/** Whatever runs from then on. */
export interface Runnable {
  run(): void;
}

/**
 * Begins the application, or safe mode.
 * @param configuration the board's, as it is: checked by config.ts
 * @param open opens the mote; called once, where nothing speaks against it
 * @param updates what safe mode has besides, in an image that takes updates
 */
export function start(
  device: Device,
  configuration: unknown,
  open: (config: MoteConfig) => Runnable | Rejection,
  updates?: SafePartType,
): void {
  const config = parseConfig(configuration);
  const begun = safeModeOf(device, config, updates) ?? opened(device, config, open, updates);
  if (begun instanceof Rejection) device.log.write("error", { what: "start", code: begun.code, detail: begun.detail });
  else begun.run();
}

/** Counts the start. Answers safe mode where there is a cause for it, else undefined. */
function safeModeOf(device: Device, config: MoteConfig | Rejection, updates?: SafePartType): SafeMode | undefined {
  const cause = causeOf(device);
  return cause && new SafeMode(device, config, cause, updates);
}

function causeOf({ chip, store, timer, log }: Device): SafeCause | undefined {
  if (chip === undefined) return undefined;
  const reason = chip.resetReason();
  const fault = chip.storage();
  if (fault !== undefined) return { code: fault, detail: "NVS is not open; nothing in it was erased", resets: 0 };
  let resets: number;
  try {
    resets = countReset(store, reason);
  } catch (error) {
    return refused(error);
  }
  if (resets >= RESETS_MAX) return { code: "resets", detail: `${resets} resets within ten minutes, the last: ${reason}`, resets };
  if (resets > 0) ageResets({ store, timer, log });
  return undefined;
}

function opened(
  device: Device,
  config: MoteConfig | Rejection,
  open: (config: MoteConfig) => Runnable | Rejection,
  updates?: SafePartType,
): Runnable | Rejection {
  if (config instanceof Rejection) return config;
  try {
    return open(config);
  } catch (error) {
    // By the names of ESP-IDF's errors, which its key-value store throws.
    if (!String(error).includes("ESP_ERR_")) throw error;
    return new SafeMode(device, config, refused(error), updates);
  }
}

/** NVS is open, and refuses. */
function refused(error: unknown): SafeCause {
  const detail = String(error);
  const full = detail.includes("NOT_ENOUGH_SPACE") || detail.includes("NO_FREE_PAGES");
  return { code: full ? "nvs-full" : "nvs-failed", detail, resets: 0 };
}
