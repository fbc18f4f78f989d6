// The module `chainmote/chip` of a board: why it started, who it is, how well it is locked, and whether its NVS is open (chip.c).
//
// Never answers what a configuration claims: what is locked is read from the eFuses, the profile from what the image was built with.

const SECURE_BOOT = 1;
const FLASH_ENCRYPTED = 2;
const FLASH_RELEASE = 4;
const NVS_ENCRYPTED = 8;
/** As chip-board.h has them. */
const MEMORY_FREE = 0;
const MEMORY_LARGEST = 1;
const MEMORY_LEAST = 2;

/** A word of ports.ts's `ResetReason`. */
export function resetReason(this: unknown): string {
  return native<string>("xs_chainmote_chip_reason").call(this);
}

function macBuffer(this: unknown): ArrayBuffer {
  return native<ArrayBuffer>("xs_chainmote_chip_mac").call(this);
}

/** 6 bytes, which the chip was made with. */
export function mac(): Uint8Array {
  return new Uint8Array(macBuffer());
}

function securityBits(this: unknown): number {
  return native<number>("xs_chainmote_chip_security").call(this);
}

/** As ports.ts's `Security`. */
export function security(): object {
  const bits = securityBits();
  const encrypted = (bits & FLASH_RELEASE) === 0 ? "development" : "release";
  return {
    secureBoot: (bits & SECURE_BOOT) !== 0,
    flashEncryption: (bits & FLASH_ENCRYPTED) === 0 ? "off" : encrypted,
    nvsEncryption: (bits & NVS_ENCRYPTED) !== 0,
  };
}

/** "dev" or "production". */
export function profile(this: unknown): string {
  return native<string>("xs_chainmote_chip_profile").call(this);
}

/** Why NVS is not open, a word of ports.ts's `StorageFault`, or undefined where it is. */
export function storage(this: unknown): string | undefined {
  return native<string | undefined>("xs_chainmote_chip_storage").call(this);
}

function memoryBytes(this: unknown, which: number): number {
  return native<number>("xs_chainmote_chip_memory").call(this, which);
}

/** As ports.ts's `MemoryLeft`. */
export function memory(): object {
  return {
    freeBytes: memoryBytes(MEMORY_FREE),
    largestBytes: memoryBytes(MEMORY_LARGEST),
    leastBytes: memoryBytes(MEMORY_LEAST),
  };
}

/** Starts the firmware anew, and never returns: the next start knows that it was meant. */
export function restart(this: unknown): unknown {
  return native("xs_chainmote_chip_restart").call(this);
}
