// A simulated board with a serial port, in a process of its own, for as long as somebody works with it.
//
// Promises: what was in the folder (key, records, configuration) is there again; one process uses it at a time.

import { existsSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { SERIAL_SOCKET } from "../../host-sim/hardware/cable.js";
import { SntpServer } from "../../host-sim/world/sntp-server.js";
import { LOCK_WAIT_MS } from "../commands/board.js";
import { makeFolder, writeWhole } from "../files.js";
import { acquireLock } from "../processes/lock.js";
import { seedOf } from "../start/board-file.js";
import { runningBoard } from "../start/board-run.js";
import type { SystemEvent } from "../start/screen.js";
import { CommandError } from "../terminal.js";
import type { Json } from "./document.js";

const SOURCE = "board";
const START_MS_MAX = 120_000;
const START_LOOK_MS = 50;

/** Where its names lead to; the time server is this process's. */
export type NetworkTo = (sntp: string) => Json;

/** Runs a simulated board in `folder`, whose port `work` gets. */
export async function withSimulatedBoard(
  folder: string,
  network: NetworkTo,
  work: (path: string) => Promise<number>,
  onEvent: (event: SystemEvent) => void = () => undefined,
): Promise<number> {
  const directory = resolve(folder);
  makeFolder(directory);
  const lock = await acquireLock(join(directory, "board.lock"), LOCK_WAIT_MS).catch((error: Error) => {
    throw new CommandError(`${error.message}, which has to end first`);
  });
  const sntp = await SntpServer.start();
  const file = join(directory, "board.json");
  const content = { seed: seedOf(file), serial: true, config: {}, network: network(sntp.endpoint) };
  writeWhole(file, `${JSON.stringify(content, null, 2)}\n`, "owner");
  const path = join(directory, SERIAL_SOCKET);
  rmSync(path, { force: true });
  const board = runningBoard({
    ...{ directory, source: SOURCE, onEnd: () => undefined },
    onEvent: (_, event) => onEvent(event),
  });
  try {
    await isThere(path);
    return await work(path);
  } finally {
    await board.stop();
    await sntp.close();
    lock.release();
  }
}

/** The board's process has started, and the cable is in. */
async function isThere(path: string): Promise<void> {
  const untilMs = Date.now() + START_MS_MAX;
  while (!existsSync(path)) {
    if (Date.now() > untilMs)
      throw new CommandError("the simulated board does not start: its board.log in the folder may tell why");
    await new Promise((resolve) => setTimeout(resolve, START_LOOK_MS));
  }
}
