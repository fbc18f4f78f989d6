// chainmote new: writes an application of one's own, with a sensor, a test in the simulator, and what runs it on GitHub.
//
// Promises: the folder is new or empty, or nothing is written; what is written names the versions that this package was tested with.

import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { REPOSITORY } from "../../host-sim/place.js";
import { readWords, type Words } from "../options.js";
import { CommandError, type Output, plainText, UsageError } from "../terminal.js";

export const usage = `chainmote new DIR [--from SPEC]

Writes an application into the folder DIR: main.ts, a sensor of its own, config.json, a manifest that includes the library, a test that
runs it in the simulator, a workflow for GitHub, settings for an editor. Then: cd DIR && npm install && npm test

  --from SPEC  what npm installs chainmote from (default: what it was installed from here; a tarball or a folder will do)

Example:
  chainmote new my-mote`;

const APPLICATION = join(REPOSITORY, "tools/new/application");
/** npm publishes no file of this name. */
const IGNORE = "gitignore";

interface Manifest {
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

export function read(words: readonly string[]): Words {
  return readWords(words, { from: { type: "string" } }, 1);
}

export async function run(words: readonly string[], output: Output): Promise<number> {
  const options = read(words);
  const given = options.others[0];
  if (given === undefined) throw new UsageError("the folder's name is missing");
  const folder = resolve(given);
  const found = statSync(folder, { throwIfNoEntry: false });
  if (found !== undefined && (!found.isDirectory() || readdirSync(folder).length > 0))
    throw new CommandError(`${plainText(given, 200)} is there already, and not empty`);
  const { version, dependencies, devDependencies } = JSON.parse(
    readFileSync(join(REPOSITORY, "package.json"), "utf8"),
  ) as Manifest;
  const versions = { ...dependencies, ...devDependencies };
  const from = options.text("from");
  // A path is the caller's, from where he is; npm would take it from the new folder.
  const spec = from === undefined ? (installedFrom() ?? version) : existsSync(from) ? `file:${resolve(from)}` : from;
  for (const name of readdirSync(APPLICATION, { recursive: true, encoding: "utf8" })) {
    if (!statSync(join(APPLICATION, name)).isFile()) continue;
    const text = readFileSync(join(APPLICATION, name), "utf8")
      .replaceAll("NAME", packageName(folder))
      .replaceAll('"CHAINMOTE"', JSON.stringify(spec))
      .replaceAll("KECCAK", versions.keccak ?? "latest")
      .replace(/"([^"]+)": "VERSION"/g, (_, wanted: string) => `"${wanted}": "${versions[wanted] ?? "latest"}"`);
    const path = join(folder, name === IGNORE ? ".gitignore" : name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text, { flag: "wx" });
  }
  output.line(`an application is in ${plainText(folder, 200)}; its README.md says what is what`);
  output.line(`cd ${/^[\w./-]+$/.test(given) ? given : JSON.stringify(given)} && npm install && npm test`);
  return 0;
}

const PROJECT = /^(.+)[\\/]node_modules[\\/]chainmote$/;
/** A version, a range or a tag: of a registry. */
const OF_REGISTRY = /^[\w.^~<>=|*+ -]*$/;

/** What the project that has this package names it by, where that is a tarball, a folder or a repository: no registry may have this version. */
function installedFrom(): string | undefined {
  const project = PROJECT.exec(REPOSITORY)?.[1];
  const file = project === undefined ? undefined : join(project, "package.json");
  if (project === undefined || file === undefined || !existsSync(file)) return undefined;
  const { dependencies, devDependencies } = JSON.parse(readFileSync(file, "utf8")) as Partial<Manifest>;
  const named = dependencies?.chainmote ?? devDependencies?.chainmote;
  if (named === undefined || OF_REGISTRY.test(named)) return undefined;
  const path = /^file:(.+)$/.exec(named)?.[1];
  return path === undefined ? named : `file:${resolve(project, path)}`;
}

/** As npm takes it: from the folder's. */
function packageName(folder: string): string {
  const name = basename(folder)
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, "-")
    .replace(/^[._-]+|[._-]+$/g, "");
  return name === "" || name === "chainmote" ? "my-mote" : name.slice(0, 200);
}
