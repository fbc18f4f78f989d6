// Module resolution on Node: the specifiers of the board's own modules lead to their mirrors, by the one table, and those of the
// library (`chainmote/…`) to the firmware's files.
//
// Runs in Node's loader thread (module.register), before every other hook. Leaves all other specifiers alone, and third
// parties too, for whom "net" is Node's.

import { existsSync, readFileSync } from "node:fs";

const modules = new URL("../modules/", import.meta.url);
const library = new URL("../../firmware/", import.meta.url);
const table = new Map(Object.entries(JSON.parse(readFileSync(new URL("table.json", modules), "utf8"))));

let column = "node";

/** @param {{ readonly crypto?: "noble" }} board what its board.json says */
export function initialize({ crypto }) {
  column = crypto ?? "node";
}

/** @type {import("node:module").ResolveHook} */
export async function resolve(specifier, context, next) {
  const row = context.parentURL?.includes("/node_modules/") ? undefined : table.get(specifier);
  const mirror = row?.[column] ?? row?.node;
  if (mirror !== undefined) return next(new URL(mirror, modules).href, context);
  // The library by its modules' names, as an application imports it on a board.
  const file = specifier.startsWith("chainmote/") ? new URL(`${specifier.slice("chainmote/".length)}.ts`, library) : undefined;
  return next(file !== undefined && existsSync(file) ? file.href : specifier, context);
}
