// The records of a store as one file: a CBOR sequence (RFC 8742) of COSE_Sign1 items, in the order of mote, fleet,
// stream and seq; and what the node said of their heads as another one, one JSON object a line in the same order.
//
// Promises: a file appears whole or not at all (written beside, synced, renamed). Never: leaves half a file behind.

import { mkdir, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { draftOf, modeFor, syncFolder } from "../files.js";
import { hashText } from "../rpc/chain.js";
import { bytesOf, integerOf, type Row, textOf } from "./database.js";
import { placeText } from "./events.js";
import { placeOf } from "./place.js";
import { HEAD_STATE_NAMES } from "./schema.js";
import type { RecordStore } from "./store.js";

const WRITE_BYTES = 256 * 1024;
const PAGE_ROWS = 500;

/**
 * @param quarantined whether those are among them that are marked since their key is quarantined
 * @returns how many records the file holds
 */
export function exportRecords(store: RecordStore, path: string, quarantined = false): Promise<number> {
  return writeItems(path, store.inOrder(quarantined));
}

/** @returns how many verdicts the file holds: one for each record */
export function exportVerdicts(store: RecordStore, path: string, quarantined = false): Promise<number> {
  return writeItems(path, verdictLines(store, quarantined));
}

async function* verdictLines(store: RecordStore, quarantined: boolean): AsyncGenerator<Uint8Array> {
  let after: Row | undefined;
  for (;;) {
    const rows = await store.verdicts.page(after, PAGE_ROWS, quarantined);
    for (const row of rows) yield Buffer.from(`${JSON.stringify(verdictOf(row))}\n`);
    after = rows.at(-1);
    if (rows.length < PAGE_ROWS || after === undefined) return;
  }
}

function verdictOf(row: Row): object {
  const state = integerOf(row, "head_state");
  const head =
    row.head_hash === null
      ? {}
      : {
          chain: textOf(row, "head_chain"),
          number: integerOf(row, "head_number"),
          hash: hashText(textOf(row, "head_chain"), bytesOf(row, "head_hash")),
        };
  return {
    ...placeText(placeOf(row)),
    ...{ linked: row.linked === true, afterGap: row.after_gap === true },
    ...{ head: HEAD_STATE_NAMES[state] ?? String(state), settled: row.head_settled === true, ...head },
    ...(row.quarantined_since === null ? {} : { quarantinedSince: integerOf(row, "quarantined_since") }),
  };
}

/** A file of these items. Answers how many they are. */
export async function writeItems(path: string, items: AsyncIterable<Uint8Array>): Promise<number> {
  const draft = draftOf(path);
  await mkdir(dirname(path), { recursive: true });
  const mode = modeFor("umask");
  const file = await open(draft, "wx", mode);
  let count = 0;
  try {
    let parts: Uint8Array[] = [];
    let length = 0;
    for await (const item of items) {
      parts.push(item);
      length += item.length;
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
