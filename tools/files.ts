// Files that are there whole or not at all, and for those alone who may read them.
//
// Promises: what is written is on disk under another name before it gets its own (written, synced, renamed, its folder synced), so that
// no crash leaves half of it or an empty file; a secret is for its owner alone from its first byte on; a draft's name is by chance, so that
// two who write one file at once never mix. Never: replaces what `createWhole` was told to make; follows the name of a draft.

import { randomBytes } from "node:crypto";
import {
  chmodSync,
  closeSync,
  fchmodSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";

/** `owner`: mode 0600. `umask`: as the person who calls has it for files. */
export type Audience = "owner" | "umask";

const OWNER_MODE = 0o600;
const FOLDER_MODE = 0o700;
const OWNER_UMASK = 0o077;

let callersUmask: number | undefined;

/**
 * From here on whatever this process and its children make in a data folder is for its owner alone, whatever the folder's own mode
 * and whoever writes it (a store's files are made by its library). Files that a person asks for by name keep that person's umask.
 */
export function keepToOwner(): void {
  callersUmask ??= process.umask(OWNER_UMASK);
}

/** Makes a data folder, and the folders above it; one that is there keeps its mode. */
export function makeFolder(path: string): void {
  mkdirSync(path, { recursive: true, mode: FOLDER_MODE });
}

/** A folder of ours inside a data folder: for its owner alone even where it was made before. */
export function makeOwnFolder(path: string): void {
  makeFolder(path);
  chmodSync(path, FOLDER_MODE);
}

/** Takes what others may do with the files below a folder of ours away: a library that gives its files a mode of their own. */
export function keepTreeToOwner(path: string): void {
  for (const entry of readdirSync(path, { recursive: true, withFileTypes: true })) {
    const name = join(entry.parentPath, entry.name);
    if (entry.isFile()) chmodSync(name, OWNER_MODE);
    else if (entry.isDirectory()) chmodSync(name, FOLDER_MODE);
  }
}

/** A name beside `path` that nobody else uses. */
export function draftOf(path: string): string {
  return `${path}.${randomBytes(6).toString("hex")}.new`;
}

/** The mode of a file for `audience`. */
export function modeFor(audience: Audience): number {
  return audience === "owner" ? OWNER_MODE : 0o666 & ~(callersUmask ?? process.umask());
}

/** Writes a file, in the place of one that is there; through a link where that is one, into a device or a pipe as they are. */
export function writeWhole(name: string, content: string | Uint8Array, audience: Audience): void {
  const found = statSync(name, { throwIfNoEntry: false });
  const path = found === undefined ? name : realpathSync(name);
  if (found !== undefined && !found.isFile()) {
    writeFileSync(path, content);
    return;
  }
  const draft = writeDraft(path, content, modeFor(audience));
  try {
    renameSync(draft, path);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
  syncFolder(dirname(path));
}

/** Writes a file for its owner alone, unless one of that name is there: then it answers false. */
export function createWhole(path: string, content: string | Uint8Array): boolean {
  const draft = writeDraft(path, content, OWNER_MODE);
  try {
    linkSync(draft, path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return false;
    if (!["EPERM", "ENOSYS", "ENOTSUP", "EOPNOTSUPP", "EMLINK"].includes(code ?? "")) throw error;
    return createWithoutLink(path, content); // a file system without links
  } finally {
    rmSync(draft, { force: true });
  }
  syncFolder(dirname(path));
  return true;
}

function createWithoutLink(path: string, content: string | Uint8Array): boolean {
  let file: number;
  try {
    file = openSync(path, "wx", OWNER_MODE);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
  fill(file, content);
  syncFolder(dirname(path));
  return true;
}

/** Writes all of a file, sees that it is on disk, and closes it. */
function fill(file: number, content: string | Uint8Array): void {
  try {
    const bytes = typeof content === "string" ? Buffer.from(content) : content;
    for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/**
 * Takes a file out of the way that holds nothing, or only zeros: a crash may leave one where a file was being made, and it says nothing
 * that anybody could lose. It is looked at once more under another name, so that nothing which was put there meanwhile is lost.
 */
export function removeEmpty(path: string): void {
  const isEmpty = (file: string): boolean => readFileSync(file).every((byte) => byte === 0);
  const aside = draftOf(path);
  try {
    if (!isEmpty(path)) return;
    renameSync(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  if (!isEmpty(aside)) linkSync(aside, path);
  rmSync(aside, { force: true });
}

/** Sees that names in a folder are on disk. */
export function syncFolder(path: string): void {
  let folder: number;
  try {
    folder = openSync(resolve(path), "r");
  } catch {
    return; // a system that opens no folders syncs names by itself
  }
  try {
    fsyncSync(folder);
  } catch (error) {
    // Some file systems cannot sync a folder; what else fails is the disk's.
    if (!["EINVAL", "ENOTSUP", "EPERM", "EISDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  } finally {
    closeSync(folder);
  }
}

function writeDraft(path: string, content: string | Uint8Array, mode: number): string {
  const draft = draftOf(path);
  const file = openSync(draft, "wx", mode);
  try {
    if (mode !== OWNER_MODE) fchmodSync(file, mode); // our umask may have taken more away than the caller's does
    fill(file, content);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
  return draft;
}
