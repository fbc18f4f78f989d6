// The records of a store as one file: a CBOR sequence (RFC 8742) of COSE_Sign1 items, in the order of mote, fleet,
// stream and seq.
//
// Promises: the file appears whole or not at all (written beside, synced, renamed). Never: leaves half a file behind.

import { mkdir, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { draftOf, modeFor, syncFolder } from "../files.js";
import type { RecordStore } from "./store.js";

const WRITE_BYTES = 256 * 1024;

/** @returns how many records the file holds */
export async function exportRecords(store: RecordStore, path: string): Promise<number> {
  const draft = draftOf(path);
  await mkdir(dirname(path), { recursive: true });
  const mode = modeFor("umask");
  const file = await open(draft, "wx", mode);
  let count = 0;
  try {
    let parts: Uint8Array[] = [];
    let length = 0;
    for await (const record of store.inOrder()) {
      parts.push(record);
      length += record.length;
      count += 1;
      if (length < WRITE_BYTES) continue;
      await file.writeFile(Buffer.concat(parts));
      parts = [];
      length = 0;
    }
    await file.writeFile(Buffer.concat(parts));
    await file.chmod(mode);
    await file.sync();
  } catch (error) {
    await file.close();
    await rm(draft, { force: true });
    throw error;
  }
  await file.close();
  await rename(draft, path);
  syncFolder(dirname(path));
  return count;
}
