// chainmote build: an image for a board, by the Moddable SDK and ESP-IDF, in a folder that chainmote flash and a web page write as it is.

import { existsSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { BOARD_NAMES } from "../../host-sim/boards.js";
import { writeWebFlasher } from "../flash/web-flasher.js";
import {
  IMAGES_FILE,
  type ImageFolder,
  isProfile,
  PROFILES,
  type Profile,
  readImageFolder,
  unsignedPart,
} from "../image/image-folder.js";
import { partitionUses, sizeLines } from "../image/size-report.js";
import { readWords, type Words } from "../options.js";
import { type BoardBuild, collectImages, forgetLinked, mcconfigCommand, runCommand, shownCommand } from "../sdk/board-build.js";
import { findSdkTools, type SdkTools } from "../sdk/sdk-tools.js";
import { signImages } from "../sdk/signing.js";
import { targetNamed } from "../sdk/target.js";
import { CommandError, type Output, plainText, shownPath, UsageError } from "../terminal.js";

export const usage = `chainmote build BOARD [BOARD …] [--profile dev|production] [--app DIR] [--output DIR] [--web] [--json]

Builds the application in a folder (its manifest.json) for boards, with mcconfig of the Moddable SDK, and prints the command that it runs,
what the image takes of each partition, and the heap. The images lie in DIR/build/boards/BOARD-PROFILE with images.json; chainmote flash
writes such a folder, here or on a machine without SDK and ESP-IDF.

  BOARD          ${BOARD_NAMES.join(", ")}, or a target of the SDK with one of their chips (esp32c3_cdc, ethernet_kit)
  --app DIR      the application's folder, or its manifest (default: this folder)
  --profile P    ${PROFILES.join(" or ")} (default dev); docs/flashing.md says what production burns for ever
  --signing-key FILE  signs bootloader and firmware for secure boot, by Espressif's espsecure (ESP-IDF's, or pip install esptool): an
                 RSA-3072 key in PEM, kept by whoever may ever update these boards
  --debug        with the SDK's debugger
  --output DIR   where the images go (default: build/boards below the application)
  --web          also a page that flashes the boards built so far from a browser (ESP Web Tools), in OUTPUT/web; without BOARD that alone
  --print        prints the command, and runs nothing
  --json         the result as one object; what the tools say goes to stderr

It needs the Moddable SDK (MODDABLE) and ESP-IDF (IDF_PATH), and says how to get them where they are not here.

Examples:
  chainmote build esp32c3 --app my-mote
  chainmote build esp32c3 esp32s3 --profile production --signing-key secure-boot.pem --web`;

const BOARDS_MAX = 16;
const WEB = "web";

interface Application {
  readonly folder: string;
  readonly manifest: string;
  readonly name: string;
}

export function read(words: readonly string[]): Words {
  return readWords(
    words,
    {
      app: { type: "string" },
      profile: { type: "string" },
      output: { type: "string" },
      "signing-key": { type: "string" },
      debug: { type: "boolean" },
      web: { type: "boolean" },
      print: { type: "boolean" },
      json: { type: "boolean" },
    },
    BOARDS_MAX,
  );
}

export async function run(words: readonly string[], output: Output): Promise<number> {
  const options = read(words);
  const names = [...new Set(options.others)];
  const web = options.has("web");
  if (names.length === 0 && !web) throw new UsageError(`the board's name is missing: ${BOARD_NAMES.join(", ")}`);
  const profile = profileOf(options);
  if (options.text("signing-key") !== undefined && profile !== "production")
    throw new UsageError("--signing-key is for --profile production: nothing else looks at a signature");
  const application = applicationIn(options.text("app") ?? ".");
  const into = resolve(options.text("output") ?? join(application.folder, "build/boards"));
  const built: ImageFolder[] = [];
  if (names.length > 0) {
    const tools = await toolsOf(application.folder, "build", output);
    const builds = names.map((name) => buildOf(name, tools, application, profile, into, options.has("debug")));
    for (const build of builds) {
      const images = await buildOne(build, tools, options, output);
      if (images !== undefined) built.push(images);
    }
  }
  if (web && !options.has("print")) {
    const page = writeWebFlasher(builtIn(into, profile), join(into, WEB));
    if (!options.has("json")) output.line(`web     ${shownPath(page)}; any server of files will do, over https or on localhost`);
  }
  if (options.has("json") && !options.has("print")) output.line(JSON.stringify(built.map(resultOf)));
  return 0;
}

export function profileOf(options: Words): Profile {
  const profile = options.text("profile") ?? "dev";
  if (!isProfile(profile)) throw new UsageError(`--profile takes ${PROFILES.join(" or ")}, not "${plainText(profile, 40)}"`);
  return profile;
}

/** @param path the application's folder, or its manifest */
export function applicationIn(path: string): Application {
  const found = statSync(path, { throwIfNoEntry: false });
  const manifest = resolve(found?.isDirectory() === true ? join(path, "manifest.json") : path);
  if (!existsSync(manifest))
    throw new CommandError(
      `${plainText(path, 200)} has no manifest.json: chainmote new DIR writes an application, or name one by --app`,
    );
  const folder = resolve(manifest, "..");
  return { folder, manifest, name: basename(folder) };
}

/** What a build needs. @throws CommandError: of what is missing each has a line on stderr, the last one in the error */
export async function toolsOf(application: string, verb: string, output: Output): Promise<SdkTools> {
  const tools = await findSdkTools(application);
  if (!("missing" in tools)) return tools;
  for (const line of tools.missing.slice(0, -1)) output.error(`chainmote ${verb}: ${line}`);
  throw new CommandError(tools.missing.at(-1) as string);
}

function buildOf(
  name: string,
  tools: SdkTools,
  application: Application,
  profile: Profile,
  into: string,
  debug: boolean,
): BoardBuild {
  const target = targetNamed(name, tools.moddable);
  return { target, ...application, profile, debug, into: join(into, `${name}-${profile}`) };
}

async function buildOne(build: BoardBuild, tools: SdkTools, options: Words, output: Output): Promise<ImageFolder | undefined> {
  mkdirSync(build.into, { recursive: true });
  const command = mcconfigCommand(build, tools);
  if (options.has("print")) {
    output.line(shownCommand(command));
    return undefined;
  }
  if (!options.has("json")) output.line(shownCommand(command));
  forgetLinked(build);
  await runCommand(command, options.has("json") ? "stderr" : "inherit");
  const key = options.text("signing-key");
  const images = key === undefined ? collectImages(build) : await signImages(collectImages(build), key, tools.env);
  if (options.has("json")) return images;
  output.line(`built   ${build.name} for ${build.target.name}, ${build.profile}: ${shownPath(build.into)}`);
  for (const line of sizeLines(images, build.target.board.name)) output.line(line);
  if (build.profile === "production" && unsignedPart(images) !== undefined)
    output.line("        not signed, so chainmote flash will not take it: --signing-key FILE");
  output.line(
    `next    chainmote flash ${shownPath(build.into)} --port PORT${build.profile === "dev" ? "" : ` --profile ${build.profile}`}`,
  );
  return images;
}

function resultOf(images: ImageFolder): object {
  const { folder, name, board, chip, profile } = images;
  return { folder, name, board, chip, profile, partitions: partitionUses(images) };
}

/** What lies built of a profile in a folder, whenever it was. */
function builtIn(into: string, profile: Profile): readonly ImageFolder[] {
  const folders = existsSync(into) ? readdirSync(into).filter((name) => existsSync(join(into, name, IMAGES_FILE))) : [];
  const images = folders.map((name) => readImageFolder(join(into, name))).filter((one) => one.profile === profile);
  if (images.length === 0)
    throw new CommandError(`${plainText(into, 200)} has no images with the profile ${profile}: chainmote build BOARD first`);
  return images;
}
