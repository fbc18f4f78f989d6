// The package as npm would publish it, made of this tree in a folder of its own, and projects that use it.

import { execFileSync, spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../..", import.meta.url));

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** What a program said, and how it ended. */
export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), "chainmote-package-"));
}

/** Builds and packs in `folder`, so that nothing of this tree is touched; answers the tarball. */
export function packed(folder: string): string {
  const copy = join(folder, "copy");
  mkdirSync(copy);
  for (const name of readdirSync(root))
    if (!["node_modules", "build", "dist", "test", ".git"].includes(name) && !name.endsWith(".tgz"))
      cpSync(join(root, name), join(copy, name), { recursive: true, filter: (path) => !path.includes("/.chainmote") });
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
  execFileSync("npm", ["run", "--silent", "pack", "--", "--silent", "--pack-destination", folder], {
    cwd: copy,
    stdio: ["ignore", "ignore", "inherit"],
  });
  const tarball = readdirSync(folder).find((name) => name.endsWith(".tgz"));
  if (tarball === undefined) throw new Error("npm pack left no tarball");
  return join(folder, tarball);
}

/**
 * A project in which the package lies as npm would put it, its dependencies linked from this tree and nothing else there.
 * @param more packages besides its dependencies
 */
export function project(folder: string, tarball: string, more: readonly string[] = []): void {
  const own = join(folder, "node_modules/chainmote");
  mkdirSync(own, { recursive: true });
  execFileSync("tar", ["-xzf", tarball, "-C", own, "--strip-components=1"]);
  const names = new Set<string>();
  const add = (manifest: Manifest): void => {
    for (const name of Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies })) {
      if (names.has(name) || !existsSync(join(root, "node_modules", name, "package.json"))) continue;
      names.add(name);
      add(JSON.parse(readFileSync(join(root, "node_modules", name, "package.json"), "utf8")) as Manifest);
    }
  };
  add(JSON.parse(readFileSync(join(own, "package.json"), "utf8")) as Manifest);
  add({ dependencies: Object.fromEntries(more.map((name) => [name, "*"])) });
  for (const name of names) {
    const link = join(folder, "node_modules", name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(root, "node_modules", name), link);
  }
  const manifest = join(folder, "package.json");
  if (!existsSync(manifest)) writeFileSync(manifest, '{ "private": true, "type": "module" }\n');
}

/** Runs a program in `folder`; its words are `npx chainmote …` where `program` is npx. */
export function run(folder: string, program: string, words: readonly string[]): Promise<Ran> {
  const child = spawn(program, words, { cwd: folder, stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, NO_COLOR: "1" } });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (data) => {
    stdout += data;
  });
  child.stderr.on("data", (data) => {
    stderr += data;
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, stdout, stderr }));
  });
}
