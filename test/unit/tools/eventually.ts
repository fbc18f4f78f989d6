// Waiting in tests for something that has to be asked for, with the suite's bound and a name.

import { pause, WAIT_MS_MAX } from "../../patience.js";

/** Resolves with the first answer that is neither false nor undefined; throws after `WAIT_MS_MAX`. */
export async function eventually<T>(
  what: string,
  probe: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  const deadline = performance.now() + WAIT_MS_MAX;
  for (;;) {
    const found = await probe();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > deadline) throw new Error(`${what}: not within ${WAIT_MS_MAX / 1000} s`);
    await pause(20);
  }
}
