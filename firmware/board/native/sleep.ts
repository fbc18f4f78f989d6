// The module `chainmote/sleep` of a board: deep sleep, and a piece of the memory that lasts through it (sleep.c).

import type { DeepSleep } from "chainmote/ports";

/** MEMORY_BYTES of sleep.c. */
const MEMORY_BYTES = 256;

/** All of the memory, as it is now. */
function read(this: unknown): ArrayBuffer {
  return native<ArrayBuffer>("xs_chainmote_sleep_read").call(this);
}

/** Overwrites it from its first byte on; what is left over becomes zeros. */
function write(this: unknown, bytes: Uint8Array): undefined {
  return native<undefined>("xs_chainmote_sleep_write").call(this, bytes);
}

/** SHA-256 of the ELF that the running image was made from: 32 bytes, which ESP-IDF's build puts into its description. */
function image(this: unknown): ArrayBuffer {
  return native<ArrayBuffer>("xs_chainmote_sleep_image").call(this);
}

/** Sleeps for so many milliseconds, and never returns. */
function deepSleep(this: unknown, ms: number): undefined {
  return native<undefined>("xs_chainmote_sleep_deep").call(this, ms);
}

// Frozen, for what a preloaded module holds lies in flash.
const sleep: DeepSleep = Object.freeze({ memoryBytes: MEMORY_BYTES, read, write, image, deepSleep });

export default sleep;
