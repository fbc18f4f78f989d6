// The C sources of the native engine's curve: libsecp256k1 0.8.0, in build/libsecp256k1, where k1.c and the board's manifest
// look for them; and Keccak's out of an npm package, beside them.
//
// Promises: each file is, byte for byte, the one of upstream's release v0.8.0 (libsecp256k1.sha256; `sha256sum -c` reads it),
// each time that they are used. They come out of an archive of a registry by `chainmote native`, which executes nothing of it.
// Never: takes an archive or a file of another hash, or leaves half of them in place.

import { execFile } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { cp, mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { packageFolder } from "../packages.js";
import { BUILT, REPOSITORY } from "../place.js";

const run = promisify(execFile);
const BUILD = join(REPOSITORY, "build");
const PINS = join(REPOSITORY, "host-sim/xs/libsecp256k1.sha256");

/** As firmware/crypto/native/manifest.json names it. */
export const LIBRARY_FOLDER = join(BUILD, "libsecp256k1");
export const LIBRARY_VERSION = "0.8.0";
/** The source package on the Python index that has upstream's release whole, in one of its folders. */
export const ARCHIVE = {
  project: "electrum-ecc",
  file: "electrum_ecc-0.0.8.tar.gz",
  folder: "electrum_ecc-0.0.8/libsecp256k1",
  sha256: "94869a77de28ee79b7f7e974af5c20b392b949905880a8b26504e28202644106",
} as const;
/** What to tell whoever has not got them. */
export const NATIVE_COMMAND = BUILT ? "npx chainmote native" : "npm run native";
const ADVICE = `${NATIVE_COMMAND} brings them`;

/** Path in the library → SHA-256, all files of it. */
export async function pinnedFiles(): Promise<ReadonlyMap<string, string>> {
  const lines = (await readFile(PINS, "utf8")).trimEnd().split("\n");
  return new Map(lines.map((line) => [line.slice(66), line.slice(0, 64)]));
}

/** What is wrong with the sources in `folder`, as one line that says what helps; undefined where they are upstream's. */
export async function libraryFault(folder = LIBRARY_FOLDER): Promise<string | undefined> {
  for (const [path, sha256] of await pinnedFiles()) {
    const bytes = await readFile(join(folder, path)).catch(() => undefined);
    if (bytes === undefined) return `the sources of libsecp256k1 ${LIBRARY_VERSION} are not here; ${ADVICE}`;
    if (hashOf(bytes) !== sha256)
      return `${join(folder, path)} is not that of libsecp256k1 ${LIBRARY_VERSION}; remove ${folder}, then ${ADVICE}`;
  }
  return undefined;
}

/** Puts the library out of `archive`, the bytes of `ARCHIVE.file`, into `folder`. Throws where any of it is not as pinned. */
export async function unpackLibrary(archive: Uint8Array, folder = LIBRARY_FOLDER): Promise<void> {
  if (hashOf(archive) !== ARCHIVE.sha256)
    throw new Error(`this is not ${ARCHIVE.file}: its SHA-256 is ${hashOf(archive)}, not ${ARCHIVE.sha256}`);
  await mkdir(dirname(folder), { recursive: true });
  const work = await mkdtemp(`${folder}-`);
  try {
    const file = join(work, ARCHIVE.file);
    await writeFile(file, archive);
    await run("tar", ["-xzf", file, "-C", work, ARCHIVE.folder]);
    await keepPinned(join(work, ARCHIVE.folder), join(work, "pinned"));
    await replace(join(work, "pinned"), folder);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** The sources of Keccak that the manifest names: npm may put the package anywhere above, a manifest's path leads to one place. */
export const KECCAK_FOLDER = join(BUILD, "libkeccak-32");
export const KECCAK = "keccak";

/** Puts them there out of the npm package; false where that is not installed. */
export async function copyKeccak(folder = KECCAK_FOLDER): Promise<boolean> {
  const from = packageFolder(KECCAK);
  if (from === undefined) return false;
  await cp(join(from, "src/libkeccak-32"), folder, { recursive: true });
  return true;
}

/** Copies the pinned files alone, and looks at each. */
async function keepPinned(from: string, to: string): Promise<void> {
  for (const path of (await pinnedFiles()).keys()) {
    await mkdir(dirname(join(to, path)), { recursive: true });
    await cp(join(from, path), join(to, path));
  }
  const fault = await libraryFault(to);
  if (fault !== undefined) throw new Error(fault);
}

async function replace(from: string, to: string): Promise<void> {
  const old = `${to}-${randomUUID()}`;
  await rename(to, old).catch(() => {}); // there is none yet
  await rename(from, to);
  await rm(old, { recursive: true, force: true });
}

function hashOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
