// The Moddable SDK and ESP-IDF on this machine: where they are, or how to get them.
//
// Promises: all that is missing is said at once, a line for each with where it comes from. Never: installs, or runs anything of theirs.

import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { packageFolder } from "../../host-sim/packages.js";
import { REPOSITORY } from "../../host-sim/place.js";
import { libraryFault, NATIVE_COMMAND } from "../../host-sim/xs/libsecp256k1.js";
import { plainText } from "../terminal.js";

export interface SdkTools {
  readonly moddable: string;
  readonly idf: string;
  readonly env: NodeJS.ProcessEnv;
}

/** What brings both; its second line needs the first. */
export const XS_DEV = "npm install -g xs-dev && xs-dev setup";
export const XS_DEV_IDF = "xs-dev setup --device esp32";
const SDK_GUIDE = 'github.com/Moddable-OpenSource/moddable, "Getting Started"';
const IDF_GUIDE = "the SDK's documentation/devices/esp32.md";
/** Where xs-dev and the SDK's guide put them, from the home folder. */
const SDK_PLACES = [".local/share/moddable", "Projects/moddable"];
const IDF_PLACES = [".local/share/esp32/esp-idf", "esp32/esp-idf-v6.0", "esp32/esp-idf"];
const SDK_PROGRAMS = ["mcconfig", "xsc", "xsid", "xsl"];

/** The folder of the SDK's tools for this system. */
function toolFolder(moddable: string): string {
  const system = { darwin: "mac", win32: "win" }[process.platform as string] ?? "lin";
  return join(moddable, "build/bin", system, "release");
}

/** The SDK's folder: MODDABLE, else where its installers put it; else what is missing. */
export function findModdable(env: NodeJS.ProcessEnv = process.env, home = homedir()): string | { readonly missing: string } {
  const named = env.MODDABLE ?? "";
  const folder =
    named !== "" ? named : SDK_PLACES.map((place) => join(home, place)).find((place) => existsSync(join(place, "tools")));
  if (folder === undefined) return { missing: `the Moddable SDK is not here (MODDABLE names none): ${XS_DEV}, or ${SDK_GUIDE}` };
  const lacking = SDK_PROGRAMS.find((program) => !existsSync(join(toolFolder(folder), program)));
  if (lacking === undefined) return folder;
  return {
    missing: `the Moddable SDK in ${plainText(folder, 200)} has no built tool ${lacking}: ${XS_DEV}, or build its tools as ${SDK_GUIDE} says`,
  };
}

/** ESP-IDF's folder: IDF_PATH, else where its installers put it; else what is missing. */
export function findIdf(env: NodeJS.ProcessEnv = process.env, home = homedir()): string | { readonly missing: string } {
  const named = env.IDF_PATH ?? "";
  const folder =
    named !== "" ? named : IDF_PLACES.map((place) => join(home, place)).find((place) => existsSync(join(place, "tools/idf.py")));
  if (folder !== undefined && existsSync(join(folder, "tools/idf.py"))) return folder;
  const where = named === "" ? "IDF_PATH names none" : `${plainText(named, 200)} has no tools/idf.py`;
  return { missing: `ESP-IDF is not here (${where}): ${XS_DEV_IDF}, or ${IDF_GUIDE}` };
}

/** Everything that a build for a board needs, or the lines that say what is missing. */
export async function findSdkTools(application: string): Promise<SdkTools | { readonly missing: readonly string[] }> {
  const missing: string[] = [];
  const [moddable, idf] = [findModdable(), findIdf()];
  for (const found of [moddable, idf]) if (typeof found !== "string") missing.push(found.missing);
  const library = await libraryFault();
  if (library !== undefined) missing.push(`the C sources of the native engine are not here: ${NATIVE_COMMAND}`);
  const compilers = [application, REPOSITORY].map((folder) => join(folder, "node_modules/.bin")).filter((bin) => existsSync(bin));
  if (packageFolder("typescript") === undefined && !compilers.some((bin) => existsSync(join(bin, "tsc"))))
    missing.push("TypeScript's compiler is not here: npm install --save-dev typescript");
  if (missing.length > 0 || typeof moddable !== "string" || typeof idf !== "string") return { missing };
  const path = [toolFolder(moddable), ...compilers, process.env.PATH ?? ""].join(delimiter);
  return { moddable, idf, env: { ...process.env, MODDABLE: moddable, IDF_PATH: idf, PATH: path } };
}
