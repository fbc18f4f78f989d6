// As much of ESP-IDF as needs no compiler of Espressif's: its headers, and kconfgen, which makes an image's configuration.
//
// Promises: C of ours is compiled with all warnings as errors, every header that is not ours as a system header. For RISC-V
// by Debian's compiler; Xtensa has none here, so that its C is parsed and checked against its headers, and no code is made.
// Never: links an image. picolibc stands in for newlib, which the SDK's configuration asks for.

import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { boardOf } from "../../host-sim/boards.js";
import { type Configured, REPOSITORY, run, type Sdk } from "./sdk.js";

export const COMPILER = "riscv64-unknown-elf-gcc";
export const TARGET = ["--specs=picolibc.specs", "-march=rv32imc", "-mabi=ilp32", "-misa-spec=2.2"];
/** Those of the warnings that the SDK's flags turn off, too; they stand last, so they win. */
const STRICT = ["-Wall", "-Wextra", "-Wunused-variable", "-Wimplicit-function-declaration", "-Werror"];
/** What an Xtensa compiler would say of itself. */
const XTENSA = ["-U__riscv", "-D__XTENSA__=1", "-D__XTENSA_WINDOWED_ABI__=1", "-fsyntax-only"];
const XTENSA_FLAGS = ["-mlongcalls", "-mtext-section-literals"];
/** Beyond what the SDK's makefile names. */
const MORE_INCLUDES = ["mbedtls/mbedtls/include", "mbedtls/mbedtls/tf-psa-crypto/include", "mbedtls/port/include"];

export interface Idf {
  readonly folder: string;
  /** A Python with kconfgen (PyPI esp-idf-kconfig). */
  readonly python: string;
}

/** The ESP-IDF that IDF_PATH names, or one line that says what is not there. */
export async function findIdf(sdk: Sdk): Promise<Idf | { readonly missing: string }> {
  const folder = process.env.IDF_PATH ?? "";
  if (folder === "") return { missing: "IDF_PATH names no ESP-IDF" };
  if (!existsSync(join(folder, "components/nvs_flash/include/nvs.h"))) return { missing: `${folder} is no ESP-IDF` };
  const environment = process.env.IDF_PYTHON_ENV_PATH;
  const python = environment === undefined ? "python3" : join(environment, "bin/python");
  const { code } = await run(python, ["-m", "kconfgen", "--help"], { cwd: REPOSITORY, env: sdk.env });
  if (code !== 0)
    return { missing: `${python} has no kconfgen (pip install esp-idf-kconfig; IDF_PYTHON_ENV_PATH names another)` };
  return { folder, python };
}

/** An image's options as kconfgen decides them: the text of `sdkconfig` and of `sdkconfig.h`. */
interface Decided {
  readonly config: string;
  readonly header: string;
}

const decided = new Map<string, Promise<Decided>>();

/** What kconfgen makes of a file of defaults; asked once for the same ones, which all images of a board have. */
export function kconfgen(idf: Idf, sdk: Sdk, board: string, defaults: string, into: string): Promise<Decided> {
  const key = `${boardOf(board).chip.name}\n${defaults}`;
  const before = decided.get(key);
  const asked = before ?? decide(idf, sdk, board, defaults, into);
  decided.set(key, asked);
  return asked;
}

async function decide({ folder, python }: Idf, sdk: Sdk, board: string, defaults: string, into: string): Promise<Decided> {
  await mkdir(into, { recursive: true });
  const sources = async (file: string, name: string): Promise<string> => {
    const components = readdirSync(join(folder, "components")).map((component) => join(folder, "components", component, name));
    const list = components.filter((path) => existsSync(path)).map((path) => `source "${path}"\n`);
    await writeFile(join(into, file), list.join(""));
    return join(into, file);
  };
  const none = join(into, "none.in");
  await writeFile(none, "");
  const given = join(into, "defaults");
  await writeFile(given, defaults);
  const environment = {
    COMPONENT_KCONFIGS_SOURCE_FILE: await sources("kconfigs.in", "Kconfig"),
    COMPONENT_KCONFIGS_PROJBUILD_SOURCE_FILE: await sources("kconfigs_projbuild.in", "Kconfig.projbuild"),
    ...{ COMPONENT_KCONFIGS_EXCLUDED_SOURCE_FILE: none, COMPONENT_KCONFIGS_PROJBUILD_EXCLUDED_SOURCE_FILE: none },
    ...{
      COMPONENT_SDKCONFIG_RENAMES: "",
      IDF_TARGET: boardOf(board).chip.name,
      IDF_TOOLCHAIN: "gcc",
      IDF_PATH: folder,
      IDF_ENV_FPGA: "",
    },
    ...{ IDF_VERSION: "6.0.0", IDF_INIT_VERSION: "6.0.0", IDF_MINIMAL_BUILD: "n" },
  };
  const words = ["-m", "kconfgen", "--kconfig", join(folder, "Kconfig"), "--defaults", given];
  words.push("--sdkconfig-rename", join(folder, "sdkconfig.rename"));
  for (const [name, value] of Object.entries(environment)) words.push("--env", `${name}=${value}`);
  const header = join(into, "sdkconfig.h");
  const config = join(into, "sdkconfig");
  words.push("--output", "header", header, "--output", "config", config);
  const { code, all } = await run(python, words, { cwd: into, env: sdk.env });
  if (code !== 0) throw new Error(`kconfgen failed:\n${all}`);
  return { config: await readFile(config, "utf8"), header: await readFile(header, "utf8") };
}

/** Options of a list that no Kconfig file of ESP-IDF names. */
export function unknownOptions({ folder }: Idf, options: readonly string[]): readonly string[] {
  const components = join(folder, "components");
  const files = readdirSync(components, { recursive: true, encoding: "utf8" }).filter((name) => /^Kconfig/.test(basename(name)));
  const texts = [join(folder, "Kconfig"), ...files.map((name) => join(components, name))].map((path) =>
    readFileSync(path, "utf8"),
  );
  const text = texts.join("\n");
  return options.filter((option) => !new RegExp(`^\\s*(menu)?config ${option}\\s*$`, "m").test(text));
}

/** Every C file of ours that the makefile compiles. */
export function ownSources(makefile: string): readonly string[] {
  const rules = makefile.matchAll(/^\$\(TMP_DIR\)\/\S+\.c\.o: (\S+\.c)(?=\s)/gm);
  return [...rules].map(([, source]) => source as string).filter((source) => source.startsWith(REPOSITORY));
}

/** A source with the headers of ours that it includes, which lie beside it. */
function withOurs(source: string): string {
  const text = readFileSync(source, "utf8");
  const beside = [...text.matchAll(/^\s*#\s*include\s+"([\w-]+\.h)"/gm)].map(([, name]) => join(dirname(source), name as string));
  return [text, ...beside.filter((path) => existsSync(path)).map(withOurs)].join("\n");
}

/** Whether a source asks for headers of ESP-IDF. */
export function needsIdf(source: string): boolean {
  return /^\s*#\s*include\s+["<](esp_|nvs|freertos\/|driver\/|lwip\/|mbedtls\/|psa\/|bootloader_|xsHost\.h)/m.test(
    withOurs(source),
  );
}

/** False where a source asks for mbedTLS, and the ESP-IDF was got without its submodules. */
export function hasHeadersOf(source: string, { folder }: Idf): boolean {
  const asks = /^\s*#\s*include\s+["<](mbedtls|psa)\//m.test(withOurs(source));
  return !asks || existsSync(join(folder, "components/mbedtls/mbedtls/include/mbedtls"));
}

/** The words of the makefile's rule for one object, without the compiler. */
export async function ruleOf(sdk: Sdk, { folder }: Configured, source: string, idfPath: string): Promise<readonly string[]> {
  const words = ["-s", "-f", join(folder, "makefile"), "IDF_VERSION=v6.0", "CC=echo", join(folder, `${basename(source)}.o`)];
  const { code, stdout, all } = await run("make", words, { cwd: folder, env: { ...sdk.env, IDF_PATH: idfPath } });
  const line = stdout.split("\n").find((text) => text.includes(source) && text.includes(" -o "));
  if (code !== 0 || line === undefined) throw new Error(`no rule for ${source}:\n${all}`);
  return line.split(/\s+/).filter((word) => word !== "");
}

/**
 * Compiles one source of ours by the makefile's own rule, all warnings being errors.
 * @param more macros beyond the rule's
 * @returns what the compiler has against it, and the object, which there is for RISC-V alone
 */
export async function compileStrictly(
  sdk: Sdk,
  { folder }: Configured,
  words: readonly string[],
  options: { readonly xtensa: boolean; readonly idf: string | undefined; readonly more?: readonly string[] },
): Promise<{ readonly faults: readonly string[]; readonly object: string }> {
  const rule = [...words];
  const object = `${(rule.splice(rule.indexOf("-o"), 2)[1] as string).replace(/\.o$/, "")}.strict.o`;
  const kept = rule
    .filter((word) => !options.xtensa || !XTENSA_FLAGS.includes(word))
    .flatMap((word) => (word.startsWith("-I") && !isOurs(word.slice(2)) ? ["-isystem", word.slice(2)] : [word]));
  if (options.idf !== undefined) {
    for (const path of MORE_INCLUDES) kept.push("-isystem", join(options.idf, "components", path));
    if (options.xtensa) kept.push("-isystem", overlayOf(folder, options.idf));
  }
  const flags = [...TARGET, ...(options.xtensa ? XTENSA : []), ...(options.more ?? []), ...kept, ...STRICT, "-o", object];
  const { code, all } = await run(COMPILER, flags, { cwd: folder, env: sdk.env });
  return { faults: code === 0 ? [] : [all.trim()], object };
}

function isOurs(folder: string): boolean {
  return folder.startsWith(join(REPOSITORY, "firmware")) || folder.startsWith(join(REPOSITORY, "test"));
}

/** Xtensa's headers ask for one another by paths that only Espressif's compiler has: `../hal.h` from a folder beside it. */
function overlayOf(folder: string, idf: string): string {
  const headers = join(idf, "components/xtensa/include/xtensa");
  const beside = join(folder, "xtensa/config");
  if (!existsSync(beside)) {
    mkdirSync(beside, { recursive: true });
    for (const name of readdirSync(headers)) symlinkSync(join(headers, name), join(folder, "xtensa", name));
  }
  return beside;
}
