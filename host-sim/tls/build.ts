// Builds the firmware's TLS (firmware/board/native/tls-*.c) as a program of this machine: for 64 bits, which simulated
// boards run, or for 32, which tells what a board needs for it.
//
// Promises: kept under build/tls by a hash of all that goes into it, so that a second build takes a moment; what is missing is
// one line. mbedTLS is Debian's libmbedtls-dev, or what MBEDTLS names: a folder with `include` and `lib` or `lib32`.
// Never: writes outside build/.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { REPOSITORY } from "../xs/image.js";
import type { Missing } from "../xs/toolchain.js";

export type Bits = 32 | 64;

const OURS = join(REPOSITORY, "firmware/board/native");
const SOURCES = [
  join(REPOSITORY, "host-sim/tls/program.c"),
  ...readdirSync(OURS)
    .filter((name) => /^tls-.*\.[ch]$/.test(name))
    .map((name) => join(OURS, name)),
];
const FLAGS = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-Wl,--wrap=calloc,--wrap=malloc,--wrap=free", "-I", OURS];
const OF_BITS: Readonly<Record<Bits, readonly string[]>> = { 32: ["-m32", "-msse2", "-Os"], 64: ["-O2"] };
const LIBRARIES = ["mbedtls", "mbedx509", "mbedcrypto"];
const COMPLAINT_LINES_MAX = 8;

/** The program's file. */
export function buildTls(bits: Bits = 64): string | Missing {
  const flags = [...FLAGS, ...OF_BITS[bits], ...where(bits)];
  const compiler = output("gcc", ["--version"]);
  if (compiler === undefined) return { missing: "TLS in C: no gcc; Debian's gcc brings it" };
  const libraries = LIBRARIES.map((name) => output("gcc", [...flags, `-print-file-name=lib${name}.a`])?.trim() ?? "");
  const archive = libraries.find((file) => !existsSync(file));
  const headers = output("gcc", [...flags, "-E", "-include", "mbedtls/version.h", "-x", "c", "/dev/null"]);
  if (archive !== undefined || headers === undefined)
    return { missing: `TLS in C, ${bits} bits: no mbedTLS; Debian's libmbedtls-dev${bits === 32 ? ":i386" : ""} brings it` };
  const hash = createHash("sha256").update(compiler).update(headers).update(flags.join("\0"));
  for (const file of SOURCES) hash.update(readFileSync(file));
  for (const file of libraries) hash.update(`${file} ${statSync(file).size} ${statSync(file).mtimeMs}`);
  const folder = join(REPOSITORY, "build/tls");
  const program = join(folder, `${bits}-${hash.digest("hex").slice(0, 24)}`);
  if (existsSync(program)) return program;
  mkdirSync(folder, { recursive: true });
  const temporary = `${program}.${process.pid}`;
  const sources = SOURCES.filter((name) => name.endsWith(".c"));
  try {
    execFileSync("gcc", [...flags, ...sources, "-o", temporary, ...libraries], { encoding: "utf8", stdio: "pipe" });
  } catch (error) {
    const { stderr } = error as { stderr?: string };
    throw new Error(`${stderr ?? error}`.split("\n").slice(0, COMPLAINT_LINES_MAX).join("\n"));
  }
  renameSync(temporary, program);
  return program;
}

function where(bits: Bits): readonly string[] {
  const prefix = process.env.MBEDTLS ?? "";
  return prefix === "" ? [] : ["-I", join(prefix, "include"), `-B${join(prefix, bits === 32 ? "lib32" : "lib")}/`];
}

function output(program: string, words: readonly string[]): string | undefined {
  try {
    return execFileSync(program, words, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  } catch {
    return undefined; // not there, or it does not find what it was asked for
  }
}
