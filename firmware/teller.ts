// The log of a mote whose application wants to be told: each event goes on the log, then to the application.
//
// Promises: what the application throws is one line on the log, and stops nothing; an event of that line's own is not told. Never:
// made where no application listens.

import type { EventName, Events, MoteEvent } from "./events.js";
import type { Log } from "./ports.js";

export class Teller implements Log {
  readonly #log: Log;
  readonly #onEvent: (event: MoteEvent) => void;
  /** Whether the application is being told something. */
  telling = false;

  constructor(log: Log, onEvent: (event: MoteEvent) => void) {
    this.#log = log;
    this.#onEvent = onEvent;
  }

  write<Name extends EventName>(event: Name, fields: Readonly<Events[Name]>): void {
    this.#log.write(event, fields);
    const within = this.telling;
    this.telling = true;
    try {
      this.#onEvent({ ...fields, event } as unknown as MoteEvent);
    } catch (error) {
      this.#log.write("error", { what: "onEvent", detail: `${event}: ${String(error)}` });
    }
    this.telling = within;
  }
}
