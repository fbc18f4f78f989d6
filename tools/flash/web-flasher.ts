// A page that flashes boards from a browser that has Web Serial: ESP Web Tools (the npm package esp-web-tools, whole, so that the page asks
// nobody else for anything), its manifest, and the images.
//
// Promises: the manifest is one that the package's own type takes, one build for each chip; the folder needs a server of files alone. Never:
// images of the profile production, for a page asks nobody for the board's MAC.

import { copyFileSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Build, Manifest } from "esp-web-tools/dist/const.js";
import { packageFolder } from "../../host-sim/packages.js";
import { readImageHeader } from "../image/app-image.js";
import type { ImageFolder } from "../image/image-folder.js";
import { needPackages, WEB_FLASHER } from "../optional.js";
import { CommandError, count, plainText } from "../terminal.js";
import { chipName } from "./chips.js";

const MANIFEST_FILE = "manifest.json";
const PAGE_FILE = "index.html";
const TOOLS_FOLDER = "esp-web-tools";

/** What the page is of. @throws CommandError where a browser could not tell two of them apart */
export function webManifest(images: readonly ImageFolder[]): Manifest {
  const builds: Build[] = [];
  for (const { board, chip, parts, profile } of images) {
    if (profile === "production")
      throw new CommandError(
        "a page asks nobody for the board's MAC: production images are flashed by chainmote flash --profile production",
      );
    const chipFamily = chipName(chip) as Build["chipFamily"];
    const other = images.find((one) => one.board !== board && one.chip === chip);
    if (other !== undefined)
      throw new CommandError(
        `${board} and ${other.board} have the same chip, and a browser cannot tell them apart: take one's folder away`,
      );
    builds.push({ chipFamily, parts: parts.map(({ path, offset }) => ({ path: `${board}/${path}`, offset })) });
  }
  const [first] = images;
  if (first === undefined) throw new CommandError("there are no images for the page");
  return { name: first.name, version: versionOf(first), new_install_prompt_erase: true, builds };
}

/** What the application says of itself. */
function versionOf({ parts }: ImageFolder): string {
  const app = parts.find(({ name }) => name === "app");
  return (app === undefined ? undefined : readImageHeader(app.bytes)?.application?.version) || "unknown";
}

/** Writes the folder anew, and answers the page's path. */
export function writeWebFlasher(images: readonly ImageFolder[], into: string): string {
  const manifest = webManifest(images);
  needPackages([WEB_FLASHER]);
  rmSync(into, { recursive: true, force: true });
  const tools = join(packageFolder(WEB_FLASHER) as string, "dist/web");
  mkdirSync(join(into, TOOLS_FOLDER), { recursive: true });
  for (const file of readdirSync(tools)) copyFileSync(join(tools, file), join(into, TOOLS_FOLDER, file));
  for (const { board, parts } of images) {
    mkdirSync(join(into, board));
    for (const { path, bytes } of parts) writeFileSync(join(into, board, path), bytes);
  }
  writeFileSync(join(into, MANIFEST_FILE), `${JSON.stringify(manifest, null, 2)}\n`);
  const page = join(into, PAGE_FILE);
  writeFileSync(page, pageOf(manifest, images));
  return page;
}

const escaped = (text: string): string => plainText(text, 60).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

function pageOf({ name, version }: Manifest, images: readonly ImageFolder[]): string {
  const rows = images.map(({ board, chip, parts }) => {
    const bytes = parts.reduce((sum, part) => sum + part.bytes.length, 0);
    return `<tr><td>${escaped(board)}</td><td>${chipName(chip)}</td><td>${count(bytes)} bytes</td></tr>`;
  });
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8" />
<meta name="viewport" content="width=device-width" />
<title>${escaped(name)}</title>
<link rel="icon" href="data:," />
<style>
  :root { color-scheme: light dark; --line: light-dark(#ccc, #555) }
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 40rem; margin: 2rem auto; padding: 0 1rem }
  h1 { font-size: 1.5rem; overflow-wrap: anywhere }
  table { border-collapse: collapse; font-variant-numeric: tabular-nums }
  td { padding: .35rem 1.5rem .35rem 0; border-top: 1px solid var(--line) }
</style>
<h1>${escaped(name)} ${escaped(version)}</h1>
<p>Plug one of these boards in, and press the button. Its key and its journal stay, unless you choose to erase the device.</p>
<table id="boards">
${rows.join("\n")}
</table>
<p><esp-web-install-button manifest="${MANIFEST_FILE}">
  <button slot="activate">Install</button>
  <span slot="unsupported">This browser has no Web Serial: Chrome and Edge have, on a computer.</span>
  <span slot="not-allowed">Web Serial works over https, and on localhost.</span>
</esp-web-install-button></p>
<script type="module" src="${TOOLS_FOLDER}/install-button.js"></script>
</html>
`;
}
