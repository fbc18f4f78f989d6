// Inside the process of one simulated board whose firmware runs on the XS engine: owns the board's parts, runs the guest,
// and answers it over the bridge.
//
// Promises: what the firmware traces goes to standard output as on Node, what the engine says of an error to standard
// error; at the end comes one line more, the event `engine`: why the guest ended, and what memory it had needed. The
// exit code is the guest's (host-sim/xs/src/main.c), or 0 where the power was switched off.
// Never: leaves the guest behind when this process is killed (host-sim/xs/run.ts).

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Board } from "../hardware/board.js";
import { type Report, runImage } from "../xs/run.js";
import { bootedBy, powerOn, type Reset, say } from "./board-process.js";
import { answerCall, Notices } from "./bridge/bridge.js";
import { boardOperations } from "./bridge/operations.js";
import { answerKeys } from "./bridge/storage.js";
import { engineName, firmwareOf, type GuestEngine, memoryBytesOf, memoryOf, slotBytesOf } from "./engines.js";
import { firmwareImage, gatherFirmware } from "./xs-image.js";

/** How long a guest that is told to end may compute on. */
const STOP_MS_MAX = 3000;

export async function runGuest(folder: string, engine: GuestEngine, reset: Reset): Promise<void> {
  const notices = new Notices();
  let off = false;
  const powerOff = (stopping: Board): void => {
    off = true;
    stopping.stop();
    notices.stop();
    setTimeout(() => process.exit(0), STOP_MS_MAX);
  };
  const board = await powerOn(folder, reset, powerOff, engine.memory === "roomy" ? undefined : engine.memory);
  const operations = boardOperations(board, notices);
  const flashed = board.image === undefined;
  const firmware = flashed ? firmwareOf(engine) : await gatherFirmware(bootedBy(board, ""), engine.crypto);
  const image = firmwareImage(firmware, board.config, memoryOf(engine), engine.built.target);
  const scratch = join(folder, "engine");
  mkdirSync(scratch, { recursive: true, mode: 0o700 });
  const report = await runImage(engine.built, image, {
    call: (message) => answerCall(operations, message),
    keys: (message) => answerKeys(board, message),
    notice: () => notices.next(),
    trace: (text) => say(board, text),
    line: (text) => void process.stderr.write(`${text}\n`),
    timeoutMs: Number.POSITIVE_INFINITY,
    realTime: true,
    folder: scratch,
  });
  const line = `${JSON.stringify(engineEvent(engine, report))}\n`;
  // All of the line must be with the parent before this process is gone.
  process.stdout.write(line, () => process.exit(off ? 0 : report.code));
}

/**
 * The event's fields: sizes in bytes. `heapPeakBytes` is what was taken of the board's memory at most: of the one block
 * where there is one, else the sum of the peaks and all of the stack.
 */
function engineEvent(engine: GuestEngine, report: Report) {
  const { built, memory, crypto } = engine;
  const { code, reason, collections, keys, chunksPeakBytes, slotsPeakBytes, stackPeakBytes, nativeStackPeakBytes } = report;
  const sum = chunksPeakBytes + slotsPeakBytes + memoryOf(engine).stackSlots * slotBytesOf(engine);
  return {
    event: "engine",
    ...{ engine: engineName(engine), target: built.target, board: memory, crypto, code, reason },
    // Two areas of their own never grow; the engine counts a few bytes of its own headers into their peaks.
    heapPeakBytes: report.blockPeakBytes > 0 ? report.blockPeakBytes : Math.min(sum, memoryBytesOf(engine)),
    memoryBytes: memoryBytesOf(engine),
    ...{ chunksPeakBytes, slotsPeakBytes, stackPeakBytes, nativeStackPeakBytes, collections, keys },
  };
}
