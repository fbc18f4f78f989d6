// Waiting in tests: for something to hold, with a bound and a name.

const WAIT_MS = 15_000;

/** Resolves with the first answer that is neither false nor undefined; throws after `waitMs`. */
export async function eventually<T>(
  what: string,
  probe: () => T | undefined | false | Promise<T | undefined | false>,
  waitMs = WAIT_MS,
): Promise<T> {
  const deadline = performance.now() + waitMs;
  for (;;) {
    const found = await probe();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > deadline) throw new Error(`${what}: not within ${waitMs / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
