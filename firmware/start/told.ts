// What a board says of itself on the log: once at its start, and of its memory while it runs. It is what a person at the serial port has of a
// board whose ports are closed (docs/hardware-checklist.md).
//
// Promises: nothing is kept for it. Never: the chip's MAC, a key, or anything of a configuration; a line for a wake from deep sleep, which has no
// time for it.

import type { Device, Log, MemoryLeft, ResetReason, StorageFault } from "../ports.js";

/** As package.json has it. */
export const FIRMWARE_VERSION = "0.1.0";

/** The line of a start. @param fault why NVS is not open */
export function tellStart({ chip, slots, log }: Device, reset: ResetReason, fault: StorageFault | undefined): void {
  if (chip === undefined || reset === "deep-sleep") return;
  const memory = chip.memory();
  const running = slots?.running();
  log.write("start", {
    ...{ firmware: FIRMWARE_VERSION, reset, profile: chip.profile(), ...chip.security(), nvs: fault ?? "open" },
    ...(running === undefined ? {} : { slot: running.slot, image: running.state }),
    ...(memory === undefined ? {} : { freeBytes: memory.freeBytes, largestBytes: memory.largestBytes }),
  });
}

/** What is left now. */
export function tellMemory(log: Log, memory: MemoryLeft | undefined): void {
  if (memory !== undefined) log.write("memory", { ...memory });
}
