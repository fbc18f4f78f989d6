// `chainmote/entropy` on the XS engine: the board's noise source, over the bridge.

import { call, fill } from "./bridge.js";

/** What one answer may bring, well within a frame. */
const PART_BYTES = 32_768;

export function read(buffer: Uint8Array): void {
  if (buffer.length <= PART_BYTES) {
    fill(buffer, "entropy.read");
    return;
  }
  for (let at = 0; at < buffer.length; at += PART_BYTES) fill(buffer.subarray(at, at + PART_BYTES), "entropy.read");
}

export function failed(): boolean {
  return call<boolean>("entropy.failed");
}

export function fail(): void {
  call("entropy.fail");
}
