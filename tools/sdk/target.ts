// A board by its name: one of ours, or a target of the SDK with one of their chips (`esp32c3_cdc`, `ethernet_kit`), and the manifest that
// mcconfig is given for it.
//
// Promises: a target has the memory, pins and partitions of our board with its chip, the SDK's options for it with ours after them, and
// none of the SDK's set-up code; one with an Ethernet has that as its station. Writes below the build's own folder alone.

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { BOARDS, type BoardKind, firstOfPlatform, serviceOf } from "../../host-sim/boards.js";
import { REPOSITORY } from "../../host-sim/place.js";
import { buildEnvironment } from "../boards/written.js";
import type { Profile } from "../image/image-folder.js";
import { plainText, UsageError } from "../terminal.js";

const TARGETS = "build/devices/esp32/targets";
/** Stand-ins for what Espressif's QEMU has not got, and its Ethernet. */
const EMULATOR_FOLDER = "firmware/board/emulator";
export const EMULATOR_MANIFESTS: readonly string[] = [join(REPOSITORY, EMULATOR_FOLDER, "manifest.json")];
const ETHERNET_MANIFEST = "firmware/board/manifest-ethernet.json";

export interface Target {
  readonly name: string;
  /** Ours with its chip. */
  readonly board: BoardKind;
  /** What `mcconfig -p` takes. */
  readonly platform: string;
  /** The SDK's folder for it, where it is none of ours. */
  readonly folder?: string;
  readonly ethernet: boolean;
}

interface TargetManifest {
  readonly build?: Readonly<Record<string, string>>;
  readonly defines?: Readonly<Record<string, unknown>>;
}

/** @throws UsageError that names those that there are */
export function targetNamed(name: string, moddable: string): Target {
  const board = BOARDS.find((one) => one.name === name);
  if (board !== undefined) return { name, board, platform: board.platform, ethernet: false };
  const folder = join(moddable, TARGETS, name);
  const file = join(folder, "manifest.json");
  if (!/^[a-z0-9_]{1,40}$/.test(name) || !existsSync(file)) throw new UsageError(unknown(name, moddable));
  const { build = {}, defines = {} } = JSON.parse(readFileSync(file, "utf8")) as TargetManifest;
  const chip = build.ESP32_SUBCLASS ?? "esp32";
  const like = BOARDS.find((one) => one.chip.name === chip);
  if (like === undefined)
    throw new UsageError(
      `${name} has an ${plainText(chip, 20)}, and there are boards with ${[...new Set(BOARDS.map((one) => one.chip.name))].join(", ")}`,
    );
  return { name, board: like, platform: `esp32/${name}`, folder, ethernet: defines.ethernet !== undefined };
}

function unknown(name: string, moddable: string): string {
  const ours = BOARDS.map((board) => board.name);
  const folder = join(moddable, TARGETS);
  const theirs = existsSync(folder) ? readdirSync(folder).filter((target) => !ours.includes(target)) : [];
  const near = theirs.filter((target) => ours.some((board) => target.startsWith(`${board}_`)));
  const others = theirs.length > 0 ? `, and the ${theirs.length} targets of the SDK, such as ${near.slice(0, 5).join(", ")}` : "";
  return `there is no board "${plainText(name, 40)}": ${ours.join(", ")}${others}`;
}

export interface Prepared {
  /** What mcconfig is given. */
  readonly manifest: string;
  /** What tells it of the board's flash and profile, whatever the manifest says. */
  readonly environment: { readonly SDKCONFIGPATH: string; readonly PARTITIONS_FILE: string };
}

/**
 * The manifest for a target: the application's own where the board is ours, else one that includes it.
 * @param into a folder of this build's; its last name becomes the image's
 * @param more manifests of ours that come with the application's
 */
export function prepareManifest(
  { name, board, folder, ethernet }: Target,
  application: string,
  profile: Profile,
  into: string,
  more: readonly string[] = [],
): Prepared {
  const environment = buildEnvironment(board, profile, REPOSITORY);
  const brought = [...(ethernet ? [join(REPOSITORY, ETHERNET_MANIFEST)] : []), ...more];
  // Of two boards that differ in their flash alone the application's manifest names the first.
  const named = folder === undefined && firstOfPlatform(BOARDS, board) === board;
  if (named && brought.length === 0) return { manifest: application, environment };
  mkdirSync(into, { recursive: true });
  // The SDK's before ours, so that ours hold; those that a manifest of ours brings with it last.
  const theirs = folder === undefined ? [] : [join(folder, "sdkconfig")];
  const folders = [...theirs, environment.SDKCONFIGPATH, ...more.map((path) => dirname(path))];
  const merged = { ...environment, SDKCONFIGPATH: mergeOptions(folders, join(into, "sdkconfig")) };
  const own = {
    // What an included manifest builds with wins: the last one's stands over the SDK's.
    include: [application, ...brought, "./last.json"],
    creation: board.memory,
    // Its own name is what its releases are for: another target's image has another network or console.
    config: { board: name, i2c: board.pins.i2c, service: { ...serviceOf(board), board: name }, led: { rainbow: false } },
    ...(hasSetUp(folder) ? { modules: { "~": [`$(BUILD)/devices/esp32/targets/${name}/setup-target`] } } : {}),
  };
  const manifest = join(into, "manifest.json");
  writeFileSync(join(into, "last.json"), `${JSON.stringify({ build: merged }, null, 2)}\n`);
  writeFileSync(manifest, `${JSON.stringify(own, null, 2)}\n`);
  return { manifest, environment: merged };
}

/** Whether the SDK runs code of its own before the firmware of this target. */
function hasSetUp(folder: string | undefined): boolean {
  return folder !== undefined && readdirSync(folder).some((file) => file.startsWith("setup-target."));
}

/** Options of several folders, one after another: of those that are set twice the last holds. */
function mergeOptions(folders: readonly string[], into: string): string {
  mkdirSync(into, { recursive: true });
  for (const file of ["sdkconfig.defaults", "sdkconfig.defaults.release"]) {
    const texts = folders.map((folder) => join(folder, file)).filter((path) => existsSync(path));
    writeFileSync(join(into, file), texts.map((path) => `${readFileSync(path, "utf8").trimEnd()}\n`).join(""));
  }
  return into;
}
