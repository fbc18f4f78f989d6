// The globals that uvu expects and XS has not: a console, and the queue that uvu's own command makes, so that it starts no
// timer. Imported before uvu.

import { print } from "../../../host-sim/xs/guest/host.js";

interface UvuGlobals {
  console: { log(text: string): void };
  UVU_DEFER: number;
  UVU_QUEUE: unknown[][];
}

const globals = globalThis as unknown as UvuGlobals;
globals.console = { log: (text) => print(String(text)) };
globals.UVU_DEFER = 1;
globals.UVU_QUEUE = [[null]];
