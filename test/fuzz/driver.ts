// C of ours that reads bytes from outside, compiled on this machine: as a program that says what it makes of them, or for libFuzzer. Both
// under the address and the undefined-behaviour sanitizer, where the compiler has them.
//
// Promises: what is missing is one line. Never: writes outside build/.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { packageFolder } from "../../host-sim/packages.js";
import { LIBRARY_FOLDER, libraryFault } from "../../host-sim/xs/libsecp256k1.js";

export const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));

/** C of ours, the harness test/fuzz/NAME.c, and what stands for the rest of a board. */
export interface Target {
  readonly name: string;
  /** Files of ours, from the repository's root. */
  readonly sources: readonly string[];
  /** The harness calls by JavaScript's interface (test/fuzz/engine), whose headers it gives; and headers of ESP-IDF, by its own of that name. */
  readonly engine?: { readonly headers: readonly string[]; readonly idf?: readonly string[] };
  readonly flags?: readonly string[];
  readonly link?: readonly string[];
  /** Folders of C that is not ours; a line where something is not here. */
  readonly libraries?: () => Promise<readonly string[] | Missing>;
}

const BOARD = "firmware/board/native";
const KEYS = "firmware/crypto/native";
const BYTES = "firmware/bytes/native";
const HOST = "host-sim/xs/src";
const of = (folder: string, ...names: readonly string[]): string[] => names.map((name) => `${folder}/${name}.c`);

export const OCTETS: Target = { name: "octets", sources: of(BYTES, "octets") };
export const NVS_PAGES: Target = { name: "nvs-pages", sources: of(BOARD, "nvs-pages") };
export const BOARD_MODULES: Target = {
  name: "board",
  sources: of(BOARD, "serial-link", "slots", "entropy", "chip"),
  engine: {
    headers: ["xsmc.h", "xsHost.h", "mc.xs.h"],
    idf: [
      "driver/usb_serial_jtag.h",
      "soc/soc_caps.h",
      "app_update/include/esp_ota_ops.h",
      "esp_partition.h",
      "psa/crypto.h",
      "sdkconfig.h",
    ],
  },
  flags: ["-DESP32=4"],
};
export const NATIVES: Target = {
  name: "natives",
  sources: [
    ...of(BYTES, "octets-bindings", "octets"),
    ...of(KEYS, "engine-bindings", "key-bindings", "board-esp32", "noise-health", "keccak-sponge", "k1"),
  ],
  engine: {
    headers: ["xsmc.h"],
    idf: ["mc.defines.h", "esp_attr.h", "esp_random.h", "esp_system.h", "esp_wifi.h", "nvs_flash/include/nvs.h"],
  },
  flags: ["-DESP32=4"],
  libraries: nativeLibraries,
};
export const TLS: Target = {
  name: "tls",
  sources: of(BOARD, "tls-engine", "tls", "tls-dates", "tls-faults"),
  engine: { headers: ["xsmc.h"] },
  libraries: async () =>
    existsSync("/usr/include/mbedtls/ssl.h") ? [] : { missing: "no mbedTLS here; Debian's libmbedtls-dev brings it" },
  link: ["-Wl,--wrap=mbedtls_entropy_func", ...["-Wl,-Bstatic", "-lmbedtls", "-lmbedx509", "-lmbedcrypto", "-Wl,-Bdynamic"]],
};
export const BRIDGE: Target = {
  name: "bridge",
  sources: [...of(HOST, "bridge", "frames", "board-keys", "board-io")],
  engine: { headers: ["xsAll.h", "xsmc.h"] },
  flags: ["-I", KEYS],
};
export const TARGETS: readonly Target[] = [OCTETS, NVS_PAGES, BOARD_MODULES, NATIVES, TLS, BRIDGE];
export const corpusOf = ({ name }: Target): string => join(REPOSITORY, "test/fuzz/corpus", name);
const CACHE = join(REPOSITORY, "build/fuzz");
const ENGINE = join(REPOSITORY, "test/fuzz/engine");
const HERE = join(REPOSITORY, "test/fuzz");
const WARNINGS = ["-Wall", "-Wextra", "-Werror"];
const SANITIZERS = ["-fsanitize=address,undefined,float-cast-overflow", "-fno-sanitize-recover=all"];
const OUTPUT_BYTES_MAX = 1 << 28;
const COMPLAINT_LINES_MAX = 8;

/** A file of a target's with another text. */
interface Changed {
  readonly file: string;
  readonly text: string;
}

export interface Missing {
  readonly missing: string;
}

async function nativeLibraries(): Promise<readonly string[] | Missing> {
  const keccak = packageFolder("keccak");
  const fault = await libraryFault();
  if (keccak === undefined) return { missing: "the npm package keccak is not installed" };
  return fault === undefined ? [LIBRARY_FOLDER, join(keccak, "src/libkeccak-32")] : { missing: fault };
}

/** Headers of the SDK's and of ESP-IDF's names, each of which is one of ours; answers their folder. */
function standIns({ name, engine }: Target): string {
  const folder = join(CACHE, "headers", name);
  const stands = [
    ...(engine?.headers ?? []).map((header) => [header, "engine.h"] as const),
    ...(engine?.idf ?? []).map((header) => [header, `${name}-idf.h`] as const),
  ];
  for (const [header, own] of stands) {
    const file = join(folder, header);
    mkdirSync(dirname(file), { recursive: true });
    if (!existsSync(file)) writeFileSync(file, `#include "${own}"\n`);
  }
  return folder;
}

function headersOf(folders: readonly string[]): string {
  return folders
    .flatMap((folder) =>
      readdirSync(folder)
        .filter((name) => name.endsWith(".h"))
        .sort()
        .map((name) => readFileSync(join(folder, name), "utf8")),
    )
    .join("\0");
}

/** Runs the compiler; what it is missing, or complains of. Its result is there whole or not at all. */
function compiled(compiler: string, words: readonly string[], what: string, file: string): Missing | undefined {
  const temporary = `${file}.${process.pid}`;
  const { error, status, stderr } = spawnSync(compiler, [...words, "-o", temporary], { encoding: "utf8" });
  if (error !== undefined) return { missing: `no ${compiler} here` };
  if (status !== 0) {
    rmSync(temporary, { force: true });
    const complaint = stderr.trim().split("\n").slice(0, COMPLAINT_LINES_MAX).join("\n");
    return { missing: `${compiler} cannot build ${what}: ${complaint}` };
  }
  renameSync(temporary, file);
  return undefined;
}

async function build(
  compiler: string,
  words: readonly string[],
  target: Target,
  kind: string,
  changed?: Changed,
): Promise<string | Missing> {
  const libraries = (await target.libraries?.()) ?? [];
  if ("missing" in libraries) return libraries;
  const folders = [...new Set(target.sources.map((file) => join(REPOSITORY, dirname(file))))];
  const ours = [HERE, ...(target.engine === undefined ? [] : [ENGINE]), ...folders];
  const includes = [standIns(target), ...ours, ...libraries].flatMap((folder) => ["-I", folder]);
  const flags = ["-g", "-O1", ...WARNINGS, ...words, ...includes, ...(target.flags ?? [])];
  const headers = headersOf(ours);
  mkdirSync(CACHE, { recursive: true });
  const objects: string[] = [];
  const harness = [join(HERE, `${target.name}.c`), ...(target.engine === undefined ? [] : [join(ENGINE, "engine.c")])];
  for (const file of [...harness, ...target.sources.map((name) => join(REPOSITORY, name))]) {
    const text = file === changed?.file ? changed.text : readFileSync(file, "utf8");
    const hash = createHash("sha256").update([compiler, ...flags, headers, text].join("\0"));
    const object = join(CACHE, `${hash.digest("hex").slice(0, 24)}.o`);
    objects.push(object);
    if (existsSync(object)) continue;
    const copy = `${object}.${process.pid}.c`;
    writeFileSync(copy, `#line 1 "${file}"\n${text}`);
    const fault = compiled(compiler, [...flags, "-I", dirname(file), "-c", copy], `${target.name}.c`, object);
    rmSync(copy);
    if (fault !== undefined) return fault;
  }
  const program = join(CACHE, `${kind}-${createHash("sha256").update(objects.join("\0")).digest("hex").slice(0, 24)}`);
  if (existsSync(program)) return program;
  const link = [...words, ...objects, "-lm", ...(target.link ?? [])];
  return compiled(compiler, link, `${target.name}.c`, program) ?? program;
}

/** The program that says what it makes of its input. */
export function comparer(target: Target): Promise<string | Missing> {
  return build("gcc", SANITIZERS, target, "compare");
}

/** The same with `without` in the place of `check`, which stands in one of the target's files, once. Throws where it does not. */
export function comparerWithout(target: Target, check: string, without: string): Promise<string | Missing> {
  for (const name of target.sources) {
    const file = join(REPOSITORY, name);
    const parts = readFileSync(file, "utf8").split(check);
    if (parts.length === 2) return build("gcc", SANITIZERS, target, "compare", { file, text: parts.join(without) });
  }
  throw new Error(`${target.name}: not once there: ${check}`);
}

/** The program of libFuzzer. */
export async function fuzzer(target: Target): Promise<string | Missing> {
  const words = ["-fsanitize=fuzzer", ...SANITIZERS, "-DFUZZER"];
  const made = await build("clang", words, target, "fuzz");
  return typeof made === "string" ? made : { missing: `${made.missing}; bring it with: apt install clang libclang-rt-dev` };
}

/** What the program makes of the inputs, one result each. Throws with its own words where it ends badly. */
export function resultsOf(program: string, inputs: readonly Uint8Array[]): readonly Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (const input of inputs) parts.push(wordBytes(input.length), input);
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

export function wordBytes(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
