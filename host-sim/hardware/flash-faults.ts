// What flash cells hold, or seem to hold, when power goes in the middle of a write or an erase.
//
// Faults: a torn write clears any subset of the bits that it was to clear; a half-erased cell reads as it likes.

import type { Prng } from "../world/prng.js";
import type { FlashMode } from "./flash.js";

/**
 * Programs `cells` (at most a unit), into which `target` was being written, as far as power lasted; true if any bit
 * changed. One flavour in four stops between two bytes, at `byteCount`; the others clear bits anywhere, few or many.
 */
export function tearUnit(cells: Uint8Array, target: Uint8Array, byteCount: number, chance: Prng): boolean {
  const density = chance.real();
  let changed = false;
  for (let i = 0; i < cells.length; i += 1) {
    const old = cells[i] as number;
    let reached = 0;
    if (density < 0.25) reached = i < byteCount ? 0xff : 0;
    else for (let bit = 1; bit < 256; bit <<= 1) if (chance.real() < (density - 0.25) / 0.75) reached |= bit;
    const now = old & ((target[i] as number) | ~reached) & 0xff;
    if (now !== old) changed = true;
    cells[i] = now;
  }
  return changed;
}

/**
 * Turns bytes read from one unit of a half-erased sector into what this read gives: as before, with a probability that
 * falls with `progress` (0 to 1); else erased, partly erased, partly programmed (some chips clear a sector before they
 * erase it), or anything. Encrypted, a block with any bit amiss is noise.
 */
export function readHalfErased(bytes: Uint8Array, progress: number, mode: FlashMode, chance: Prng): void {
  if (chance.real() >= progress) return;
  const flavour = mode === "encrypted" ? 1 : chance.real();
  for (let i = 0; i < bytes.length; i += 1) {
    const draw = Math.floor(chance.real() * 256);
    const old = bytes[i] as number;
    bytes[i] = flavour < 0.25 ? 0xff : flavour < 0.5 ? old | draw : flavour < 0.75 ? old & draw : draw;
  }
}
