// In place of tsx for a program that test/compiled.ts has compiled: a board or a command of ours. Named by CHAINMOTE_LOADER, with the
// folder of that run as `?folder=`; any other program gets tsx.
//
// Promises: in one process every module of ours is of that folder, or none is, so that no module is there twice.
// Never: guesses: a TypeScript module that a compiled program wants and that was not compiled ends the program, and is named.

import { existsSync, readFileSync } from "node:fs";
import { register } from "node:module";
import { join, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { isMainThread } from "node:worker_threads";

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = new URL(import.meta.url).searchParams.get("folder") ?? "";

/** @param {string} path of a source @returns {string} where it lies compiled, if it does */
function compiledOf(path) {
  return join(folder, relative(root, path).replace(/\.ts$/, ".js"));
}

/** Whether all that this program will load was compiled. */
function isCompiled() {
  const [, program = "", directory = "", firmware = "", , engine] = process.argv;
  const name = relative(root, program);
  if (name === "tools/chainmote.mjs" || name === "test/xs/session-process.ts") return true;
  if (name !== "host-sim/engine/board.mjs") return false;
  const { parts, crypto } = JSON.parse(readFileSync(join(directory, "board.json"), "utf8"));
  return parts === undefined && crypto === undefined && (engine !== undefined || existsSync(compiledOf(firmware)));
}

/**
 * In Node's loader thread, where this file is loaded once more, by the same name.
 * @type {import("node:module").ResolveHook}
 */
export async function resolve(specifier, context, next) {
  const found = await next(specifier, context);
  if (!found.url.startsWith("file:") || !found.url.endsWith(".ts")) return found;
  const path = compiledOf(fileURLToPath(found.url));
  if (!existsSync(path)) throw new Error(`${found.url} is not compiled: add it to the programs of test/compiled.ts`);
  return { url: pathToFileURL(path).href, format: "module", shortCircuit: true };
}

if (isMainThread) {
  if (isCompiled()) {
    process.setSourceMapsEnabled(true);
    register(import.meta.url);
  } else await import("tsx");
}
