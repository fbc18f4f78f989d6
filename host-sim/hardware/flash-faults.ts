// What flash cells hold, or seem to hold, when power goes in the middle of a write or an erase.
//
// Faults: a torn write clears any subset of the bits that it was to clear; a half-erased cell reads as it likes.

import type { FlashMode } from "./flash.js";

/** Numbers in [0, 1) from a seed (xorshift, 32 bits): one source per partition, so that a seed replays its faults. */
export function randomFrom(seed: number): () => number {
  let state = Math.imul(seed ^ 0x5bd1e995, 0x9e3779b1) | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 4294967296;
  };
}

/**
 * Programs `cells` (at most a unit), into which `target` was being written, as far as power lasted; true if any bit
 * changed. One flavour in four stops between two bytes, at `byteCount`; the others clear bits anywhere, few or many.
 */
export function tearUnit(cells: Uint8Array, target: Uint8Array, byteCount: number, random: () => number): boolean {
  const density = random();
  let changed = false;
  for (let i = 0; i < cells.length; i += 1) {
    const old = cells[i] as number;
    let reached = 0;
    if (density < 0.25) reached = i < byteCount ? 0xff : 0;
    else for (let bit = 1; bit < 256; bit <<= 1) if (random() < (density - 0.25) / 0.75) reached |= bit;
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
export function readHalfErased(bytes: Uint8Array, progress: number, mode: FlashMode, random: () => number): void {
  if (random() >= progress) return;
  const flavour = mode === "encrypted" ? 1 : random();
  for (let i = 0; i < bytes.length; i += 1) {
    const draw = Math.floor(random() * 256);
    const old = bytes[i] as number;
    bytes[i] = flavour < 0.25 ? 0xff : flavour < 0.5 ? old | draw : flavour < 0.75 ? old & draw : draw;
  }
}
