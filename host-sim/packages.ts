// Packages that not everybody needs: the nodes, the stores, the C sources of the engine. npm ci brings all of them to a clone; whoever
// installs this package names those that he wants (`peerDependencies`, all optional).
//
// Promises: the line that brings what is missing names the versions that this package was tested with. Never: loads a package.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { BUILT, REPOSITORY } from "./place.js";

const require = createRequire(import.meta.url);

/** A package's folder, whether or not its `exports` shows package.json; undefined where it is not installed. */
export function packageFolder(name: string): string | undefined {
  for (const folder of require.resolve.paths(name) ?? []) {
    try {
      return dirname(require.resolve(join(folder, name, "package.json")));
    } catch {} // not installed here
  }
  return undefined;
}

/** Those of `names` that are not installed. */
export function missingPackages(names: readonly string[]): readonly string[] {
  return names.filter((name) => packageFolder(name) === undefined);
}

/** The command that brings packages. None of them needs its install script, and one has a script that asks for tools and a path without spaces. */
export function installLine(names: readonly string[], built = BUILT): string {
  if (!built) return "npm ci";
  const { peerDependencies: versions } = JSON.parse(readFileSync(join(REPOSITORY, "package.json"), "utf8")) as {
    peerDependencies: Readonly<Record<string, string>>;
  };
  return `npm install --ignore-scripts ${names.map((name) => `${name}@${versions[name] ?? "latest"}`).join(" ")}`;
}
