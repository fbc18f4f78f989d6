// One simulated board as a process that is kept running: for `chainmote start` and `chainmote board`.
//
// Promises: a board that crashed or restarted starts again as a chip does, and knows which of the two it was; its lines go to `board.log` in its folder, bounded, and
// to whoever asked.

import { join } from "node:path";
import type { GuestEngine } from "../../host-sim/engine/engines.js";
import { type Reset, resetAfter, spawnBoard } from "../../host-sim/engine/node.js";
import { BoundedLog } from "../processes/bounded-log.js";
import { type ChildEnd, type Running, Supervisor } from "../processes/supervisor.js";
import type { SystemEvent } from "./screen.js";

export interface BoardRunOptions {
  /** With its board.json. */
  readonly directory: string;
  /** Such as "mote 1". */
  readonly source: string;
  /** Where the firmware runs; on Node where absent. */
  readonly engine?: GuestEngine;
  /** Main module on Node; the standard mote's where absent. */
  readonly firmware?: string;
  readonly onEvent: (source: string, event: SystemEvent) => void;
  /** Told of every end that nobody asked for. */
  readonly onEnd: (source: string, end: ChildEnd) => void;
}

export function runningBoard({ directory, source, engine, firmware, onEvent, onEnd }: BoardRunOptions): Supervisor {
  const log = new BoundedLog(join(directory, "board.log"));
  let reset: Reset = "power-on";
  const launch = (): Running => {
    const board = spawnBoard({
      directory,
      reset,
      ...(engine === undefined ? {} : { engine }),
      ...(firmware === undefined ? {} : { firmware }),
      onEvent: (event) => {
        log.line(JSON.stringify(event));
        onEvent(source, event);
      },
      onText: (text) => {
        log.line(text);
        onEvent(source, { event: "text", text });
      },
    });
    return {
      pid: board.pid,
      ended: board.exited.then((code) => {
        reset = resetAfter(code); // it starts again as a chip does
        return { code, signal: null };
      }),
      end: () => void board.stop(),
      kill: () => void board.kill(),
    };
  };
  const supervisor = new Supervisor(source, launch, (end) => onEnd(source, end));
  supervisor.start();
  return supervisor;
}
