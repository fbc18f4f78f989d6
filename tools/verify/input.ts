// A file of records, or what comes on stdin: read part by part, and again at a place where that is asked for.
//
// Promises: one part of it in memory at a time; what cannot be read twice (stdin, a pipe) is put into a file of its own that has no name
// any more and goes with this process. Never: more than `INPUT_BYTES_MAX`, or an empty input taken for one that holds.

import { closeSync, fstatSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CommandError, count, plainText, UsageError } from "../terminal.js";

/** About a million and a half records. */
const INPUT_BYTES_MAX = 512 * 1024 * 1024;
const PART_BYTES = 1024 * 1024;
const STDIN = 0;
/** How long to wait where a terminal or a pipe without blocking has nothing yet, in milliseconds. */
const EMPTY_PIPE_MS = 20;

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EACCES: "it may not be read",
  EPERM: "it may not be read",
  EISDIR: "it is a folder",
  ENOSPC: "there is no room for a copy in the folder for temporary files (TMPDIR)",
};

/** What is read, for the messages: its name, and what such a file is. */
export interface InputKind {
  readonly name: string;
  readonly is: string;
}

const RECORDS: InputKind = { name: "a file of records", is: "a CBOR sequence of COSE_Sign1 items" };

export class Input {
  /** In bytes. */
  readonly length: number;
  readonly #name: string;
  readonly #file: number;

  /** @param path of a file, or "-" for stdin */
  static open(path: string | undefined, kind: InputKind = RECORDS): Input {
    if (path === undefined) throw new UsageError(`${kind.name} is missing ("-" reads stdin)`);
    const name = path === "-" ? "stdin" : plainText(path, 200);
    let file: number | undefined;
    try {
      file = openTwice(path, name);
      const input = new Input(name, file);
      if (input.length === 0) throw new CommandError(`${name}: it is empty; ${kind.name} is ${kind.is}`);
      return input;
    } catch (error) {
      if (file !== undefined) closeSync(file);
      throw explained(name, error);
    }
  }

  private constructor(name: string, file: number) {
    this.#name = name;
    this.#file = file;
    this.length = fstatSync(file).size;
    checkLength(name, this.length);
  }

  /** All of it, in order; each part is a buffer of its own. */
  *parts(): Generator<Uint8Array> {
    for (let offset = 0; offset < this.length; ) {
      const part = this.read(offset, Math.min(PART_BYTES, this.length - offset));
      yield part;
      offset += part.length;
    }
  }

  /** Throws where the file has been cut since it was opened. */
  read(offset: number, byteLength: number): Uint8Array {
    const bytes = new Uint8Array(byteLength);
    try {
      for (let at = 0; at < byteLength; ) {
        const read = readSync(this.#file, bytes, at, byteLength - at, offset + at);
        if (read === 0) throw new CommandError(`${this.#name}: it has become shorter while it was read`);
        at += read;
      }
    } catch (error) {
      throw explained(this.#name, error);
    }
    return bytes;
  }

  close(): void {
    closeSync(this.#file);
  }
}

/** All of it in memory, for inputs that are small. */
export function readInput(path: string | undefined, kind?: InputKind): Uint8Array {
  const input = Input.open(path, kind);
  try {
    return input.read(0, input.length);
  } finally {
    input.close();
  }
}

function explained(name: string, error: unknown): Error {
  if (error instanceof CommandError) return error;
  const { code = "", message } = error as NodeJS.ErrnoException;
  return new CommandError(`${name}: ${REASONS[code] ?? plainText(message)}`);
}

function checkLength(name: string, length: number): void {
  if (length > INPUT_BYTES_MAX)
    throw new CommandError(`${name}: more than ${count(INPUT_BYTES_MAX)} bytes; split it at a record`);
}

/** A descriptor that can be read at any place. */
function openTwice(path: string, name: string): number {
  const file = path === "-" ? STDIN : openSync(path, "r");
  const status = fstatSync(file);
  if (status.isFile() && path !== "-") return file;
  try {
    if (status.isDirectory()) throw Object.assign(new Error("a folder"), { code: "EISDIR" });
    return copied(file, name);
  } finally {
    if (file !== STDIN) closeSync(file);
  }
}

function copied(from: number, name: string): number {
  const folder = mkdtempSync(join(tmpdir(), "chainmote-input-"));
  let copy: number;
  try {
    copy = openSync(join(folder, "input"), "wx+", 0o600);
  } finally {
    rmSync(folder, { recursive: true, force: true }); // the file lives on while it is open
  }
  try {
    const part = Buffer.allocUnsafe(PART_BYTES);
    for (let length = 0, read = readSome(from, part); read > 0; read = readSome(from, part)) {
      length += read;
      checkLength(name, length);
      for (let at = 0; at < read; ) at += writeSync(copy, part, at, read - at);
    }
    return copy;
  } catch (error) {
    closeSync(copy);
    throw error;
  }
}

/** Waits until there is something; 0 at the end. */
function readSome(file: number, into: Buffer): number {
  for (;;)
    try {
      return readSync(file, into);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EOF") return 0;
      if (code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, EMPTY_PIPE_MS);
    }
}
