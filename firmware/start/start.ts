// The first thing that runs: decides whether a mote is begun, or safe mode.
//
// Promises: safe mode where NVS is not open or refuses a write, and after five resets within ten minutes that nobody wanted (resets.ts);
// nothing is erased then, no key is opened, made or used, and the journal is not touched. A mote that is refused leaves safe mode as well, by which
// another image may come. An exception that says nothing of NVS goes on, and restarts the board. A configuration that does not hold is said so on the log, and nothing is begun. Never: asks which board it is.
// An image that is given its configuration over a cable starts by provision/start.ts, which asks the same.

import { type MoteConfig, parseConfig } from "../config.js";
import type { Device } from "../ports.js";
import { Rejection } from "../rejection.js";
import { ageResets, countReset, RESETS_MAX } from "./resets.js";
import { type SafeCause, SafeMode, type SafePartType } from "./safe-mode.js";
import { tellStart } from "./told.js";

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
  const begun = causeOf(device) ?? opened(config, open);
  if ("run" in begun) {
    begun.run();
    return;
  }
  // In safe mode it is said as well.
  if (begun instanceof Rejection && begun === config) refuse(device, begun);
  else new SafeMode(device, config, begun instanceof Rejection ? refuse(device, begun) : begun, updates).run();
}

/** The mote was refused: said, and the cause of safe mode. */
function refuse({ log }: Device, { code, detail }: Rejection): SafeCause {
  log.write("error", { what: "start", code, detail });
  return { code: "start", detail: code, resets: 0 };
}

/** Whether the image that runs has still to prove itself: any reset would be its end. */
export function isProving({ slots }: Pick<Device, "slots">): boolean {
  return slots?.running().state === "pending";
}

/** Counts the start. Answers why the board is to be in safe mode; undefined where nothing speaks against a mote. */
export function causeOf(device: Device): SafeCause | undefined {
  const { chip, store, timer, log } = device;
  if (chip === undefined) return undefined;
  const reason = chip.resetReason();
  const fault = chip.storage();
  tellStart(device, reason, fault);
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

/** The cause in what was thrown; undefined where that says nothing of NVS. */
export function causeIn(error: unknown): SafeCause | undefined {
  // By the names of ESP-IDF's errors, which its key-value store throws.
  return String(error).includes("ESP_ERR_") ? refused(error) : undefined;
}

function opened(
  config: MoteConfig | Rejection,
  open: (config: MoteConfig) => Runnable | Rejection,
): Runnable | SafeCause | Rejection {
  if (config instanceof Rejection) return config;
  try {
    return open(config);
  } catch (error) {
    if (error instanceof Rejection) return error;
    const cause = causeIn(error);
    if (cause === undefined) throw error;
    return cause;
  }
}

/** NVS is open, and refuses. */
function refused(error: unknown): SafeCause {
  const detail = String(error);
  const full = detail.includes("NOT_ENOUGH_SPACE") || detail.includes("NO_FREE_PAGES");
  return { code: full ? "nvs-full" : "nvs-failed", detail, resets: 0 };
}
