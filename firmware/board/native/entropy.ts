// The module `chainmote/entropy` of a board: the chip's hardware random number generator (entropy.c).
//
// Never answers while neither radio is on: the generator is pseudo-random then.

/** Fills `buffer`. Throws "noise source is off" where the Wi-Fi radio is not started. */
export function read(this: unknown, buffer: Uint8Array): unknown {
  return native("xs_chainmote_entropy_read").call(this, buffer);
}
