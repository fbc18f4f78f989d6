// Mirror of the SDK's `time`: a counter of 32 bits, signed, that wraps; and the wall clock's setting, in whole seconds.

import type { Board } from "../hardware/board.js";
import { currentBoard } from "./current.js";

export interface TimeModule {
  /** Sets the wall clock, in seconds since the Unix epoch. */
  set(seconds: number): void;
  readonly ticks: number;
  /** Milliseconds from one reading of `ticks` to another, or to now. */
  delta(start: number, end?: number): number;
}

export function timeFor(board: () => Board): TimeModule {
  return {
    set: (seconds) => board().clock.set(seconds),
    get ticks() {
      return board().clock.ticks();
    },
    delta: (start, end = board().clock.ticks()) => (end - start) | 0,
  };
}

export default timeFor(currentBoard);
