// The memory that XS gets, in words of the simulator; each board's is in its file (host-sim/boards.ts).
//
// Sizes are those of a 32-bit machine, whose slots have 16 bytes.
//
// How the boards' figures come about. The SDK's own are those of its target of the same name, with 384 slots of stack, which overflow
// while a record is written: that takes 497, and some 530 with the SDK's modules; with 10 KiB of C stack, which leave nothing after
// recover's 7 KB; and with the keys of its manifest_base.json, where ours are mcconfig's. Where one block holds everything (ESP32-C3),
// chunks and slots begin with what the whole runtime needs of each at its worst by measurement (npm run bench, the cases `runtime…`),
// whatever the chain, so that neither side grows, with what is left of 48 KiB given to the slots, since the collector runs whenever
// either is used up. All three together take 49,152 bytes of the block, and with the SDK's network modules on the heap as well none of
// them grows (npm run bench:heap).

export interface Creation {
  /** One block for everything, in bytes; 0: chunks and slots have fixed areas of their own. */
  readonly staticBytes: number;
  readonly chunkInitialBytes: number;
  readonly chunkIncrementalBytes: number;
  readonly heapInitialSlots: number;
  readonly heapIncrementalSlots: number;
  readonly stackSlots: number;
  readonly keysInitial: number;
  readonly keysIncremental: number;
  readonly nameModulo: number;
  readonly symbolModulo: number;
  /** The C stack of the task that runs XS, in bytes. */
  readonly nativeStackBytes: number;
}

/** What the deepest path of the whole runtime leaves of the C stack at the least (test/xs/runtime.soak.test.ts): for what the SDK puts below and above the firmware. */
export const NATIVE_STACK_MARGIN_BYTES = 4 * 1024;

/** All that a machine of this kind has for JavaScript, in bytes. */
export function memoryBytes(creation: Creation, slotBytes = 16): number {
  const { staticBytes, chunkInitialBytes, heapInitialSlots, stackSlots } = creation;
  const scale = slotBytes / 16;
  return staticBytes > 0 ? staticBytes * scale : chunkInitialBytes * scale + (heapInitialSlots + stackSlots) * slotBytes;
}

/** Enough of everything, for what is no measurement: noble's tables, for one. */
export const ROOMY: Creation = {
  staticBytes: 0,
  chunkInitialBytes: 8 * 1024 * 1024,
  chunkIncrementalBytes: 1024 * 1024,
  heapInitialSlots: 256 * 1024,
  heapIncrementalSlots: 64 * 1024,
  stackSlots: 4_096,
  keysInitial: 2_048,
  keysIncremental: 256,
  nameModulo: 127,
  symbolModulo: 127,
  nativeStackBytes: 0,
};
