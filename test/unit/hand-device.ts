// The one board that a test makes up by hand: a clock that it turns, a log that it reads, and whatever parts it names. For a board with
// simulated hardware there is createBoard (host-sim/device.ts), and for a whole mote on one mote-bench.ts.

import type { Device } from "../../firmware/ports.js";
import { HandClock, LogBook } from "./hand-clock.js";

interface Hand {
  readonly clock: HandClock;
  readonly log: LogBook;
}

/**
 * @param parts some of a board's, each as far as the test needs it
 * @returns a board of these parts; whatever else is asked of it is a mistake of the test, and says so
 */
export function handDevice(parts: { readonly [Name in keyof Device]?: object } = {}): Device & Hand {
  const device: object = { clock: new HandClock(), log: new LogBook(), ...parts };
  return new Proxy(device, {
    get(target, name) {
      if (!(name in target)) throw new Error(`this board was made without ${String(name)}`);
      return target[name as keyof typeof target];
    },
  }) as Device & Hand;
}
