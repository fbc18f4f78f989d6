// chainmote native: brings the C sources that the native engine is built from, each file checked against upstream's release.

import { readFile } from "node:fs/promises";
import {
  ARCHIVE,
  copyKeccak,
  KECCAK,
  LIBRARY_FOLDER,
  LIBRARY_VERSION,
  libraryFault,
  pinnedFiles,
  unpackLibrary,
} from "../../host-sim/xs/libsecp256k1.js";
import { fetchFromIndex } from "../native/python-index.js";
import { needPackages } from "../optional.js";
import { readWords, type Words } from "../options.js";
import { Progress } from "../progress.js";
import { CommandError, type Output, plainText, plural } from "../terminal.js";

export const usage = `chainmote native [FILE]

Brings libsecp256k1 ${LIBRARY_VERSION} into build/libsecp256k1: for --engine xs and rv32, and for a board's firmware. It is taken
from the source package ${ARCHIVE.file} of the Python index that pip is set up for; nothing of the package is executed,
and each file is compared with upstream's release by its SHA-256 (host-sim/xs/libsecp256k1.sha256). Keccak's sources are copied from
npm keccak into build/libkeccak-32.

  FILE  that package, got by other means

Exit code: 0 once all files are in place, 1 where they cannot be had.

Examples:
  chainmote native
  chainmote native electrum_ecc.tar.gz`;

export function read(words: readonly string[]): Words {
  return readWords(words, {}, 1);
}

export async function run(words: readonly string[], output: Output): Promise<number> {
  const { others } = read(words);
  if ((await libraryFault()) !== undefined) {
    const progress = new Progress("chainmote native");
    try {
      const [given] = others;
      const archive =
        given === undefined ? await fetchFromIndex(ARCHIVE.project, ARCHIVE.file, progress) : await readGiven(given);
      progress.step("comparing each file with upstream's release");
      await unpackLibrary(archive).catch((error: Error) => {
        throw new CommandError(plainText(error.message));
      });
    } finally {
      progress.clear();
    }
  }
  if (!(await copyKeccak())) needPackages([KECCAK]);
  const files = plural((await pinnedFiles()).size, "file");
  output.line(`libsecp256k1 ${LIBRARY_VERSION} is in ${plainText(LIBRARY_FOLDER)}: ${files}, each as in upstream's release`);
  return 0;
}

async function readGiven(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new CommandError(`${plainText(path)} cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
}
