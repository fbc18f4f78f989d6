// Mirror of `chainmote/sleep`: deep sleep, and the piece of RTC memory that lasts through it. After the power came on that memory reads as noise,
// as a chip's does.

import { createHash } from "node:crypto";
import type { DeepSleep } from "../../firmware/ports.js";
import type { Board } from "../hardware/board.js";
import { currentBoard } from "./current.js";

/** MEMORY_BYTES of sleep.c. */
const MEMORY_BYTES = 256;
const MS_MAX = 86_400_000;

export function sleepFor(board: () => Board): DeepSleep {
  return Object.freeze({
    memoryBytes: MEMORY_BYTES,
    read: () => (board().rtc.memory ?? noise(board())).slice().buffer as ArrayBuffer,
    write(bytes: Uint8Array) {
      if (bytes.length > MEMORY_BYTES) throw new RangeError("more than the memory has");
      const memory = new Uint8Array(MEMORY_BYTES);
      memory.set(bytes);
      board().rtc.memory = memory;
    },
    image: () => board().imageDigest().slice().buffer as ArrayBuffer,
    deepSleep(ms: number) {
      if (!(ms >= 1 && ms <= MS_MAX)) throw new RangeError("no time to sleep");
      board().sleep(ms);
    },
  });
}

function noise(board: Board): Uint8Array {
  const drawn = new Uint8Array(MEMORY_BYTES);
  const seed = Buffer.from(board.chip.mac()).toString("hex");
  for (let at = 0; at < MEMORY_BYTES; at += 32) drawn.set(createHash("sha256").update(`rtc ${seed} ${at}`).digest(), at);
  return drawn;
}

export default sleepFor(currentBoard);
