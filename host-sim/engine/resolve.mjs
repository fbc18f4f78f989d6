// Module resolution on Node: the specifiers of the board's own modules lead to their mirrors, by the one table, and those of the
// library (`chainmote`, `chainmote/…`) to this firmware's files, whatever an application has installed beside it.
//
// Runs in Node's loader thread (module.register), before every other hook. Leaves all other specifiers alone, and third
// parties too, for whom "net" is Node's.

import { existsSync, readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { isDriver, missingDriver, sdkDrivers } from "./sdk-drivers.mjs";

const ours = new URL("../../", import.meta.url).href;
const modules = new URL("../modules/", import.meta.url);
const library = new URL("../../firmware/", import.meta.url);
const table = new Map(Object.entries(JSON.parse(readFileSync(new URL("table.json", modules), "utf8"))));
/** Our own modules are TypeScript in a clone, and JavaScript in the package. */
const isClone = existsSync(new URL("current.ts", modules));

let column = "node";

/** @param {{ readonly crypto?: "noble" }} board what its board.json says */
export function initialize({ crypto } = {}) {
  column = crypto ?? "node";
}

/** The SDK's own, looked for when the first is asked for. */
let drivers;
const sdkRoot = process.env.MODDABLE === undefined ? undefined : pathToFileURL(process.env.MODDABLE).href;

/** @type {import("node:module").ResolveHook} */
export async function resolve(specifier, context, next) {
  if (isThirdParty(context.parentURL ?? "")) return next(specifier, context);
  const row = table.get(specifier);
  const source = row?.[column] ?? row?.node;
  if (source !== undefined) return next(new URL(isClone ? source : source.replace(/\.ts$/, ".js"), modules).href, context);
  const ofSdk = sdkRoot !== undefined && context.parentURL?.startsWith(`${sdkRoot}/`) === true;
  if (isDriver(specifier) || (specifier === "crc" && ofSdk)) {
    drivers ??= sdkDrivers();
    const driver = drivers[specifier];
    // Without a stack: nothing is wrong here.
    if (driver === undefined) throw Object.assign(new Error(missingDriver(specifier)), { stack: "" });
    return { url: pathToFileURL(driver).href, format: "module", shortCircuit: true };
  }
  // The library by its modules' names, as an application imports it on a board.
  const name =
    specifier === "chainmote" ? "index" : specifier.startsWith("chainmote/") ? specifier.slice("chainmote/".length) : "";
  const file = name === "" ? undefined : new URL(`${name}${isClone ? ".ts" : ".js"}`, library);
  return next(file !== undefined && existsSync(file) ? file.href : specifier, context);
}

/** We may lie below a node_modules ourselves. */
function isThirdParty(url) {
  return (url.startsWith(ours) ? url.slice(ours.length) : url).includes("node_modules/");
}
