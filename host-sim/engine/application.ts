// An application of somebody's own on a simulated board: a folder with `main.ts`, as `chainmote new` writes it (docs/api.md).
//
// Promises: it imports the runtime by the names that it has on a board (`chainmote`, `chainmote/board/provider`, `chainmote/crypto`,
// `chainmote/sensor/…`), and gets this very runtime, whatever is installed beside it; what its manifest preloads is preloaded on XS.
// Where `board.ts` is there, it says which parts are soldered to the simulated board besides ours: its default export is called
// with the board (hardware/board.ts) before the firmware starts. Never: builds or installs anything in the folder.

import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

export interface Application {
  /** Absolute. */
  readonly folder: string;
  /** File of the main module, absolute. */
  readonly main: string;
  /** File whose default export attaches parts to the simulated board, absolute. */
  readonly parts?: string;
  /** Modules that its manifest preloads, by their paths in the folder, without extension. */
  readonly preload: readonly string[];
}

/** Under which its modules stand in an image of XS. */
export const APPLICATION = "application";

/** The application in `folder`, or what is wrong with it. */
export function applicationIn(folder: string): Application | { readonly fault: string } {
  const path = resolve(folder);
  const main = join(path, "main.ts");
  if (!existsSync(main)) return { fault: "there is no main.ts in it; npx chainmote new DIR writes one" };
  if (!isModule(path)) return { fault: 'its package.json says no "type": "module", and main.ts is an ES module' };
  const parts = join(path, "board.ts");
  return { folder: path, main, ...(existsSync(parts) ? { parts } : {}), preload: preloadOf(join(path, "manifest.json")) };
}

/** Node reads a TypeScript file as its package.json says, the nearest one above it. */
function isModule(folder: string): boolean {
  for (let at = folder; ; at = dirname(at)) {
    const file = join(at, "package.json");
    if (existsSync(file)) return (objectIn(file) as { type?: unknown }).type === "module";
    if (dirname(at) === at) return false;
  }
}

function preloadOf(manifest: string): readonly string[] {
  const { preload } = (existsSync(manifest) ? objectIn(manifest) : {}) as { preload?: unknown };
  return Array.isArray(preload) ? preload.filter((name): name is string => typeof name === "string") : [];
}

/** Empty where it is none: what is wrong with it is its own tools' to say. */
function objectIn(file: string): object {
  try {
    const value: unknown = JSON.parse(readFileSync(file, "utf8"));
    return typeof value === "object" && value !== null ? value : {};
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}
