// How long a test waits before it gives up: a bound against hanging, never a verdict on how fast a machine is.
//
// Promises: ten times what the slowest wait takes on two quiet cores, so that a machine that has other work passes as well; the
// runner's limits are above it (run.ts), so that a wait fails with its own words. Never: a limit of its own in a test file.

/** One wait, in ms. */
export const WAIT_MS_MAX = 300_000;
/** One run of a guest or of a program to its end, in ms. */
export const RUN_MS_MAX = 900_000;

/** Waits until `condition` holds, looking every `pollMs`; throws what `what` says where it does not within `WAIT_MS_MAX`. */
export async function until(what: string | (() => string), condition: () => boolean, pollMs = 10): Promise<void> {
  const endMs = performance.now() + WAIT_MS_MAX;
  while (!condition()) {
    if (performance.now() > endMs)
      throw new Error(`not within ${WAIT_MS_MAX / 1000} s: ${typeof what === "string" ? what : what()}`);
    await pause(pollMs);
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
