// A source of ours outside the firmware as an application on a board: it imports the library by its modules' names (`chainmote/…`),
// where on Node it goes by paths.

import { readFile, writeFile } from "node:fs/promises";

/** Writes the copy of `source` that a manifest names. */
export async function writeAsApplication(source: URL, target: string): Promise<void> {
  await writeFile(target, asApplication(await readFile(source, "utf8")));
}

export function asApplication(text: string): string {
  return text.replace(/(from\s*|import\s*)"(?:\.\.\/)+firmware\/([^"]+)\.js"/g, '$1"chainmote/$2"');
}
