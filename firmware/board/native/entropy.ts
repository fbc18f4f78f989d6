// The module `chainmote/entropy` of a board: the chip's hardware random number generator (entropy.c).
//
// Never answers while nothing feeds it: the generator is pseudo-random then.

/** Fills `buffer`. Throws "noise source is off" where the Wi-Fi radio is not started. */
export function read(this: unknown, buffer: Uint8Array): unknown {
  return native("xs_chainmote_entropy_read").call(this, buffer);
}

/** Whether `fail` was called since the power came on. */
export function failed(this: unknown): boolean {
  return native<boolean>("xs_chainmote_entropy_failed").call(this);
}

/** Remembers, until the power goes, that a health test has failed. */
export function fail(this: unknown): unknown {
  return native("xs_chainmote_entropy_fail").call(this);
}
