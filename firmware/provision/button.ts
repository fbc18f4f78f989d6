// Whether a person holds the board's button while it starts: it opens provisioning, and nothing else does once a board has a configuration.
//
// Promises: looks only at what begins in the first `BEGIN_MS` after the start, and lets go of the pin when that is over. Never: delays the
// start. A pin that is low for another reason at the moment of the reset has the chip's ROM wait for a download instead.

import type { ButtonPort, Clock, Timer } from "../ports.js";

/** The button must be down by then. */
export const BEGIN_MS = 3_000;
export const HELD_MS = 5_000;
const LOOK_MS = 100;

/** Calls back once the button was held; never, where it was not. */
export function watchButton(port: ButtonPort, clock: Clock, timer: Timer, onHeld: () => void): void {
  const button = port.open();
  const startMs = clock.ticksMs();
  let downMs: number | undefined;
  const look = (): void => {
    const nowMs = clock.ticksMs();
    if (!button.pressed()) downMs = undefined;
    else downMs ??= nowMs;
    if (downMs !== undefined && nowMs - downMs >= HELD_MS) {
      button.close();
      onHeld();
    } else if (downMs !== undefined || nowMs - startMs < BEGIN_MS) timer.set(look, LOOK_MS);
    else button.close();
  };
  look();
}
