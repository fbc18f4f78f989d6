// What takes the board's notices in a guest whose heap is measured: each goes to its object, and one to nobody asks for the
// figures of the memory, which are printed (runtime-world.ts, `RuntimeSample`).

import { type Answer, type Target, deliver as toTarget } from "../../../../host-sim/modules/guest/bridge.js";
import { collect, MEMORY_BYTES, memory, print, wordOf } from "../../../../host-sim/xs/guest/host.js";

export function deliver(target: Target | undefined, what: string | number, a: Answer, b: Answer, c: Answer, d: Answer): void {
  if (target === undefined) sample(what as number);
  else toTarget(target, what as string, a, b, c, d);
}

function sample(records: number): void {
  const words = new Uint8Array(MEMORY_BYTES);
  memory(words);
  const collections = wordOf(words, "collections");
  const takenPeakBytes = wordOf(words, "blockPeak");
  const stackPeakBytes = wordOf(words, "stackPeak");
  collect();
  memory(words);
  const liveChunkBytes = wordOf(words, "chunks");
  const liveSlotBytes = wordOf(words, "slots");
  const nativeStackPeakBytes = wordOf(words, "nativeStackPeak");
  print(
    JSON.stringify({
      records,
      collections,
      takenPeakBytes,
      liveChunkBytes,
      liveSlotBytes,
      stackPeakBytes,
      nativeStackPeakBytes,
    }),
  );
}
