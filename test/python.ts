// Programs in Python for tests: libraries of others, out of build/python, where test/python-packages.txt says how to put them.
//
// Promises: a test that cannot have them says so in one line, with what to do, and is skipped. Never installs anything.

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const env = {
  ...process.env,
  PYTHONPATH: [join(root, "build", "python"), process.env.PYTHONPATH ?? ""].filter((path) => existsSync(path)).join(delimiter),
};

export interface PythonResult {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program in Python; undefined where a module that it needs is not here. */
export function pythonWith(...modules: readonly string[]): ((program: string, ...words: string[]) => PythonResult) | undefined {
  const run = (...words: string[]): PythonResult => spawnSync("python3", words, { encoding: "utf8", env });
  const found = run("-c", modules.map((name) => `import ${name}`).join("\n"));
  if (found.status === 0) return run;
  const why = found.stderr?.trim().split("\n").at(-1) ?? "no python3";
  console.log(`skipped: ${why} (test/python-packages.txt says how to get it)`);
  return undefined;
}
