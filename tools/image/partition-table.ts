// ESP-IDF's partition table as it lies in flash ("Partition Tables" of its programming guide): up to 95 entries of 32 bytes, an MD5 of
// them, erased flash behind.
//
// Promises: every length bounded; what is no whole table is an error that says why. Never: a table whose MD5 does not hold.

import { createHash } from "node:crypto";
import { textIn } from "./app-image.js";

export interface TableEntry {
  readonly name: string;
  /** 0 application, 1 data, else the application's own. */
  readonly type: number;
  readonly subtype: number;
  /** Bytes from the beginning of the flash. */
  readonly at: number;
  readonly bytes: number;
  readonly encrypted: boolean;
}

export const TYPE_APP = 0;
export const TYPE_DATA = 1;
/** What ESP-IDF names `otadata`: which slot starts. */
export const SUBTYPE_OTADATA = 0;

/** The table takes a sector, of which this much may hold entries. */
const TABLE_BYTES_MAX = 0xc00;
const ENTRY_BYTES = 32;
const ENTRY_MAGIC = 0x50aa;
const DIGEST_MAGIC = 0xebeb;
const DIGEST_AT = 16;
const NAME_AT = 12;
const NAME_BYTES = 16;
const FLAGS_AT = 28;
const FLAG_ENCRYPTED = 1;

/** @throws Error that says what is amiss */
export function readPartitionTable(bytes: Uint8Array): readonly TableEntry[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = Math.min(bytes.length, TABLE_BYTES_MAX);
  const entries: TableEntry[] = [];
  for (let at = 0; at + ENTRY_BYTES <= end; at += ENTRY_BYTES) {
    const magic = view.getUint16(at, true);
    if (magic === DIGEST_MAGIC) {
      const digest = createHash("md5").update(bytes.subarray(0, at)).digest();
      if (!digest.equals(bytes.subarray(at + DIGEST_AT, at + ENTRY_BYTES)))
        throw new Error("the partition table's MD5 does not hold");
      if (entries.length === 0) break;
      return entries;
    }
    if (magic !== ENTRY_MAGIC) break;
    entries.push(entryAt(bytes, view, at));
  }
  throw new Error(entries.length === 0 ? "there is no partition table" : "the partition table ends without its MD5");
}

function entryAt(bytes: Uint8Array, view: DataView, at: number): TableEntry {
  const name = textIn(bytes.subarray(at + NAME_AT, at + NAME_AT + NAME_BYTES));
  return {
    name,
    type: view.getUint8(at + 2),
    subtype: view.getUint8(at + 3),
    at: view.getUint32(at + 4, true),
    bytes: view.getUint32(at + 8, true),
    encrypted: (view.getUint32(at + FLAGS_AT, true) & FLAG_ENCRYPTED) !== 0,
  };
}
