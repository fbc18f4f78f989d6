// The memory that each board gives to XS: the `creation` values of the Moddable SDK 8.2 for its target of the same name,
// except where a comment says that they are ours, as the manifest's must be then.
//
// Sizes are those of a 32-bit machine, whose slots have 16 bytes. Keys and moduli are the defaults of the SDK's mcconfig;
// its manifest_base.json has lower ones, which the manifest overrules.

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
  /** The C stack of the task that runs XS, in bytes. Ours: the SDK's 10 KiB leave nothing after recover's 7 KB. */
  readonly nativeStackBytes: number;
}

const KEYS = { keysInitial: 256, keysIncremental: 0, nameModulo: 127, symbolModulo: 127 };
const NATIVE_STACK_BYTES = 16 * 1024;
/** What the deepest path of the whole runtime leaves of it at the least (test/xs/runtime.soak.test.ts): for what the SDK puts below and above the firmware. */
export const NATIVE_STACK_MARGIN_BYTES = 4 * 1024;

// Ours, by measurement (npm run bench, the cases `runtime…`): what the whole runtime needs of each at its worst, whatever the chain, so that
// neither side grows, with what is left of 48 KiB given to the slots, since the collector runs whenever either is used up.
// All three together take 49,152 bytes of the block, and with the SDK's network modules on the heap as well none of them
// grows (npm run bench:heap). The SDK's stack of 384 slots
// overflows while a record is written, which takes 497, and some 530 with the SDK's modules.
const oneBlock: Creation = {
  staticBytes: 94_208,
  chunkInitialBytes: 14_848,
  chunkIncrementalBytes: 512,
  heapInitialSlots: 1_599,
  heapIncrementalSlots: 64,
  stackSlots: 544,
  nativeStackBytes: NATIVE_STACK_BYTES,
  ...KEYS,
};

const twoAreas: Creation = {
  staticBytes: 0,
  chunkInitialBytes: 78_848,
  chunkIncrementalBytes: 0,
  heapInitialSlots: 4_928,
  heapIncrementalSlots: 0,
  stackSlots: 544,
  nativeStackBytes: NATIVE_STACK_BYTES,
  ...KEYS,
};

export type BoardName = "esp32" | "esp32s3" | "esp32c3" | "esp32c6";

export const CREATIONS: Readonly<Record<BoardName, Creation>> = {
  esp32: twoAreas,
  esp32s3: twoAreas,
  esp32c3: oneBlock,
  esp32c6: twoAreas,
};

export const BOARD_NAMES = Object.keys(CREATIONS) as readonly BoardName[];

/** The SDK's name of a board, as `mcconfig -p` takes it. */
export function platformOf(board: BoardName): string {
  return board === "esp32" ? board : `esp32/${board}`;
}

/** All that a machine of this kind has for JavaScript, in bytes. */
export function memoryBytes(creation: Creation, slotBytes = 16): number {
  const { staticBytes, chunkInitialBytes, heapInitialSlots, stackSlots } = creation;
  const scale = slotBytes / 16;
  return staticBytes > 0 ? staticBytes * scale : chunkInitialBytes * scale + (heapInitialSlots + stackSlots) * slotBytes;
}

/** Enough of everything, for what is no measurement: noble's tables, for one. */
export const ROOMY: Creation = {
  ...twoAreas,
  chunkInitialBytes: 8 * 1024 * 1024,
  chunkIncrementalBytes: 1024 * 1024,
  heapInitialSlots: 256 * 1024,
  heapIncrementalSlots: 64 * 1024,
  stackSlots: 4_096,
  keysInitial: 2_048,
  keysIncremental: 256,
  nativeStackBytes: 0,
};
