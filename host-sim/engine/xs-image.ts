// The firmware and the mirrored modules' proxies as the image of an XS guest: what the manifest and the bundler do for a
// board.
//
// Promises: what the manifest preloads is preloaded, so that the heap is a board's; so are the proxies and the
// configuration, which a board has in flash as well. The firmware's main module runs last, and is called where it exports a
// function, as on Node. Never: changes a module of the firmware.

import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { type Board, gatherModules, libraryFile, type Module, type Program, packImage, REPOSITORY } from "../xs/image.js";
import type { Creation } from "../xs/presets.js";
import type { Target } from "../xs/toolchain.js";
import { APPLICATION, type Application } from "./application.js";
import { guestModules } from "./table.js";

export type Crypto = "native" | "noble";

/** A firmware's modules, but for its board's configuration. */
export interface Firmware {
  readonly modules: readonly Module[];
  readonly preload: readonly string[];
}

/** What else is flashed; of each is preloaded what a program has. */
const OTHER_IMAGES = ["firmware/manifest-ledger.json", "firmware/manifest-bitcoin.json"];
const START = "start";
const CONFIG = "mc/config";
const GUEST = "host-sim/modules/guest";
const CRYPTO = "chainmote/crypto";
const SCALE_64 = 2;
/** JavaScript, since Node's loader reads it as well. */
const DRIVERS = new URL("./sdk-drivers.mjs", import.meta.url).href;

interface SdkDrivers {
  sdkDrivers(): Readonly<Record<string, string>>;
  isDriver(specifier: string): boolean;
  missingDriver(specifier: string): string;
}

/** What is beneath a firmware, where that is not the proxies of `modules/guest` alone. */
export interface Beneath {
  /** Specifier → file, absolute, in place of the proxy of that name or besides. */
  readonly modules: Readonly<Record<string, string>>;
  /** The module, by its path from the repository's root without extension, whose `deliver` takes the board's notices. */
  readonly deliver: string;
}

/** @param main the firmware's main module, absolute, or an application */
export async function gatherFirmware(main: string | Application, crypto: Crypto, beneath?: Beneath): Promise<Firmware> {
  const program = typeof main === "string" ? programOf(main, crypto, beneath) : await applicationProgram(main, crypto);
  const modules = await gatherModules(program).catch(async (error: unknown) => {
    const { isDriver, missingDriver } = (await import(DRIVERS)) as SdkDrivers;
    const wanted = /Could not resolve "([^"]+)"/.exec(String(error))?.[1];
    throw wanted !== undefined && isDriver(wanted) ? new Error(missingDriver(wanted)) : error;
  });
  return { modules, preload: program.preload ?? [] };
}

/**
 * @param config what `mc/config` exports
 * @param keys where they are, if not with the board's process
 */
export function firmwareImage(
  { modules, preload }: Firmware,
  config: unknown,
  creation: Creation,
  target: Target,
  keys: Omit<Board, "creation"> = {},
): Buffer {
  // As the SDK's own tool writes it: frozen to its depths, by an extension of XS.
  const source = `export default Object.freeze(${JSON.stringify(config ?? {})}, true);\n`;
  const configured = modules.map((module) => (module.name === CONFIG ? { name: CONFIG, source } : module));
  return packImage(configured, { entry: START, preload }, { creation, ...keys }, target === "x64" ? SCALE_64 : 1);
}

function programOf(
  firmware: string,
  crypto: Crypto,
  { modules = {}, deliver = `${GUEST}/bridge` }: Partial<Beneath> = {},
): Program {
  const main = relative(REPOSITORY, firmware).replace(/\.ts$/, "");
  const files = Object.entries({ ...guestModules(), ...modules }).map(([name, file]) => [name, relative(REPOSITORY, file)]);
  const aliases: Record<string, string> = {
    ...Object.fromEntries(files),
    [main]: `${main}.ts`,
    [`${GUEST}/bridge`]: `${GUEST}/bridge.ts`,
    [`${GUEST}/globals`]: `${GUEST}/globals.ts`,
    "host-sim/xs/guest/host": "host-sim/xs/guest/host.ts",
    [deliver]: `${deliver}.ts`,
  };
  aliases[CRYPTO] = `firmware/board/crypto-${crypto}.ts`;
  const sources = {
    [START]: startOf(main, deliver),
    [CONFIG]: "export default {};\n",
  };
  return {
    entry: START,
    aliases,
    slowBytes: crypto === "noble",
    sources,
    preload: preloaded(crypto, [...files.map(([name]) => name as string), deliver]),
  };
}

/** What runs first. */
function startOf(main: string, deliver = `${GUEST}/bridge`): string {
  return `import "${GUEST}/globals";
import { deliver } from "${deliver}";
import { listen } from "host-sim/xs/guest/host";
import * as main from "${main}";
if (typeof main.default === "function") main.default();
listen(deliver);
`;
}

/** A program whose main module is somebody's own: its modules are named by their paths in its folder. */
async function applicationProgram({ folder, main, preload }: Application, crypto: Crypto): Promise<Program> {
  const { sdkDrivers } = (await import(DRIVERS)) as SdkDrivers;
  const program = programOf(main, crypto);
  const own = `${APPLICATION}/main`;
  const { [relative(REPOSITORY, main).replace(/\.ts$/, "")]: file, ...aliases } = program.aliases as Record<string, string>;
  return {
    ...program,
    aliases: { ...sdkDrivers(), ...aliases, [own]: file as string },
    named: { folder, as: APPLICATION },
    sources: { ...program.sources, [START]: startOf(own) },
    preload: [...(program.preload ?? []), ...preload.map((name) => `${APPLICATION}/${name}`)],
  };
}

/** What the manifests preload, as far as this program has it, and what stands for modules that the SDK preloads. */
function preloaded(crypto: Crypto, specifiers: readonly string[]): readonly string[] {
  const proxies = specifiers.filter((name) => name !== CRYPTO);
  // noble-hashes hold typed arrays, so nothing that needs them can be preloaded (test/unit/board/manifest.test.ts).
  const needsHashes = [CRYPTO, "firmware/board/local", "firmware/board/provider"];
  const ours = [...libraryPreloads(), ...OTHER_IMAGES.flatMap((image) => libraryPreloads(image))].filter(
    (name) => crypto === "native" || !needsHashes.includes(name),
  );
  return [...ours, ...proxies, `${GUEST}/*`, "host-sim/xs/guest/host", CONFIG];
}

/**
 * What the standard mote's manifest preloads, and those that it includes, by the names that the modules have here: of a file of the library its path.
 */
export function libraryPreloads(manifest = "manifest.json", seen = new Set<string>()): readonly string[] {
  if (seen.has(manifest)) return [];
  seen.add(manifest);
  const { include = [], preload = [] } = JSON.parse(readFileSync(join(REPOSITORY, manifest), "utf8")) as {
    readonly include?: string | readonly string[];
    readonly preload?: readonly string[];
  };
  const included = [include].flat().filter((path) => path.startsWith("."));
  return [
    ...included.flatMap((path) => libraryPreloads(join(dirname(manifest), path), seen)),
    ...preload.map((name) => libraryFile(name)?.replace(/\.ts$/, "") ?? name),
  ];
}
