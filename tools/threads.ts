// Ends a thread of this process from within, once it has done what it is about.
//
// Never: `Worker.terminate`. A thread that is taken out of an addon's call makes the addon throw where nothing catches it, and the whole
// process aborts (test/unit/tools/checking.test.ts).

import type { Worker } from "node:worker_threads";

/** The message that ends a thread: it answers with `process.exit()`. */
export const END = null;

/** When it is gone. What it threw on the way is of no interest any more. */
export async function ended(thread: Worker): Promise<void> {
  thread.on("error", () => undefined);
  if (thread.threadId === -1) return; // it is gone already
  const gone = new Promise<unknown>((resolve) => thread.once("exit", resolve));
  thread.postMessage(END);
  await gone;
}
