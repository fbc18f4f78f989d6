// The store of a folder, or of the server that DATABASE_URL names, opened for one piece of work and closed after it.
//
// Promises: nobody else has the folder open meanwhile; what the folder gets is for its owner alone. Never: shows the server's URL.

import { join, resolve } from "node:path";
import { keepToOwner, makeFolder } from "../files.js";
import { checkUrl } from "../options.js";
import { acquireLock, LockHeld } from "../processes/lock.js";
import { CommandError, plainText } from "../terminal.js";
import { openPglite, openPostgres } from "./database.js";
import { RecordStore } from "./store.js";

const LOCK_WAIT_MS = 10_000;

/** @throws CommandError where it cannot be opened */
export async function withStore<T>(directory: string, work: (store: RecordStore) => Promise<T>): Promise<T> {
  keepToOwner();
  makeFolder(directory);
  const lock = await acquireLock(join(directory, "collector.lock"), LOCK_WAIT_MS).catch((error: unknown) => {
    if (!(error instanceof LockHeld)) throw error;
    throw new CommandError(`${error.message}, which has to end first`);
  });
  try {
    return await withOpened(directory, work);
  } finally {
    lock.release();
  }
}

/** The same for who only reads: a server takes several at once, so that the collector goes on meanwhile. */
export function withStoreToRead<T>(directory: string, work: (store: RecordStore) => Promise<T>): Promise<T> {
  return serverUrl() === undefined ? withStore(directory, work) : withOpened(directory, work);
}

function serverUrl(): string | undefined {
  const url = process.env.DATABASE_URL;
  return url === undefined || url === "" ? undefined : checkUrl("DATABASE_URL", url, ["postgres", "postgresql"]);
}

async function withOpened<T>(directory: string, work: (store: RecordStore) => Promise<T>): Promise<T> {
  const url = serverUrl();
  const database = url === undefined ? await openPglite(resolve(directory, "records")) : await openPostgres(url);
  const store = await RecordStore.open(database).catch(async (error: Error) => {
    await database.close();
    throw new CommandError(`the store cannot be opened: ${plainText(error.message)}`);
  });
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}
