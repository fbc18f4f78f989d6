// What JavaScript in the XS host may ask of the host itself (src/functions.c). For simulated modules, benchmarks and
// tests; firmware imports none of it.

/** Shows a line of text. */
export function print(this: unknown, text: string): undefined {
  return native<undefined>("xs_host_print").call(this, text);
}

/** Asks the process that owns the simulated board, and waits for its answer. At most 64 KiB each way. */
export function request(this: unknown, message: ArrayBuffer | Uint8Array): ArrayBuffer {
  return native<ArrayBuffer>("xs_host_request").call(this, message);
}

/** Events come to `handler`, one at a time, until `listen()` is called without one; the program ends then. */
export function listen(this: unknown, handler?: (event: ArrayBuffer) => void): undefined {
  return native<undefined>("xs_host_listen").call(this, handler);
}

/** A clock that only counts, to the nanosecond, and stands while the pipe is used. On rv32 a microsecond is a thousand instructions. */
export function microseconds(this: unknown): number {
  return native<number>("xs_host_microseconds").call(this);
}

/** Instructions since the machine's start, on rv32, but for those that the pipe took; 0 elsewhere. */
export function instructions(this: unknown): number {
  return native<number>("xs_host_instructions").call(this);
}

/** Begins to look at what runs, or ends that and prints what was seen (src/profile.c); on rv32 alone. */
export function profile(this: unknown, on: boolean): undefined {
  return native<undefined>("xs_host_profile").call(this, on);
}

/** Begins to look at whose the heap is, or ends that and prints it (src/heap.c). */
export function parts(this: unknown, on: boolean): undefined {
  return native<undefined>("xs_host_parts").call(this, on);
}

/** Collects garbage. */
export function collect(this: unknown): undefined {
  return native<undefined>("xs_host_collect").call(this);
}

/** Fills `words`, whose indexes are those of `MEMORY`; all in bytes but the collections and the keys. */
export function memory(this: unknown, words: Uint8Array): undefined {
  return native<undefined>("xs_host_memory").call(this, words);
}

/** Peaks begin again at what is in use now. */
export function resetPeaks(this: unknown): undefined {
  return native<undefined>("xs_host_reset_peaks").call(this);
}

/** Hands all memory that JavaScript can have written to, as it is, to the process that owns the board. */
export function dump(this: unknown): undefined {
  return native<undefined>("xs_host_dump").call(this);
}

/** Hands the C stack, with what returned functions have left there, and all static memory of C to the same process. */
export function dumpNative(this: unknown): undefined {
  return native<undefined>("xs_host_dump_native").call(this);
}

/** Names of the words, in their order; each has 32 bits, little-endian. */
const MEMORY = [
  "chunks",
  "chunksPeak",
  "chunksReserved",
  "slots",
  "slotsPeak",
  "slotsReserved",
  "stackPeak",
  "collections",
  "keys",
  "nativeStackPeak",
  "block",
  "stackReserved",
  "blockPeak",
] as const;

const WORD_BYTES = 4;

/** Reads one of `MEMORY` out of what `memory` filled. */
export function wordOf(words: Uint8Array, name: (typeof MEMORY)[number]): number {
  const at = WORD_BYTES * MEMORY.indexOf(name);
  const word = (index: number): number => words[at + index] as number;
  return word(0) + word(1) * 2 ** 8 + word(2) * 2 ** 16 + word(3) * 2 ** 24;
}

export const MEMORY_BYTES = WORD_BYTES * MEMORY.length;
