// One image for one board: mcconfig of the Moddable SDK, which calls ESP-IDF, and out of what both made a folder that can be flashed.
//
// Promises: the command that runs is the one that is shown; where each part lies in flash is what ESP-IDF says of this very build; a build
// with the profile production is none where one of its locks is missing in the options that ESP-IDF came out with. Never: flashes.

import { spawn } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { imageFault } from "../boards/slots.js";
import { BOOTLOADER_AT } from "../image/app-image.js";
import {
  IMAGES_FILE,
  type ImageFolder,
  type ImagePart,
  type Profile,
  readImageFolder,
  writeImagesJson,
} from "../image/image-folder.js";
import { CommandError, plainText } from "../terminal.js";
import type { SdkTools } from "./sdk-tools.js";
import { prepareManifest, type Target } from "./target.js";

export interface BoardBuild {
  readonly target: Target;
  /** The application's manifest. */
  readonly manifest: string;
  readonly name: string;
  readonly profile: Profile;
  readonly debug: boolean;
  /** Gets the images; mcconfig's own files lie below it. */
  readonly into: string;
  /** Manifests of ours that come besides (the emulator's stand-ins). */
  readonly more?: readonly string[];
}

export interface Command {
  readonly program: string;
  readonly words: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

const MCCONFIG_FOLDER = "mcconfig";
/** How deep below mcconfig's folder its project lies: tmp/esp32/SUBPLATFORM/release/NAME. */
const PROJECT_DEPTH_MAX = 6;
const PARTS: readonly (readonly [name: string, key: string, file: string])[] = [
  ["bootloader", "bootloader", "bootloader.bin"],
  ["partition-table", "partition-table", "partition-table.bin"],
  ["otadata", "otadata", "otadata.bin"],
  ["app", "app", "firmware.bin"],
];
const BOOTLOADER_FILE = "bootloader/bootloader.bin";
const ELF_FILE = "firmware.elf";
/** What the profile production must have come out with, and what each locks. */
const PRODUCTION_OPTIONS: readonly (readonly [option: string, locks: string])[] = [
  ["SECURE_BOOT_V2_ENABLED", "secure boot"],
  ["SECURE_FLASH_ENCRYPTION_MODE_RELEASE", "flash encryption in release mode"],
  ["NVS_ENCRYPTION", "encryption of NVS"],
];
/** Stand-ins for noise, sensor and LED: of an emulator, and never of a board. */
const EMULATOR_DEFINE = /^#define\s+MODDEF_CHAINMOTE_EMULATOR\s+1/m;

/** What runs, once its folders are there. */
export function mcconfigCommand(build: BoardBuild, tools: SdkTools): Command {
  const { target, manifest, profile, debug, into, name, more } = build;
  const output = join(into, MCCONFIG_FOLDER);
  mkdirSync(output, { recursive: true });
  const prepared = prepareManifest(target, manifest, profile, join(into, "manifest", name), more);
  const words = [...(debug ? ["-dn"] : []), "-m", "-t", "build", "-p", target.platform, "-o", output, prepared.manifest];
  return { program: "mcconfig", words, env: { ...tools.env, ...prepared.environment } };
}

/** As a shell takes it. */
export function shownCommand({ program, words, env }: Command): string {
  const quoted = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);
  const set = ["MODDABLE", "IDF_PATH", "SDKCONFIGPATH", "PARTITIONS_FILE"].map((name) => `${name}=${quoted(env[name] ?? "")}`);
  return [...set, program, ...words.map(quoted)].join(" ");
}

/** Runs it with what it says on `streams`. @throws CommandError */
export function runCommand({ program, words, env }: Command, stdout: "inherit" | "stderr"): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, words, { env, stdio: ["ignore", stdout === "inherit" ? "inherit" : 2, "inherit"] });
    child.on("error", (error) => reject(new CommandError(`${program} cannot be run: ${plainText(error.message, 200)}`)));
    child.on("close", (code, signal) =>
      code === 0 ? resolve() : reject(new CommandError(`${program} ended with ${code ?? signal}; what it said is above`)),
    );
  });
}

/** Takes away what an earlier build linked: idf.py's failure does not fail the SDK's make, and the old image would pass for a new one. */
export function forgetLinked({ target, into }: BoardBuild): void {
  rmSync(join(into, IMAGES_FILE), { force: true });
  const built = join(projectOf(into, target.board.chip.name) ?? into, "build");
  if (!existsSync(built)) return;
  for (const file of readdirSync(built)) if (/\.(elf|bin)$/.test(file)) rmSync(join(built, file));
}

function projectOf(into: string, chip: string): string | undefined {
  return findProject(join(into, MCCONFIG_FOLDER, "tmp"), `xsProj-${chip}`, PROJECT_DEPTH_MAX);
}

/** Takes the images out of what was built. @throws CommandError */
export function collectImages({ target, profile, into, name, more = [] }: BoardBuild): ImageFolder {
  const chip = target.board.chip.name;
  const project = projectOf(into, chip);
  const built = project === undefined ? undefined : join(project, "build");
  const file = built === undefined ? undefined : join(built, "flasher_args.json");
  if (project === undefined || built === undefined || file === undefined || !existsSync(file))
    throw new CommandError("mcconfig ended well, and ESP-IDF made no flasher_args.json; what it said is above");
  const options = readFileSync(join(project, "sdkconfig"), "utf8");
  if (profile === "production") checkProduction(options, join(project, "..", "mc.defines.h"));
  const parts = partsOf(JSON.parse(readFileSync(file, "utf8")) as FlasherArguments, built, into, chip);
  const app = parts.find((part) => part.name === "app");
  if (app === undefined)
    throw new CommandError("mcconfig ended well, and ESP-IDF made no application image; what it said is above");
  // Before it is signed.
  const fault = imageFault(target.board, app.bytes.length);
  if (fault !== undefined) throw new CommandError(fault);
  const elf = readdirSync(built).find((entry) => entry.endsWith(".elf"));
  if (elf !== undefined) copyFileSync(join(built, elf), join(into, ELF_FILE));
  const { flash } = target.board;
  writeImagesJson({
    ...{ folder: into, name, board: target.name, chip, profile, flashBytes: flash.bytes, parts },
    ...(elf === undefined ? {} : { elf: ELF_FILE }),
    ...(more.length > 0 ? { emulated: true } : {}),
  });
  return readImageFolder(into);
}

interface FlasherArguments {
  readonly [part: string]: { readonly offset?: string; readonly file?: string } | undefined;
}

function partsOf(listed: FlasherArguments, built: string, into: string, chip: string): readonly ImagePart[] {
  const parts: ImagePart[] = [];
  for (const [name, key, path] of PARTS) {
    // A build with secure boot does not list its bootloader.
    const bootloader = name === "bootloader" ? { offset: `${BOOTLOADER_AT[chip]}`, file: BOOTLOADER_FILE } : undefined;
    const { offset, file } = listed[key] ?? bootloader ?? {};
    if (offset === undefined || file === undefined || !existsSync(join(built, file))) continue;
    copyFileSync(join(built, file), join(into, path));
    parts.push({ name, path, offset: Number(offset), bytes: new Uint8Array(readFileSync(join(into, path))) });
  }
  return parts;
}

function checkProduction(options: string, defines: string): void {
  const lacking = PRODUCTION_OPTIONS.filter(([option]) => !new RegExp(`^CONFIG_${option}=y$`, "m").test(options));
  if (lacking.length > 0)
    throw new CommandError(
      `this is no production build: ${lacking.map(([option, locks]) => `${locks} (CONFIG_${option})`).join(", ")} did not come out`,
    );
  if (existsSync(defines) && EMULATOR_DEFINE.test(readFileSync(defines, "utf8")))
    throw new CommandError("this is no production build: it has the emulator's stand-ins for noise and sensor");
}

function findProject(folder: string, name: string, depth: number): string | undefined {
  if (depth < 0 || !existsSync(folder)) return undefined;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    const path = join(folder, entry.name);
    const found = entry.name === name ? path : findProject(path, name, depth - 1);
    if (found !== undefined) return found;
  }
  return undefined;
}
