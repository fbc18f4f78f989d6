// A file of records, or what comes on stdin, whole in memory and bounded.

import { open } from "node:fs/promises";
import { CommandError, count, plainText, UsageError } from "../terminal.js";

/** About a million records. */
export const INPUT_BYTES_MAX = 512 * 1024 * 1024;

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EACCES: "it may not be read",
  EPERM: "it may not be read",
  EISDIR: "it is a folder",
};

/** What is read, for the messages: its name, and what such a file is. */
export interface InputKind {
  readonly name: string;
  readonly is: string;
}

const RECORDS: InputKind = { name: "a file of records", is: "a CBOR sequence of COSE_Sign1 items" };

/** @param path of a file, or "-" for stdin */
export async function readInput(path: string | undefined, kind: InputKind = RECORDS): Promise<Uint8Array> {
  if (path === undefined) throw new UsageError(`${kind.name} is missing ("-" reads stdin)`);
  const name = path === "-" ? "stdin" : plainText(path, 200);
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    const stream = path === "-" ? process.stdin : (await open(path)).createReadStream();
    for await (const part of stream as AsyncIterable<Uint8Array>) {
      length += part.length;
      if (length > INPUT_BYTES_MAX)
        throw new CommandError(`${name}: more than ${count(INPUT_BYTES_MAX)} bytes; split it at a record`);
      parts.push(part);
    }
  } catch (error) {
    if (error instanceof CommandError) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? "";
    throw new CommandError(`${name}: ${REASONS[code] ?? plainText((error as Error).message)}`);
  }
  if (length === 0) throw new CommandError(`${name}: it is empty; ${kind.name} is ${kind.is}`);
  return Buffer.concat(parts);
}
