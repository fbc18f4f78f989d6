// What a test sees of a simulated partition: operations before they happen, counters, and its whole state at one moment.

/** A write or an erase that is about to happen. `byteLength` counts bytes programmed or erased. */
export interface FlashOperation {
  kind: "write" | "erase";
  byteOffset: number;
  byteLength: number;
  /** What is to be written; undefined for an erase. */
  bytes: Uint8Array | undefined;
}

export interface FlashCounters {
  writes: number;
  erases: number;
  bytesWritten: number;
  bytesRead: number;
  /** Units programmed a second time without an erase between: the journal must leave this at 0. */
  rewrites: number;
}

/** All there is to a partition at one moment. */
export interface FlashImage {
  cells: Uint8Array;
  view: Uint8Array;
  written: Uint8Array;
  unstable: Float64Array;
}
