// Builds the firmware's TLS (firmware/board/native/tls-*.c) as a program of this machine: for 64 bits, which simulated
// boards run, or for 32, which tells what a board needs for it.
//
// Promises: kept under build/tls by a hash of all that goes into it, so that a second build takes a moment; what is missing is
// one line. mbedTLS is Debian's libmbedtls-dev, or the sources of one that MBEDTLS names (version 3 or 4, its generated files
// in it, as a release and ESP-IDF's components/mbedtls/mbedtls have them), configured as on a board (board-config.h).
// Never: writes outside build/.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { REPOSITORY } from "../xs/image.js";
import type { Missing } from "../xs/toolchain.js";

export type Bits = 32 | 64;

const CACHE = join(REPOSITORY, "build/tls");
const BOARD_CONFIG = join(REPOSITORY, "host-sim/tls/board-config.h");
const OURS = join(REPOSITORY, "firmware/board/native");
const SOURCES = [
  join(REPOSITORY, "host-sim/tls/program.c"),
  ...readdirSync(OURS)
    .filter((name) => /^tls-.*\.[ch]$/.test(name))
    .map((name) => join(OURS, name)),
];
const FLAGS = ["-std=gnu11", "-I", OURS];
const WARNINGS = ["-Wall", "-Wextra", "-Werror"];
const COUNTING = "-Wl,--gc-sections,--wrap=calloc,--wrap=malloc,--wrap=free";
const OF_BITS: Readonly<Record<Bits, readonly string[]>> = { 32: ["-m32", "-msse2", "-Os"], 64: ["-O2"] };
const LIBRARIES = ["mbedtls", "mbedx509", "mbedcrypto"];
/** Where versions 3 and 4 keep their sources and headers. */
const LIBRARY_SOURCES = ["library", "tf-psa-crypto/core", "tf-psa-crypto/drivers/builtin/src"];
const LIBRARY_HEADERS = ["include", "tf-psa-crypto/include", "tf-psa-crypto/drivers/builtin/include", ...LIBRARY_SOURCES];
const COMPLAINT_LINES_MAX = 8;

/** How a program is linked to mbedTLS. */
interface Library {
  readonly flags: readonly string[];
  readonly objects: readonly string[];
}

/** The program's file. */
export function buildTls(bits: Bits = 64): string | Missing {
  const compiler = output("gcc", ["--version"]);
  if (compiler === undefined) return { missing: "TLS in C: no gcc; Debian's gcc brings it" };
  const own = process.env.MBEDTLS ?? "";
  const library = own === "" ? installed(bits) : fromSources(own, bits, compiler);
  if ("missing" in library) return library;
  const flags = [...FLAGS, ...OF_BITS[bits], ...library.flags];
  const headers = output("gcc", [...flags, "-E", "-include", "mbedtls/ssl.h", "-x", "c", "/dev/null"]);
  if (headers === undefined) return missing(bits);
  const hash = createHash("sha256").update(compiler).update(headers).update(flags.join("\0"));
  for (const file of SOURCES) hash.update(readFileSync(file));
  for (const file of library.objects) hash.update(`${file} ${statSync(file).size} ${statSync(file).mtimeMs}`);
  const program = join(CACHE, `${bits}-${hash.digest("hex").slice(0, 24)}`);
  if (existsSync(program)) return program;
  mkdirSync(CACHE, { recursive: true });
  const sources = SOURCES.filter((name) => name.endsWith(".c"));
  compile([...flags, ...WARNINGS, COUNTING, ...sources, ...library.objects], program);
  return program;
}

function missing(bits: Bits): Missing {
  return { missing: `TLS in C, ${bits} bits: no mbedTLS; Debian's libmbedtls-dev${bits === 32 ? ":i386" : ""} brings it` };
}

function installed(bits: Bits): Library | Missing {
  const objects = LIBRARIES.map((name) => output("gcc", [...OF_BITS[bits], `-print-file-name=lib${name}.a`])?.trim() ?? "");
  return objects.every((file) => existsSync(file)) ? { flags: [], objects } : missing(bits);
}

/** Compiles the sources in `folder`, each once. */
function fromSources(folder: string, bits: Bits, compiler: string): Library | Missing {
  if (!existsSync(join(folder, "library/ssl_tls.c"))) return { missing: `MBEDTLS=${folder}: no sources of mbedTLS there` };
  const configured = `-DMBEDTLS_USER_CONFIG_FILE="${BOARD_CONFIG}"`;
  const flags = [configured, ...LIBRARY_HEADERS.flatMap((name) => ["-I", join(folder, name)])];
  const version = readFileSync(join(folder, "include/mbedtls/build_info.h"), "utf8");
  const hash = createHash("sha256").update(compiler).update(version).update(readFileSync(BOARD_CONFIG)).update(folder);
  const objects = join(CACHE, `mbedtls-${bits}-${hash.digest("hex").slice(0, 24)}`);
  mkdirSync(objects, { recursive: true });
  const files = LIBRARY_SOURCES.filter((name) => existsSync(join(folder, name))).flatMap((name) =>
    readdirSync(join(folder, name))
      .filter((file) => file.endsWith(".c"))
      .map((file) => join(folder, name, file)),
  );
  return {
    flags,
    objects: files.map((file) => {
      const object = join(objects, `${basename(file)}.o`);
      if (!existsSync(object)) compile([...OF_BITS[bits], "-w", "-ffunction-sections", ...flags, "-c", file], object);
      return object;
    }),
  };
}

/** Into `file`, whole or not at all; the first complaints are the error's message. */
function compile(words: readonly string[], file: string): void {
  const temporary = `${file}.${process.pid}`;
  try {
    execFileSync("gcc", [...words, "-o", temporary], { encoding: "utf8", stdio: "pipe" });
  } catch (error) {
    const { stderr } = error as { stderr?: string };
    throw new Error(`${stderr ?? error}`.split("\n").slice(0, COMPLAINT_LINES_MAX).join("\n"));
  }
  renameSync(temporary, file);
}

function output(program: string, words: readonly string[]): string | undefined {
  try {
    return execFileSync(program, words, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"], maxBuffer: 1 << 24 });
  } catch {
    return undefined; // not there, or it does not find what it was asked for
  }
}
