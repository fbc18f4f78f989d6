// How a command that runs until it is told to end is told: Ctrl-C, SIGTERM, or SIGHUP.
//
// Never: keeps the process alive by itself; whoever waits has something open.

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Resolves at the first signal. A second Ctrl-C ends at once, for whoever has no patience. */
export function untilTold(): Promise<void> {
  return new Promise((resolve) => {
    let told = false;
    const tell = (signal: NodeJS.Signals): void => {
      if (told && signal === "SIGINT") process.exit(130);
      told = true;
      resolve();
    };
    for (const signal of SIGNALS) process.on(signal, tell);
  });
}
