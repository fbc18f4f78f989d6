// The Moddable SDK on this machine, and how its tools are run: mcconfig makes a makefile, make compiles and links.
//
// Promises: everything is written below build/sdk; the SDK stays as it is; what a tool says comes back whole, and
// `complaints` finds in it whatever is a warning or an error. Never: needs or calls ESP-IDF, or any part of the SDK that
// has a window.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

export const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));
export const OUTPUT = join(REPOSITORY, "build/sdk");
const TOOL_MS_MAX = 600_000;
const LINES_SHOWN_MAX = 20;

export interface Sdk {
  readonly folder: string;
  readonly version: string;
  readonly env: NodeJS.ProcessEnv;
}

/** The SDK that MODDABLE names, or one line that says what is not there. */
export async function findSdk(folder = process.env.MODDABLE ?? ""): Promise<Sdk | { readonly missing: string }> {
  if (folder === "") return { missing: "MODDABLE names no Moddable SDK" };
  const bin = join(folder, "build/bin/lin/release");
  for (const tool of ["mcconfig", "xsc", "xsid", "xsl"])
    if (!existsSync(join(bin, tool)))
      return { missing: `${folder} is no SDK whose tools are built: there is no build/bin/lin/release/${tool}` };
  const version = await readFile(join(folder, "tools/VERSION"), "utf8");
  const path = [bin, join(REPOSITORY, "node_modules/.bin"), process.env.PATH ?? ""].join(delimiter);
  const env: NodeJS.ProcessEnv = { ...process.env, MODDABLE: folder, PATH: path };
  for (const name of ["SDKCONFIGPATH", "PARTITIONS_FILE"]) delete env[name]; // they would stand in for the manifest's
  return { folder, version: version.trim(), env };
}

export interface Result {
  readonly code: number;
  readonly stdout: string;
  /** Both streams as they came. */
  readonly all: string;
}

export function run(
  program: string,
  words: readonly string[],
  options: { cwd: string; env: NodeJS.ProcessEnv },
): Promise<Result> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, words, { ...options, stdio: ["ignore", "pipe", "pipe"], timeout: TOOL_MS_MAX });
    let stdout = "";
    let all = "";
    child.stdout.on("data", (data) => {
      stdout += data;
      all += data;
    });
    child.stderr.on("data", (data) => {
      all += data;
    });
    child.on("error", reject);
    child.on("close", (code) => resolve({ code: code ?? 1, stdout, all }));
  });
}

/** What mcconfig made of a manifest for a platform. */
export interface Configured {
  readonly said: string;
  /** Where everything is built for the platform. */
  readonly output: string;
  /** Where the makefile is. */
  readonly folder: string;
  readonly makefile: string;
}

/** IDF_PATH for mcconfig, which wants every folder of headers that the manifest names: empty ones where ESP-IDF is not there whole. */
async function idfFolders(): Promise<string> {
  const folders: string[] = [];
  for (const name of ["manifest", "manifest-offline"]) {
    const { modules } = JSON.parse(await readFile(join(REPOSITORY, `firmware/board/${name}.json`), "utf8")) as {
      modules: { "*": string[] };
    };
    folders.push(...modules["*"].map((folder) => folder.replace("$(IDF_PATH)", "")));
  }
  const idf = process.env.IDF_PATH ?? "";
  if (idf !== "" && folders.every((folder) => existsSync(join(idf, folder)))) return idf;
  const empty = join(OUTPUT, "empty-esp-idf");
  for (const folder of folders) await mkdir(join(empty, folder), { recursive: true });
  return empty;
}

/**
 * Begins from nothing: a second run of the SDK's makefiles passes over what the first complained about.
 * @param more of the environment: SDKCONFIGPATH, PARTITIONS_FILE; the manifest's own where absent
 */
export async function configure(
  sdk: Sdk,
  platform: string,
  manifest: string,
  debug = false,
  more: NodeJS.ProcessEnv = {},
): Promise<Configured> {
  const output = join(OUTPUT, platform.replaceAll("/", "-") + (debug ? "-debug" : ""));
  await rm(output, { recursive: true, force: true });
  await mkdir(output, { recursive: true });
  const { code, all } = await run("mcconfig", [...(debug ? ["-d"] : []), "-p", platform, "-o", output, manifest], {
    cwd: REPOSITORY,
    env: { ...sdk.env, IDF_PATH: await idfFolders(), ...more },
  });
  if (code !== 0) throw new Error(`mcconfig -p ${platform} failed:\n${all}`);
  const files = await readdir(output, { recursive: true });
  const makefile = files.find((name) => name.endsWith("/makefile"));
  if (makefile === undefined) throw new Error(`mcconfig -p ${platform} made no makefile:\n${all}`);
  const folder = join(output, makefile, "..");
  return { said: all, output, folder, makefile: await readFile(join(output, makefile), "utf8") };
}

/** Runs make; what its jobs say does not mix (-O), for a warning is a line. */
export async function make(
  sdk: Sdk,
  { folder }: Configured,
  words: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<string> {
  const { code, all } = await run("make", ["-O", "-f", join(folder, "makefile"), ...words], {
    cwd: folder,
    env: { ...sdk.env, ...env },
  });
  if (code !== 0) throw new Error(`make failed:\n${withoutProgress(all).split("\n").slice(0, LINES_SHOWN_MAX).join("\n")}`);
  return all;
}

/** The values of a list in a makefile: `MODULES =\` and its lines, not the variable of that name before it. */
export function listOf(makefile: string, name: string): readonly string[] {
  const found = new RegExp(`^${name} *=\\\\\\n((?:.*\\\\\\n)*.*)$`, "m").exec(makefile);
  return (found?.[1] ?? "").split(/[\\\s]+/).filter((word) => word !== "");
}

function withoutProgress(text: string): string {
  return text
    .split("\n")
    .filter((line) => !/^# (xsc|tsc|xsid|xsl|cc|cp|copy) /.test(line))
    .join("\n");
}

/**
 * What SDK 8.2.3 says of its own modules whatever is built with them, and what we cannot change: a method of a class that
 * no firmware of ours uses, and two of the TLS client's caches, which live on the heap.
 */
const SDKS_OWN: readonly RegExp[] = [
  /\/modules\/io\/socket\/lwip\/listener\.js:\d+: warning: cannot optimize native!$/,
  /^### warning: ssl\/cache: default: not frozen$/,
  /^### warning: ssl\/cert: default\.prototype\.getKey\(\) globalCerts: not frozen$/,
];

/** Lines that are a warning or an error. */
export function complaints(said: string): readonly string[] {
  return withoutProgress(said)
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => /\b(warning|error)\b|not found|no rule/i.test(line))
    .filter((line) => !SDKS_OWN.some((known) => known.test(line)));
}
