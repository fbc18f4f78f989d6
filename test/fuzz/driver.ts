// C of ours that reads bytes from outside, compiled on this machine: as a program that says what it makes of them, or for libFuzzer. Both
// under the address and the undefined-behaviour sanitizer, where the compiler has them.
//
// Promises: what is missing is one line. Never: writes outside build/.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));

/** A file of C, its header beside it, and its harness, test/fuzz/NAME.c. */
export interface Target {
  readonly name: string;
  readonly folder: string;
}

export const OCTETS: Target = { name: "octets", folder: "firmware/bytes/native" };
export const NVS_PAGES: Target = { name: "nvs-pages", folder: "firmware/board/native" };
export const TARGETS: readonly Target[] = [OCTETS, NVS_PAGES];
export const corpusOf = ({ name }: Target): string => join(REPOSITORY, "test/fuzz/corpus", name);
export const sourceOf = ({ name, folder }: Target): string => join(REPOSITORY, folder, `${name}.c`);
const CACHE = join(REPOSITORY, "build/fuzz");
const WARNINGS = ["-Wall", "-Wextra", "-Werror"];
const SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
const OUTPUT_BYTES_MAX = 1 << 28;

export interface Missing {
  readonly missing: string;
}

function compile(compiler: string, words: readonly string[], target: Target, source: string, kind: string): string | Missing {
  const native = join(REPOSITORY, target.folder);
  const harness = join(REPOSITORY, `test/fuzz/${target.name}.c`);
  const texts = [harness, join(native, `${target.name}.h`)].map((file) => readFileSync(file, "utf8"));
  const key = createHash("sha256")
    .update([compiler, ...words, source, ...texts].join("\0"))
    .digest("hex")
    .slice(0, 24);
  const file = join(CACHE, `${kind}-${key}`);
  if (existsSync(file)) return file;
  mkdirSync(CACHE, { recursive: true });
  const changed = `${file}.${process.pid}.c`;
  writeFileSync(changed, source);
  const temporary = `${file}.${process.pid}`;
  const { error, status, stderr } = spawnSync(
    compiler,
    ["-g", "-O1", ...WARNINGS, ...words, "-I", native, harness, changed, "-o", temporary],
    { encoding: "utf8" },
  );
  if (error !== undefined) return { missing: `no ${compiler} here` };
  if (status !== 0)
    return { missing: `${compiler} cannot build ${target.name}.c: ${stderr.trim().split("\n").slice(0, 8).join("\n")}` };
  renameSync(temporary, file);
  return file;
}

/** The program that says what it makes of its input; `source` stands for the target's file where it is given. */
export function comparer(target: Target, source = readFileSync(sourceOf(target), "utf8")): string | Missing {
  return compile("gcc", SANITIZERS, target, source, "compare");
}

/** The program of libFuzzer. */
export function fuzzer(target: Target): string | Missing {
  const words = ["-fsanitize=fuzzer", ...SANITIZERS, "-DFUZZER"];
  const made = compile("clang", words, target, readFileSync(sourceOf(target), "utf8"), "fuzz");
  return typeof made === "string" ? made : { missing: `${made.missing}; bring it with: apt install clang libclang-rt-dev` };
}

/** What the program makes of the inputs, one result each. Throws with its own words where it ends badly. */
export function resultsOf(program: string, inputs: readonly Uint8Array[]): readonly Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (const input of inputs) parts.push(word(input.length), input);
  const { status, signal, stdout, stderr } = spawnSync(program, [], {
    input: Buffer.concat(parts),
    maxBuffer: OUTPUT_BYTES_MAX,
    env: { ...process.env, ASAN_OPTIONS: "abort_on_error=0:detect_leaks=0" },
  });
  if (status !== 0) throw new Error(`octets.c ended with ${signal ?? status}: ${stderr.toString().slice(0, 2000)}`);
  const results: Uint8Array[] = [];
  for (let at = 0; at < stdout.length; ) {
    const length = stdout.readUInt32LE(at);
    results.push(stdout.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return results;
}

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
