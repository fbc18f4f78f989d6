// `npm run sizes`: how large the package is, packed and installed with all that it needs, as README.md states it. `--accept` writes it there.
// Needs a registry.

import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { packed, root, run, temporaryFolder } from "./packed.js";

const README = join(root, "README.md");
const STATED = /It is ([\d.]+) MB packed, and ([\d.]+) MB in (\d+) packages once installed/;

export interface Sizes {
  /** Of the tarball, in MB. */
  readonly packed: number;
  /** Of node_modules, in MB. */
  readonly installed: number;
  readonly packages: number;
}

/** @param app a project with the package and nothing else */
export function sizesOf(app: string, tarball: string): Sizes {
  const modules = join(app, "node_modules");
  const files = readdirSync(modules, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const bytes = files.reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
  const { packages } = JSON.parse(readFileSync(join(modules, ".package-lock.json"), "utf8")) as { packages: object };
  return { packed: statSync(tarball).size / 1e6, installed: bytes / 1e6, packages: Object.keys(packages).length };
}

/** What README.md says. */
export function statedSizes(): Sizes {
  const [, tarball, installed, packages] = STATED.exec(readFileSync(README, "utf8")) ?? [];
  return { packed: Number(tarball), installed: Number(installed), packages: Number(packages) };
}

async function main(): Promise<void> {
  const work = temporaryFolder();
  try {
    const tarball = packed(work);
    const app = join(work, "app");
    mkdirSync(app);
    writeFileSync(join(app, "package.json"), '{ "private": true }\n');
    const { code, stderr } = await run(app, "npm", ["install", "--no-audit", "--no-fund", "--ignore-scripts", tarball]);
    if (code !== 0) throw new Error(stderr);
    const sizes = sizesOf(app, tarball);
    const line = `It is ${sizes.packed.toFixed(2)} MB packed, and ${sizes.installed.toFixed(1)} MB in ${sizes.packages} packages once installed`;
    console.log(line);
    if (process.argv.includes("--accept")) writeFileSync(README, readFileSync(README, "utf8").replace(STATED, line));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) await main();
