// Which engine a board's firmware runs on, and in how much memory.

import type { Built } from "../xs/build.js";
import { type BoardName, CREATIONS, type Creation, ROOMY } from "../xs/presets.js";
import type { Crypto } from "./xs-image.js";

/** `roomy` is no board: enough for noble's tables. */
export type Memory = BoardName | "roomy";

/** The XS engine, as `buildHost` has built it. */
export interface GuestEngine {
  readonly built: Built;
  readonly memory: Memory;
  readonly crypto: Crypto;
}

export function memoryOf(engine: GuestEngine): Creation {
  return engine.memory === "roomy" ? ROOMY : CREATIONS[engine.memory];
}
