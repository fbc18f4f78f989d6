// What must not leave a callback on a board: an exception there ends the machine, and the chip restarts.
//
// Promises: lets nothing out, and says on the log what there was. Never: holds anything that lives, or imports of the SDK, so that it
// can lie in flash. The sockets of the SDK's own clients have guards of their own (sockets.ts).

import type { Log } from "../ports.js";

export function contain<Value>(log: Log, what: string, callback: ((value: Value) => void) | undefined, value: Value): void {
  try {
    callback?.(value);
  } catch (error) {
    log.write("error", { what, detail: String(error) });
  }
}
