// Builds the XS host for a target: the engine's sources from npm @agoric/xsnap, our host (src/), and the firmware's own C
// (firmware/crypto/native, firmware/bytes/native) with the libraries that it wraps.
//
// Promises: each object is kept under build/xs by a hash of all that goes into it (compiler, flags, sources, headers), so
// a second build takes a second, and a change compiles what it touches; progress is shown where somebody looks; what is
// missing is one line. Never: writes outside build/, or takes an object from another compiler or other flags.
//
// Alone: `node --import tsx host-sim/xs/build.ts [x64] [m32] [rv32]`.

import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { access, mkdir, readdir, readFile, rename } from "node:fs/promises";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { REPOSITORY } from "./image.js";
import { pinnedFiles } from "./libsecp256k1.js";
import { findToolchain, type Missing, TARGETS, type Target, type Toolchain } from "./toolchain.js";

export interface Built {
  readonly target: Target;
  readonly file: string;
  readonly emulator?: string;
  /** Whether the host can be tied to the life of this process. */
  readonly tied: boolean;
  readonly compiler: string;
  /** Those that the instruction counts depend on. */
  readonly flags: readonly string[];
}

const run = promisify(execFile);
const CACHE = join(REPOSITORY, "build/xs");
const HOST = join(REPOSITORY, "host-sim/xs/src");
const NATIVE = join(REPOSITORY, "firmware/crypto/native");
const OCTETS = join(REPOSITORY, "firmware/bytes/native");
const COMPILERS_AT_ONCE = 2;
const COMPLAINT_LINES_MAX = 12;

/** Sources of the engine that this host leaves out: snapshots and compartments' lockdown, which no board has. */
const LEFT_OUT = new Set(["xsSnapshot.c", "xsLockdown.c"]);
const ENGINE_DEFINES = [
  "INCLUDE_XSPLATFORM",
  'XSPLATFORM="xshost.h"',
  "mxRun=1",
  "mxParse=1",
  "mxNoConsole=1",
  "mxInstrument=1",
  "mxBoundsCheck=1",
];
const COMMON_FLAGS = ["-std=gnu11", "-ffunction-sections", "-fdata-sections", "-fno-common", "-fwrapv"];
const OUR_WARNINGS = [
  "-Wall",
  "-Wextra",
  "-Werror",
  "-Wno-unused-parameter",
  "-Wno-clobbered",
  "-Wno-pointer-sign",
  "-Wno-sign-compare",
];
// The collector's only hook: main.c counts collections there, for the engine's own counter has 16 bits.
const LINK_FLAGS = ["-Wl,--gc-sections", "-Wl,--wrap=fxCheckProfiler"];

/** C that a host has besides the firmware's own: other libraries, to measure beside it. */
export interface Extra {
  readonly sources: readonly string[];
  readonly flags: readonly string[];
  /** Functions that JavaScript may call by name. */
  readonly natives: readonly string[];
}

interface Source {
  readonly file: string;
  readonly flags: readonly string[];
  readonly hash: string;
}

/** Gets a short line now and then, and the share that is done, where it is known. */
export type BuildProgress = (text: string, share?: number) => void;

/** The host for `target`, from the cache or newly compiled. */
export async function buildHost(target: Target, progress: BuildProgress = () => {}, extra?: Extra): Promise<Built | Missing> {
  const tools = await findToolchain(target);
  if ("missing" in tools) return tools;
  const sources = await listSources(tools, extra);
  const all = digest(tools.version, ...tools.linkFlags, ...LINK_FLAGS, ...sources.map((source) => source.hash));
  const file = join(CACHE, `${target}-${all}`, "host");
  if (!(await exists(file))) {
    const objects = await compileAll(tools, sources, progress);
    await mkdir(join(CACHE, `${target}-${all}`), { recursive: true });
    const temporary = `${file}.${process.pid}`;
    await compilerRun(tools.compiler, [...LINK_FLAGS, "-o", temporary, ...objects, ...tools.linkFlags]);
    await rename(temporary, file);
    progress(`${target}: built`);
  }
  return {
    target,
    file,
    ...(tools.emulator === undefined ? {} : { emulator: tools.emulator }),
    tied: tools.tied,
    compiler: tools.version,
    flags: [...tools.flags, "-DmxInstrument=1", "-DmxBoundsCheck=1"],
  };
}

async function listSources(tools: Toolchain, extra?: Extra): Promise<readonly Source[]> {
  const engineFlags = [
    ...["sources", "includes", "platforms"].flatMap((folder) => ["-I", join(tools.xs, folder)]),
    ...ENGINE_DEFINES.map((define) => `-D${define}`),
  ];
  const common = [...tools.flags, ...COMMON_FLAGS, "-I", HOST];
  const platform = await readFile(join(HOST, "xshost.h"), "utf8");
  const ourHeaders = await readAll([...(await list(HOST, ".h")), ...(await list(NATIVE, ".h")), ...(await list(OCTETS, ".h"))]);
  const packages = await readAll([join(tools.xs, "../../package.json"), join(tools.keccak, "../../package.json")]);

  const sources: Source[] = [];
  const add = async (file: string, flags: readonly string[], headers: string): Promise<void> => {
    const text = await readFile(file, "utf8");
    // Folders differ from machine to machine; what they hold is in the hash already.
    const stable = flags.filter((flag) => flag !== "-I" && !flag.startsWith("/"));
    sources.push({ file, flags, hash: digest(tools.version, packages, headers, text, basename(file), ...stable) });
  };
  for (const file of await list(join(tools.xs, "sources"), ".c"))
    if (!LEFT_OUT.has(basename(file))) await add(file, [...common, ...engineFlags, "-w"], platform);
  const other = tools.target === "rv32" ? "machine-posix.c" : "machine-rv32.c";
  for (const file of await list(HOST, ".c"))
    if (basename(file) !== other)
      await add(file, [...common, ...engineFlags, ...OUR_WARNINGS, ...extraNatives(file, extra), "-I", NATIVE], ourHeaders);
  const libraries = ["-I", NATIVE, "-I", OCTETS, "-I", tools.secp256k1, "-I", tools.keccak];
  const nativeHeaders = `${ourHeaders}${[...(await pinnedFiles())].join()}`;
  for (const file of [...(await list(NATIVE, ".c")), ...(await list(OCTETS, ".c"))])
    await add(file, [...common, ...engineFlags, ...OUR_WARNINGS, "-Os", ...libraries], nativeHeaders);
  for (const file of extra?.sources ?? []) await add(file, [...common, ...engineFlags, ...(extra?.flags ?? []), "-w"], platform);
  return sources;
}

/** natives.h is read by functions.c alone. */
function extraNatives(file: string, extra: Extra | undefined): readonly string[] {
  if (extra === undefined || basename(file) !== "functions.c") return [];
  return [`-DEXTRA_NATIVES=${extra.natives.map((name) => `NATIVE(${name})`).join(" ")}`];
}

async function compileAll(tools: Toolchain, sources: readonly Source[], progress: BuildProgress): Promise<readonly string[]> {
  const folder = join(CACHE, "objects");
  await mkdir(folder, { recursive: true });
  const objects = sources.map((source) => join(folder, `${tools.target}-${source.hash}.o`));
  const todo: number[] = [];
  for (let i = 0; i < objects.length; i += 1) if (!(await exists(objects[i] as string))) todo.push(i);
  const all = todo.length;
  let done = 0;
  const work = async (): Promise<void> => {
    for (let i = todo.shift(); i !== undefined; i = todo.shift()) {
      const source = sources[i] as Source;
      const object = objects[i] as string;
      progress(`${tools.target}: ${basename(source.file)} (${done + 1} of ${all})`, done / all);
      const temporary = `${object}.${process.pid}`;
      await compilerRun(tools.compiler, [...source.flags, "-c", source.file, "-o", temporary]);
      await rename(temporary, object);
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: COMPILERS_AT_ONCE }, work));
  return objects;
}

/** Runs the compiler; its first complaints are the error's message. */
async function compilerRun(compiler: string, parameters: readonly string[]): Promise<void> {
  try {
    await run(compiler, parameters, { maxBuffer: 1 << 24 });
  } catch (error) {
    const text = (error as { stderr?: string }).stderr || String(error); // nothing said: a signal, or no such program
    throw new Error(text.split("\n").slice(0, COMPLAINT_LINES_MAX).join("\n"));
  }
}

async function list(folder: string, extension: string): Promise<readonly string[]> {
  const names = await readdir(folder);
  return names
    .filter((name) => name.endsWith(extension))
    .sort()
    .map((name) => join(folder, name));
}

async function readAll(files: readonly string[]): Promise<string> {
  return (await Promise.all(files.map((file) => readFile(file, "utf8")))).join("\0");
}

function digest(...parts: readonly string[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part).update("\0");
  return hash.digest("hex").slice(0, 24);
}

async function exists(file: string): Promise<boolean> {
  try {
    await access(file);
    return true;
  } catch {
    return false;
  }
}

async function main(names: readonly string[]): Promise<number> {
  const unknown = names.find((name) => !TARGETS.includes(name as Target));
  if (unknown !== undefined) {
    console.error(`${unknown} is no target; there are ${TARGETS.join(", ")}`);
    return 1;
  }
  let code = 0;
  for (const target of names.length > 0 ? (names as Target[]) : TARGETS) {
    const built = await buildHost(target, (text) => console.log(text));
    if ("missing" in built) code = 1;
    console.log("missing" in built ? built.missing : `${target}: ${built.file}`);
  }
  return code;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href)
  process.exitCode = await main(process.argv.slice(2));
