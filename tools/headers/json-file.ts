// A small JSON file that a person names on the command line: a checkpoint, a genesis file.
//
// Promises: what cannot be read, is too long or is no JSON is one clear line with the file's name.

import { readFileSync } from "node:fs";
import { CommandError } from "../terminal.js";

const FILE_CHARACTERS_MAX = 1024 * 1024;

export function readJson(path: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new CommandError(`${path}: it cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
  if (text.length > FILE_CHARACTERS_MAX) throw new CommandError(`${path}: longer than ${FILE_CHARACTERS_MAX} characters`);
  try {
    return JSON.parse(text.replace(/^\ufeff/, "")) as unknown;
  } catch {
    throw new CommandError(`${path}: no JSON`);
  }
}
