// The one table of mirrored modules (modules/table.json): specifier → the mirror on Node, and the proxy on XS.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { REPOSITORY } from "../place.js";

interface Row {
  readonly node: string;
  /** The mirror on Node of a board with `"crypto": "noble"`, where that is another. */
  readonly noble?: string;
  /** Absent where the module is made for each board: its configuration. */
  readonly xs?: string;
}

const MODULES = join(REPOSITORY, "host-sim/modules");

function moduleTable(): Readonly<Record<string, Row>> {
  return JSON.parse(readFileSync(join(MODULES, "table.json"), "utf8")) as Record<string, Row>;
}

/** Specifier → the proxy's file, absolute. */
export function guestModules(): Readonly<Record<string, string>> {
  const files: Record<string, string> = {};
  for (const [specifier, { xs }] of Object.entries(moduleTable())) if (xs !== undefined) files[specifier] = join(MODULES, xs);
  return files;
}
